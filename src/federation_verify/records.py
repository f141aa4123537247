"""Records of an export, compared one by one with the runs that a checkpoint signed."""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_hex
from collections.abc import Callable, Iterator
from typing import NamedTuple

from federation_verify.checkpoint import Run
from federation_verify.problem import Refused
from federation_verify.tree import Tree

AHEAD = 1_000
START = "00" * 32
SHORTEST = 150
"""No record's own line begins before this byte."""
WRITER = re.compile(r"[A-Za-z0-9_-]+")
SEQ = len('","seq":')
LEAF = len('","leaf":"')
LINE = len('","line":')


class Record(NamedTuple):
    """A line of an export, taken apart."""

    n: int
    previous: bytes
    leaf: bytes
    line: bytes
    writer: str
    seq: int


def take_apart(raw: bytes) -> Record | None:
    """`{"n":0,"prev":"<hex>","leaf":"<hex>","line":{"writer":"w","seq":1,...}}`."""
    try:
        colon = raw.index(b',"prev":"', 5)
        at = colon + 9
        line = raw[at + 64 + LEAF + 64 + LINE : -2]
        quote = line.index(b'"', 11)
        comma = line.index(b",", quote + SEQ)
        record = Record(
            int(raw[5:colon]),
            raw[at : at + 64],
            raw[at + 64 + LEAF : at + 128 + LEAF],
            line,
            line[11:quote].decode("ascii"),
            int(line[quote + SEQ : comma]),
        )
    except ValueError:
        return None
    again = b'{"n":%d,"prev":"%b","leaf":"%b","line":{"writer":"%b","seq":%d,' % (
        record.n,
        record.previous,
        record.leaf,
        record.writer.encode(),
        record.seq,
    )
    return record if raw.startswith(again) and raw.endswith(b"}}\n") else None


class Records:
    """The export's records as a stream."""

    def __init__(
        self, lines: Iterator[bytes], heard: Callable[[int, bytes], None] | None = None
    ) -> None:
        """`heard` gets the place and the line of each record, good or not."""
        self.tree = Tree()
        self.last: dict[str, tuple[int, str]] = {}
        """Writer to its newest sequence number and the chain after it."""
        self._lines = lines
        self._heard = heard

    def check(self, run: Run, due: list[Run]) -> None:
        """Read the records of a run. `due` are the checkpoint's runs after it."""
        begin = n = self.tree.size
        link = bytes.fromhex(self.last.get(run.writer, (0, START))[1])
        broken: int | None = None
        digests: list[bytes] = []
        sha256, heard = hashlib.sha256, self._heard
        named = b',"line":{"writer":"%b","seq":' % run.writer.encode()
        for seq in range(run.first, run.first + run.length):
            raw = next(self._lines, b"")
            at = raw.find(named, SHORTEST)
            digest = sha256(b"\x00" + raw[at + 8 : -2]).digest()
            good = b'{"n":%d,"prev":"%b","leaf":"%b"%b%d,' % (
                n,
                b2a_hex(link),
                b2a_hex(digest),
                named,
                seq,
            )
            if not raw.startswith(good) or raw[-3:] != b"}}\n":
                self.tree.extend(digests)
                digests = []
                self._only_the_link(raw, digest, run, seq, due)
                broken = n if broken is None else broken
            if heard is not None:
                heard(n, raw[at + 8 : -2])
            digests.append(digest)
            link = sha256(b"\x02" + link + digest).digest()
            n += 1
        self.tree.extend(digests)
        if link.hex() != run.link:
            raise _rewritten(run, begin, broken)
        if broken is not None:
            message = f"The link of record {broken} was altered; the record is what was signed."
            raise Refused("link_altered", message, broken)
        self.last[run.writer] = run.first + run.length - 1, run.link

    def _only_the_link(self, raw: bytes, digest: bytes, run: Run, seq: int, due: list[Run]) -> None:
        """Raise `Refused`, unless a record is good save for its link to the one before."""
        record = take_apart(raw)
        if (
            record is None
            or (record.writer, record.seq, record.n) != (run.writer, seq, self.tree.size)
            or record.leaf != digest.hex().encode()
        ):
            raise self._why(raw, record, run, seq, due)

    def end(self) -> None:
        """Raise `Refused` where records follow that no checkpoint covers."""
        raw = next(self._lines, b"")
        if not raw:
            return
        record, n = take_apart(raw), self.tree.size
        if record is not None and record.seq <= self.last.get(record.writer, (0, ""))[0]:
            raise Refused("duplicated", f"Record {n} stands in the log already.", n)
        raise Refused("inserted", f"Record {n} is in no checkpoint.", n)

    def _why(
        self, raw: bytes, record: Record | None, run: Run, seq: int, due: list[Run]
    ) -> Refused:
        n = self.tree.size
        if not raw:
            return Refused("truncated", f"The records end at {n}, too early.", n)
        if record is None or not WRITER.fullmatch(record.writer):
            return Refused("unreadable", f"Record {n} cannot be read as one.", n)
        if (record.writer, record.seq) == (run.writer, seq):
            if record.leaf != hashlib.sha256(b"\x00" + record.line).hexdigest().encode():
                return Refused("edited", f"Record {n} was edited.", n)
            return Refused("renumbered", f"Record {n} says that it is number {record.n}.", n)
        kind = self._misplaced(record, run, seq, due)
        message = f"Record {n} should be record {seq} of writer {run.writer}: {kind}."
        return Refused(kind, message, n)

    def _misplaced(self, record: Record, run: Run, seq: int, due: list[Run]) -> str:
        before = seq - 1 if record.writer == run.writer else self.last.get(record.writer, (0,))[0]
        if record.seq <= before:
            return "duplicated"
        rest = [Run(run.writer, seq, run.first + run.length - seq, ""), *due]
        awaited = any(
            each.writer == record.writer and 0 <= record.seq - each.first < each.length
            for each in rest
        )
        ahead = [take_apart(next(self._lines, b"")) for _ in range(AHEAD)]
        places = [each[4:] for each in ahead if each is not None]
        if (run.writer, seq) not in places:
            # A whole checkpoint's records may be gone: its own number tells where it stood.
            return "deleted" if awaited or record.n > self.tree.size else "replaced"
        one_more = [(run.writer, seq + 1)] if rest[0].length > 1 else [each[:2] for each in due]
        # Or it is the first of its writer that the next checkpoint may cover.
        following = max(
            [before + 1, *(each.first + each.length for each in rest if each[0] == record.writer)]
        )
        too_early = record.seq == following and record[4:] not in places
        return "swapped" if awaited or places[:1] == one_more[:1] or too_early else "inserted"


def _rewritten(run: Run, begin: int, broken: int | None) -> Refused:
    if broken is not None and broken > begin:
        message = f"Record {broken - 1} was edited, and its hash with it."
        return Refused("edited", message, broken - 1)
    last = begin + run.length - 1
    message = f"One of the records {begin} to {last} was edited, and all hashes after it."
    return Refused("edited", message, begin)
