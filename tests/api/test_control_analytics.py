"""Analytics through the management API."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from control_plane import ACME, ADMIN, Plane, plane
from gateway_rig import eventually
from msgspec import structs

from federation.api.app import create_app
from federation.control import analytics
from federation.control.permissions import KeyWish
from federation.domain.access import Role
from federation.domain.catalogue import Model, Price, Rates
from federation.errors import Unavailable
from federation.schema.records import AttemptRecord, CallEnded, CallStarted
from federation.schema.usage import Usage
from federation.storage import rollups_rebuild
from federation.storage.analytics_entries import CostQuery, Costs
from federation.storage.journal import JournalWriter

DAY_MS = 86_400_000
NOW = 1_000_000_000
"""The clock of a plane, in milliseconds: 1970-01-12T13:46:40Z."""


@dataclass
class Rig:
    plane: Plane
    client: httpx.AsyncClient
    journal: JournalWriter

    async def key(self, role: Role, tenant: str = "default") -> str:
        keys = self.plane.control.keys
        admin = keys.keys.find(ADMIN)
        assert admin is not None
        return (await keys.mint(admin, KeyWish("made", role, tenant)))[1]

    async def ask(self, method: str, path: str, secret: str = ADMIN) -> httpx.Response:
        headers = {"authorization": f"Bearer {secret}"}
        return await self.client.request(method, path, headers=headers)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    built = plane(tmp_path)
    await built.control.publish_snapshot()
    transport = httpx.ASGITransport(create_app(built.control), raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://control")
    yield Rig(built, client, JournalWriter(built.journal, "w"))
    await client.aclose()
    await built.control.ledger.close()
    await built.control.analytics.close()


def call(name: str, tenant: str = "default", **more: Any) -> CallEnded:
    usage = Usage(1000, 100)
    tried = AttemptRecord("acme/large", NOW, 200, "", 1.0, 2.0, usage, 2_500_000)
    record = CallEnded(
        *(name, NOW, tenant, "key_1", "chat", "auto", "ok", 200),
        deployment="acme/large",
        started_ms=NOW - 5000,
        duration_ms=4.0,
        usage=usage,
        cost_nano=2_500_000,
        attempts=(tried,),
    )
    return structs.replace(record, **more)


async def costs(rig: Rig, query: str = "", secret: str = ADMIN) -> Any:
    answer = await rig.ask("GET", f"/v1/analytics/costs?{query}", secret)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_costs_are_exact_and_in_groups(rig: Rig) -> None:
    for record in (
        call("c1", tags={"job": "a"}, team="red"),
        call("c2", started_ms=NOW - DAY_MS),
        call("c3", user="ann"),
    ):
        rig.journal.append(record)
    found = await costs(rig, "group_by=day&group_by=model,team")
    assert [(row["group"], row["cost_usd"]) for row in found["data"]] == [
        ({"day": "1970-01-11", "model": "large", "team": ""}, "0.0025"),
        ({"day": "1970-01-12", "model": "large", "team": ""}, "0.0025"),
        ({"day": "1970-01-12", "model": "large", "team": "red"}, "0.0025"),
    ]
    assert (found["total"]["calls"], found["total"]["cost_nano"]) == (3, 7_500_000)
    assert (await costs(rig, "user=ann"))["total"]["calls"] == 1
    assert (await costs(rig, "user="))["total"]["calls"] == 2
    assert (await costs(rig, "tag=job%3Da"))["total"]["calls"] == 1
    assert (await costs(rig, "start_date=1970-01-12&end_date=1970-01-12"))["total"]["calls"] == 2


async def test_groups_go_on_where_the_page_ended(rig: Rig) -> None:
    for n in range(5):
        rig.journal.append(call(f"c{n}", user=f"u{n}", cost_nano=None, attempts=()))
    for sort in ("group", "cost"):
        seen, cursor = [], ""
        while cursor is not None:
            query = f"group_by=user&limit=2&sort={sort}" + (cursor and f"&cursor={cursor}")
            page = await costs(rig, query)
            seen += [row["group"]["user"] for row in page["data"]]
            cursor = page["next"]
        assert seen == [f"u{n}" for n in range(5)]


async def test_a_cursor_of_another_list_is_none(rig: Rig) -> None:
    for n in range(3):
        rig.journal.append(call(f"c{n}", user=f"u{n}"))
    cursor = (await costs(rig, "group_by=user&limit=1"))["next"]
    for query in ("group_by=key", "group_by=user&sort=cost", "group_by=user&tenant=other"):
        answer = await rig.ask("GET", f"/v1/analytics/costs?{query}&cursor={cursor}")
        assert answer.status_code == 404


async def test_a_tenant_sees_its_own_costs_only(rig: Rig) -> None:
    rig.journal.append(call("c1"))
    rig.journal.append(call("c2", tenant="other"))
    other = await rig.key(Role.OWNER, "other")
    found = await costs(rig, "group_by=tenant", other)
    assert [row["group"]["tenant"] for row in found["data"]] == ["other"]
    assert found["total"]["calls"] == 1
    assert (await costs(rig, "tenant=other"))["total"]["calls"] == 1
    assert (await costs(rig))["total"]["calls"] == 2
    for path in ("costs", "lines"):
        answer = await rig.ask("GET", f"/v1/analytics/{path}?tenant=default", other)
        assert answer.status_code == 404
    lines = (await rig.ask("GET", "/v1/analytics/lines", other)).json()
    assert [line["call"] for line in lines["data"]] == ["c2"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("group_by=color", "group_by"),
        ("timezone=Nowhere", "timezone"),
        ("start_date=soon", "start_date"),
        ("start_date=1970-01-03&end_date=1970-01-02", "end_date"),
        ("baseline=acme/none", "baseline"),
        ("baseline=acme/large", "baseline"),
        ("limit=0", "limit"),
    ],
)
async def test_a_wrong_question_is_told_what_is_wrong(rig: Rig, query: str, param: str) -> None:
    answer = await rig.ask("GET", f"/v1/analytics/costs?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


async def test_savings_are_by_the_price_list_of_the_baseline(rig: Rig) -> None:
    price = Price(Rates(input=5_000_000_000, output=25_000_000_000))
    priced = replace(ACME, models=(Model("large", price=price), Model("small")))
    files = rig.plane.files
    files.loaded = replace(files.loaded, providers={**files.loaded.providers, "acme": priced})
    rig.plane.control.configuration.reload()
    rig.journal.append(call("c1"))
    lost = CallStarted("c2", NOW, "default", "key_1", "chat", "auto", "acme/large")
    rig.journal.append(lost)
    image = Usage(units={"image": 1})
    tried = AttemptRecord("acme/large", NOW, 200, usage=image, cost_nano=9)
    rig.journal.append(call("c3", usage=image, cost_nano=9, attempts=(tried,)))
    found = await costs(rig, "baseline=acme/large&group_by=model")
    assert found["data"][0]["against"] == {
        "attempts": 1,
        "left_out": 1,
        "cost_usd": "0.0025",
        "baseline_usd": "0.0075",
        "saved_usd": "0.005",
    }
    assert found["total"]["against"]["saved_usd"] == "0.005"


async def test_a_key_is_told_what_it_used_itself(rig: Rig) -> None:
    secret = await rig.key(Role.DEVELOPER)
    key = rig.plane.control.keys.keys.find(secret)
    assert key is not None
    rig.journal.append(call("c1", key=key.id))
    rig.journal.append(call("c2", key=key.id, started_ms=NOW - 3 * DAY_MS))
    rig.journal.append(call("c3"))
    found = (await rig.ask("GET", "/user/stats", secret)).json()
    assert (found["key"], found["today"]["calls"], found["month"]["calls"]) == (key.id, 1, 2)
    assert found["month"]["start"] == "1970-01-01"
    assert found["models"][0]["group"] == {"provider": "acme", "model": "large"}


async def test_lines_are_of_calls_or_of_attempts(rig: Rig) -> None:
    failed = AttemptRecord("beta/small", NOW - 9, 503, "upstream_failed")
    rig.journal.append(call("c1", attempts=(failed, *call("x").attempts), tags={"a": "b"}))
    calls = (await rig.ask("GET", "/v1/analytics/lines?limit=1")).json()
    assert [(line["call"], line["attempt"]) for line in calls["data"]] == [("c1", None)]
    assert calls["data"][0]["tags"] == {"a": "b"}
    rest = (await rig.ask("GET", f"/v1/analytics/lines?limit=1&cursor={calls['next']}")).json()
    assert (rest["data"], rest["next"]) == ([], None)
    tries = (await rig.ask("GET", "/v1/analytics/lines?kind=attempts")).json()["data"]
    assert [(line["provider"], line["outcome"], line["cost_nano"]) for line in tries] == [
        ("beta", "upstream_failed", 0),
        ("acme", "", 2_500_000),
    ]


async def test_no_sum_is_told_while_calls_may_be_missing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def behind() -> bool:
        return False

    monkeypatch.setattr(rig.plane.control.ledger, "catch_up", behind)
    for path in ("/v1/analytics/costs", "/v1/analytics/lines", "/user/stats"):
        answer = await rig.ask("GET", path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_behind")


async def test_sums_are_made_anew_before_the_first_answer_and_again_after_a_failure(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = rig.plane.control.analytics._store
    asked: list[str] = []

    def is_current() -> bool:
        asked.append("current")
        return False

    def rebuild() -> int:
        asked.append("rebuild")
        if asked.count("rebuild") == 1:
            raise Unavailable("away")
        return 1

    monkeypatch.setattr(store, "is_current", is_current)
    monkeypatch.setattr(store, "rebuild", rebuild)
    assert (await rig.ask("GET", "/v1/analytics/costs")).status_code == 503
    await costs(rig)
    await costs(rig)
    assert asked == ["current", "rebuild"] * 2


async def test_who_finds_sums_half_made_says_so_and_looks_again_at_the_next_question(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another replica may begin long after we looked, and may die at it."""
    await costs(rig)
    store = rig.plane.control.analytics._store
    answer, asked = store.costs, ["half"]

    def half_made(query: CostQuery) -> Costs:
        if "half" in asked:
            raise rollups_rebuild.building()
        return answer(query)

    def is_current() -> bool:
        asked[:] = ["current"]
        return True

    monkeypatch.setattr(store, "costs", half_made)
    monkeypatch.setattr(store, "is_current", is_current)
    refused = await rig.ask("GET", "/v1/analytics/costs")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "rollups_building")
    await costs(rig)
    assert asked == ["current"]


async def test_what_few_lines_can_tell_is_answered_while_sums_are_made_anew(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.journal.append(call("c1"))
    store, held = rig.plane.control.analytics._store, threading.Event()

    def rebuild() -> int:
        assert held.wait(60)
        raise rollups_rebuild.building()

    monkeypatch.setattr(analytics, "PATIENCE_S", 0.01)
    monkeypatch.setattr(store, "rebuild", rebuild)
    monkeypatch.setattr(store, "is_current", lambda: False)
    assert (await costs(rig))["total"]["calls"] == 1
    held.set()
    assert (await costs(rig))["total"]["calls"] == 1


async def test_more_questions_than_can_wait_are_refused_and_the_others_answered(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = rig.plane.control.analytics
    held, answer = threading.Event(), desk._store.costs

    def costs_when_let(query: CostQuery) -> Costs:
        assert held.wait(60)
        return answer(query)

    monkeypatch.setattr(desk._store, "costs", costs_when_let)
    monkeypatch.setattr(analytics, "MOST_WAITING", 2)
    waiting = [asyncio.create_task(rig.ask("GET", "/v1/analytics/costs")) for _ in range(2)]
    await eventually(lambda: desk._waiting == 2, 30.0)
    refused = await rig.ask("GET", "/v1/analytics/costs")
    held.set()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "analytics_busy")
    assert {each.status_code for each in await asyncio.gather(*waiting)} == {200}
    assert desk._waiting == 0


async def test_the_total_is_that_of_all_groups_and_of_a_call_with_two_tags_once(rig: Rig) -> None:
    rig.journal.append(call("c1", tags={"a": "1", "b": "2"}))
    rig.journal.append(call("c2", user="ann"))
    for by in ("", "group_by=model", "group_by=tag", "group_by=user"):
        assert (await costs(rig, by))["total"]["calls"] == 2
