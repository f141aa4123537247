"""Exports of several replicas, verified as one, and held against the ledger that they share."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path

from federation.cli import audit_files, audit_report
from federation.cli.audit_anchors import Anchors
from federation.cli.place import Place
from federation.config.stores import peek_stores
from federation.evidence.double_ends import MOST
from federation.evidence.findings import Finding
from federation.evidence.web import Web
from federation.storage.evidence_calls import Apart, SpooledCalls

SLACK_MS = 1_000
"""A call that ended just before a checkpoint may be in the next: the journals are read first."""
_WORDS = {
    "unlogged": "is in the ledger ({0.outcome}), and none of these logs holds how it ended.",
    "unlisted": "has ended in a log, and is not in the ledger.",
    "altered": "does not stand in the ledger as it was logged.",
    "not_lost": "is lost in the ledger, and has ended in a log.",
}


def verify(
    place: Place,
    exports: Sequence[Path],
    web: Web,
    anchors: Anchors,
    *,
    ledger: bool,
    as_json: bool,
) -> None:
    """Judge exports as one, in a web that is empty. Raises `CommandFailed` for what is bad."""
    several = len(exports) > 1
    with SpooledCalls(ledger=ledger) as calls:
        web.calls = calls if several or ledger else None
        for path in exports:
            with audit_files.opened(path) as streams:
                web.add(audit_files.shown(path), streams.keys)
        for path in exports:
            with audit_files.opened(path) as streams:
                name = audit_files.shown(path)
                web.read(name, streams.checkpoints, streams.entries, anchors.lines)
        web.judge()
        if web.good:
            audit_report.check_judged(web.reports.values(), web.through_ms, anchors)
        findings, compared = list(web.findings), None
        if ledger and web.good:
            findings, compared = _held_against(place, web, calls)
    if several or ledger:
        audit_report.say_all(web, findings, compared, anchors, as_json=as_json)
        return
    report = next(iter(web.reports.values()))
    report.findings += findings
    through_ms = web.through_ms
    audit_report.say(report, as_json=as_json, web=web, anchors=anchors, through_ms=through_ms)


def place_in(into: Path, place: Place, log: str) -> Path:
    """Where the export of a replica goes beside those of others: two logs of one name, as of a
    replica that began anew, must not meet."""
    name = peek_stores(place.config_dir, place.environ).replica or socket.gethostname()
    return into / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}-{log[:8]}"


def _held_against(
    place: Place, web: Web, calls: SpooledCalls
) -> tuple[list[Finding], dict[str, int]]:
    """What the ledger says otherwise than the logs, and how many calls were compared."""
    from federation.cli import audit_store  # noqa: PLC0415 - a third of a second of imports

    # A log that was closed holds all that its replica will ever have.
    ends_ms = {
        name: report.last_ms - (0 if report.closed else SLACK_MS)
        for name, report in web.reports.items()
    }
    still = [ends_ms[name] for name, report in web.reports.items() if not report.closed]
    all_ms = min(still) if still else max(ends_ms.values())
    findings: list[Finding] = []
    more = 0
    for apart in audit_store.apart(place, calls, ends_ms, all_ms):
        if len(findings) < MOST:
            findings.append(_finding(apart))
        else:
            more += 1
    if more:
        findings.append(Finding("ledger", f"So it is with {more} more calls."))
    counts = {"compared": calls.compared, "running": calls.running, "later": calls.later}
    return findings, counts


def _finding(apart: Apart) -> Finding:
    said = _WORDS[apart.what].format(apart)
    return Finding("ledger", f"Call {apart.call} {said}", log=apart.log)
