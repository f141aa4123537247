"""The work of `federation price`: the price book as a gateway that started now would read it.

The trap: a rate that a row lacks is unknown, and neither free nor that of its tokens' kind. So
what lacks one is named, as every call that used it would be counted as unpriced.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from federation.cli import offline, output
from federation.cli.failures import CommandFailed
from federation.cli.place import Place
from federation.domain.catalogue import Deployment, Price, Rates
from federation.domain.money import nano_to_usd

_RATES = tuple(Rates.__dataclass_fields__)
_TOKENS_IN = {"embeddings", "rerank", "moderations"}
"""Operations whose answers are no tokens, so that an output rate would have no use."""


def show(place: Place, wanted: Sequence[str], *, everything: bool, as_json: bool) -> None:
    """Print the prices of deployments whose id holds any of these texts."""
    found = [row for row in _rows(place, everything=everything) if _named(row.id, wanted)]
    if not found:
        raise CommandFailed(
            "There is no such model.",
            hint="`federation price show --all` lists those of every provider.",
            code="not_found",
        )
    if as_json:
        output.print_json({"object": "list", "data": [_view(row) for row in found]})
        return
    output.table(
        ("=Model", "When", ">In", ">Out", ">Cached", "Other", "As of"),
        [line for row in found for line in _lines(row)],
    )


def check(place: Place, days: int, *, everything: bool, as_json: bool) -> None:
    """Print what is wrong; raises `CommandFailed` where a price is unknown."""
    today = datetime.now(UTC).date()
    found = [
        {"model": row.id, "problem": problem, "unknown": unknown}
        for row in _rows(place, everything=everything)
        for problem, unknown in _problems(row, today, days)
    ]
    unknown = sum(bool(each["unknown"]) for each in found)
    if as_json:
        if not unknown:  # else the failure is the document
            output.print_json({"object": "price_check", "unknown": unknown, "data": found})
    elif found:
        output.table(("=Model", "Problem"), [(each["model"], each["problem"]) for each in found])
    else:
        output.say("Every price is known and new enough.")
    if unknown:
        raise CommandFailed(
            f"{unknown} models have no whole price: what they cost is not in any sum of money.",
            hint="State `price` in the row of the model in config/providers.yaml.",
            code="price_unknown",
            details={"unknown": unknown, "data": found},
        )


def _rows(place: Place, *, everything: bool) -> list[Deployment]:
    """Raises `ConfigError`."""
    rows = offline.setup_of(place).situation.snapshot.deployments
    return [row for row in rows if everything or row.usable]


def _named(name: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(part in name for part in wanted)


def _usd(nano: int | None) -> str | None:
    return None if nano is None else f"{nano_to_usd(nano):f}"


def _rates(rates: Rates) -> dict[str, str | None]:
    return {name: _usd(getattr(rates, name)) for name in _RATES}


def _view(row: Deployment) -> dict[str, Any]:
    price = row.model.price
    return {
        "model": row.id,
        "usd_per_mtok": _rates(price.rates),
        "tiers": [{"above": tier.above} | _rates(tier.rates) for tier in price.tiers],
        "windows": [
            {"weekdays": list(each.weekdays), "start": _clock(each.start), "end": _clock(each.end)}
            | _rates(each.rates)
            for each in price.windows
        ],
        "usd_per_unit": {name: _usd(nano) for name, nano in price.units.items()},
        "region_multipliers": {name: part / 1000 for name, part in price.multipliers.items()},
        "service_tiers": {name: part / 1000 for name, part in price.service_tiers.items()},
        "source": price.source,
        "as_of": price.as_of,
    }


def _lines(row: Deployment) -> list[tuple[object, ...]]:
    """The list price, then each tier and window that has another one."""
    price = row.model.price
    lines = [_line(row.id, "", price.rates, _other(price), price.as_of)]
    lines += [_line("", f"above {tier.above:,} tokens", tier.rates) for tier in price.tiers]
    for each in price.windows:
        days = "daily" if len(each.weekdays) == 7 else ",".join(map(str, each.weekdays))
        when = f"{days} {_clock(each.start)}-{_clock(each.end)} UTC"
        lines.append(_line("", when, each.rates))
    return lines


def _line(
    name: str, when: str, rates: Rates, other: str = "", as_of: str = ""
) -> tuple[object, ...]:
    tokens = [_usd(rates.input), _usd(rates.output), _usd(rates.cached)]
    return (name, when, *tokens, other, as_of)


def _other(price: Price) -> str:
    units = [f"{_usd(nano)} / {name}" for name, nano in sorted(price.units.items())]
    tiers = [f"{name} x{part / 1000:g}" for name, part in sorted(price.service_tiers.items())]
    places = [f"in {name} x{part / 1000:g}" for name, part in sorted(price.multipliers.items())]
    return ", ".join(units + tiers + places)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _problems(row: Deployment, today: date, days: int) -> list[tuple[str, bool]]:
    """What is wrong with a price, and whether something of it is unknown."""
    price, rates = row.model.price, row.model.price.rates
    found: list[tuple[str, bool]] = []
    by_token = rates.input is not None or rates.output is not None
    if not by_token and not price.units:
        return [("no price", True)]
    if by_token and rates.input is None:
        found.append(("no price of input", True))
    if by_token and rates.output is None and not set(row.operations) <= _TOKENS_IN:
        found.append(("no price of output", True))
    if not price.as_of:
        return found  # the operator's own row: nobody but them knows since when
    age = (today - _day(price.as_of)).days
    return [*found, (f"{age} days old", False)] if age > days else found


def _day(as_of: str) -> date:
    """A date, or the first day of a month; what is neither is older than all."""
    try:
        return date.fromisoformat(as_of if len(as_of) > len("2026-11") else f"{as_of}-01")
    except ValueError:
        return date.min
