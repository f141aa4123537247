"""What is another tenant's is not there: for every route, object, filter, cursor and name.

B has one object of every kind, all with a mark in their names. A's owner asks every route of
the application for them, and for ones that nobody has: the two answers must be the same, and
B's mark must be in neither.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenancy_rig import Rig, started

from federation.api.access import ROUTES
from federation.control.permissions import PLATFORM, ROLES
from federation.domain.access import Role
from federation.domain.violations import Kind, Sighting
from federation.schema.records import CallEnded
from federation.schema.usage import Usage
from federation.storage.journal import JournalWriter

MARK = "zebra"
A, B = "other", MARK
NOBODYS = {
    "tenant": "nobody",
    "team": "nobody",
    "user": "nobody",
    "key": "key_0000000000000000",
    "call": "call_nobody",
    "budget": "budget_nobody",
    "hold": "hold_nobody",
    "limit": "limit_nobody",
    "violation": "violation_nobody",
    "remedy": "remedy_nobody",
}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/keys"): {"name": "x"},
    ("POST", "/v1/admin/teams"): {"id": "x"},
    ("POST", "/v1/admin/users"): {"id": "x"},
    ("POST", "/v1/admin/budgets"): {"scope": "tag", "subject": "a=b", "limit_usd": 1},
    ("POST", "/v1/admin/limits"): {"scope": "route", "subject": "x", "amount": 1},
    ("POST", "/v1/analytics/budgets"): {"scope": "tag", "subject": "a=b", "limit_usd": 1},
}
"""Bodies without what names another object; those are put in one after the other."""
ELSEWHERE = {
    ("POST", f"/v1/admin/data/{name}") for name in ("holds", "erasures", "keys/rotate", "names")
}
"""Their `user` is a word of calls and names no object; test_data_api.py and test_names_api.py look
at them."""
NAMING = ("tenant", "team", "user")
PATH_BODIES = {
    "/v1/violations/{violation}/remedies": {"action": "disable_key"},
    "/v1/violations/{violation}/resolve": {"note": "x"},
}
"""Bodies of routes that name an object in their path; the others' are empty."""
SAME_FOR_ALL = {"/v1/compliance/reports/{framework}"}
"""Paths that name no object; test_governance_compliance.py looks at the report's numbers."""


@dataclass
class Two:
    """A's owner, and what B has."""

    rig: Rig
    secret: str
    theirs: dict[str, str]

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.rig.ask(method, path, secret=self.secret, **more)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    rig = await started(tmp_path)
    await rig.ask("POST", "/v1/admin/tenants", json={"id": B})
    team, user = f"{MARK}-team", f"{MARK}-user"
    await rig.ask("POST", "/v1/admin/teams", json={"id": team, "tenant": B})
    await rig.ask("POST", "/v1/admin/users", json={"id": user, "tenant": B, "team": team})
    wish = {"name": MARK, "tenant": B, "team": team, "user": user}
    key = (await rig.ask("POST", "/v1/keys", json=wish)).json()["id"]
    limit = {"tenant": B, "scope": "team", "subject": team, "limit_usd": 1}
    budget = (await rig.ask("POST", "/v1/admin/budgets", json=limit)).json()["id"]
    rate = {"tenant": B, "scope": "team", "subject": team, "amount": 1}
    limited = (await rig.ask("POST", "/v1/admin/limits", json=rate)).json()["id"]
    call = f"call_{MARK}"
    journal = JournalWriter(rig.plane.journal, "w")
    journal.append(
        CallEnded(
            *(call, 1_000_000_000, B, key, "chat", MARK, "ok", 200),
            deployment=f"{MARK}/large",
            usage=Usage(1, 1),
        )
    )
    for n in range(3):
        await rig.ask("POST", "/v1/admin/teams", json={"id": f"t{n}", "tenant": A})
    theirs = {"tenant": B, "team": team, "user": user, "key": key, "call": call, "budget": budget}
    theirs["limit"] = limited
    wish = {"tenant": B, "reason": MARK}
    theirs["hold"] = (await rig.ask("POST", "/v1/admin/data/holds", json=wish)).json()["id"]
    seen = Sighting(Kind.REFUSED, 1_000_000_000, MARK, "region", B, key, call)
    rig.plane.control.oversight.violations.see([seen])
    violation = (await rig.ask("GET", f"/v1/violations?tenant={B}")).json()["data"][0]["id"]
    wanted = {"action": "disable_key"}
    remedy = await rig.ask("POST", f"/v1/violations/{violation}/remedies", json=wanted)
    theirs |= {"violation": violation, "remedy": remedy.json()["id"]}
    yield Two(rig, await rig.key(Role.OWNER, A), theirs)
    journal.close()
    await rig.client.aclose()


def routes() -> list[tuple[str, str]]:
    """Every route that an owner of a customer's tenant may call."""
    allowed = ROLES[Role.OWNER] - PLATFORM
    return [route for route, permission in ROUTES.items() if permission in allowed]


def named(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


def same(one: httpx.Response, name: str, other: httpx.Response, none: str) -> bool:
    """Whether two answers differ in nothing but the name that was asked for."""
    said = one.text.replace(name, "?"), other.text.replace(none, "?")
    return one.status_code == other.status_code and said[0] == said[1]


ITEMS = [route for route in routes() if named(route[1]) and route[1] not in SAME_FOR_ALL]
LISTS = [path for method, path in routes() if method == "GET" and not named(path)]


def body(method: str, path: str) -> dict[str, Any]:
    return {} if method in ("GET", "DELETE") else {"json": PATH_BODIES.get(path, {})}


@pytest.mark.parametrize("route", ITEMS, ids=" ".join)
async def test_an_object_of_another_tenant_is_not_there(two: Two, route: tuple[str, str]) -> None:
    method, path = route
    assert set(named(path)) <= set(two.theirs), "say above what B has of this kind"
    more = body(method, path)
    theirs = await two.ask(method, path.format(**two.theirs), **more)
    nobodys = await two.ask(method, path.format(**NOBODYS), **more)
    assert theirs.status_code == nobodys.status_code == 404
    (kind,) = named(path)
    assert same(theirs, two.theirs[kind], nobodys, NOBODYS[kind])


@pytest.mark.parametrize("route", ITEMS, ids=" ".join)
async def test_naming_the_other_tenant_does_not_help(two: Two, route: tuple[str, str]) -> None:
    method, path = route
    more = body(method, path)
    reply = await two.ask(method, path.format(**two.theirs) + f"?tenant={B}", **more)
    if reply.status_code == 400:
        assert reply.json()["error"]["message"].startswith("Unknown query parameter 'tenant'")
    else:
        assert reply.status_code == 404


@pytest.mark.parametrize("path", LISTS)
async def test_no_filter_of_a_list_shows_anything_of_another_tenant(two: Two, path: str) -> None:
    document = (await two.ask("GET", "/openapi.json")).json()
    parameters = document["paths"][path]["get"].get("parameters", [])
    for parameter in [each["name"] for each in parameters] + ["tenant"]:
        if parameter not in two.theirs:
            continue
        name, none = two.theirs[parameter], NOBODYS[parameter]
        theirs = await two.ask("GET", path, params={parameter: name})
        nobodys = await two.ask("GET", path, params={parameter: none})
        assert same(theirs, name, nobodys, none), parameter
        assert MARK not in theirs.text.replace(name, "")
    assert MARK not in (await two.ask("GET", path)).text


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/admin/teams", "/v1/admin/users"])
@pytest.mark.parametrize("kind", NAMING)
async def test_a_list_of_another_tenants_things_is_404(two: Two, path: str, kind: str) -> None:
    document = (await two.ask("GET", "/openapi.json")).json()
    parameters = [each["name"] for each in document["paths"][path]["get"]["parameters"]]
    if kind in parameters:
        reply = await two.ask("GET", path, params={kind: two.theirs[kind]})
        assert reply.status_code == 404


@pytest.mark.parametrize("route", BODIES, ids=" ".join)
@pytest.mark.parametrize("kind", NAMING)
async def test_a_body_cannot_name_what_is_another_tenants(
    two: Two, route: tuple[str, str], kind: str
) -> None:
    method, path = route
    theirs = await two.ask(method, path, json=BODIES[route] | {kind: two.theirs[kind]})
    nobodys = await two.ask(method, path, json=BODIES[route] | {kind: NOBODYS[kind]})
    assert same(theirs, two.theirs[kind], nobodys, NOBODYS[kind])
    assert theirs.status_code in (400, 404)
    assert theirs.status_code == 404 or theirs.json()["error"]["message"].endswith("not permitted")


def test_every_body_that_an_owner_can_send_is_looked_at() -> None:
    posts = {route for route in routes() if route[0] == "POST" and not named(route[1])}
    assert posts <= set(BODIES) | ELSEWHERE


async def test_a_cursor_of_another_tenant_is_no_page(two: Two) -> None:
    for path in ("/v1/keys", "/v1/admin/users", "/v1/admin/teams"):
        page = await two.rig.ask("GET", f"{path}?limit=1&tenant={B}")
        cursor = page.json()["next"]
        assert cursor is not None
        assert (await two.ask("GET", f"{path}?cursor={cursor}")).status_code == 404
    everyone = (await two.rig.ask("GET", "/v1/admin/teams?limit=1")).json()["next"]
    assert (await two.ask("GET", f"/v1/admin/teams?cursor={everyone}")).status_code == 404


async def test_a_name_for_a_request_is_another_tenants_own(two: Two) -> None:
    """The same name, the same body: B's answer stays B's."""
    for path, body in (("/v1/keys", {"name": "x"}), ("/v1/admin/teams", {"id": "x"})):
        theirs, name = await two.rig.key(Role.OWNER, B), {"idempotency-key": path}
        first = (await two.rig.ask("POST", path, name, theirs, json=body)).json()
        second = await two.rig.ask("POST", path, name, two.secret, json=body)
        assert (second.status_code, second.json()["tenant"]) == (201, A)
        assert first["tenant"] == B
        assert "idempotent-replayed" not in second.headers


async def test_ids_are_taken_within_a_tenant(two: Two) -> None:
    """That an id is taken elsewhere would tell that it is there."""
    for path, kind in (("/v1/admin/teams", "team"), ("/v1/admin/users", "user")):
        reply = await two.ask("POST", path, json={"id": two.theirs[kind]})
        assert reply.status_code == 201


@pytest.mark.parametrize("kind", ["budget", "limit"])
async def test_what_has_an_id_of_another_tenants_is_ones_own(two: Two, kind: str) -> None:
    """As if nobody had it: neither a refusal nor anything else tells that another tenant does."""
    path, taken = f"/v1/admin/{kind}s", two.theirs[kind]
    theirs = f"{path}/{taken}?tenant={B}"
    before = (await two.rig.ask("GET", theirs)).json()
    made = await two.ask("POST", path, json=BODIES["POST", path] | {"id": taken})
    fresh = await two.ask("POST", path, json=BODIES["POST", path] | {"id": NOBODYS[kind]})
    assert (made.status_code, fresh.status_code, made.json()["tenant"]) == (201, 201, A)
    assert MARK not in made.text
    assert (await two.rig.ask("GET", theirs)).json() == before
    own = await two.ask("GET", f"{path}/{taken}")
    assert (own.status_code, own.json()["tenant"]) == (200, A)
    assert [each["tenant"] for each in (await two.ask("GET", path)).json()["data"]] == [A, A]
    everyone, cursor = [], ""
    while cursor is not None:
        page = (await two.rig.ask("GET", f"{path}?limit=1{cursor and '&cursor='}{cursor}")).json()
        everyone += [(each["tenant"], each["id"]) for each in page["data"]]
        cursor = page["next"]
    assert {(A, taken), (B, taken)} <= set(everyone), "no page loses one of the two"
    assert len(everyone) == len(set(everyone))
    assert (await two.ask("DELETE", theirs)).status_code == 404
    assert (await two.rig.ask("GET", f"{path}/{taken}")).json()["error"]["code"] == "tenant_needed"
    assert (await two.ask("DELETE", f"{path}/{taken}")).status_code == 204
    assert (await two.rig.ask("GET", f"{path}/{taken}")).json() == before


async def test_an_export_is_ones_own(two: Two) -> None:
    assert MARK not in (await two.ask("GET", "/v1/admin/tenancy")).text
    assert (await two.ask("GET", f"/v1/admin/tenancy?tenant={B}")).status_code == 404


async def test_hostile_ids_find_nothing_and_break_nothing(two: Two) -> None:
    for name in ("' OR 1=1 --", "%00", "..%2f..", "a;DROP TABLE teams", "*", "%F0%9F%92%A9"):
        for kind in ("teams", "users", "tenants"):
            assert (await two.ask("GET", f"/v1/admin/{kind}/{name}")).status_code == 404
        assert (await two.ask("GET", f"/v1/keys/{name}")).status_code == 404
        assert (await two.ask("GET", f"/v1/keys?team={name}")).status_code == 404
