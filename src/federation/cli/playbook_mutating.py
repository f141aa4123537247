"""The work of `federation playbook mutate`: every mutant before its judges, and the score."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from federation.cli import output, playbook_files
from federation.cli.failures import CommandFailed, Exit
from federation.config.nearest import nearest
from federation.resilience.playbook.judging import JUDGES, Verdict, judge
from federation.resilience.playbook.model import Playbook
from federation.resilience.playbook.mutations import CLASSES, mutants
from federation.resilience.playbook.stepping import Chart

GOAL = 0.95
_SHOWN = 20


def mutate(file: Path | None, judges: tuple[str, ...], *, as_json: bool) -> int:
    """Judge every mutant and print the score; the exit code, 1 where it is under the goal."""
    for name in judges:
        if name not in JUDGES:
            hint = nearest(name, JUDGES)
            raise CommandFailed(
                f"There is no judge '{name}'{hint}{'' if hint else '.'}",
                hint=f"Known are: {', '.join(JUDGES)}.",
                code="usage",
                exit_code=Exit.USAGE,
            )
    playbook = playbook_files.sound(file)
    verdicts = _judged(playbook, judges, quiet=as_json)
    killed = sum(verdict.killed for verdict in verdicts)
    score = killed / len(verdicts) if verdicts else 1.0
    if as_json:
        output.print_json(_view(verdicts, score))
    else:
        _show(verdicts, killed, score)
    return int(Exit.OK if score >= GOAL else Exit.FAILURE)


def _judged(playbook: Playbook, judges: tuple[str, ...], *, quiet: bool) -> list[Verdict]:
    made, original = mutants(playbook), Chart(playbook)
    screen = output.console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    found: list[Verdict] = []
    with Progress(
        *columns, console=screen, transient=True, disable=quiet or not screen.is_terminal
    ) as bar:
        task = bar.add_task("", total=len(made))
        for mutant in made:
            found.append(judge(mutant, original, judges))
            bar.update(task, advance=1, description=CLASSES[mutant.kind])
    return found


def _by(verdicts: list[Verdict], kind: str) -> tuple[int, Counter[str]]:
    mine = [verdict for verdict in verdicts if verdict.mutant.kind == kind]
    return len(mine), Counter(verdict.judge for verdict in mine if verdict.killed)


def _view(verdicts: list[Verdict], score: float) -> dict[str, object]:
    classes = []
    for kind, about in CLASSES.items():
        count, by = _by(verdicts, kind)
        row = {"class": kind, "about": about, "mutants": count, "killed": sum(by.values())}
        classes.append({**row, "by": dict(by)})
    return {
        "object": "playbook_mutation",
        "mutants": len(verdicts),
        "score": round(score, 4),
        "goal": GOAL,
        "classes": classes,
        "survivors": [
            {
                "class": verdict.mutant.kind,
                "about": verdict.mutant.about,
                "alike": verdict.alike,
                "why": verdict.why,
            }
            for verdict in verdicts
            if not verdict.killed
        ],
    }


def _show(verdicts: list[Verdict], killed: int, score: float) -> None:
    rows: list[list[object]] = []
    for kind, about in CLASSES.items():
        count, by = _by(verdicts, kind)
        share = f"{sum(by.values()) / count:.1%}" if count else "-"
        rows.append([kind, about, count, sum(by.values()), share, *(by[name] for name in JUDGES)])
    output.table(
        ("Class", "Mistake", ">Mutants", ">Noticed", ">Score", *(f">by {name}" for name in JUDGES)),
        rows,
    )
    survivors = [verdict for verdict in verdicts if not verdict.killed]
    if survivors:
        output.table(
            ("Class", "Nobody noticed", "Alike", "Why"),
            [
                (each.mutant.kind, each.mutant.about, each.alike, each.why)
                for each in survivors[:_SHOWN]
            ],
        )
        if len(survivors) > _SHOWN:
            output.note(f"and {len(survivors) - _SHOWN} more: --json has all")
    style = "green" if score >= GOAL else "red"
    said = Text(f"{killed} of {len(verdicts)} mutants were noticed: {score:.1%}", style=style)
    output.console().print(said)
