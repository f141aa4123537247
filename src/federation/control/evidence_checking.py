"""The log in a data directory, verified where it lies, and the store against it.

The trap: this trusts the key that lies beside the log, unless another is given. It finds damage
and slips, not a forger who owns the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from federation.control.evidence_reading import EvidenceReading
from federation.control.evidence_rows import RowCheck
from federation.evidence.double_ends import EndsOfOne
from federation.evidence.findings import Finding, Report
from federation.evidence.signing import BadKeys, read_keys
from federation.evidence.verify import Verification
from federation.storage.evidence_index import SqlEvidence


def check_log(
    data: Path,
    index: SqlEvidence | None,
    trusted: bytes | None = None,
    anchors: Iterable[bytes] = (),
) -> Report:
    """What a verification finds. Raises `NotFound` where there is no log or no checkpoint."""
    reading = EvidenceReading(data)
    keys = reading.keys()
    # Asked before the log is: it only ever follows the log.
    known = 0 if index is None else index.count()
    through = reading.newest().body.n
    rows = None if index is None else reading.check_rows(index)
    try:
        trusted = trusted or read_keys(keys)[0].public
    except BadKeys as error:
        return Report(findings=[Finding("keys", f"The keys do not hold: {error}.")])
    ends = EndsOfOne()
    listener = ends if rows is None else _Both(ends, rows)
    report = Verification(trusted, keys, listener).run(
        reading.checkpoints(through=through), reading.entries(through=through), anchors
    )
    if report.good and index is not None and rows is not None:
        report.findings += [*reading.check_index(index, through), *rows.rest()]
        if known > through + 1:
            message = f"The store knows {known} checkpoints, the log has {through + 1}: it was cut."
            report.findings.append(Finding("rolled_back", message, report.records))
        report.calls, report.behind = rows.held, rows.behind
    report.findings += ends.findings()
    return report


class _Both:
    """Two that hear one log (`verify.Listener`)."""

    def __init__(self, ends: EndsOfOne, rows: RowCheck) -> None:
        self._ends, self._rows = ends, rows

    def take(self, n: int, line: bytes) -> None:
        self._ends.take(n, line)
        self._rows.take(n, line)

    def hold(self) -> None:
        self._ends.hold()
        self._rows.hold()
