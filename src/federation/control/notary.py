"""The notary: follows every journal and seals what it finds in signed checkpoints.

Blocks, and is called in one thread. It reads the journals by itself and keeps its own
places in them, apart from the ledger's: neither can hold up or mislead the other. The trap
is power: a checkpoint that is out must not cover what a loss of power can take away, so the
journals are synced before it is signed, and nothing is anchored before it is on the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from federation import __version__
from federation.control.anchorage import Anchorage, Anchored
from federation.control.notary_keys import Signer
from federation.control.notary_places import Places
from federation.control.notebook import Notebook
from federation.errors import EvidenceUnwritable, Unavailable
from federation.evidence.checkpoints import Checkpoint, checkpoint_line, read_checkpoint
from federation.evidence.growth import Draft, Growth, LogHead
from federation.evidence.hashing import checkpoint_hash, signed_checkpoint
from federation.evidence.records import Closed, ControlRecord, Heartbeat, KeyChanged, Opened
from federation.evidence.witnesses import Witness
from federation.storage.anchors import Anchor
from federation.storage.evidence_index import IndexedCheckpoint, IndexedRun
from federation.storage.evidence_log import EvidenceLog, State, sealed_checkpoints
from federation.storage.journal_reader import PlainReader

log = logging.getLogger(__name__)

CHECKPOINT_S = 10.0
HEARTBEAT_S = 60.0
INDEX_BATCH = 500


class Index(Protocol):
    """What finds records and checkpoints; it follows the log's files."""

    def count(self) -> int:
        """How many checkpoints it knows."""
        ...

    def add(self, checkpoints: Sequence[IndexedCheckpoint]) -> None:
        """Take on the next checkpoints, all or none."""
        ...


class Neighbors(Protocol):
    """The logs of other replicas; nothing here waits for anybody."""

    def sealed(self, checkpoint: Checkpoint, keys: Sequence[bytes]) -> None:
        """Our log has come to this, under this row of keys: let the others know."""
        ...

    def moved(self) -> list[Witness]:
        """Their newest checkpoints, of those that have moved since they were last told."""
        ...

    def told(self, witness: Witness) -> None:
        """It is on record."""
        ...


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often what is done, in seconds. A clock that was set back must not silence a log until
    the old time has come: it is time then, too."""

    checkpoint_s: float = CHECKPOINT_S
    heartbeat_s: float = HEARTBEAT_S


class Notary:
    """Keeps one log. `open` first; then `round` again and again; `close` at the end."""

    def __init__(
        self,
        data: Path,
        index: Index,
        anchors: Sequence[Anchor] | None,
        clock: Callable[[], float],
        rhythm: Rhythm = Rhythm(),
        neighbors: Neighbors | None = None,
    ) -> None:
        """Where `anchors` is None, not an empty row, what each took stays as it is known."""
        self.sealed = 0
        """Records under a checkpoint."""
        self._data = data
        self._directory = data / "evidence"
        self._index = index
        self._anchorage = None if anchors is None else Anchorage(anchors, self._directory, clock)
        self._clock = clock
        self._rhythm = rhythm
        self._neighbors = neighbors
        self._journal = Notebook(data, clock, kind="control")
        self._sealed_at = self._beat_at = 0.0

    @property
    def anchored(self) -> tuple[Anchored, ...]:
        """How the anchors stand. For any thread."""
        return () if self._anchorage is None else self._anchorage.anchored

    def open(self) -> None:
        """Take the log up where its newest checkpoint left it.

        Raises `Unavailable` or `EvidenceUnwritable`; it may be tried again, then.
        """
        now = self._clock()
        self._signer = Signer(self._directory, int(now * 1000))
        self._log = EvidenceLog(self._directory)
        try:
            self._growth = Growth(self._log_head())
            journals = (self._data / "journal", self._directory / "journal")
            self._places = Places(
                [PlainReader(each) for each in journals], journals, self._log.found, self._clock
            )
            self.sealed = self._log.found.size
            self._catch_up_index()
            if self._anchorage is not None:
                self._anchorage.resume()
            if self._log.found.newest:
                self._let_know(read_checkpoint(self._log.found.newest))
            self._note(Opened(int(now * 1000), __version__, self._log.found.size))
        except BaseException:
            self._log.close()
            raise
        self._sealed_at = self._beat_at = now

    def _log_head(self) -> LogHead:
        found = self._log.found
        links = {name: (at.seq, bytes.fromhex(at.link)) for name, at in found.writers.items()}
        head = LogHead(self._signer.log, links=links)
        if not found.newest:
            return head
        newest = read_checkpoint(found.newest)
        if newest.body.log != self._signer.log or newest.body.size != found.size:
            raise Unavailable("The evidence keys belong to another log.")
        self._signer.newest_ms = newest.body.at_ms
        peaks = tuple(bytes.fromhex(peak) for peak in found.peaks)
        return LogHead(newest.body.log, found.checkpoints, newest.hash, found.size, peaks, links)

    def round(self) -> None:
        """Take in what was written, and seal it when it is time.

        Raises `Unavailable`, `EvidenceUnwritable` or `OSError`; nothing is lost then.
        """
        self._log.check()
        now = self._clock()
        if not 0 <= now - self._beat_at < self._rhythm.heartbeat_s:
            self._beat_at = now
            self._note(Heartbeat(int(now * 1000), self._places.living()))
            self._witness()
        self._places.follow(self._growth)
        wanted = self._wanted()
        if wanted or not 0 <= now - self._sealed_at < self._rhythm.checkpoint_s:
            if not self.seal() and wanted:
                self._anchor_newest()
            self._sealed_at = now
            self._forget_wish(wanted)

    def seal(self) -> bool:
        """Make a checkpoint over what was taken in; False where there is nothing new."""
        if not self._growth.waiting:
            return False
        self._log.check()
        self._change_key()
        at_ms = max(int(self._clock() * 1000), self._signer.newest_ms)
        draft = self._growth.draft(at_ms, self._signer.key.id)
        signature = self._signer.sign(signed_checkpoint(draft.body))
        self._places.sync()
        changed, closed = self._places.changed(self._growth)
        state = State(draft.size, tuple(peak.hex() for peak in draft.peaks), changed, closed)
        line = checkpoint_line(draft.body, signature, draft.runs)
        self._log.commit(line[:-1], state, draft.leaves, draft.tiles)
        self._places.kept(closed)
        self._growth.sealed(draft)
        for writer in closed:
            self._growth.forget(writer)
        self._signer.newest_ms = at_ms
        self.sealed = draft.size
        self._publish(draft, signature)
        return True

    def close(self) -> None:
        """Seal what is left, say that this end was meant, and let go of the log."""
        try:
            self._log.check()
            self._witness()
            self._note(Closed(int(self._clock() * 1000)))
            self._journal.close()
            self._places.follow(self._growth)
            self.seal()
        finally:
            self._log.close()

    def _witness(self) -> None:
        """Put on record what the logs of other replicas have come to."""
        neighbors = self._neighbors
        if neighbors is not None:
            for each in neighbors.moved():
                self._note(each.record(int(self._clock() * 1000)))
                neighbors.told(each)

    def _let_know(self, checkpoint: Checkpoint) -> None:
        if self._neighbors is not None:
            self._neighbors.sealed(checkpoint, self._signer.row)

    def _change_key(self) -> None:
        before = self._signer.key.id
        if self._signer.refresh():
            after = self._signer.key.id
            log.warning("another key signs the evidence log", extra={"key": after})
            self._note(KeyChanged(int(self._clock() * 1000), after, before))
            self._places.follow(self._growth)

    def _note(self, record: ControlRecord) -> None:
        self._journal.write(record)

    def _publish(self, draft: Draft, signature: bytes) -> None:
        """What may fail after a checkpoint is safe: it is caught up with the next one."""
        try:
            self._catch_up_index()
        except Unavailable as error:
            log.error("the evidence index is behind", extra={"reason": error.message})  # noqa: TRY400
        checkpoint = read_checkpoint(checkpoint_line(draft.body, signature))
        self._let_know(checkpoint)
        if self._anchorage is not None:
            self._anchorage.put(checkpoint)

    def _anchor_newest(self) -> None:
        """Hand the newest checkpoint to anchors that were away when it was made."""
        if self._log.found.newest and self._anchorage is not None:
            self._anchorage.put(read_checkpoint(self._log.found.newest))

    def _catch_up_index(self) -> None:
        known, there = self._index.count(), self._log.found.checkpoints
        if known > there:
            raise Unavailable(
                f"The index knows {known} checkpoints, the evidence log holds {there}: "
                "the log was rolled back to an older copy.",
                code="evidence_rolled_back",
            )
        while known < there:
            rows = []
            for line in sealed_checkpoints(self._directory, known):
                rows.append(_indexed(line))
                if len(rows) == INDEX_BATCH:
                    break
            if not rows:
                raise EvidenceUnwritable("the evidence log cannot be read back")
            self._index.add(rows)
            known += len(rows)

    def _wanted(self) -> str:
        """What a command has left for us, empty where nothing is wanted."""
        try:
            return (self._directory / "wanted").read_text("ascii")
        except (OSError, ValueError):
            return ""

    def _forget_wish(self, wanted: str) -> None:
        if wanted:
            (self._directory / "wanted").unlink(missing_ok=True)


def _indexed(line: bytes) -> IndexedCheckpoint:
    checkpoint = read_checkpoint(line)
    body, runs = checkpoint.body, checkpoint.runs or ()
    at = body.size - sum(run.count for run in runs)
    placed = []
    for run in runs:
        placed.append(IndexedRun(at, run.writer, run.first, run.count))
        at += run.count
    return IndexedCheckpoint(
        body.n,
        body.size,
        body.at_ms,
        bytes.fromhex(body.root),
        checkpoint_hash(checkpoint.raw),
        tuple(placed),
    )
