"""How `federation limit` prints limits."""

from __future__ import annotations

from federation.cli import output
from federation.cli.owned_objects import Kind, Row


def _cells(limit: Row) -> tuple[object, ...]:
    return (
        limit["id"],
        limit["tenant"],
        _whose(limit),
        f"{limit['amount']:,} {limit['counts']}",
        limit["window"],
        limit["method"],
        limit["burst"] or "",
    )


def _shown(limit: Row) -> None:
    meter = limit["meter"]
    output.facts(
        (
            ("id", limit["id"]),
            ("tenant", limit["tenant"]),
            ("for", _whose(limit)),
            ("limit", f"{limit['amount']:,} {limit['counts'].replace('_', ' ')}"),
            ("window", limit["window"]),
            ("counted by", limit["method"]),
            ("burst", limit["burst"] or limit["amount"] if _bursts(limit) else ""),
            ("used", "by each for itself" if meter is None else f"{meter['used']:,}"),
            ("left", "" if meter is None else f"{meter['left']:,}"),
            ("unused from", "" if meter is None else meter["resets_at"]),
        )
    )


def _whose(limit: Row) -> str:
    tier = f" of tier {limit['tier']}" if limit["tier"] else ""
    return f"{limit['scope']} {limit['subject']}{tier}"


def _bursts(limit: Row) -> bool:
    return bool(limit["method"] == "token_bucket")


LIMITS = Kind(
    "limit",
    "/v1/admin/limits",
    ("=Id", "Tenant", "For", "Limit", "Window", "Counted by", "Burst"),
    _cells,
    _shown,
)
