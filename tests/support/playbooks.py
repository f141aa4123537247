"""The shipped playbook, whole and changed, and small ones written in a test."""

from __future__ import annotations

from functools import cache
from importlib import resources

from federation.config import document
from federation.config.document import Document
from federation.errors import Problem
from federation.resilience.playbook.checking import check
from federation.resilience.playbook.model import Playbook
from federation.resilience.playbook.reading import read
from federation.resilience.playbook.stepping import Chart
from federation.resilience.playbook.touring import walk_all


@cache
def shipped_text() -> str:
    """The file as it is shipped."""
    return (resources.files("federation.resilience.playbook") / "playbook.yaml").read_text("utf-8")


@cache
def shipped() -> Playbook:
    """The playbook as it is shipped; nothing is wrong in it."""
    playbook, problems = judged(shipped_text())
    assert problems == []
    assert playbook is not None
    return playbook


def judged(text: str) -> tuple[Playbook | None, list[tuple[str, Problem]]]:
    """What the text holds, and what is wrong in it, as (kind, problem)."""
    found = document.parse(text.encode(), "p.yaml")
    if found.problems:
        return None, [("form", problem) for problem in found.problems]
    playbook, findings = read(found.value)
    if playbook is not None and not findings:
        findings = check(playbook) or list(walk_all(Chart(playbook)))
    return playbook, _placed(found, findings)


def _placed(found: Document, findings: object) -> list[tuple[str, Problem]]:
    assert isinstance(findings, list)
    return [(each.kind, found.problem(each.path, each.message)) for each in findings]


def changed(old: str, new: str) -> str:
    """The shipped text with one thing changed."""
    text = shipped_text()
    assert text.count(old) == 1, (text.count(old), old)
    return text.replace(old, new)


SMALL = """\
initial: idle
events:
  go: {in: [idle]}
  stop: {in: [busy]}
forbidden: [busy -> busy]
states:
  idle:
    on:
      go:
        - {to: busy}
  busy:
    on:
      stop:
        - {to: idle}
"""
