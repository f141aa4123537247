"""The records of one checkpoint, read one by one and compared with what it signed.

A good record costs three hashes and a few comparisons of bytes. The trap: what is wrong is
told from what stands around it. Deleting a record, inserting one and swapping two all begin
with a record that is not the expected one, so the diagnosis looks at those that follow.
"""

from __future__ import annotations

import re
from binascii import hexlify
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import islice

from federation.evidence.checkpoints import Run
from federation.evidence.findings import Finding
from federation.evidence.hashing import NOTHING

LOOK_AHEAD = 1_000
_PARSED = re.compile(
    rb'\{"n":(0|[1-9]\d{0,17}),"prev":"(.{64})","leaf":"(.{64})",'
    rb'"line":(\{"writer":"([A-Za-z0-9_-]+)","seq":(0|[1-9]\d{0,17}),.*\})\}\n',
    re.DOTALL,
)
_FIXED = len(b'{"n":,"prev":"","leaf":"","line":') + 128
"""Bytes before a record's line, but for the digits of its number."""


class Bad(Exception):
    """The first bad record. Nothing after it can be judged."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class Walk:
    """Follows the records of an export, in order."""

    def __init__(
        self, lines: Iterator[bytes], heard: Callable[[int, bytes], None] | None = None
    ) -> None:
        """`heard` is told each record's place and text before anything is known of it."""
        self.n = 0
        """The place of the next record."""
        self._lines = lines
        self._heard = heard
        self._seqs: dict[str, int] = {}
        self._links: dict[str, bytes] = {}

    def seen(self, writer: str) -> int:
        """The last sequence number of a writer that passed."""
        return self._seqs.get(writer, 0)

    def run(self, run: Run, later: Sequence[Run], checkpoint: int) -> list[bytes]:
        """The leaves of a run's records. Raises `Bad`.

        `later` are the runs that the same checkpoint has after this one.
        """
        link = self._links.get(run.writer, NOTHING)
        writer, before = run.writer.encode(), hexlify(link)
        leaves: list[bytes] = []
        altered: tuple[int, int] | None = None
        start = n = self.n
        lines, add, heard = self._lines, leaves.append, self._heard
        for seq in range(run.first, run.first + run.count):
            raw = next(lines, b"")
            at = _FIXED + len(str(n))
            leaf = sha256(b"\x00" + raw[at:-2]).digest()
            if not (
                raw.startswith(
                    b'{"n":%d,"prev":"%b","leaf":"%b","line":{"writer":"%b","seq":%d,'
                    % (n, before, hexlify(leaf), writer, seq)
                )
                and raw.endswith(b"}}\n")
            ):
                self.n = n
                self._judge(raw, run, seq, later, checkpoint)
                altered = altered or (n, seq)
            if heard is not None:
                heard(n, raw[at:-2])
            add(leaf)
            link = sha256(b"\x02" + link + leaf).digest()
            before = hexlify(link)
            n += 1
        self.n = n
        if link.hex() != run.link:
            raise _changed(run, start, altered, checkpoint)
        if altered is not None:
            raise _altered(run, *altered, checkpoint)
        self._seqs[run.writer] = run.first + run.count - 1
        self._links[run.writer] = link
        return leaves

    def rest(self) -> Finding | None:
        """What stands behind the last checkpoint's records."""
        raw = next(self._lines, b"")
        if not raw:
            return None
        match = _PARSED.fullmatch(raw)
        if match is not None and int(match[6]) <= self._seqs.get(match[5].decode(), 0):
            kind, said = "duplicated", "stands in the log already"
        else:
            kind, said = "inserted", "is in no checkpoint"
        return Finding(kind, f"Record {self.n} {said}.", record=self.n)

    def _judge(self, raw: bytes, run: Run, seq: int, later: Sequence[Run], checkpoint: int) -> None:
        """Raise `Bad`, unless only the record's link differs."""
        n = self.n
        if not raw:
            message = f"The records end at {n}, before those of checkpoint {checkpoint} do."
            raise self._bad("truncated", message, run.writer, seq, checkpoint)
        match = _PARSED.fullmatch(raw)
        if match is None:
            message = f"Record {n} cannot be read as one."
            raise self._bad("unreadable", message, run.writer, seq, checkpoint)
        found = match[5].decode(), int(match[6])
        if found != (run.writer, seq):
            raise self._misplaced(found, int(match[1]), run, seq, later, checkpoint)
        if sha256(b"\x00" + match[4]).hexdigest().encode() != match[3]:
            message = f"Record {n} was edited: its text is not what was hashed."
            raise self._bad("edited", message, run.writer, seq, checkpoint)
        if int(match[1]) != n:
            message = f"Record {n} says that it is number {int(match[1])}."
            raise self._bad("renumbered", message, run.writer, seq, checkpoint)
        stated = match[2], match[3], match[4]
        if raw != b'{"n":%d,"prev":"%b","leaf":"%b","line":%b}\n' % (n, *stated):
            message = f"Record {n} is not written as an export writes it."
            raise self._bad("unreadable", message, run.writer, seq, checkpoint)

    def _misplaced(
        self,
        found: tuple[str, int],
        stated: int,
        run: Run,
        seq: int,
        later: Sequence[Run],
        checkpoint: int,
    ) -> Bad:
        n, want = self.n, f"record {seq} of writer {run.writer}"
        ahead = [
            (match[5].decode(), int(match[6]))
            for line in islice(self._lines, LOOK_AHEAD)
            if (match := _PARSED.fullmatch(line)) is not None
        ]
        due = found[0] == run.writer and seq < found[1] < run.first + run.count
        due = due or any(
            found[0] == each.writer and each.first <= found[1] < each.first + each.count
            for each in later
        )
        passed = found[1] <= self.seen(found[0])
        passed = passed or (found[0] == run.writer and found[1] < seq)
        if passed:
            kind, said = "duplicated", f"record {found[1]} of {found[0]} stands here again"
        elif (run.writer, seq) not in ahead:
            # All records of a checkpoint may be gone: then its own number alone tells its place.
            gone = due or stated > n
            kind, said = ("deleted", "it is missing") if gone else ("replaced", "another is there")
        elif due or ahead[0] == _after(run, seq, later) or self._early(found, run, later, ahead):
            kind, said = "swapped", "it comes later"
        else:
            kind, said = "inserted", "one was inserted before it"
        message = f"Record {n} should be {want}: {said}."
        return self._bad(kind, message, run.writer, seq, checkpoint)

    def _early(
        self,
        found: tuple[str, int],
        run: Run,
        later: Sequence[Run],
        ahead: Sequence[tuple[str, int]],
    ) -> bool:
        """Whether a record is its writer's first after this checkpoint, and stands here alone."""
        ends = [each.first + each.count for each in (run, *later) if each.writer == found[0]]
        return found not in ahead and found[1] == max([self.seen(found[0]) + 1, *ends])

    def _bad(self, kind: str, message: str, writer: str, seq: int, checkpoint: int) -> Bad:
        return Bad(
            Finding(kind, message, self.n, checkpoint=checkpoint, writer=writer, seq=seq),
        )


def _after(run: Run, seq: int, later: Sequence[Run]) -> tuple[str, int] | None:
    """What should follow a record, as far as this checkpoint says."""
    if seq + 1 < run.first + run.count:
        return run.writer, seq + 1
    return (later[0].writer, later[0].first) if later else None


def _changed(run: Run, start: int, altered: tuple[int, int] | None, checkpoint: int) -> Bad:
    """Records that were changed together with the hashes beside them."""
    until = start + run.count
    if altered is not None and altered[0] > start:
        # The first link that does not fit was left as it was: the record before it changed.
        record, seq = altered[0] - 1, altered[1] - 1
        message = f"Record {record} was edited, and its hash with it: the next one's link differs."
        return Bad(Finding("edited", message, record, None, checkpoint, run.writer, seq))
    message = f"One of the records {start} to {until - 1} was edited, and all hashes after it."
    return Bad(Finding("edited", message, start, until, checkpoint, run.writer, run.first))


def _altered(run: Run, n: int, seq: int, checkpoint: int) -> Bad:
    message = f"The link of record {n} was altered; the record itself is what was signed."
    return Bad(Finding("link_altered", message, n, None, checkpoint, run.writer, seq))
