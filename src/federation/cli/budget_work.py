"""How `federation budget` prints budgets."""

from __future__ import annotations

from federation.cli import output
from federation.cli.owned_objects import Kind, Row


def _cells(budget: Row) -> tuple[object, ...]:
    return (
        budget["id"],
        budget["tenant"],
        f"{budget['scope']} {budget['subject']}",
        budget["limit_usd"],
        budget["period"],
        *_sums(budget),
        "hard" if budget["hard"] else "soft",
    )


def _shown(budget: Row) -> None:
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
        empty="Nothing has been spent of it in this period.",
    )


def _sums(budget: Row) -> tuple[str, str, str]:
    """What is spent, held and left; of several subjects, how many there are."""
    pots = budget["pots"]
    if len(pots) == 1:
        return pots[0]["spent_usd"], pots[0]["reserved_usd"], pots[0]["left_usd"]
    return f"{len(pots)} subjects", "", ""


BUDGETS = Kind(
    "budget",
    "/v1/admin/budgets",
    ("=Id", "Tenant", "For", "Limit", "Period", "Spent", "Reserved", "Left", "Kind"),
    _cells,
    _shown,
)
