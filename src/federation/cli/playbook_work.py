"""The work of `federation playbook check`, `run` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text

from federation.cli import output, playbook_files, playbook_live
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.config.nearest import nearest
from federation.resilience.playbook.drawing import dot, svg
from federation.resilience.playbook.model import Playbook, Scenario
from federation.resilience.playbook.scenarios import Report
from federation.resilience.playbook.scenarios import run as run_virtually
from federation.resilience.playbook.stepping import Chart

_FORMATS = ("dot", "svg", "routes")
_SHOWN = 3


def check(file: Path | None, *, as_json: bool) -> None:
    """Print what a playbook holds. Raises `CommandFailed` where something is wrong in it."""
    playbook = playbook_files.sound(file)
    counts = {
        "states": len(playbook.states),
        "events": len(playbook.events),
        "transitions": len(playbook.transitions),
        "invariants": sum(len(state.invariants) for state in playbook.states.values()),
        "forbidden": len(playbook.forbidden),
        "scenarios": len(playbook.scenarios),
        "tours": len(playbook.tours),
    }
    if as_json:
        output.print_json({"object": "playbook", "ok": True, **counts, "budgets": playbook.budgets})
        return
    output.facts([(name.capitalize(), count) for name, count in counts.items()])
    output.say(
        "The playbook holds: every event has one answer in every state in which it can happen."
    )


def run(file: Path | None, scenario: str | None, place: Place | None, *, as_json: bool) -> int:
    """Run scenarios on a virtual clock, or against the gateway at `place`; the exit code."""
    playbook = playbook_files.sound(file)
    chart = Chart(playbook)
    wanted = _wanted(playbook, scenario)
    reports: list[Report] = []
    if place is not None:
        playbook_live.ready(place, wanted)
    for each in wanted:
        if place is None:
            reports.append(run_virtually(chart, each))
        else:
            with output.working(f"Running {each.name} ...", quiet=as_json):
                reports.append(playbook_live.run(chart, each, place))
    passed = all(report.passed for report in reports)
    if as_json:
        clock = "virtual" if place is None else "real"
        rows = [_view(report) for report in reports]
        output.print_json({"object": "playbook_run", "clock": clock, "ok": passed, "data": rows})
    else:
        _show(reports)
    return int(Exit.OK if passed else Exit.FAILURE)


def _wanted(playbook: Playbook, name: str | None) -> list[Scenario]:
    known = {each.name: each for each in playbook.scenarios}
    if name is None:
        return list(known.values())
    if name in known:
        return [known[name]]
    hint = nearest(name, known)
    raise CommandFailed(
        f"There is no scenario '{name}'{hint}{'' if hint else '.'}",
        hint=f"Known are: {', '.join(known)}.",
        code="not_found",
        exit_code=Exit.USAGE,
    )


def _view(report: Report) -> dict[str, Any]:
    return {
        "scenario": report.scenario,
        "about": report.about,
        "passed": report.passed,
        "calls": len(report.calls),
        "skipped_steps": report.skipped,
        "lasted_s": round(report.lasted_s, 3),
        "wrong": report.wrong,
        "notes": report.notes,
        "seen": [
            {"step": each.turn, "expected": each.expected, "seen": each.seen, "ok": each.ok}
            for each in report.calls
        ],
    }


def _show(reports: list[Report]) -> None:
    output.table(
        ("=Scenario", "Shows", ">Calls", ">Lasted", "=Result", "What deviated"),
        [
            (
                report.scenario,
                report.about,
                len(report.calls),
                f"{report.lasted_s:.1f} s",
                Text("passed", style="green") if report.passed else Text("failed", "bold red"),
                "; ".join(report.wrong[:_SHOWN]),
            )
            for report in reports
        ],
    )
    for report in reports:
        for note in report.notes[:_SHOWN]:
            output.note(f"{report.scenario}: {note}")
        if report.skipped:
            output.note(f"{report.scenario}: {report.skipped} steps need the virtual clock")


def export(file: Path | None, form: str, to: Path | None, *, as_json: bool) -> None:
    """Write or print a drawing. Raises `CommandFailed` for an unknown format or a bad path."""
    if form not in _FORMATS:
        hint = nearest(form, _FORMATS)
        raise CommandFailed(
            f"There is no format '{form}'{hint}{'' if hint else '.'}",
            hint=f"Known are: {', '.join(_FORMATS)}.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    playbook = playbook_files.sound(file)
    draw = {"dot": dot, "svg": svg, "routes": playbook_live.routes}[form]
    text = draw(playbook)
    if to is None:
        output.print_json({"format": form, "content": text}) if as_json else print(text, end="")
        return
    try:
        to.write_text(text, "utf-8")
    except OSError as error:
        raise CommandFailed(f"{to} cannot be written: {error.strerror}.", code="output") from error
    if as_json:
        output.print_json({"format": form, "file": str(to)})
    else:
        output.say(f"Written to {to}.")
