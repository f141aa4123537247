"""The sums of the ledger: `federation db sum` makes them, `db check --sums` looks at them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from federation.cli import db_store, output
from federation.cli.failures import CommandFailed
from federation.cli.place import Place
from federation.errors import Unavailable
from federation.storage.analytics_entries import DAY_MS
from federation.storage.analytics_spans import Span
from federation.storage.rollups_rebuild import BUILDING, UNMADE, Told, rebuild

NONE_YET: Final = "unmade"
UNCHECKED: Final = (
    "There are no sums to check: nobody has asked for costs yet, or not since an upgrade. The "
    "first who asks has them made, and so does `federation db sum`."
)
_BUILDING: Final = "The sums cannot be checked: they are being made anew, or that was broken off."
_AGAIN: Final = "Check again when it is done; `federation db sum` makes them if nobody does."


def make(place: Place, *, as_json: bool) -> None:
    """Sum every call anew. Raises `NotFound`, `Unavailable`."""
    with db_store.existing(place) as stores, _bar("Summing", quiet=as_json) as told:
        days = rebuild(stores.durable, told)
    if as_json:
        output.print_json({"object": "sums", "days": days})
    else:
        output.say(f"The calls of {days} {'day' if days == 1 else 'days'} were summed anew.")


class Seen(NamedTuple):
    """Whether the sums were checked (`NONE_YET` where nobody has made any, empty where nobody
    asked), and what is wrong with them, a part of a sentence for each."""

    state: str = ""
    wrong: Sequence[str] = ()


def checked(look: Callable[[Told], list[Span]], *, quiet: bool) -> Seen:
    """The sums that `look` goes through. Raises `CommandFailed` where they are being made."""
    try:
        with _bar("Holding sums against calls", quiet=quiet) as told:
            wrong = look(told)
    except Unavailable as error:
        if error.code == UNMADE:
            return Seen(NONE_YET)
        if error.code == BUILDING:
            raise CommandFailed(_BUILDING, hint=_AGAIN, code=error.code) from error
        raise
    said = [f"the sums of {_shown(each)} are not those of its calls" for each in wrong]
    return Seen("checked", said)


def _shown(span: Span) -> str:
    day = datetime.fromtimestamp(span.start_ms / 1000, UTC).date()
    days = (span.end_ms - span.start_ms) // DAY_MS
    return f"{day}" if days == 1 else f"the {days} days from {day}"


@contextlib.contextmanager
def _bar(title: str, *, quiet: bool) -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=output.console(stderr=True),
        transient=True,
        disable=quiet,
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)
