"""The log as it is read: exports, proofs, and the check of the index against it.

Reads files only, beside a gateway that may be running. The trap: what is handed out are the
journals' bytes as they are now, not as they were sealed. Whether both are the same is for
the verification to say, so nothing here corrects or leaves out what does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from federation.control.evidence_paths import path_of
from federation.control.evidence_rows import RowCheck
from federation.errors import NotFound, Unavailable
from federation.evidence.checkpoints import Checkpoint, checkpoint_line, read_checkpoint
from federation.evidence.documents import Consistency, Inclusion
from federation.evidence.findings import Finding
from federation.evidence.growth import entry_line
from federation.evidence.hashing import NOTHING, leaf_hash, link_hash
from federation.evidence.merkle import consistency_path, inclusion_path
from federation.evidence.proofs import consistent, includes
from federation.storage.evidence_index import IndexedCheckpoint, IndexedRun, SqlEvidence
from federation.storage.evidence_keys import KeyFiles
from federation.storage.evidence_lines import JournalLines
from federation.storage.evidence_log import Hashes, newest_checkpoint, sealed_checkpoints
from federation.storage.journal_reader import Plain, PlainReader

PAGE = 500
_ALL = 1 << 62
"""More records than a writer has."""


class EvidenceReading:
    """Reads the log in a data directory."""

    def __init__(self, data: Path) -> None:
        self._directory = data / "evidence"
        self._journals = (data / "journal", self._directory / "journal")
        self._hashes = Hashes(self._directory)

    def keys(self) -> list[bytes]:
        """The row of keys. Raises `NotFound` where there is no log."""
        lines = KeyFiles(self._directory).lines()
        if not lines:
            raise NotFound("There is no evidence log here yet: a gateway makes it when it starts.")
        return lines

    def checkpoints(self, first: int = 0, through: int | None = None) -> Iterator[bytes]:
        """Checkpoint lines from number `first` on, `through` the last that is wanted."""
        lines = sealed_checkpoints(self._directory, first)
        return lines if through is None else islice(lines, max(0, through + 1 - first))

    def newest(self) -> Checkpoint:
        """The newest checkpoint. Raises `NotFound`."""
        found = newest_checkpoint(self._directory)
        if found is None:
            raise NotFound("There is no checkpoint yet.")
        return read_checkpoint(found)

    def checkpoint(self, n: int) -> Checkpoint:
        """A checkpoint by its number. Raises `NotFound`."""
        for line in self.checkpoints(n):
            found = read_checkpoint(line)
            if found.body.n == n:
                return found
            break
        raise NotFound(f"There is no checkpoint {n}.")

    def entries(self, through: int | None = None) -> Iterator[bytes]:
        """Every sealed record as an export holds it; those that are not there are left out."""
        lines = JournalLines(self._journals)
        links: dict[str, bytes] = {}
        at = 0
        for line in self.checkpoints(through=through):
            for run in read_checkpoint(line).runs or ():
                link = links.get(run.writer, NOTHING)
                for seq, record in lines.run(run.writer, run.first, run.count):
                    yield entry_line(at + seq - run.first, link, record)
                    link = link_hash(link, leaf_hash(record))
                links[run.writer] = bytes.fromhex(run.link)
                at += run.count

    def include(self, index: SqlEvidence, call: str) -> Inclusion:
        """The proof that a call's newest record is in the log. Raises `NotFound`."""
        line = index.call(call)
        if line is None:
            raise NotFound(f"There is no call '{call}'.")
        n = index.place(line.writer, line.seq)
        if n is None:
            raise NotFound(
                f"No checkpoint covers the call '{call}' yet: make one with "
                "`federation audit checkpoint --now`."
            )
        return self._inclusion(n, self._record(line.writer, line.seq))

    def include_entry(self, index: SqlEvidence, n: int) -> Inclusion:
        """The same for whatever record stands at a place of the log. Raises `NotFound`."""
        found = index.at(n)
        if found is None:
            raise NotFound(f"There is no record {n} under a checkpoint.")
        return self._inclusion(n, self._record(*found))

    def own(self) -> Iterator[Plain]:
        """Every record that control itself wrote here, sealed or not; of each of its journals in
        order."""
        directory = self._journals[1]
        lines = JournalLines((directory,))
        for writer in PlainReader(directory).writers():
            for seq, record in lines.run(writer, 1, _ALL):
                yield Plain(writer, seq, record)

    def _inclusion(self, n: int, record: bytes) -> Inclusion:
        newest = self.newest()
        size, root = newest.body.size, bytes.fromhex(newest.body.root)
        path = path_of(
            self._hashes,
            lambda: self._sealed(newest.body.n),
            lambda subtree: inclusion_path(n, size, subtree),
            lambda path: includes(n, size, leaf_hash(record), path, root),
        )
        return Inclusion(
            n=n,
            line=record.decode(),
            path=tuple(node.hex() for node in path),
            checkpoint=_short(newest),
            keys=tuple(key.decode().rstrip("\n") for key in self.keys()),
        )

    def continues(self, first: int, second: int | None) -> Consistency:
        """The proof that a later checkpoint (None: the newest) only continues an earlier one."""
        before = self.checkpoint(first)
        after = self.newest() if second is None else self.checkpoint(second)
        if before.body.size > after.body.size:
            raise NotFound(f"Checkpoint {after.body.n} is not after checkpoint {before.body.n}.")
        old, new = before.body, after.body
        roots = bytes.fromhex(old.root), bytes.fromhex(new.root)
        path = path_of(
            self._hashes,
            lambda: self._sealed(new.n),
            lambda subtree: consistency_path(old.size, new.size, subtree),
            lambda path: consistent(old.size, new.size, path, *roots),
        )
        return Consistency(
            first=_short(before),
            second=_short(after),
            path=tuple(node.hex() for node in path),
            keys=tuple(key.decode().rstrip("\n") for key in self.keys()),
        )

    def check_index(self, index: SqlEvidence, through: int) -> Iterator[Finding]:
        """What the index of checkpoints says otherwise than the signed log, up to one of them."""
        for name in index.missing_triggers():
            yield Finding("index", f"The store's trigger {name} was dropped.")
        rows, runs = _rows(index), _runs(index)
        at = 0
        for line in self.checkpoints(through=through):
            row = next(rows, None)
            if row is None:
                break  # a gateway that runs fills it in after the log
            signed = read_checkpoint(line)
            body = signed.body
            if row != IndexedCheckpoint(
                body.n, body.size, body.at_ms, bytes.fromhex(body.root), signed.hash
            ):
                message = f"The store's row of checkpoint {body.n} was changed."
                yield Finding("index", message, checkpoint=body.n)
                return
            for run in signed.runs or ():
                if next(runs, None) != IndexedRun(at, run.writer, run.first, run.count):
                    message = (
                        f"The store says otherwise where the records of checkpoint {body.n} stand."
                    )
                    yield Finding("index", message, at, checkpoint=body.n, writer=run.writer)
                    return
                at += run.count

    def check_rows(self, index: SqlEvidence) -> RowCheck:
        """What hears the log while it is verified, and holds the store's calls against it."""
        return RowCheck(index.rows, self._journals, shared=index.shared)

    def _record(self, writer: str, seq: int) -> bytes:
        for _, record in JournalLines(self._journals).run(writer, seq, 1):
            return record
        raise Unavailable(f"Record {seq} of writer {writer} is not in its journal any more.")

    def _sealed(self, through: int) -> Iterator[bytes]:
        """The records' own lines, in the log's order, up to a checkpoint."""
        lines = JournalLines(self._journals)
        for line in self.checkpoints(through=through):
            for run in read_checkpoint(line).runs or ():
                for _, record in lines.run(run.writer, run.first, run.count):
                    yield record


def _rows(index: SqlEvidence) -> Iterator[IndexedCheckpoint]:
    n = 0
    while rows := index.page(n, PAGE):
        yield from rows
        n = rows[-1].n + 1


def _runs(index: SqlEvidence) -> Iterator[IndexedRun]:
    at = -1
    while runs := index.runs(at, PAGE):
        yield from runs
        at = runs[-1].at


def _short(checkpoint: Checkpoint) -> str:
    """A checkpoint's line without its runs, which a proof does not need."""
    return checkpoint_line(checkpoint.raw, checkpoint.signature).decode().rstrip("\n")
