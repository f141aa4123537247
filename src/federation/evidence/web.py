"""Several logs as one: each by itself, and all by what each holds of the others.

`add` every log, then `read` every log, then `judge`. A log counts when a key that the auditor
trusts is in its row, or when a log that counts holds a checkpoint which that log's key signed. The
trap: a log that is left out cannot speak for itself, so only what others hold of it shows that
it was there; what was sealed after they last looked is covered by anchors alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from struct import Struct
from typing import Protocol

from federation.evidence.checkpoints import BadCheckpoint
from federation.evidence.findings import Finding, Report
from federation.evidence.signing import BadKeys, Key, read_keys
from federation.evidence.verify import Verification
from federation.evidence.witnesses import read_witness

MOST = 20
"""Findings of one kind that are told one by one."""
_KEPT = Struct(">QQ32s")
"""A witnessed checkpoint: its number, its size, its hash."""
_ANCHORED = re.compile(rb'\{"body":\{"log":"([0-9a-f]{32})"')
_RECORD = re.compile(
    rb'\{"writer":"[A-Za-z0-9_-]+","seq":\d+,"record":\{"type":'
    rb'"(started|ended|lost|witnessed|log_opened|log_closed)",(?:"at_ms":\d+,)?'
    rb'(?:"call":"([^"\\]+)")?'
)


class Calls(Protocol):
    """Remembers which log holds what of a call; there are too many for memory."""

    def take(self, log: str, n: int, kind: str, call: str, line: bytes) -> None:
        """A record of a call (started | ended | lost) and its place; it is not known to hold."""
        ...

    def hold(self) -> None:
        """What was taken holds."""
        ...

    def drop(self) -> None:
        """What was taken since is to be forgotten."""
        ...

    def again(self) -> Iterable[tuple[str, int, str]]:
        """Log, place and call of every end but the first of its call, in the order of taking."""
        ...


@dataclass(slots=True)
class _Held:
    """What one log holds of another."""

    replica: str = ""
    size: int = 0
    """Of the newest."""
    bad: int | None = None
    """The place of the first record whose checkpoint is not signed by that log."""
    kept: bytearray = field(default_factory=bytearray)


@dataclass(slots=True, eq=False)
class _Log:
    """One log as it was given; `row` is empty where its keys do not hold."""

    name: str
    row: list[Key]
    verification: Verification
    ear: _Ear

    @property
    def held(self) -> dict[str, _Held]:
        """What it holds of others, by their ids."""
        return self.ear.held

    @property
    def id(self) -> str:
        return self.row[0].id if self.row else ""


class Web:
    """Logs that are judged together."""

    def __init__(self, trusted: Sequence[bytes], calls: Calls | None = None) -> None:
        """`trusted` are public keys that the auditor got by another way, one at least."""
        self.reports: dict[str, Report] = {}
        """By the name under which a log was given."""
        self.findings: list[Finding] = []
        """What is wrong with all of them together, after `judge`."""
        self._trusted = trusted
        self._calls = calls
        self._logs: list[_Log] = []
        self._by_id: dict[str, _Log] = {}
        self._anchored: set[str] = set()

    @property
    def good(self) -> bool:
        """Whether nothing was found in any of them, nor between them."""
        return not self.findings and all(report.good for report in self.reports.values())

    def add(self, name: str, keys: Iterable[bytes]) -> None:
        """A log by its row of keys, under a name of its own."""
        lines = list(keys)
        try:
            row = read_keys(lines)
        except BadKeys:
            row = []
        ear = _Ear(name, self._by_id, self._calls)
        log = _Log(name, row, Verification(row[0].public if row else b"", lines, ear), ear)
        report = self.reports[name] = log.verification.report
        if log.id in self._by_id:
            message = f"It is the log that {self._by_id[log.id].name} holds already."
            report.findings.append(Finding("duplicated", message))
        elif row:
            self._by_id[log.id] = log
        self._logs.append(log)

    def read(
        self,
        name: str,
        checkpoints: Iterable[bytes],
        entries: Iterable[bytes],
        anchors: Sequence[bytes] = (),
    ) -> None:
        """Judge a log that was added by itself, with those of the anchors that are its own."""
        log = next(each for each in self._logs if each.name == name)
        if len(self._logs) == 1 and all(key.public not in self._trusted for key in log.row):
            return  # nobody is there who could vouch for it
        if len(self._logs) > 1:
            named = [(line, _named(line)) for line in anchors]
            anchors = [line for line, of in named if of == log.id or not of]
            self._anchored |= {of for _, of in named if of}
        report = log.verification.run(checkpoints, entries, anchors)
        report.closed = log.ear.closed
        if self._calls is not None:
            self._calls.drop()

    def judge(self) -> None:
        """Judge what they say of each other. Call it once, after every `read`."""
        counted = self._counted()
        for log in counted:
            self._hold_against(log)
        self._find_missing(counted)
        ends = islice(self._calls.again() if self._calls is not None else (), MOST)
        for name, n, call in ends:
            message = f"Record {n} is the end of call {call}, which has one already."
            self.findings.append(Finding("answered_twice", message, n, log=name))

    def _counted(self) -> list[_Log]:
        """The logs that count; a finding for each that does not, and for each idle key."""
        counted = [log for log in self._by_id.values() if self._trusts(log)]
        known = {key.public for log in counted for key in log.row}
        for public in self._trusted if counted else ():
            if public not in known:
                message = f"The trusted key {public.hex()} is none of these logs' keys."
                self.findings.append(Finding("keys", message))
        for log in counted:
            for other in (self._by_id.get(each) for each in log.held):
                if other is not None and other not in counted and log.held[other.id].kept:
                    counted.append(other)
        for log in self._by_id.values():
            if log not in counted:
                message = "None of its keys is trusted, and no log that is has witnessed it."
                self.findings.append(Finding("keys", message, log=log.name))
        return [log for log in self._logs if log in counted]

    def _trusts(self, log: _Log) -> bool:
        """Whether a trusted key, or one after it, signed the newest checkpoint: that the row names
        it proves nothing, because whoever makes a row can name any key in it. Of a log that is bad
        that cannot be told, and need not be."""
        last = log.verification.signer if log.verification.whole else len(log.row)
        return any(key.public in self._trusted and key.n <= last for key in log.row)

    def _hold_against(self, log: _Log) -> None:
        """Hold the others against what one log holds of them."""
        for other_id, held in log.held.items():
            if held.bad is not None:
                message = (
                    f"Record {held.bad} witnesses a checkpoint of replica {held.replica} that "
                    "the key of that log has not signed."
                )
                self.findings.append(Finding("witness", message, held.bad, log=log.name))
            other = self._by_id.get(other_id)
            if other is None or _differs(other.verification.report):
                continue
            for n, size, digest in _KEPT.iter_unpack(held.kept):
                if not other.verification.kept(n, digest, size, f"the log of {log.name}"):
                    break
                other.verification.report.witnessed += 1

    def _find_missing(self, counted: Sequence[_Log]) -> None:
        missing: dict[str, str] = {}
        for log in counted:
            for other_id, held in log.held.items():
                if other_id not in self._by_id and held.kept:
                    message = (
                        f"The log {other_id} of replica {held.replica} is not among these: the "
                        f"log of {log.name} has witnessed it with {held.size} records."
                    )
                    missing.setdefault(other_id, message)
        for other_id in self._anchored - self._by_id.keys():
            message = f"The log {other_id} is not among these: an anchor holds a checkpoint of it."
            missing.setdefault(other_id, message)
        self.findings += [Finding("missing", missing[each]) for each in sorted(missing)]


class _Ear:
    """Hears the records of one log; `verify.Listener`."""

    def __init__(self, name: str, logs: dict[str, _Log], calls: Calls | None) -> None:
        self.held: dict[str, _Held] = {}
        self.closed = False
        self._name = name
        self._logs = logs
        self._calls = calls
        self._waiting: list[tuple[int, bytes]] = []

    def take(self, n: int, line: bytes) -> None:
        found = _RECORD.match(line)
        if found is None:
            return
        if found[1] == b"witnessed":
            self._waiting.append((n, line))
        elif found[1].startswith(b"log_"):
            self.closed = found[1] == b"log_closed"
        elif self._calls is not None and found[2] is not None:
            call = found[2].decode("utf-8", "replace")
            self._calls.take(self._name, n, found[1].decode(), call, line)

    def hold(self) -> None:
        for n, line in self._waiting:
            self._witness(n, line)
        self._waiting.clear()
        if self._calls is not None:
            self._calls.hold()

    def _witness(self, n: int, line: bytes) -> None:
        try:
            witness = read_witness(line)
        except BadCheckpoint:
            self._bad(self.held.setdefault("", _Held("unknown")), n)
            return
        body = witness.checkpoint.body
        other = self._logs.get(body.log)
        held = self.held.setdefault(body.log, _Held())
        held.replica = witness.replica
        row = None if other is None else other.row
        if max(body.n, body.size) >> 63 or min(body.n, body.size) < 0 or not witness.signed_by(row):
            self._bad(held, n)
            return
        held.size = body.size
        held.kept += _KEPT.pack(body.n, body.size, witness.checkpoint.hash)

    def _bad(self, held: _Held, n: int) -> None:
        held.bad = n if held.bad is None else held.bad


def _named(line: bytes) -> str:
    """The log that an anchored checkpoint says it is of; empty where it says none."""
    found = _ANCHORED.match(line)
    return "" if found is None else found[1].decode()


def _differs(report: Report) -> bool:
    """Whether a log was found to be another than what was kept elsewhere."""
    return any(each.kind in ("fork", "rolled_back") for each in report.findings)
