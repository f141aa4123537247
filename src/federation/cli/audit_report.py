"""What a verification found, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from federation.cli import output
from federation.cli.failures import CommandFailed
from federation.evidence.findings import Finding, Report


def say(report: Report, *, as_json: bool, proof: str = "") -> None:
    """Print what was found in one log. Raises `CommandFailed` where there is anything."""
    if not report.good:
        raise _refused(report.findings)
    if as_json:
        output.print_json({"verified": True, "proof": proof} | asdict(report))
    elif proof:
        output.say(f"The {proof} proof holds.", "green")
    else:
        output.facts(_facts(report))
        output.say("Verified: every record is what was signed.", "green")


def say_all(
    reports: Mapping[str, Report],
    between: Sequence[Finding],
    compared: Mapping[str, int] | None,
    *,
    as_json: bool,
) -> None:
    """The same of several logs, by name, and what was found between them and the ledger.

    `compared` counts the ledger's calls, where they were held against the logs.
    """
    own = [
        replace(found, log=name) for name, report in reports.items() for found in report.findings
    ]
    if own or between:
        raise _refused([*own, *between])
    if as_json:
        whole = {name: asdict(report) for name, report in reports.items()}
        output.print_json({"verified": True, "logs": whole, "ledger": compared})
        return
    for name, report in reports.items():
        output.facts([*_facts(report), ("Witnessed by others", report.witnessed)], name)
    if compared is not None:
        facts = [(f"Calls {what}", count) for what, count in compared.items()]
        output.facts(facts, "The ledger")
    logs = "one log" if len(reports) == 1 else f"{len(reports)} logs as one"
    output.say(f"Verified: {logs}, and every record is what was signed.", "green")


def at(at_ms: int) -> str:
    """A time, in UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _facts(report: Report) -> list[tuple[str, object]]:
    return [
        ("Records", report.records),
        ("Checkpoints", report.checkpoints),
        ("Keys", report.keys),
        ("Anchors", report.anchors),
        ("From", at(report.first_ms)),
        ("Through", at(report.last_ms)),
        ("Longest silence", f"{report.longest_silence_ms / 1000:.0f} s"),
        ("Root", report.root),
    ]


def _refused(findings: Sequence[Finding]) -> CommandFailed:
    return CommandFailed(
        "Not verified.\n" + "\n".join(f"  {_told(each)}" for each in findings),
        code="not_verified",
        details={"findings": [asdict(each) for each in findings]},
    )


def _told(finding: Finding) -> str:
    where = f"{finding.log}: " if finding.log else ""
    return f"{where}[{finding.kind}] {finding.message}"
