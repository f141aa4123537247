"""Verifies the logs of several replicas together: each by itself, and by what others hold of it.

`add` every log, then `read` every log, then `judge`. A log counts when a key that the auditor
trusts, or one after it, signed its newest checkpoint, or when a log that counts holds a checkpoint
which that log's key signed. The trap: a log that is left out cannot speak for itself, so only what
others hold of it shows that it was there; what was sealed after they last looked is covered by
anchors alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Protocol

from federation.evidence.checkpoints import BadCheckpoint
from federation.evidence.double_ends import Ends, answered_twice
from federation.evidence.findings import Finding, Report
from federation.evidence.signing import BadKeys, Key, read_keys
from federation.evidence.verify import Verification
from federation.evidence.witnesses import read_witness

_KEPT = Struct(">QQ?32s")
"""A witnessed checkpoint: its number, its size, whether it is late, its hash."""
_ANCHORED = re.compile(rb'\{"body":\{"log":"([0-9a-f]{32})"')
_AT_MS = re.compile(rb'"at_ms":([0-9]{1,19}),')
_CALL = rb'"call":"([!#-\[\]-~]{1,200})"'
_RECORD = re.compile(
    rb'\{"writer":"[A-Za-z0-9_-]+","seq":[0-9]+,"record":\{"type":"(?:'
    rb'(started|ended)",%b|(lost)","at_ms":[0-9]+,%b|(witnessed|log_opened|log_closed)",)'
    % (_CALL, _CALL)
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
    """The most records that one of them is over; of those that are not late."""
    bad: int | None = None
    """The place of the first record whose checkpoint is not signed by that log."""
    short: tuple[int, str] | None = None
    """The place of the first record whose checkpoint is signed by the key that it names itself, and
    that key, which that log's row has not."""
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

    def __init__(
        self,
        trusted: Sequence[bytes],
        calls: Calls | None = None,
        *,
        through_ms: int | None = None,
        only_keys: bool = False,
    ) -> None:
        """`trusted` are public keys that the auditor got by another way, one at least. Without
        `calls`, ends that were answered twice are found all the same, and no more is kept of calls.

        What was made after `through_ms` shows no rollback and no missing log: exports of replicas
        that run are made one after the other. With `only_keys` a log counts by a trusted key
        alone, and one that was witnessed and that no key leads to is `unasked`, not missing.
        """
        self.reports: dict[str, Report] = {}
        """By the name under which a log was given."""
        self.findings: list[Finding] = []
        """What is wrong with all of them together, after `judge`."""
        self.unasked: list[str] = []
        """With `only_keys`: logs that were witnessed and not given, by their ids."""
        self.through_ms = through_ms
        self._only_keys = only_keys
        self._trusted = trusted
        self.calls = calls
        self._ends = Ends()
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
        ear = _Ear(name, self._by_id, self.calls or self._ends, self.through_ms)
        first = row[0].public if row else b""
        log = _Log(name, row, Verification(first, lines, ear, self.through_ms), ear)
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
            self._anchored |= {of for line, of in named if of and not self._is_late(line)}
        report = log.verification.run(checkpoints, entries, anchors)
        report.closed = log.ear.closed
        (self.calls or self._ends).drop()

    def judge(self) -> None:
        """Judge what they say of each other. Call it once, after every `read`."""
        counted = self._counted()
        for log in counted:
            self._hold_against(log)
        self._find_missing(counted)
        self.findings += answered_twice((self.calls or self._ends).again())
        self._ends.close()

    def _counted(self) -> list[_Log]:
        """The logs that count; a finding for each that does not, and for each idle key."""
        counted = [log for log in self._by_id.values() if self._trusts(log)]
        known = {key.public for log in counted for key in log.row}
        for public in self._trusted if counted else ():
            if public not in known:
                message = f"The trusted key {public.hex()} is none of these logs' keys."
                self.findings.append(Finding("keys", message))
        for log in () if self._only_keys else counted:
            for other in (self._by_id.get(each) for each in log.held):
                if other is not None and other not in counted and log.held[other.id].kept:
                    counted.append(other)
        for log in self._by_id.values():
            if log not in counted:
                message = "None of its keys is trusted, and no log that is has witnessed it."
                self.findings.append(Finding("keys", message, log=log.name))
        return [log for log in self._logs if log in counted]

    def _is_late(self, anchor: bytes) -> bool:
        at_ms = _AT_MS.search(anchor)
        through = self.through_ms
        return through is not None and at_ms is not None and int(at_ms[1]) > through

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
            report, keeper = other.verification.report, f"the log of {log.name}"
            for n, size, late, digest in _KEPT.iter_unpack(held.kept):
                if not other.verification.kept(n, digest, size, keeper, late=late):
                    break
                report.witnessed += n < report.checkpoints
            if held.short is not None and not _differs(report):
                n, key = held.short
                message = (
                    f"Record {n} of the log of {log.name} witnesses a checkpoint of this log that "
                    f"key {key} signed, and this row of keys does not have it: it was cut short, "
                    "or that log has made the key up."
                )
                report.findings.append(Finding("keys", message))

    def _find_missing(self, counted: Sequence[_Log]) -> None:
        missing: dict[str, str] = {}
        for log in counted:
            for other_id, held in log.held.items():
                if other_id not in self._by_id and held.size:
                    message = (
                        f"The log {other_id} of replica {held.replica} is not among these: the "
                        f"log of {log.name} has witnessed it with {held.size} records."
                    )
                    missing.setdefault(other_id, message)
        if self._only_keys:
            self.unasked, missing = sorted(missing), {}
        for other_id in self._anchored - self._by_id.keys():
            message = f"The log {other_id} is not among these: an anchor holds a checkpoint of it."
            missing.setdefault(other_id, message)
        self.findings += [Finding("missing", missing[each]) for each in sorted(missing)]


class _Ear:
    """Hears the records of one log; `verify.Listener`."""

    def __init__(
        self, name: str, logs: dict[str, _Log], calls: Calls | Ends, through_ms: int | None
    ) -> None:
        self._through_ms = through_ms
        self.held: dict[str, _Held] = {}
        self.closed = False
        self._name = name
        self._logs = logs
        self._ends = calls if isinstance(calls, Ends) else None
        self._calls = None if isinstance(calls, Ends) else calls
        self._waiting: list[tuple[int, bytes]] = []

    def take(self, n: int, line: bytes) -> None:
        found = _RECORD.match(line)
        if found is None:
            return
        if found[5] == b"witnessed":
            self._waiting.append((n, line))
        elif found[5] is not None:
            self.closed = found[5] == b"log_closed"
        elif self._ends is not None:
            if found[1] == b"ended":
                self._ends.take(found[2], n)
        elif self._calls is not None:
            kind, call = found[1] or found[3], found[2] or found[4]
            self._calls.take(self._name, n, kind.decode(), call.decode(), line)

    def hold(self) -> None:
        for n, line in self._waiting:
            self._witness(n, line)
        self._waiting.clear()
        if self._ends is not None:
            self._ends.hold(self._name)
        elif self._calls is not None:
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
        late = self._through_ms is not None and min(body.at_ms, witness.at_ms) > self._through_ms
        if not witness.signed_by(row):
            if all(key.id != body.key for key in row or ()) and witness.signed_by(None):
                held.short = held.short or (None if late else (n, body.key))
            else:
                self._bad(held, n)
            return
        held.size = max(held.size, 0 if late else body.size)
        held.kept += _KEPT.pack(body.n, body.size, late, witness.checkpoint.hash)

    def _bad(self, held: _Held, n: int) -> None:
        held.bad = n if held.bad is None else held.bad


def _named(line: bytes) -> str:
    """The log that an anchored checkpoint says it is of; empty where it says none."""
    found = _ANCHORED.match(line)
    return "" if found is None else found[1].decode()


def _differs(report: Report) -> bool:
    """Whether a log was found to be another than what was kept elsewhere."""
    return any(each.kind in ("fork", "rolled_back", "keys") for each in report.findings)
