"""Verifying a log from its export: keys, checkpoints, records, and what anchors remember.

Everything streams: memory does not grow with the records. The trap: an export that was cut
off cleanly, checkpoints and all, is a good log of an earlier day. Only something kept
elsewhere, an anchor or a checkpoint noted down, shows that it was rolled back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from federation.evidence.checkpoints import BadCheckpoint, Body, Checkpoint, Run, read_checkpoint
from federation.evidence.entries import Bad, Walk
from federation.evidence.findings import Finding, Report
from federation.evidence.hashing import NOTHING, SIZE, signed_checkpoint
from federation.evidence.merkle import Frontier
from federation.evidence.signing import BadKeys, Key, read_keys


class Listener(Protocol):
    """Hears the records of an export as they are read."""

    def take(self, n: int, line: bytes) -> None:
        """A record by its place in the log; whether it is what was signed is not known yet."""
        ...

    def hold(self) -> None:
        """Whatever was taken is what was signed. What is not held is to be forgotten."""
        ...


class _Unsigned(ValueError):
    """A checkpoint that no key of this log has signed."""


class Verification:
    """One pass over an export. Call `run` once."""

    def __init__(
        self,
        trusted: bytes,
        keys: Iterable[bytes],
        listener: Listener | None = None,
        through_ms: int | None = None,
    ) -> None:
        """`trusted` is the public key that the auditor got by another way. Anchors of checkpoints
        later than `through_ms` show no rollback: the log may have been exported before them."""
        self.report = Report()
        self._listener = listener
        self._through_ms = through_ms
        self.whole = False
        """Whether it was read to its end."""
        self._least = 0
        self._keys: dict[str, Key] = {}
        self._hashes = bytearray()
        self._tree = Frontier()
        self.signer = -1
        """The place in the row of the key that signed the newest checkpoint."""
        self._read_keys(trusted, keys)

    def run(
        self,
        checkpoints: Iterable[bytes],
        entries: Iterable[bytes],
        anchors: Iterable[bytes] = (),
    ) -> Report:
        """Judge everything; stops at the first bad checkpoint or record, save for gaps."""
        if not self.report.good:
            return self.report
        walk = Walk(iter(entries), None if self._listener is None else self._listener.take)
        try:
            for line in checkpoints:
                self._checkpoint(line, walk)
            if not self.report.checkpoints:
                raise Bad(Finding("truncated", "There is no checkpoint."))
            if (rest := walk.rest()) is not None:
                raise Bad(rest)
            if self.signer < self._least:
                # Whoever makes a row can name a key in it that is not theirs.
                message = "The trusted key and those after it have signed nothing in this log."
                raise Bad(Finding("keys", message))
            self.whole = True
        except Bad as bad:
            self.report.findings.append(bad.finding)
        self._anchors(anchors)
        return self.report

    def kept(self, n: int, digest: bytes, size: int, keeper: str, *, late: bool = False) -> bool:
        """Hold the log that was run against checkpoint `n`, of this hash and over `size` records,
        as a keeper elsewhere has it; False, and a finding, where it is another or none.

        Of a log that is bad itself only what came before that is compared. A `late` one was made
        after the time that is judged, so the log need not have it.
        """
        known = self.report.checkpoints
        if n < known and self._hash(n) != digest:
            message = (
                f"Checkpoint {n} is not the one that {keeper} holds: records from "
                f"{self._size_before(n)} on may have been rewritten."
            )
            self.report.findings.append(Finding("fork", message, checkpoint=n))
            return False
        if n >= known and self.whole and late:
            self.report.set_aside += 1
        elif n >= known and self.whole:
            message = (
                f"The log ends at checkpoint {known - 1} with {self.report.records} records; "
                f"{keeper} holds checkpoint {n} with {size}: it was rolled back."
            )
            finding = Finding("rolled_back", message, self.report.records, checkpoint=known)
            self.report.findings.append(finding)
            return False
        return True

    def _read_keys(self, trusted: bytes, lines: Iterable[bytes]) -> None:
        try:
            keys = read_keys(lines)
        except BadKeys as error:
            self.report.findings.append(Finding("keys", f"The keys do not hold: {error}."))
            return
        self._least = next((key.n for key in keys if key.public == trusted), -1)
        if self._least < 0:
            message = "The trusted key is none of this log's keys."
            self.report.findings.append(Finding("keys", message))
        self._keys = {key.id: key for key in keys}
        self.report.keys, self.report.log = len(keys), keys[0].id

    def _checkpoint(self, line: bytes, walk: Walk) -> None:
        checkpoint = self._read(line)
        body, report = checkpoint.body, self.report
        runs = self._chained(checkpoint)
        if body.size != report.records + sum(run.count for run in runs):
            raise _bad("forged", body.n, "does not have as many records as it says")
        self._tree.extend(self._leaves(runs, walk, body.n))
        if self._tree.root().hex() != body.root:
            raise _bad("root", body.n, "has another root than its records")
        if report.checkpoints:
            silence = body.at_ms - report.last_ms
            report.longest_silence_ms = max(report.longest_silence_ms, silence)
        else:
            report.first_ms = body.at_ms
        self._hashes += checkpoint.hash
        report.last_ms, report.root, report.records = body.at_ms, body.root, body.size
        report.checkpoints += 1
        self.signer = self._keys[body.key].n
        if self._listener is not None:
            self._listener.hold()

    def _leaves(self, runs: tuple[Run, ...], walk: Walk, n: int) -> Iterator[bytes]:
        for at, run in enumerate(runs):
            seen = walk.seen(run.writer)
            if run.first <= seen:
                raise _bad("forged", n, f"has records of writer {run.writer} twice")
            if run.first != seen + 1:
                missing = f"{seen + 1} to {run.first - 1}"
                message = f"Writer {run.writer} has a gap: its records {missing} were never taken."
                self.report.findings.append(
                    Finding("gap", message, walk.n, None, n, run.writer, seen + 1)
                )
            yield from walk.run(run, runs[at + 1 :], n)

    def _read(self, line: bytes) -> Checkpoint:
        n = self.report.checkpoints
        try:
            return self._signed(line)
        except BadCheckpoint as error:
            raise _bad("unreadable", n, f"cannot be read ({error})") from None
        except _Unsigned as error:
            raise _bad("signature", n, str(error)) from None

    def _signed(self, line: bytes) -> Checkpoint:
        """A checkpoint that a key of this log has signed. Raises `BadCheckpoint`, `_Unsigned`."""
        checkpoint = read_checkpoint(line)
        key = self._keys.get(checkpoint.body.key)
        if key is None:
            raise _Unsigned("names a key that is not in the row")
        if not key.signed(checkpoint.signature, signed_checkpoint(checkpoint.raw)):
            raise _Unsigned("is not signed by the key that it names")
        if checkpoint.body.log != self.report.log:
            raise _Unsigned("belongs to another log")
        return checkpoint

    def _chained(self, checkpoint: Checkpoint) -> tuple[Run, ...]:
        """The runs of a signed checkpoint that follows the one before it. Raises `Bad`."""
        body, n = checkpoint.body, self.report.checkpoints
        if body.n < n:
            same = self._hash(body.n) == checkpoint.hash
            kind, said = ("duplicated", "twice") if same else ("fork", "in two versions")
            raise _bad(kind, body.n, f"is there {said}")
        if body.n > n:
            raise _bad("deleted", n, f"is missing: checkpoint {body.n} stands in its place")
        before = self._hash(n - 1) if n else NOTHING
        if body.previous != before.hex():
            raise _bad("fork", n, "does not follow the one before it: the history was split")
        if checkpoint.runs is None or not checkpoint.runs_match:
            raise _bad("forged", n, "does not match the runs beside it")
        key = self._keys[body.key]
        if key.n < self.signer:
            raise _bad("signature", n, "is signed with a key that had been replaced")
        if body.size <= self.report.records or body.at_ms < self.report.last_ms:
            raise _bad("forged", n, "does not come after the one before it")
        return checkpoint.runs

    def _hash(self, n: int) -> bytes:
        return bytes(self._hashes[n * SIZE : (n + 1) * SIZE])

    def _anchors(self, lines: Iterable[bytes]) -> None:
        """Compare with checkpoints that were kept elsewhere, up to the first that differs."""
        for line in lines:
            try:
                if self._is_aside(line):
                    self.report.set_aside += 1
                    continue
                anchor = self._signed(line)
            except BadCheckpoint as error:
                message = f"An anchor cannot be read ({error})."
                self.report.findings.append(Finding("signature", message))
                return
            except _Unsigned as error:
                message = f"An anchor cannot be used: it {error}."
                self.report.findings.append(Finding("signature", message))
                return
            body, aside = anchor.body, self.report.set_aside
            late = self._is_late(body)
            if not self.kept(body.n, anchor.hash, body.size, "an anchor", late=late):
                return
            self.report.anchors += self.report.set_aside == aside

    def _is_late(self, body: Body) -> bool:
        return self._through_ms is not None and body.at_ms > self._through_ms

    def _is_aside(self, line: bytes) -> bool:
        """Whether an anchor is later than what is judged, and by a key that this row does not have:
        that may have come after the export, too. Raises `BadCheckpoint`."""
        body = read_checkpoint(line).body
        return self._is_late(body) and body.key not in self._keys

    def _size_before(self, n: int) -> str:
        return f"checkpoint {n - 1}" if n else "the beginning"


def _bad(kind: str, n: int, said: str) -> Bad:
    return Bad(Finding(kind, f"Checkpoint {n} {said}.", checkpoint=n))
