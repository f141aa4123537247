"""What replicas tell each other of their evidence logs: ours is posted, theirs are looked at.

The notary says what it has signed and asks what has moved, and never waits: the store is spoken
to in a thread of its own. The trap: what is read there may be anybody's. Only a checkpoint that
a key of its own log has signed is passed on; it then is evidence against that log's keeper, too.
Who can write there can post a log of their own: that it counts is for the auditor to notice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from federation.control.threads import LATER, Errands
from federation.errors import Unavailable
from federation.evidence.checkpoints import BadCheckpoint, Checkpoint, checkpoint_line
from federation.evidence.witnesses import Witness, read_posted
from federation.storage.posted_checkpoints import MOST_LOGS, Posted

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""Between two looks whether there is something to post."""


class PostedStore(Protocol):
    """The newest checkpoint of every replica's log."""

    def post(self, posted: Posted) -> None:
        """Keep a log's newest checkpoint; an older one than is there changes nothing."""
        ...

    def list(self) -> list[Posted]:
        """The newest of each log, by the log's id, of `MOST_LOGS` at most."""
        ...


class Witnesses:
    """One replica's part; `sealed`, `moved` and `told` are the notary's thread's."""

    def __init__(self, replica: str, store: PostedStore) -> None:
        self._replica = replica
        self._store = store
        self._thread = Errands("witnesses", LATER)
        self._newest: Posted | None = None
        self._posted: Posted | None = None
        self._seen: dict[str, Witness] = {}
        self._rows: dict[str, bytes] = {}
        self._recorded: dict[str, int] = {}
        self._refused: set[str] = set()
        self._silent = False

    def sealed(self, checkpoint: Checkpoint, keys: Sequence[bytes]) -> None:
        """Our log has come to this. Never blocks; it is posted soon, or the next one is."""
        body = checkpoint.body
        line = checkpoint_line(checkpoint.raw, checkpoint.signature)
        self._newest = Posted(body.log, self._replica, body.n, line, b"".join(keys))

    def moved(self) -> list[Witness]:
        """The logs of others that have moved since they were last `told`, as last looked at."""
        return [
            seen
            for name, seen in sorted(self._seen.items())
            if seen.checkpoint.body.n > self._recorded.get(name, -1)
        ]

    def told(self, witness: Witness) -> None:
        """It is on record."""
        body = witness.checkpoint.body
        self._recorded[body.log] = body.n

    async def follow(self) -> None:
        """Post and look until cancelled. Raises only what is a bug."""
        while True:
            await self._thread.run(self.exchange)
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """Post what was sealed last, where that can be done, and end the thread.

        May be cancelled: a store that does not answer then has the thread to itself.
        """
        try:
            await self._thread.run(self.exchange)
        finally:
            self._thread.close(wait=False)

    def exchange(self) -> None:
        """Post our newest, and look at the others' with it: who seals nothing needs no news.

        Blocks as long as the store does. Where that is away, all of it is done later.
        """
        newest = self._newest
        if newest is None or newest == self._posted:
            return
        try:
            self._store.post(newest)
            everybody = self._store.list()
        except Unavailable as error:
            if not self._silent:
                log.warning("other logs are not witnessed", extra={"reason": error.message})
            self._silent = True
            return
        self._silent = False
        self._posted = newest
        for posted in everybody:
            if posted.log == newest.log:
                self._own(posted, newest)
            else:
                self._look(posted)
        self._refused &= {posted.log for posted in everybody}

    def _look(self, posted: Posted) -> None:
        before = self._seen.get(posted.log)
        if before is not None and before.checkpoint.body.n >= posted.n:
            return
        try:
            if before is None and len(self._seen) >= MOST_LOGS:
                raise BadCheckpoint("there are more logs than are looked at")
            seen = read_posted(posted.replica, posted.n, posted.line, posted.keys)
            if seen.checkpoint.body.log != posted.log:
                raise BadCheckpoint("it is of another log")
            if not posted.keys.startswith(self._rows.get(posted.log, b"")):
                raise BadCheckpoint("its row of keys lacks one that it had")
        except BadCheckpoint as error:
            self._complain(posted, f"the checkpoint posted for it is not its own: {error}")
            return
        self._refused.discard(posted.log)
        self._seen[posted.log], self._rows[posted.log] = seen, posted.keys

    def _own(self, posted: Posted, newest: Posted) -> None:
        """Somebody signs with our log's key who is not us, or we are an older copy."""
        if (posted.n, posted.line) == (newest.n, newest.line):
            self._refused.discard(posted.log)
        else:
            self._complain(
                posted,
                f"the others know checkpoint {posted.n} of this log, which does not hold it: "
                "the data directory is an older copy, or is in use twice",
            )

    def _complain(self, posted: Posted, reason: str) -> None:
        if posted.log not in self._refused:
            extra = {"log": posted.log, "replica": posted.replica, "reason": reason}
            log.error("an evidence log is contradicted", extra=extra)
        self._refused.add(posted.log)
