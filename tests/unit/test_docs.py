"""What README and docs name is there: files, headings, make targets, commands."""

from __future__ import annotations

import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from federation.cli.tree import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def code(text: str) -> list[str]:
    """Every line of the code blocks, every code span."""
    blocks = [block.splitlines()[1:-1] for block in _FENCE.findall(text)]
    return [*(line for block in blocks for line in block), *_CODE.findall(_FENCE.sub("", text))]


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    named = re.findall(r"<a (?:id|name)=\"([^\"]+)\">", text)
    made = (re.sub(r"[^\w -]", "", words.lower()) for words in headings)
    return {*named, *(words.replace(" ", "-") for words in made)}


def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_every_decision_is_in_the_list_of_decisions_by_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^\* \[(.+)\]\((.+)\)$", (folder / "README.md").read_text(), re.MULTILINE)
    titles = [
        (path.read_text("utf-8").splitlines()[0].removeprefix("# "), path.name)
        for path in folder.glob("[0-9]*.md")
    ]
    assert sorted(listed) == sorted(titles)


def test_every_make_target_that_is_named_exists(page: Path) -> None:
    made = (ROOT / "Makefile").read_text() + (ROOT / "bench" / "bench.mk").read_text()
    targets = set(re.findall(r"^([a-z-]+):", made, re.MULTILINE))
    named = {
        found.group(1)
        for words in code(page.read_text("utf-8"))
        if (found := re.match(r" *(?:\$ )?make ([a-z-]+)", words))
    }
    assert named <= targets


def test_every_command_that_is_named_exists(page: Path) -> None:
    for words in code(page.read_text("utf-8")):
        found = re.match(r" *(?:\$ )?(?:\.venv/bin/)?federation( .+)?$", words.partition("#")[0])
        if found is not None:
            _check(_commands(), (found.group(1) or "").split(), words)


@cache
def _commands() -> Any:
    return typer.main.get_command(app)


def _check(command: Any, rest: list[str], words: str) -> None:
    while rest and hasattr(command, "commands"):
        word = rest.pop(0)
        if word.startswith("-") or not word[0].islower():
            break  # an option, a placeholder, or the text of `federation route "text"`
        assert word in command.commands, words
        command = command.commands[word]
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    known |= {"--help", "--install-completion"}
    for option in (word.partition("=")[0] for word in rest if word.startswith("--")):
        assert hasattr(command, "commands") or option in known, words


def test_the_performance_page_holds_the_stored_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    written = runpy.run_module("bench.page")
    text = written["PAGE"].read_text("utf-8")
    assert written["page"](text) == text, "make page"


def test_a_stored_run_is_rendered_with_ratios_and_goals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    rows: list[dict[str, Any]] = [
        {"name": name, "whole_8": {"cpu_us": cpu, "errors": 0}}
        for name, cpu in (
            ("direct", 9.0),
            ("nginx", 20.0),
            ("federation route", 90.0),
            ("federation translated", 100.0),
            ("nginx 100 kB", 40.0),
            ("federation 100 kB", 160.0),
        )
    ]
    result = {
        "at": "2026-01-02",
        "environment": {"cpu": "x"},
        "rounds": 3,
        "rows": rows,
        "cold_start_s": {"federation": 1.0},
        "memory_idle": {},
        "memory_loaded": {},
        "notes": ["n"],
    }
    said = runpy.run_module("bench.page")["section"](result)
    assert "| federation route | 90.0 us, 4.50 x | - |" in said
    assert "| federation translated | 100.0 us, 5.00 x | - |" in said, "of nginx, as it says"
    assert "| federation 100 kB | 160.0 us, 4.00 x | - |" in said
    assert "| direct" not in said
    assert "route, 1,000/s over 8 connections: 4.50 x (goal 5, floor 8): met" in said
    assert "translated / forwarded, 1,000/s over 8 connections: 1.11 x" in said
    assert "failed answers of federation: 0.00  (goal 0, floor 0): met" in said
    rows[3]["whole_8"]["errors"] = 7
    said = runpy.run_module("bench.page")["section"](result)
    assert "failed answers of federation: 7.00  (goal 0, floor 0): MISSED" in said
    assert "Note: n" in said
