"""What a query may say: what its route knows, the same tenant as its body, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from control_plane import ADMIN
from tenancy_rig import Rig, started

from federation.api.access import ROUTES
from federation.api.queries import FOREIGN
from federation.control.sign_in_people import CALLBACK
from federation.domain.access import Role
from federation.schema.records import CallEnded
from federation.storage.journal import JournalWriter

OURS = [route for route in ROUTES if route[1] not in FOREIGN]
WORDS = {"tenant": "other", "start_date": "2001-09-09", "timezone": "UTC"}
"""Parameters whose values have to mean something."""
MADE: dict[str, dict[str, Any]] = {
    "/v1/keys": {"name": "x"},
    "/v1/admin/teams": {"id": "x"},
    "/v1/admin/users": {"id": "x"},
    "/v1/admin/budgets": {"scope": "tenant", "limit_usd": 1},
    "/v1/analytics/budgets": {"scope": "tag", "subject": "a=b", "limit_usd": 1},
    "/v1/admin/limits": {"scope": "tenant", "amount": 1},
    "/v1/admin/data/holds": {"reason": "x"},
    "/v1/admin/data/erasures": {"user": "x"},
}
"""What is made in a tenant, by the path of its POST."""
ALSO = {"/v1/admin/data/names", "/v1/admin/data/keys/rotate"}
"""They make nothing, and are about a tenant; test_names_api.py and test_data_api.py ask them."""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = await started(tmp_path)
    yield made
    await made.client.aclose()


def filled(path: str) -> str:
    return path.format_map(defaultdict(lambda: "none"))


def parameters(rig: Rig, method: str, path: str) -> list[str]:
    """The names that the page of the API shows."""
    shown = rig.app.openapi()["paths"].get(path, {}).get(method.lower(), {})
    return [each["name"] for each in shown.get("parameters", []) if each["in"] == "query"]


@pytest.mark.parametrize("route", OURS, ids=" ".join)
async def test_no_route_passes_over_a_parameter_that_it_does_not_know(
    rig: Rig, route: tuple[str, str]
) -> None:
    method, path = route
    body: dict[str, Any] = {} if method in ("GET", "DELETE") else {"json": {}}
    reply = await rig.ask(method, filled(path) + "?qqqq=1", **body)
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", "qqqq")
    assert error["message"].startswith("Unknown query parameter 'qqqq': this path takes ")


@pytest.mark.parametrize("route", OURS, ids=" ".join)
async def test_what_the_page_of_the_api_shows_of_a_query_is_taken(
    rig: Rig, route: tuple[str, str]
) -> None:
    method, path = route
    for name in parameters(rig, method, path):
        reply = await rig.ask(method, f"{filled(path)}?{name}={WORDS.get(name, '1')}")
        assert "Unknown query parameter" not in reply.text


@pytest.mark.parametrize(
    ("query", "param", "words"),
    [
        ("/v1/calls?outcme=error", "outcme", "did you mean 'outcome'?"),
        ("/v1/analytics/costs?grup_by=key", "grup_by", "did you mean 'group_by'?"),
        ("/v1/keys?tenannt=acme&limit=1", "tenannt", "did you mean 'tenant'?"),
        ("/v1/compliance/reports/gdpr?start=1", "start", "takes format, from, tenant, to, verify."),
        ("/admin/nodes?tenant=acme", "tenant", "this path takes none."),
        (f"/v1/stats?{'w' * 200}=1", "w" * 80, "this path takes tenant, window_s."),
    ],
)
async def test_a_slip_of_the_pen_hears_what_is_near(
    rig: Rig, query: str, param: str, words: str
) -> None:
    reply = await rig.ask("GET", query)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, param)
    assert error["message"].endswith(words)


async def test_who_may_not_call_a_route_hears_only_that(rig: Rig) -> None:
    assert (await rig.ask("GET", "/v1/keys?x=1", secret="fed_wrong")).status_code == 401
    viewer = await rig.key(Role.VIEWER)
    assert (await rig.ask("GET", "/v1/keys?x=1", secret=viewer)).status_code == 403


async def test_an_identity_provider_may_add_to_its_answer(rig: Rig) -> None:
    reply = await rig.ask("GET", f"{CALLBACK}?state=x&code=y&iss=z&session_state=1")
    assert reply.json()["error"]["code"] == "sign_in_lost"


def test_every_post_that_takes_a_tenant_is_looked_at(rig: Rig) -> None:
    taken = {
        path
        for method, path in ROUTES
        if method == "POST" and "tenant" in parameters(rig, method, path)
    }
    assert taken == MADE.keys() | ALSO


@pytest.mark.parametrize("path", MADE)
async def test_a_query_says_in_which_tenant_something_is_made(rig: Rig, path: str) -> None:
    await rig.ask("POST", "/v1/admin/tenants", json={"id": "acme"})
    body = MADE[path]
    made = await rig.ask("POST", f"{path}?tenant=acme", json=body)
    assert (made.status_code, made.json().get("tenant")) == (201, "acme"), made.text
    assert made.json().get("subject", "") != "default"
    both = {**body, "tenant": "acme"} | ({"id": "y"} if "id" in body else {})
    assert (await rig.ask("POST", f"{path}?tenant=acme", json=both)).json()["tenant"] == "acme"


@pytest.mark.parametrize("path", MADE)
async def test_a_query_and_a_body_cannot_name_two_tenants(rig: Rig, path: str) -> None:
    await rig.ask("POST", "/v1/admin/tenants", json={"id": "acme"})
    said = MADE[path] | {"tenant": "default"}
    reply = await rig.ask("POST", f"{path}?tenant=acme", json=said)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "tenant")
    empty = await rig.ask("POST", f"{path}?tenant=", json=MADE[path])
    assert (empty.status_code, empty.json()["error"]["param"]) == (400, "tenant")


@pytest.mark.parametrize("path", MADE)
async def test_another_tenant_is_not_there_for_a_query_either(rig: Rig, path: str) -> None:
    await rig.ask("POST", "/v1/admin/tenants", json={"id": "acme"})
    owner = await rig.key(Role.OWNER, "other")
    for name in ("acme", "nobody"):
        reply = await rig.ask("POST", f"{path}?tenant={name}", secret=owner, json=MADE[path])
        assert (reply.status_code, reply.json()["error"]["param"]) == (404, "tenant")
    unknown = await rig.ask("POST", f"{path}?tenant=nobody", json=MADE[path])
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "tenant")


async def test_a_budget_of_another_tenant_binds_that_one(rig: Rig) -> None:
    await rig.ask("POST", "/v1/admin/tenants", json={"id": "acme"})
    await rig.ask("POST", "/v1/admin/budgets?tenant=acme", json=MADE["/v1/admin/budgets"])
    (budget,) = rig.plane.control.budgets.book.budgets.values()
    assert (budget.tenant, budget.subject) == ("acme", "acme")


async def test_a_tag_with_an_asterisk_in_it_is_no_budget(rig: Rig) -> None:
    said = {"scope": "tag", "subject": "job=*", "limit_usd": "0.03"}
    reply = await rig.ask("POST", "/v1/admin/budgets", json=said)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, "subject")
    assert "job=nightly: set a budget for each value" in error["message"]
    assert (await rig.ask("POST", "/v1/admin/budgets", json=said | {"subject": "*"})).is_success


async def test_a_limit_of_every_tenant_is_an_administrators(rig: Rig) -> None:
    made = await rig.ask(
        "POST", "/v1/admin/limits?tenant=*", json={"scope": "platform", "amount": 1}
    )
    assert made.json()["tenant"] == "*"
    owner = await rig.key(Role.OWNER, "other")
    asked = {"scope": "route", "subject": "x", "amount": 1}
    reply = await rig.ask("POST", "/v1/admin/limits?tenant=*", secret=owner, json=asked)
    assert reply.status_code == 403


async def test_calls_are_paged_by_cursor_and_seen_by_tenant(rig: Rig) -> None:
    journal = JournalWriter(rig.plane.journal, "w")
    for n, tenant in enumerate(("default", "other", "other", "default")):
        journal.append(
            CallEnded(f"call_{n}", 1_000_000_000, tenant, "key_1", "chat", "auto", "ok", 200)
        )
    first = (await rig.ask("GET", "/v1/calls?limit=3")).json()
    assert [call["id"] for call in first["data"]] == ["call_3", "call_2", "call_1"]
    for place in (f"cursor={first['next']}", f"before={first['next']}&cursor={first['next']}"):
        rest = (await rig.ask("GET", f"/v1/calls?limit=3&{place}")).json()
        assert ([call["id"] for call in rest["data"]], rest["next"]) == (["call_0"], None)
    two = await rig.ask("GET", f"/v1/calls?cursor={first['next']}&before=1")
    assert (two.status_code, two.json()["error"]["param"]) == (400, "cursor")

    theirs = (await rig.ask("GET", "/v1/calls?tenant=other")).json()["data"]
    assert [call["id"] for call in theirs] == ["call_2", "call_1"]
    assert (await rig.ask("GET", "/v1/stats?tenant=other")).json()["calls"] == 2
    owner = await rig.key(Role.OWNER, "other")
    for path in ("/v1/calls", "/v1/stats"):
        assert (await rig.ask("GET", f"{path}?tenant=other", secret=owner)).status_code == 200
        assert (await rig.ask("GET", f"{path}?tenant=default", secret=owner)).status_code == 404
    journal.close()


async def test_who_gave_up_before_the_body_was_read_is_no_bug_in_the_log(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[Any] = []

    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "GET", "path": "/v1/stats", "query_string": b""}
    headers = [(b"authorization", f"Bearer {ADMIN}".encode())]
    await rig.app({**scope, "headers": headers, "http_version": "1.1"}, gone, send)
    assert said[0]["status"] == 499
    assert not caplog.records
