"""A whole log: keys, checkpoints, records, and what anchors remember."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from federation_verify.checkpoint import Checkpoint, Run, named, read_checkpoint
from federation_verify.keyring import Keyring
from federation_verify.problem import Problem, Refused
from federation_verify.records import START, Records


class Log:
    """One pass over an export."""

    def __init__(
        self,
        heard: Callable[[int, bytes], None] | None = None,
        sealed: Callable[[], None] | None = None,
        through: int | None = None,
    ) -> None:
        """`heard` gets every record as it is read, `sealed` is called once those hold.

        Anchors of checkpoints after `through`, in Unix milliseconds, show no rollback; they may be
        by a key that came after the export.
        """
        self.problems: list[Problem] = []
        self._through = through
        self._heard = heard
        self._sealed = sealed
        self.whole = False
        """Whether it was read to its end."""
        self.checkpoints = 0
        self.first_ms = 0
        """The time of the first one."""
        self.anchors = 0
        """Checkpoints kept elsewhere that it was held against."""
        self.set_aside = 0
        """Checkpoints of others that are past its end and past what is judged."""
        self._hashes = bytearray()
        self._newest: Checkpoint | None = None

    @property
    def records(self) -> int:
        """Records that checkpoints cover, as far as was verified."""
        return self._newest.size if self._newest else 0

    @property
    def root(self) -> str:
        """The root of the newest checkpoint that was verified."""
        return self._newest.root if self._newest else ""

    @property
    def signer(self) -> str:
        """The name of the key that signed that checkpoint."""
        return self._newest.key if self._newest else ""

    def verify(
        self,
        trusted: bytes,
        keys: Iterable[bytes],
        checkpoints: Iterable[bytes],
        entries: Iterable[bytes],
        anchors: Iterable[bytes] = (),
    ) -> list[Problem]:
        """What is wrong; nothing, if all holds."""
        try:
            ring = Keyring(keys, trusted)
        except Refused as refused:
            return [refused.problem]
        return self.follow(ring, checkpoints, entries, anchors)

    def follow(
        self,
        ring: Keyring,
        checkpoints: Iterable[bytes],
        entries: Iterable[bytes],
        anchors: Iterable[bytes] = (),
    ) -> list[Problem]:
        """The same, where the keys were read already."""
        try:
            self._walk(ring, checkpoints, Records(iter(entries), self._heard))
            self.whole = True
        except Refused as refused:
            self.problems.append(refused.problem)
        try:
            for line in anchors:
                key, at_ms = named(line, "An anchor")
                late = self._through is not None and at_ms > self._through
                if late and key not in ring.public:
                    self.set_aside += 1
                    continue
                anchor = read_checkpoint(line, ring, "An anchor")
                aside = self.set_aside
                self.compare(anchor.n, anchor.hash, anchor.size, "An anchor", late)
                self.anchors += self.set_aside == aside
        except Refused as refused:
            self.problems.append(refused.problem)
        return self.problems

    def compare(self, n: int, digest: str, size: int, keeper: str, late: bool = False) -> None:
        """Raise `Refused` unless checkpoint `n` is the one that somebody else keeps.

        What follows the first problem is not compared. A `late` one the log need not have.
        """
        if n < self.checkpoints and self._hash(n) != digest:
            raise Refused("fork", f"{keeper} has another checkpoint {n} than the log.")
        if n >= self.checkpoints and self.whole and late:
            self.set_aside += 1
        elif n >= self.checkpoints and self.whole:
            message = f"{keeper} has checkpoint {n} with {size} records, the log has it no more."
            raise Refused("rolled_back", message, self.records)

    def _walk(self, ring: Keyring, lines: Iterable[bytes], records: Records) -> None:
        for line in lines:
            found = read_checkpoint(line, ring, f"Checkpoint {self.checkpoints}")
            runs = self._follows(found, ring)
            for place, run in enumerate(runs):
                self._continues(run, records, found.n)
                records.check(run, runs[place + 1 :])
            if records.tree.root().hex() != found.root:
                raise Refused("root", f"Checkpoint {found.n} has another root than its records.")
            self._hashes += bytes.fromhex(found.hash)
            self._newest = found
            self.first_ms = self.first_ms if self.checkpoints else found.at_ms
            self.checkpoints += 1
            if self._sealed is not None:
                self._sealed()
        if not self.checkpoints:
            raise Refused("truncated", "There is no checkpoint.")
        records.end()
        if not ring.vouches(self.signer):
            raise Refused("keys", "Neither the trusted key nor one after it has signed this log.")

    def _follows(self, found: Checkpoint, ring: Keyring) -> list[Run]:
        """The runs of a checkpoint that is the next one. Raises `Refused`."""
        n, before = self.checkpoints, self._newest
        if found.n < n:
            again = self._hash(found.n) == found.hash
            kind = "duplicated" if again else "fork"
            raise Refused(kind, f"Checkpoint {found.n} is there in two places.")
        if found.n > n:
            raise Refused("deleted", f"Checkpoint {n} is missing.")
        if found.previous != (before.hash if before else START):
            raise Refused("fork", f"Checkpoint {n} does not follow the one before it.")
        if found.runs is None:
            raise Refused("forged", f"Checkpoint {n} does not match the runs beside it.")
        if before and ring.order[found.key] < ring.order[before.key]:
            raise Refused("signature", f"Checkpoint {n} is signed with a key that was replaced.")
        if found.size <= self.records or (before and found.at_ms < before.at_ms):
            raise Refused("forged", f"Checkpoint {n} does not come after the one before it.")
        if found.size != self.records + sum(run.length for run in found.runs):
            raise Refused("forged", f"Checkpoint {n} has not as many records as it says.")
        return found.runs

    def _continues(self, run: Run, records: Records, n: int) -> None:
        seen = records.last.get(run.writer, (0, ""))[0]
        if run.first <= seen:
            raise Refused("forged", f"Checkpoint {n} has records of {run.writer} twice.")
        if run.first > seen + 1:
            message = f"Writer {run.writer} has a gap: {seen + 1} to {run.first - 1} are missing."
            self.problems.append(Problem("gap", message, records.tree.size))

    def _hash(self, n: int) -> str:
        return self._hashes[32 * n : 32 * n + 32].hex()
