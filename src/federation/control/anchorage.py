"""The anchors of one log: what each has taken, and what is owed to it.

A checkpoint vouches for all before it, so an anchor that was away is owed the newest only. What
each has taken is kept beside the log: who asks may be another process, or come after a restart.
The trap: a checkpoint is in the log before it is anchored, so nothing here may fail.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from federation.errors import Unavailable
from federation.evidence.checkpoints import Checkpoint, checkpoint_line
from federation.storage.anchors import Anchor

log = logging.getLogger(__name__)

_NAME: Final = "anchored.json"


class Anchored(msgspec.Struct, frozen=True):
    """How one anchor stands. Times are Unix milliseconds."""

    name: str
    checkpoint: int | None = None
    """The newest that it has taken."""
    at_ms: int | None = None
    """When it took that one."""
    failing_ms: int | None = None
    """Since when it takes none; none while it does."""
    reason: str = ""


class Anchorage:
    """Not for several threads at once, but for `anchored`."""

    def __init__(
        self, anchors: Sequence[Anchor], directory: Path, clock: Callable[[], float]
    ) -> None:
        """`directory` is the log's."""
        self.anchored = tuple(Anchored(anchor.name) for anchor in anchors)
        """How each stands, in the order of the configuration; replaced as a whole."""
        self._anchors = anchors
        self._directory = directory
        self._clock = clock
        self._kept = True

    def resume(self) -> None:
        """Go on from what was known before the last start."""
        before = {each.name: each for each in read_anchored(self._directory)}
        self.anchored = tuple(before.get(each.name, each) for each in self.anchored)
        self._keep()

    def put(self, checkpoint: Checkpoint) -> None:
        """Hand a checkpoint's short line to each that has not taken it."""
        stand = []
        for anchor, known in zip(self._anchors, self.anchored, strict=True):
            if known.checkpoint == checkpoint.body.n and known.failing_ms is None:
                stand.append(known)
            else:
                stand.append(self._handed(anchor, known, checkpoint))
        if tuple(stand) != self.anchored:
            self.anchored = tuple(stand)
            self._keep()

    def _handed(self, anchor: Anchor, known: Anchored, checkpoint: Checkpoint) -> Anchored:
        now_ms = int(self._clock() * 1000)
        line = checkpoint_line(checkpoint.raw, checkpoint.signature)
        try:
            anchor.put(line, checkpoint.body.at_ms)
        except Unavailable as error:
            if known.failing_ms is None:
                log.error("a checkpoint could not be anchored", extra={"reason": error.message})  # noqa: TRY400
            since_ms = now_ms if known.failing_ms is None else known.failing_ms
            return msgspec.structs.replace(known, failing_ms=since_ms, reason=error.message)
        if known.failing_ms is not None:
            log.info("checkpoints are anchored again", extra={"anchor": anchor.name})
        return Anchored(anchor.name, checkpoint.body.n, now_ms)

    def _keep(self) -> None:
        """Write it down; who reads the file then knows less, and thinks an anchor is behind."""
        draft = self._directory / f"{_NAME}.new"
        try:
            draft.write_bytes(msgspec.json.encode(self.anchored))
            draft.replace(self._directory / _NAME)
        except OSError as error:
            if self._kept:
                log.error("what anchors took is not kept", extra={"reason": str(error)})  # noqa: TRY400
            self._kept = False
        else:
            self._kept = True


def read_anchored(directory: Path) -> tuple[Anchored, ...]:
    """How the anchors of a log stood when that last changed; none where nothing is known."""
    try:
        kept = (directory / _NAME).read_bytes()
        return msgspec.json.decode(kept, type=tuple[Anchored, ...])
    except (OSError, msgspec.DecodeError):
        return ()
