"""The log as it grows between two checkpoints: leaves, chains, runs.

Pure: the caller reads the journals, signs, and writes. The trap: nothing taken here is in
the log before its checkpoint is on the disk. A draft therefore changes nothing, and only
`sealed` begins the next stretch; after a failure the same records are drafted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec

from federation.evidence.checkpoints import Body, Run, write_runs
from federation.evidence.hashing import NOTHING, checkpoint_hash, runs_hash
from federation.evidence.merkle import Frontier


@dataclass(frozen=True, slots=True)
class LogHead:
    """Where the log stands after its newest checkpoint."""

    log: str
    checkpoints: int = 0
    previous: bytes = NOTHING
    size: int = 0
    peaks: tuple[bytes, ...] = ()
    links: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    """Writer to its last sequence number and the chain after it; those that may write."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A checkpoint to be signed, and what must be kept with it."""

    body: bytes
    runs: bytes
    first: int
    """The place of the first new record."""
    leaves: bytes
    """The new records' leaf hashes, one after the other."""
    tiles: bytes
    """The hashes of whole tiles that became complete."""
    peaks: tuple[bytes, ...]
    size: int
    n: int


class Growth:
    """Takes records in, and drafts checkpoints over them."""

    def __init__(self, head: LogHead) -> None:
        self._log = head.log
        self._n = head.checkpoints
        self._previous = head.previous
        self._sealed = head.size
        self._tree = Frontier(head.size, head.peaks)
        self._links = dict(head.links)
        self._leaves = bytearray()
        self._tiles = bytearray()
        self._runs: list[Run] = []

    @property
    def size(self) -> int:
        """Records taken in, sealed or not."""
        return self._tree.size

    @property
    def waiting(self) -> int:
        """Records that no checkpoint covers yet."""
        return self._tree.size - self._sealed

    def seen(self, writer: str) -> int:
        """The last sequence number of a writer; 0 where there is none."""
        return self._links.get(writer, (0, NOTHING))[0]

    def link(self, writer: str) -> bytes:
        """A writer's chain as it stands."""
        return self._links.get(writer, (0, NOTHING))[1]

    def forget(self, writer: str) -> None:
        """A writer that will write no more need not be remembered."""
        self._links.pop(writer, None)

    def take(self, writer: str, lines: Iterable[tuple[int, bytes]]) -> None:
        """Append a writer's records, in its order; what is there already is passed over.

        A number that is missing makes a gap that every later verification will name.
        """
        seq, link = self._links.get(writer, (0, NOTHING))
        leaves: list[bytes] = []
        first, begun = seq + 1, seq
        for number, line in lines:
            if number <= seq:
                continue
            if number != seq + 1:
                self._run(writer, first, seq - begun, link)
                first, begun = number, number - 1
            leaf = sha256(b"\x00" + line).digest()
            link = sha256(b"\x02" + link + leaf).digest()
            leaves.append(leaf)
            seq = number
        self._run(writer, first, seq - begun, link)
        if leaves:
            self._leaves += b"".join(leaves)
            self._tiles += b"".join(self._tree.extend(leaves))
            self._links[writer] = seq, link

    def _run(self, writer: str, first: int, count: int, link: bytes) -> None:
        if not count:
            return
        last = self._runs[-1] if self._runs else None
        if last is not None and last.writer == writer and last.first + last.count == first:
            self._runs[-1] = Run(writer, last.first, last.count + count, link.hex())
        else:
            self._runs.append(Run(writer, first, count, link.hex()))

    def draft(self, at_ms: int, key: str) -> Draft:
        """The checkpoint over everything taken in, to be signed by `key`."""
        runs = write_runs(self._runs)
        body = Body(
            log=self._log,
            n=self._n,
            size=self._tree.size,
            root=self._tree.root().hex(),
            at_ms=at_ms,
            previous=self._previous.hex(),
            runs=runs_hash(runs).hex(),
            key=key,
        )
        return Draft(
            body=msgspec.json.encode(body),
            runs=runs,
            first=self._sealed,
            leaves=bytes(self._leaves),
            tiles=bytes(self._tiles),
            peaks=tuple(self._tree.peaks),
            size=self._tree.size,
            n=self._n,
        )

    def sealed(self, draft: Draft) -> None:
        """The draft is signed and safe: begin the next stretch."""
        self._n += 1
        self._previous = checkpoint_hash(draft.body)
        self._sealed = draft.size
        self._leaves.clear()
        self._tiles.clear()
        self._runs.clear()


def entry_line(n: int, before: bytes, line: bytes) -> bytes:
    """A record as an export holds it: its place, its writer's chain before it, its leaf."""
    leaf = sha256(b"\x00" + line).hexdigest()
    return b'{"n":%d,"prev":"%b","leaf":"%b","line":%b}\n' % (
        n,
        before.hex().encode(),
        leaf.encode(),
        line,
    )
