"""The work of `federation budget`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from federation.cli import output
from federation.cli.client import part
from federation.cli.place import Place

_PATH = "/v1/admin/budgets"


def set_budget(place: Place, wanted: Mapping[str, object], *, as_json: bool) -> None:
    """Set a budget and show it."""
    body = {name: value for name, value in wanted.items() if value is not None}
    _shown(place.gateway().post(_PATH, body), as_json=as_json)


def list_all(place: Place, tenant: str | None, *, as_json: bool) -> None:
    """Print budgets."""
    found = place.gateway().pages(_PATH, {"tenant": tenant} if tenant else None)
    if as_json:
        output.print_json({"object": "list", "data": found})
        return
    output.table(
        ("=Id", "Tenant", "For", "Limit", "Period", "Spent", "Reserved", "Left", "Kind"),
        [
            (
                budget["id"],
                budget["tenant"],
                f"{budget['scope']} {budget['subject']}",
                budget["limit_usd"],
                budget["period"],
                *_sums(budget),
                "hard" if budget["hard"] else "soft",
            )
            for budget in found
        ],
    )


def show(place: Place, budget: str, *, as_json: bool) -> None:
    """Print one budget."""
    _shown(place.gateway().get(f"{_PATH}/{part(budget)}"), as_json=as_json)


def remove(place: Place, budget: str, *, as_json: bool) -> None:
    """End a budget."""
    place.gateway().delete(f"{_PATH}/{part(budget)}")
    if as_json:
        output.print_json({"object": "budget", "id": budget, "removed": True})
    else:
        output.say(f"{budget} is no more.")


def _shown(budget: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(budget)
        return
    output.facts(
        (
            ("id", budget["id"]),
            ("tenant", budget["tenant"]),
            ("for", f"{budget['scope']} {budget['subject']}"),
            ("limit", f"{budget['limit_usd']} USD, {budget['period']} ({budget['zone']})"),
            ("kind", "hard: refuses calls" if budget["hard"] else "soft: only tells"),
            ("alerts at", ", ".join(f"{percent} %" for percent in budget["alerts"])),
            ("begins anew", budget["resets_at"] or "never"),
        )
    )
    output.table(
        ("=Pot", "Spent", "Reserved", "Left", "Overrun"),
        [
            (
                pot["pot"],
                pot["spent_usd"],
                pot["reserved_usd"],
                pot["left_usd"],
                pot["overrun_usd"],
            )
            for pot in budget["pots"]
        ],
    )


def _sums(budget: dict[str, Any]) -> tuple[str, str, str]:
    """What is spent, held and left; of several subjects, how many there are."""
    pots = budget["pots"]
    if len(pots) == 1:
        return pots[0]["spent_usd"], pots[0]["reserved_usd"], pots[0]["left_usd"]
    return f"{len(pots)} subjects", "", ""
