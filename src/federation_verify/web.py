"""Several logs as one: what each of them has written down of the others.

A replica's log holds records of the type `witnessed`: a signed checkpoint of another replica's
log, as it was known at that time. First all keys are read, then all logs, then they are compared.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterable, Sequence

from federation_verify.calls import Ends
from federation_verify.checkpoint import SHORT, Checkpoint, read_checkpoint
from federation_verify.keyring import Keyring
from federation_verify.log import Log
from federation_verify.problem import Problem, Refused
from federation_verify.signed import TOO_MUCH, read_signed

MOST = 20
"""Calls with two ends that are named."""
HEARD = re.compile(
    rb'\{"writer":"[A-Za-z0-9_-]+","seq":[0-9]+,"record":\{"type":"'
    rb'(?:ended","call":"([!#-\[\]-~]{1,200})"|(witnessed)",)'
)
WITNESSED = re.compile(
    rb'"record":\{"type":"witnessed","at_ms":(0|[1-9][0-9]{0,18}),'
    rb'"replica":"([A-Za-z0-9_.:/-]{1,100})","public":"([0-9a-f]{64})",'
    rb'"checkpoint":"(\{(?:[!#-\[\]-~]|\\")+\})"\}\}'
)
DIGEST = 32
LOG = re.compile(rb'\{"body":\{"log":"([0-9a-f]{32})"')
AT_MS = re.compile(rb'"at_ms":([0-9]{1,19}),')


class Known:
    """What one log has written down of another."""

    def __init__(self) -> None:
        self.replica = "?"
        self.size = 0
        self.wrong = -1
        """The first record that holds no checkpoint of that log."""
        self.short = -1
        """The first whose checkpoint is signed by the key that it names, which the row has not."""
        self.key = ""
        """That key's name."""
        self.numbers = array("Q")
        self.sizes = array("Q")
        self.late = array("B")
        self.digests = bytearray()

    def add(self, found: Checkpoint, late: bool) -> None:
        """A checkpoint whose signature is good, and whether it is after what is judged."""
        if not late:
            self.size = max(self.size, found.size)
        self.late.append(late)
        self.numbers.append(found.n)
        self.sizes.append(found.size)
        self.digests += bytes.fromhex(found.hash)

    def digest(self, place: int) -> str:
        """The hash of the checkpoint that was added at this place."""
        return self.digests[place * DIGEST : (place + 1) * DIGEST].hex()


class Member:
    """One log among the others."""

    def __init__(self, place: int, name: str, ring: Keyring | None, web: Web) -> None:
        self.place = place
        self.name = name
        self.ring = ring
        self.known: dict[str, Known] = {}
        """By the name of the other log."""
        self.log = Log(self._heard, self._sealed, web.through)
        self._web = web
        self._waiting: list[tuple[int, bytes]] = []

    def _heard(self, place: int, line: bytes) -> None:
        found = HEARD.match(line)
        if found is None:
            return
        if found[2] is not None:
            self._waiting.append((place, line))
        else:
            self._web.ends.add(self.place, place, found[1])

    def _sealed(self) -> None:
        self._web.ends.keep()
        for place, line in self._waiting:
            self._witnessed(place, line)
        self._waiting.clear()

    def _witnessed(self, place: int, line: bytes) -> None:
        found = WITNESSED.fullmatch(line, line.index(b'"record":'))
        text = b"" if found is None else found[4].replace(b'\\"', b'"')
        try:
            body = read_signed(text, SHORT, "It").body
            at_ms = TOO_MUCH if found is None else int(found[1])
            if found is None or max(body["n"], body["size"], body["at_ms"], at_ms) >= TOO_MUCH:
                raise Refused("witness", "It has too large a number.")
        except Refused:
            self._wrong(self.known.setdefault("", Known()), place)
            return
        of, key, public = body["log"], body["key"], bytes.fromhex(found[3].decode())
        known = self.known.setdefault(of, Known())
        known.replica = found[2].decode()
        late = self._web.is_late(min(body["at_ms"], at_ms))
        ring = self._web.ring(of) or Lone(of, public)
        try:
            if key in ring.public:
                known.add(read_checkpoint(text, ring, "It"), late)
                return
            read_checkpoint(text, Lone(of, public), "It")
        except Refused:
            self._wrong(known, place)
            return
        if known.short < 0 and not late:
            known.short, known.key = place, key

    def _wrong(self, known: Known, place: int) -> None:
        known.wrong = place if known.wrong < 0 else known.wrong


class Web:
    """All logs of an audit."""

    def __init__(
        self, trusted: Sequence[bytes], through: int | None = None, only_keys: bool = False
    ) -> None:
        """What was made after `through`, in Unix milliseconds, shows no rollback and no missing
        log. With `only_keys` a log counts by a trusted key alone, and what was witnessed beside
        those is `beside`, not missing.
        """
        self.members: list[Member] = []
        self.through = through
        self.beside: list[str] = []
        self._only_keys = only_keys
        self.ends = Ends()
        self.problems: list[tuple[str, Problem]] = []
        """Name of the log, or nothing, and what is wrong."""
        self._trusted = trusted
        self._by_log: dict[str, Member] = {}
        self._anchored: set[str] = set()

    def add(self, name: str, keys: Iterable[bytes]) -> Member:
        """A log by its keys."""
        ring: Keyring | None = None
        problem: Problem | None = None
        try:
            ring = Keyring(keys, None)
        except Refused as refused:
            problem = refused.problem
        if ring is not None and ring.log in self._by_log:
            problem = Problem("duplicated", f"It is the log of {self._by_log[ring.log].name}.")
            ring = None
        member = Member(len(self.members), name, ring, self)
        if problem is not None:
            member.log.problems.append(problem)
        if ring is not None:
            self._by_log[ring.log] = member
        self.members.append(member)
        return member

    def ring(self, log: str) -> Keyring | None:
        """The keys of a log, if it is there."""
        member = self._by_log.get(log)
        return None if member is None else member.ring

    def is_late(self, at_ms: int) -> bool:
        """Whether a time is after what is judged."""
        return self.through is not None and at_ms > self.through

    def read(
        self,
        member: Member,
        checkpoints: Iterable[bytes],
        entries: Iterable[bytes],
        anchors: Sequence[bytes],
    ) -> None:
        """Judge one log by itself."""
        ring = member.ring
        if ring is None:
            return
        if len(self.members) == 1 and not set(self._trusted) & set(ring.public.values()):
            return
        if len(self.members) > 1:
            anchors = [line for line in anchors if self._is_of(line, ring.log)]
        member.log.follow(ring, checkpoints, entries, anchors)
        self.ends.forget()

    def compare(self) -> None:
        """Judge what they have written down of each other."""
        reached = self._reached()
        for member in self.members:
            if member in reached:
                self._compare(member)
        missing = {log: f"An anchor is of the log {log}." for log in self._anchored}
        found: dict[str, str] = {}
        for member in reversed([each for each in self.members if each in reached]):
            for log, known in member.known.items():
                if known.size:
                    found[log] = (
                        f"The log {log} of replica {known.replica} is not given; "
                        f"{member.name} knew it with {known.size} records."
                    )
        if self._only_keys:
            self.beside = sorted(found.keys() - self._by_log.keys())
        else:
            missing |= found
        for log in sorted(missing.keys() - self._by_log.keys()):
            self.problems.append(("", Problem("missing", missing[log])))
        for place, record, call in self.ends.again()[:MOST]:
            problem = Problem("answered_twice", f"Call {call} has ended before.", record)
            self.problems.append((self.members[place].name, problem))
        self.ends.close()

    def _is_of(self, line: bytes, log: str) -> bool:
        found, at_ms = LOG.match(line), AT_MS.search(line)
        if found is not None and not (at_ms is not None and self.is_late(int(at_ms[1]))):
            self._anchored.add(found[1].decode())
        return found is None or found[1].decode() == log

    def _trusts(self, member: Member) -> bool:
        """Whether a trusted key has signed the log, or been followed by one that has; of a log
        that could not be read to its end, whether it is named at all."""
        if member.ring is None:
            return False
        keys = list(member.ring.public.values())
        if member.log.whole:
            del keys[member.ring.order[member.log.signer] + 1 :]
        return any(key in self._trusted for key in keys)

    def _reached(self) -> list[Member]:
        """The logs that a trusted key leads to, itself or by what was witnessed."""
        reached = [each for each in self._by_log.values() if self._trusts(each)]
        keys = {key for each in reached if each.ring for key in each.ring.public.values()}
        idle = [key for key in self._trusted if key not in keys] if reached else []
        for key in idle:
            message = f"The key {key.hex()} is none of these logs' keys."
            self.problems.append(("", Problem("keys", message)))
        for member in [] if self._only_keys else reached:
            for log, known in member.known.items():
                other = self._by_log.get(log)
                if other is not None and known.numbers and other not in reached:
                    reached.append(other)
        for member in self._by_log.values():
            if member not in reached:
                message = "No key that is trusted leads to this log."
                self.problems.append((member.name, Problem("keys", message)))
        return reached

    def _compare(self, member: Member) -> None:
        for log, known in member.known.items():
            if known.wrong >= 0:
                message = f"Record {known.wrong} holds no checkpoint that its log has signed."
                self.problems.append((member.name, Problem("witness", message, known.wrong)))
            other = self._by_log.get(log)
            if other is None or _contradicted(other):
                continue
            try:
                columns = zip(known.numbers, known.sizes, known.late, strict=True)
                for place, (n, size, late) in enumerate(columns):
                    other.log.compare(n, known.digest(place), size, member.name, bool(late))
                if known.short >= 0:
                    message = (
                        f"Record {known.short} of {member.name} holds a checkpoint of this log by "
                        f"key {known.key}, which this row lacks: the row was cut short, or "
                        f"{member.name} made that key up."
                    )
                    raise Refused("keys", message)
            except Refused as refused:
                other.log.problems.append(refused.problem)


class Lone(Keyring):
    """A key without its row: enough to tell whether it signed."""

    def __init__(self, log: str, public: bytes) -> None:
        self.log = log
        self.public = {hashlib.sha256(public).hexdigest()[:32]: public}
        self.order = dict.fromkeys(self.public, 0)
        self.least = 0


def _contradicted(member: Member) -> bool:
    return any(each.kind in ("fork", "rolled_back", "keys") for each in member.log.problems)
