"""Limits through the management API: setting, seeing, replacing and ending them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tenancy_rig import Rig, started

from federation.domain.access import Role
from federation.domain.limits import Counted, Meter, Method
from federation.pricing.meters import Ask, Turn, Want

LIMITS = "/v1/admin/limits"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = await started(tmp_path)
    yield made
    await made.client.aclose()


async def put(rig: Rig, **body: Any) -> dict[str, Any]:
    reply = await rig.ask("POST", LIMITS, json={"scope": "key", "subject": "*", "amount": 9} | body)
    assert reply.status_code in (200, 201), reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_a_limit_is_set_shown_replaced_and_ended(rig: Rig) -> None:
    reply = await rig.ask(
        "POST", LIMITS, json={"scope": "tenant", "amount": 60, "window": "hour", "burst": 5}
    )
    assert reply.status_code == 201
    made = reply.json()
    assert made.pop("id").startswith("limit_")
    assert made == {
        "object": "limit",
        "tenant": "default",
        "scope": "tenant",
        "subject": "default",
        "counts": "requests",
        "amount": 60,
        "window": "hour",
        "method": "token_bucket",
        "burst": 5,
        "tier": "",
        "created_ms": made["created_ms"],
        "meter": {"used": 0, "left": 5, "resets_at": made["meter"]["resets_at"]},
    }
    name = reply.json()["id"]
    again = await rig.ask(
        "POST",
        LIMITS,
        json={"id": name, "scope": "tenant", "amount": 70, "window": 90},
        headers={"if-match": reply.headers["etag"]},
    )
    assert again.status_code == 200
    assert (again.json()["amount"], again.json()["window"]) == (70, "90")
    assert again.json()["created_ms"] == made["created_ms"]
    stale = await rig.ask(
        "POST",
        LIMITS,
        json={"id": name, "scope": "tenant", "amount": 80},
        headers={"if-match": reply.headers["etag"]},
    )
    assert stale.status_code == 412
    shown = await rig.ask("GET", f"{LIMITS}/{name}")
    assert shown.json() == again.json()
    assert shown.headers["etag"] == again.headers["etag"]
    gone = await rig.ask("DELETE", f"{LIMITS}/{name}", headers={"if-match": reply.headers["etag"]})
    assert gone.status_code == 412
    assert (await rig.ask("DELETE", f"{LIMITS}/{name}")).status_code == 204
    assert (await rig.ask("DELETE", f"{LIMITS}/{name}")).status_code == 404
    assert (await rig.ask("GET", f"{LIMITS}/{name}")).status_code == 404


async def test_how_a_limit_stands_is_shown(rig: Rig) -> None:
    made = await put(rig, id="hourly", scope="tenant", subject="", amount=10, window="hour")
    meter = Meter(f"default/{made['id']}/-", Method.TOKEN_BUCKET, 10, 10, 3_600_000)
    now_ms = int(rig.plane.control.clock() * 1000)
    store = rig.plane.control.limits.rates._store
    store.turn(Turn(now_ms, asks=(Ask("r", (Want(meter, 4, 4),)),)))
    meter_view = (await rig.ask("GET", f"{LIMITS}/hourly")).json()["meter"]
    assert (meter_view["used"], meter_view["left"]) == (4, 6)
    slots = await put(rig, id="s", scope="platform", subject="", counts="concurrency", amount=3)
    assert slots["tenant"] == slots["subject"] == "*"
    assert (slots["window"], slots["method"]) == ("-", "slots")
    assert slots["meter"] == {"used": 0, "left": 3, "resets_at": None}
    each = await put(rig, id="each")
    assert each["meter"] is None, "each key has its own"


async def test_lists_go_page_by_page_oldest_first(rig: Rig) -> None:
    names = [f"l{n}" for n in range(5)]
    for name in names:
        await put(rig, id=name)
    found: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await rig.ask("GET", LIMITS, params=params)).json()
        found += [each["id"] for each in page["data"]]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["data"]) == 2
    assert found == names


async def test_the_same_name_of_a_request_makes_one_limit(rig: Rig) -> None:
    body = {"scope": "key", "subject": "*", "amount": 9}
    headers = {"idempotency-key": "once"}
    replies = [await rig.ask("POST", LIMITS, json=body, headers=headers) for _ in range(2)]
    assert replies[0].json() == replies[1].json()
    assert replies[0].headers["etag"] == replies[1].headers["etag"]
    assert len((await rig.ask("GET", LIMITS)).json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"window": "fortnight"}, "window"),
        ({"amount": 0}, "burst"),
        ({"window": "month", "method": "token_bucket"}, "method"),
        ({"counts": "concurrency", "method": "fixed_window"}, "method"),
        ({"subject": ""}, "subject"),
        ({"scope": "team", "subject": "nobody"}, "subject"),
        ({"scope": "tenant", "subject": "acme"}, "subject"),
        ({"tenant": "nobody"}, "tenant"),
        ({"tenant": "*", "subject": "key_1"}, "subject"),
        ({"scope": "platform", "tenant": "default"}, "tenant"),
        ({"id": "tier.x"}, None),
        ({"unknown": 1}, "unknown"),
        ({"amount": -1}, "amount"),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_its_field(
    rig: Rig, body: dict[str, Any], param: str | None
) -> None:
    wanted = {"scope": "key", "subject": "*", "amount": 9} | body
    reply = await rig.ask("POST", LIMITS, json=wanted)
    assert reply.status_code in (400, 404), reply.text
    assert reply.json()["error"]["param"] == param
    if body.get("scope") == "tenant":
        assert "Name another one as 'tenant' (--tenant)" in reply.json()["error"]["message"]
    assert (await rig.ask("GET", LIMITS)).json()["data"] == []


async def test_a_tenants_tier_is_seen_by_its_owner_and_set_by_nobody(rig: Rig) -> None:
    await rig.ask("PATCH", "/v1/admin/tenants/other", json={"tier": "community"})
    secret = await rig.key(Role.OWNER, "other")
    found = (await rig.ask("GET", LIMITS, secret=secret)).json()["data"]
    assert {each["id"] for each in found} == {
        f"tier.community.{window}" for window in ("minute", "hour", "day", "month")
    }
    reply = await rig.ask("DELETE", f"{LIMITS}/tier.community.minute", secret=secret)
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "limit_not_set_here")
    reply = await rig.ask("DELETE", f"{LIMITS}/tier.community.minute")
    assert reply.status_code == 409
    await rig.ask("PATCH", "/v1/admin/tenants/other", json={"tier": "enterprise"})
    assert (await rig.ask("GET", LIMITS, secret=secret)).json()["data"] == []


async def test_an_owner_limits_keys_of_its_own_tenant_only(rig: Rig) -> None:
    secret = await rig.key(Role.OWNER, "other")
    body = {"scope": "key", "subject": "*", "amount": 9, "counts": Counted.TOKENS.value}
    mine = await rig.ask("POST", LIMITS, json=body, secret=secret)
    assert (mine.status_code, mine.json()["tenant"]) == (201, "other")
    whole = {"scope": "tenant", "amount": 9}
    assert (await rig.ask("POST", LIMITS, json=whole, secret=secret)).status_code == 403
    every = body | {"tenant": "*"}
    assert (await rig.ask("POST", LIMITS, json=every, secret=secret)).status_code == 403
    theirs = body | {"tenant": "default"}
    assert (await rig.ask("POST", LIMITS, json=theirs, secret=secret)).status_code == 404
    viewer = await rig.key(Role.VIEWER, "other")
    assert (await rig.ask("POST", LIMITS, json=body, secret=viewer)).status_code == 403
    assert (await rig.ask("GET", LIMITS, secret=viewer)).status_code == 200
