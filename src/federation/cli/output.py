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

from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from federation.cli.failures import CommandFailed
from federation.cli.shown_once import goes_nowhere

NARROWEST = 100


def console(*, stderr: bool = False) -> Console:
    """A console on the present standard streams; wide enough for tables in a pipe.

    Some terminals of containers have no width, and say so in COLUMNS: 0 is none either.
    """
    stream = sys.stderr if stderr else sys.stdout
    said = os.environ.get("COLUMNS", "")
    width = None if said != "0" and (said or stream.isatty()) else NARROWEST + 60
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def print_json(value: object) -> None:
    """One JSON document, in whatever encoding standard output has."""
    unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=not unicode, default=str) + "\n")


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

    Those that begin with `=` are never broken, for they are there to be copied. Those that begin
    with `?` are left out, the last first, where the screen is too narrow for all. Without a row it
    is the sentence `empty`.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        say(empty)
        return
    screen, kept = console(), list(range(len(columns)))
    spare = [at for at in kept if columns[at].startswith("?")]
    while spare and _least_width(columns, cells, kept) > screen.width:
        kept.remove(spare.pop())
    screen.print(_table(columns, cells, kept, title))


def _least_width(
    columns: Sequence[str], rows: Sequence[Sequence[Text]], kept: Sequence[int]
) -> int:
    """The width in which no word is broken. Columns that may break are narrowed to one width, the
    widest first, so the longest word of any of them decides for all."""
    whole = {at: max(cell_len(each) for each in _lines(columns, rows, at)) for at in kept}
    loose = [at for at in kept if not columns[at].lstrip("?>").startswith("=")]
    words = [w for at in loose for each in _lines(columns, rows, at) for w in each.split()]
    longest = max(map(cell_len, words), default=0)
    widths = (min(whole[at], longest) if at in loose else whole[at] for at in kept)
    return sum(widths) + 3 * len(kept) + 1


def _lines(columns: Sequence[str], rows: Sequence[Sequence[Text]], at: int) -> list[str]:
    cells = (line for row in rows for line in row[at].plain.splitlines())
    return [columns[at].lstrip("?=>"), *cells]


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[Text]], kept: Sequence[int], title: str
) -> Table:
    made = Table(title=title or None, title_justify="left", header_style="bold")
    for column in (columns[at] for at in kept):
        plain = column.removeprefix("?")
        made.add_column(
            plain.lstrip("=>"),
            justify="right" if plain.startswith(">") else "left",
            overflow="fold",
            no_wrap=plain.startswith("="),
        )
    for row in rows:
        made.add_row(*(row[at] for at in kept))
    return made


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
