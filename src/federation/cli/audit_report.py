"""What a verification found, for people and for programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from federation.cli import output
from federation.cli.audit_anchors import Anchors, strange_lines
from federation.cli.failures import CommandFailed, Exit
from federation.evidence.findings import Finding, Report
from federation.evidence.web import Web

RUNNING = (
    "Exports taken while replicas ran? Give the time at which the first was begun as --through."
)
MISSING = (
    "Give the exports of all replicas, those of retired ones too; --alone judges one by itself."
)


def check_judged(reports: Collection[Report], through_ms: int | None, anchors: Anchors) -> None:
    """Raise `CommandFailed` where good logs were held against nothing, because `--through` set it
    all aside."""
    if through_ms is None or anchors.findings or not all(each.good for each in reports):
        return
    wrong = ""
    if reports and through_ms < min(each.first_ms for each in reports):
        wrong = f"--through is {at(through_ms)}, which is before the first checkpoint."
    elif anchors.lines and not any(each.anchors for each in reports):
        wrong = f"No anchor says anything: all are later than --through, {at(through_ms)}."
    if wrong:
        hint = "It is the time at which the first export was begun."
        raise CommandFailed(wrong, hint=hint, code="usage", exit_code=Exit.USAGE)


def say(
    report: Report,
    *,
    as_json: bool,
    proof: str = "",
    web: Web | None = None,
    anchors: Anchors | None = None,
    through_ms: int | None = None,
) -> None:
    """Print what was found in one log, judged in a web or by itself. Raises `CommandFailed` where
    there is anything."""
    anchors = anchors or Anchors()
    if not report.good or anchors.findings:
        raise _refused([*report.findings, *anchors.findings], web, anchors)
    if as_json:
        more = {"no_anchors": anchors.strange}
        output.print_json({"verified": True, "proof": proof} | asdict(report) | more)
    elif proof:
        output.say(f"The {proof} proof holds.", "green")
    else:
        output.facts(_facts(report))
        _say_what_was_left(through_ms, anchors)
        output.say("Verified: every record is what was signed.", "green")


def say_all(
    web: Web,
    between: Sequence[Finding],
    compared: Mapping[str, int] | None,
    anchors: Anchors,
    *,
    as_json: bool,
) -> None:
    """The same of all logs of a web, and what was found between them and the ledger.

    `compared` counts the ledger's calls, where they were held against the logs.
    """
    reports = web.reports
    own = [
        replace(found, log=name) for name, report in reports.items() for found in report.findings
    ]
    if own or between or anchors.findings:
        raise _refused([*own, *between, *anchors.findings], web, anchors)
    if as_json:
        whole = {name: asdict(report) for name, report in reports.items()}
        more: dict[str, object] = {"through_ms": web.through_ms, "unasked": web.unasked}
        more["no_anchors"] = anchors.strange
        output.print_json({"verified": True, "logs": whole, "ledger": compared} | more)
        return
    for name, report in reports.items():
        output.facts([*_facts(report), ("Witnessed by others", report.witnessed)], name)
    if compared is not None:
        facts = [(f"Calls {what}", count) for what, count in compared.items()]
        output.facts(facts, "The ledger")
    _say_what_was_left(web.through_ms, anchors)
    if web.unasked:
        output.say(f"Witnessed, with a key that was not given: {', '.join(web.unasked)}.")
    logs = "one log" if len(reports) == 1 else f"{len(reports)} logs as one"
    output.say(f"Verified: {logs}, and every record is what was signed.", "green")


def at(at_ms: int) -> str:
    """A time, in UTC; one that no calendar has, in milliseconds."""
    try:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError):
        return f"{at_ms} ms"


def _facts(report: Report) -> list[tuple[str, object]]:
    stored = [
        ("Calls in the store, as recorded", report.calls),
        ("Records not in the store yet", report.behind),
    ]
    return [
        ("Log", report.log),
        ("Records", report.records),
        ("Checkpoints", report.checkpoints),
        ("Keys", report.keys),
        ("Anchors", report.anchors),
        ("From", at(report.first_ms)),
        ("Through", at(report.last_ms)),
        *([("Set aside", report.set_aside)] if report.set_aside else []),
        ("Longest silence", f"{report.longest_silence_ms / 1000:.0f} s"),
        ("Root", report.root),
        *(fact for fact in stored if any(count for _, count in stored)),
    ]


def _say_what_was_left(through_ms: int | None, anchors: Anchors) -> None:
    if through_ms is not None:
        output.say(f"What others saw after {at(through_ms)} was set aside.")
    for sentence in strange_lines(anchors.strange):
        output.say(sentence)


def _refused(findings: Sequence[Finding], web: Web | None, anchors: Anchors) -> CommandFailed:
    kinds = {each.kind for each in findings}
    hints = []
    if web is not None and web.through_ms is None and "rolled_back" in kinds:
        hints.append(RUNNING)
    if "missing" in kinds:
        hints.append(MISSING)
    told = [*map(_told, findings), *strange_lines(anchors.strange)]
    return CommandFailed(
        "Not verified.\n" + "\n".join(f"  {each}" for each in told),
        hint=" ".join(hints),
        code="not_verified",
        details={
            "findings": [asdict(each) for each in findings],
            "no_anchors": anchors.strange,
        },
    )


def _told(finding: Finding) -> str:
    where = f"{finding.log}: " if finding.log else ""
    return f"{where}[{finding.kind}] {finding.message}"
