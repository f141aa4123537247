"""Printing: tables and panels for people, JSON for programs, errors on standard error.

Everything that came from outside is printed as it is, never as markup: a model's answer
may hold square brackets.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from federation.cli.failures import CommandFailed
from federation.cli.shown_once import goes_nowhere

NARROWEST = 100


def console(*, stderr: bool = False) -> Console:
    """A console on the present standard streams; wide enough for tables in a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else NARROWEST + 60
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def print_json(value: object) -> None:
    """One JSON document."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def say(text: str, style: str = "") -> None:
    """A line or more, long lines unbroken."""
    console().print(Text(text, style=style), soft_wrap=True)


def note(text: str) -> None:
    """A remark beside the result, on standard error."""
    console(stderr=True).print(Text(text, style="dim"), soft_wrap=True)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    title: str = "",
    *,
    empty: str = "There are none.",
) -> None:
    """A table; columns whose name begins with `>` are aligned to the right.

    Those that begin with `=` are never broken, for they are there to be copied. Without a row it is
    the sentence `empty`.
    """
    rows = list(rows)
    if not rows:
        say(empty)
        return
    made = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        right = column.startswith(">")
        made.add_column(
            column.lstrip("=>"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=column.startswith("="),
        )
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    console().print(made)


def facts(pairs: Iterable[tuple[str, object]], title: str = "") -> None:
    """Names and values, one pair a line."""
    made = Table(show_header=False, box=None, title=title or None, title_justify="left")
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, _cell(value))
    console().print(made)


def panel(text: Text | str, title: str) -> None:
    """A framed text."""
    console().print(Panel(text, title=title, title_align="left", expand=False))


@contextmanager
def working(text: str, *, quiet: bool = False) -> Iterator[None]:
    """A spinner while something takes time; nothing where nobody looks."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield
        return
    with screen.status(Text(text)):
        yield


def fail(failure: CommandFailed, *, as_json: bool) -> None:
    """Say what went wrong and what to do; as JSON only where that is read."""
    if as_json and not goes_nowhere():
        error = {"code": failure.code, "message": failure.message, "hint": failure.hint}
        print_json({"error": {**error, **failure.details}})
        return
    screen = console(stderr=True)
    text = Text("Error: ", style="bold red")
    text.append(failure.message, style="not bold default")
    screen.print(text, soft_wrap=True)
    if failure.hint:
        screen.print(Text(failure.hint, style="dim"), soft_wrap=True)


def usd(amount: float) -> str:
    """An amount in USD to the nano-dollar, without trailing zeros."""
    return "$" + (f"{amount:.9f}".rstrip("0").rstrip(".") or "0")


def minute(at_ms: int) -> str:
    """A time in UTC, to the minute."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def second(at: str) -> str:
    """A time as the gateway writes it (ISO 8601), in UTC, to the second."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _cell(value: Any) -> Text:
    if value is None or value == "":
        return Text("-", style="dim")
    if isinstance(value, Text):
        return value
    if isinstance(value, bool):
        return Text("yes", style="green") if value else Text("no", style="red")
    if isinstance(value, list | tuple):
        return Text(", ".join(map(str, value)) or "-")
    return Text(str(value))
