"""A compliance report as Markdown, as a page and as plain values.

The trap: names of policies and deployments are written by people. In Markdown and HTML each is
made harmless before it stands in a table or a page.
"""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any, Final

from federation.governance.compliance import MADE, OFF, UNPROVEN, Report, Shown

_NOTE: Final = (
    "Counts are of calls in the ledger. Where the log is said to be verified, every column of each "
    "was held against its signed record, and every signed record of a call against the ledger. "
    "Violations, what was done about them, and kept answers are counted as the store has them. "
    "Where data went is judged by what the catalogue says of the provider today. "
    "This report shows evidence for controls inside the gateway; it is no legal advice, and most "
    "of what a framework demands lies outside a gateway."
)
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #999;padding:.3em .6em;"
    "text-align:left;vertical-align:top}.gap{background:#fff0e0}code{overflow-wrap:anywhere}"
)


def plain(report: Report) -> dict[str, Any]:
    """The report as JSON values."""
    period, tally, proof = report.period, report.period.tally, report.period.proof
    return {
        "object": "compliance_report",
        "framework": report.framework,
        "title": report.title,
        "from": _day(period.start_ms),
        "to": _day(period.end_ms),
        "tenant": period.tenant or None,
        "made": _moment(period.now_ms),
        "log": {
            "verified": proof.verified,
            "records": proof.records,
            "checkpoints": proof.checkpoints,
            "root": proof.root,
            "findings": list(proof.findings),
            "not_counted_yet": proof.behind,
        },
        "calls": {
            "counted": tally.calls,
            "under_a_policy": tally.governed,
            "by_outcome": dict(sorted(tally.outcomes.items())),
            "simulated": tally.simulated,
            "hashes_of_content": {name: tally.hashed[name] for name in (MADE, UNPROVEN, OFF)},
            "first": tally.first,
            "last": tally.last,
        },
        "score": {
            "total": report.score.total,
            "grade": report.score.grade,
            "adherence": report.score.adherence / 1000,
            "resolution": report.score.resolution / 1000,
            "coverage": report.score.coverage / 1000,
        },
        "controls": [_control(each) for each in report.controls],
        "gaps": sum(bool(each.gaps) for each in report.controls),
        "note": _NOTE,
    }


def _control(shown: Shown) -> dict[str, Any]:
    return {
        "control": shown.control,
        "rule": shown.rule,
        "status": shown.status,
        "evidence": shown.statement,
        "policies": list(shown.policies),
        "counts": dict(shown.counts),
        "calls": list(shown.calls),
        "gaps": list(shown.gaps),
    }


def markdown(report: Report) -> str:
    """The report as Markdown."""
    said = plain(report)
    lines = [f"# {report.title}", "", *(f"* {line}" for line in _facts(said)), ""]
    lines += ["| Control | Rule | Status | Policies in force | Counts |", "|---|---|---|---|---|"]
    for each in said["controls"]:
        counts = ", ".join(f"{name}: {count}" for name, count in each["counts"].items())
        cells = (
            each["control"],
            f"`{each['rule']}`",
            each["status"],
            ", ".join(each["policies"]) or "none",
            counts,
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    for each in said["controls"]:
        lines += ["", f"## {each['control']}", "", f"What shows it: {each['evidence']}.", ""]
        lines += [f"* **Gap:** {_cell(gap)}" for gap in each["gaps"]]
        lines += [f"* Prove it: `federation audit prove {call}`" for call in each["calls"]]
    return "\n".join([*lines, "", said["note"], ""])


def page(report: Report) -> str:
    """The report as one HTML page that loads nothing."""
    said = plain(report)
    facts = "".join(f"<li>{html.escape(line)}</li>" for line in _facts(said))
    rows = "".join(_row(each) for each in said["controls"])
    heads = "".join(
        f"<th>{head}</th>"
        for head in ("Control", "Status", "Policies in force", "Counts", "Gaps", "To prove")
    )
    title = html.escape(report.title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1><ul>{facts}</ul>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>{html.escape(said['note'])}</p></html>\n"
    )


def _row(each: dict[str, Any]) -> str:
    counts = "<br>".join(f"{html.escape(k)}: {v}" for k, v in each["counts"].items())
    cells = (
        f"{html.escape(each['control'])}<br><code>{html.escape(each['rule'])}</code>",
        html.escape(each["status"]),
        "<br>".join(html.escape(label) for label in each["policies"]) or "none",
        counts,
        "<br>".join(html.escape(gap) for gap in each["gaps"]),
        "<br>".join(f"<code>{html.escape(call)}</code>" for call in each["calls"]),
    )
    kind = ' class="gap"' if each["gaps"] else ""
    return f"<tr{kind}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _facts(said: dict[str, Any]) -> list[str]:
    log, calls, score = said["log"], said["calls"], said["score"]
    outcomes = ", ".join(f"{name} {count}" for name, count in calls["by_outcome"].items())
    verified = "verified" if log["verified"] else "NOT verified"
    tenant = f"the tenant {said['tenant']}" if said["tenant"] else "all tenants"
    return [
        f"From {said['from']} up to {said['to']}, {tenant}; made {said['made']}",
        (
            f"Calls: {calls['counted']} ({outcomes or 'none'}), {calls['under_a_policy']} of them "
            f"under a policy; the first is {calls['first'] or 'none'}, the last "
            f"{calls['last'] or 'none'}"
        ),
        (
            f"Log: {verified}, {log['records']} records under {log['checkpoints']} checkpoints, "
            f"root {log['root'] or 'none'}"
            if log["records"] is not None
            else f"Log: {verified}"
        ),
        *(f"Log: {finding}" for finding in log["findings"]),
        (
            "Score: none, for there is neither a call nor a violation"
            if score["total"] is None
            else f"Score: {score['total']} of 100 ({score['grade']}): "
            f"adherence {score['adherence']:.1%}, resolution {score['resolution']:.1%}, "
            f"coverage {score['coverage']:.1%}"
        ),
        f"Controls: {len(said['controls'])}, with gaps: {said['gaps']}",
    ]


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
