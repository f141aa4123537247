"""The work of `federation cost`, and the pages of costs that `federation ledger` reads too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from federation.cli import output
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place

PATH = "/v1/analytics/costs"
PAGE = 5000
FILTERS = ("tenant", "team", "user", "key", "provider", "model", "tag")
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """A question about costs as it was written on the command line."""

    by: str = ""
    since: str | None = None
    until: str | None = None
    timezone: str = "UTC"
    where: tuple[str, ...] = ()
    top: int | None = None
    baseline: str | None = None

    def query(self) -> dict[str, object]:
        """The same for the gateway. Raises `CommandFailed`."""
        found: dict[str, object] = {"timezone": self.timezone}
        given = (
            ("group_by", self.by),
            ("start_date", self.since),
            ("end_date", self.until),
            ("baseline", self.baseline),
        )
        found |= {name: value for name, value in given if value}
        for pair in self.where:
            name, equals, value = pair.partition("=")
            if not equals or name not in FILTERS or name in found:
                raise CommandFailed(
                    f"'{pair}' is no filter.",
                    hint=f"Write NAME=VALUE, each once; NAME is one of {', '.join(FILTERS)}.",
                    code="usage",
                    exit_code=Exit.USAGE,
                )
            found[name] = value
        return found


def pages(place: Place, path: str, query: dict[str, object]) -> Iterator[dict[str, Any]]:
    """Every page of a list that goes on by `next`."""
    gateway, cursor = place.gateway(), None
    while True:
        page = gateway.get(path, query | ({"cursor": cursor} if cursor else {}))
        yield page
        cursor = page["next"]
        if cursor is None:
            return


def show(place: Place, wish: Wish, *, as_json: bool) -> None:
    """Print costs in groups and in all."""
    query = wish.query()
    if wish.top is not None:
        found = place.gateway().get(PATH, query | {"sort": "cost", "limit": wish.top})
    else:
        every = list(pages(place, PATH, query | {"limit": PAGE}))
        found = every[0] | {"data": [row for page in every for row in page["data"]], "next": None}
    if as_json:
        output.print_json(found)
        return
    _table(found)


def _table(found: dict[str, Any]) -> None:
    rows, compared = found["data"], found["baseline"] is not None
    columns = [*(name.capitalize() for name in found["group_by"]), ">Calls", ">Failed"]
    columns += [">In", ">Out", ">Cost"]
    columns += [">Baseline", ">Saved"] if compared else []
    names = found["group_by"]
    shown = [[*(row["group"][name] for name in names), *_cells(row)] for row in rows[:MOST_SHOWN]]
    total = found["total"]
    shown.append([*(["all", *[""] * (len(names) - 1)] if names else []), *_cells(total)])
    output.table(columns, shown, title=_period(found))
    if len(rows) > MOST_SHOWN:
        output.note(f"{len(rows) - MOST_SHOWN} more rows: --json shows them all.")
    if total["unpriced"]:
        output.note(f"{total['unpriced']} attempts of unknown price are not in the cost.")
    if compared and total["against"]["left_out"]:
        left = total["against"]["left_out"]
        output.note(f"{left} attempts cannot be compared: of unknown price, or by the piece.")


def _period(found: dict[str, Any]) -> str:
    """From when to when, in the zone that days are cut in."""
    start, end = (datetime.fromisoformat(found[name]) for name in ("start", "end"))
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}, {found['timezone']}"


def _cells(row: dict[str, Any]) -> list[object]:
    cells = [row["calls"], row["failed_calls"], row["input_tokens"], row["output_tokens"]]
    cells.append(f"${row['cost_usd']}")
    against = row["against"]
    if against is not None:
        unknown = against["baseline_usd"] is None
        cells += (
            [None, None]
            if unknown
            else [
                f"${against['baseline_usd']}",
                f"${against['saved_usd']}",
            ]
        )
    return cells


def mine(place: Place, timezone: str, *, as_json: bool) -> None:
    """Print what the asking key used."""
    found = place.gateway().get("/user/stats", {"timezone": timezone})
    if as_json:
        output.print_json(found)
        return
    pairs: list[tuple[str, object]] = [(n.capitalize(), found[n]) for n in ("key", "tenant")]
    for name in ("today", "month"):
        spent = found[name]
        tokens = f"{spent['input_tokens']} in, {spent['output_tokens']} out"
        pairs.append((name.capitalize(), f"${spent['cost_usd']}, {spent['calls']} calls, {tokens}"))
    output.facts(pairs)
    if found["models"]:
        rows = [
            [row["group"]["provider"], row["group"]["model"], *_cells(row)]
            for row in found["models"]
        ]
        output.table(("Provider", "Model", ">Calls", ">Failed", ">In", ">Out", ">Cost"), rows)
