"""Reads a playbook's file, and says where in it a finding stands."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from federation.cli.failures import CommandFailed, Exit
from federation.config import document
from federation.config.document import Document
from federation.errors import Problem
from federation.resilience.playbook.checking import check
from federation.resilience.playbook.model import Finding, Playbook
from federation.resilience.playbook.reading import read
from federation.resilience.playbook.stepping import Chart
from federation.resilience.playbook.touring import walk_all

SHIPPED = "playbook.yaml"


def found_in(path: Path | None) -> tuple[Playbook | None, list[tuple[str, Problem]]]:
    """The playbook at a path, or the shipped one, with everything that is wrong in it.

    Raises `CommandFailed` where there is no such file.
    """
    where = _document(path)
    if where.problems:
        return None, [(_kind(problem), problem) for problem in where.problems]
    playbook, findings = read(where.value)
    if playbook is None or findings:
        return None, _placed(where, findings)
    findings = check(playbook)
    # A tour through a broken machine only says once more that it is broken.
    findings = findings or list(walk_all(Chart(playbook)))
    return playbook, _placed(where, findings)


def sound(path: Path | None) -> Playbook:
    """A playbook in which nothing is wrong. Raises `CommandFailed`, which lists what is."""
    playbook, problems = found_in(path)
    if playbook is None or problems:
        raise unsound(problems)
    return playbook


def unsound(problems: Iterable[tuple[str, Problem]]) -> CommandFailed:
    """The failure that lists the problems."""
    listed = list(problems)
    lines = [f"  {problem} ({kind})" for kind, problem in listed]
    return CommandFailed(
        "The playbook does not hold:\n" + "\n".join(lines),
        hint="docs/explanation/lifecycle.md says what each kind of finding means.",
        code="playbook_unsound",
        details={"problems": [view(kind, problem) for kind, problem in listed]},
    )


def view(kind: str, problem: Problem) -> dict[str, Any]:
    """A problem for programs."""
    return {
        "kind": kind,
        "file": problem.where,
        "line": problem.line,
        "message": problem.message,
    }


def _document(path: Path | None) -> Document:
    if path is None:
        home = resources.files("federation.resilience.playbook")
        return document.parse((home / SHIPPED).read_bytes(), SHIPPED)
    if not path.is_file():
        raise CommandFailed(
            f"There is no file {path}.",
            hint="Left out, the playbook that the gateway keeps to is taken.",
            code="not_found",
            exit_code=Exit.USAGE,
        )
    return document.read(path, str(path))


def _kind(problem: Problem) -> str:
    return "duplicate" if "already given" in problem.message else "form"


def _placed(where: Document, findings: Iterable[Finding]) -> list[tuple[str, Problem]]:
    return [(found.kind, where.problem(found.path, found.message)) for found in findings]
