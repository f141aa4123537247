"""`federation limit` against a stub: what is asked, and what people and programs are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]

PATH = "/v1/admin/limits"
LIMIT = {
    "object": "limit",
    "id": "limit_1",
    "tenant": "acme",
    "scope": "team",
    "subject": "red",
    "counts": "input_tokens",
    "amount": 90_000,
    "window": "hour",
    "method": "token_bucket",
    "burst": 0,
    "tier": "",
    "created_ms": 1,
    "meter": {"used": 12_345, "left": 77_655, "resets_at": "2026-11-21T12:00:00Z"},
}
TIER = LIMIT | {
    "id": "tier.community.month",
    "tenant": "*",
    "scope": "tenant",
    "subject": "*",
    "method": "fixed_window",
    "window": "month",
    "tier": "community",
    "meter": None,
}


def test_a_limit_is_set_with_what_was_said_and_shown(run: Run, stub: Any) -> None:
    stub.on("POST", PATH, LIMIT, 201)
    made = run(
        *("limit", "set", "team", "90000", "--counts", "input_tokens", "--for", "red"),
        *("--window", "hour", "--tenant", "acme"),
    )
    assert made.exit_code == 0, made.output
    for text in ("limit_1", "team red", "90,000 input tokens", "12,345", "77,655", "2026-11-21"):
        assert text in made.stdout
    assert stub.asked[-1][3] == {
        "tenant": "acme",
        "scope": "team",
        "subject": "red",
        "counts": "input_tokens",
        "amount": 90_000,
        "window": "hour",
        "burst": 0,
    }
    named = run("limit", "set", "user", "5", "--method", "fixed_window", "--id", "l", "--json")
    assert json.loads(named.stdout) == LIMIT
    assert stub.asked[-1][3]["method"] == "fixed_window"
    assert stub.asked[-1][3]["id"] == "l"


def test_limits_are_listed_page_by_page(run: Run, stub: Any) -> None:
    stub.on("GET", f"{PATH}?tenant=acme", {"data": [LIMIT], "next": "c"})
    stub.on("GET", f"{PATH}?tenant=acme&cursor=c", {"data": [TIER], "next": None})
    shown = run("limit", "list", "--tenant", "acme")
    assert shown.exit_code == 0, shown.output
    assert "limit_1" in shown.stdout
    assert "tenant * of tier community" in shown.stdout
    listed = json.loads(run("limit", "list", "--tenant", "acme", "--json").stdout)
    assert [row["id"] for row in listed["data"]] == ["limit_1", "tier.community.month"]


def test_one_limit_is_shown_and_ended(run: Run, stub: Any) -> None:
    stub.on("GET", f"{PATH}/tier.community.month", TIER)
    shown = run("limit", "show", "tier.community.month")
    assert "by each for itself" in shown.stdout
    assert json.loads(run("limit", "show", "tier.community.month", "--json").stdout) == TIER
    stub.on("DELETE", f"{PATH}/limit_1", None, 204)
    assert "limit_1 is no more" in run("limit", "delete", "limit_1").stdout
    ended = json.loads(run("limit", "delete", "limit_1", "--json").stdout)
    assert ended == {"object": "limit", "id": "limit_1", "removed": True}
    stub.on("GET", f"{PATH}/limit_1?tenant=acme", LIMIT)
    assert run("limit", "show", "limit_1", "--tenant", "acme").exit_code == 0
    stub.on("DELETE", f"{PATH}/limit_1?tenant=%2A", None, 204)
    assert run("limit", "delete", "limit_1", "--tenant", "*").exit_code == 0


def test_what_the_gateway_refuses_is_said(run: Run, stub: Any) -> None:
    stub.refuse("DELETE", f"{PATH}/tier.community.month", 409, "a tier's", "limit_not_set_here")
    refused = run("limit", "delete", "tier.community.month")
    assert refused.exit_code == 1
    assert "a tier's" in refused.output
