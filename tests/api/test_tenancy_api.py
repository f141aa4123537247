"""Tenants, teams, users and keys through the management API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenancy_rig import Rig, started

from federation.api.access import ROUTES
from federation.domain.access import Role
from federation.domain.snapshot import KeyRing
from federation.errors import Unavailable

OBJECTS = {
    "tenants": {"id": "acme"},
    "teams": {"id": "red"},
    "users": {"id": "ada@x.test"},
}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = await started(tmp_path)
    yield made
    await made.client.aclose()


def error(reply: httpx.Response) -> tuple[int, str, str | None]:
    said = reply.json()["error"]
    return reply.status_code, said["code"], said["param"]


@pytest.mark.parametrize("kind", OBJECTS)
async def test_an_object_is_made_read_changed_and_deleted(rig: Rig, kind: str) -> None:
    made = await rig.ask("POST", f"/v1/admin/{kind}", json=OBJECTS[kind])
    assert made.status_code == 201
    name = made.json()["id"]
    assert made.json()["name"] == name
    path = f"/v1/admin/{kind}/{name}"
    read = await rig.ask("GET", path)
    assert (read.json(), read.headers["etag"]) == (made.json(), made.headers["etag"])
    changed = await rig.ask("PATCH", path, json={"name": "New"})
    assert changed.json() == made.json() | {"name": "New"}
    listed = (await rig.ask("GET", f"/v1/admin/{kind}")).json()
    assert changed.json() in listed["data"]
    assert (await rig.ask("DELETE", path)).status_code == 204
    assert error(await rig.ask("GET", path))[:2] == (404, "not_found")
    assert error(await rig.ask("DELETE", path))[:2] == (404, "not_found")


@pytest.mark.parametrize("kind", OBJECTS)
async def test_an_id_is_taken_once(rig: Rig, kind: str) -> None:
    await rig.ask("POST", f"/v1/admin/{kind}", json=OBJECTS[kind])
    again = await rig.ask("POST", f"/v1/admin/{kind}", json=OBJECTS[kind])
    assert error(again) == (409, "already_exists", "id")


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "../a", "a\n", "-a", "é", "a" * 200])
async def test_an_id_that_no_path_or_policy_could_hold_is_refused(
    rig: Rig, kind: str, name: str
) -> None:
    reply = await rig.ask("POST", f"/v1/admin/{kind}", json={"id": name})
    assert error(reply) == (400, "invalid_request", "id")


@pytest.mark.parametrize("kind", OBJECTS)
async def test_a_change_is_meant_for_one_state(rig: Rig, kind: str) -> None:
    made = await rig.ask("POST", f"/v1/admin/{kind}", json=OBJECTS[kind])
    path, tag = f"/v1/admin/{kind}/{made.json()['id']}", made.headers["etag"]
    first = await rig.ask("PATCH", path, {"if-match": tag}, json={"name": "One"})
    assert first.status_code == 200
    assert first.headers["etag"] != tag
    late = await rig.ask("PATCH", path, {"if-match": tag}, json={"name": "Two"})
    assert error(late)[:2] == (412, "changed_since")
    assert error(await rig.ask("DELETE", path, {"if-match": tag}))[:2] == (412, "changed_since")
    both = f'"other", {first.headers["etag"]}'
    assert (await rig.ask("PATCH", path, {"if-match": both}, json={})).status_code == 200
    assert (await rig.ask("DELETE", path, {"if-match": "*"})).status_code == 204


async def test_lists_come_page_by_page(rig: Rig) -> None:
    names = [f"t{n}" for n in range(5)]
    for name in names:
        await rig.ask("POST", "/v1/admin/teams", json={"id": name})
    seen: list[str] = []
    path = "/v1/admin/teams?limit=2"
    following = ""
    while following is not None:
        page = (await rig.ask("GET", path + following)).json()
        seen += [team["id"] for team in page["data"]]
        following = page["next"] and f"&cursor={page['next']}"
    assert seen == names


async def test_keys_come_page_by_page_after_those_of_the_environment(rig: Rig) -> None:
    made = [(await rig.ask("POST", "/v1/keys", json={"name": "k"})).json()["id"] for _ in range(3)]
    first = (await rig.ask("GET", "/v1/keys?limit=2")).json()
    ids = [key["id"] for key in first["data"]]
    rest = (await rig.ask("GET", f"/v1/keys?limit=2&cursor={first['next']}")).json()
    ids += [key["id"] for key in rest["data"]]
    assert ids[:2] == ["admin", "env_1"]
    assert sorted(ids[2:]) == sorted(made)
    assert rest["next"] is None


@pytest.mark.parametrize("cursor", ["x", "%00", "AAAA", "A" * 2000, "é", "=", "_-_-"])
async def test_a_cursor_that_nobody_gave_is_no_page(rig: Rig, cursor: str) -> None:
    reply = await rig.ask("GET", f"/v1/admin/teams?cursor={cursor}")
    assert error(reply) == (404, "not_found", "cursor")


async def test_a_cursor_is_good_for_its_own_list(rig: Rig) -> None:
    await rig.ask("POST", "/v1/admin/teams", json={"id": "red"})
    for name in ("a", "b"):
        await rig.ask("POST", "/v1/admin/users", json={"id": name, "team": "red"})
    cursor = (await rig.ask("GET", "/v1/admin/users?limit=1")).json()["next"]
    for path in ("/v1/admin/users?team=red", "/v1/admin/users?tenant=other", "/v1/admin/teams?"):
        assert (await rig.ask("GET", f"{path}&cursor={cursor}")).status_code == 404
    assert (await rig.ask("GET", f"/v1/admin/users?cursor={cursor}")).status_code == 200


async def test_a_tier_says_what_a_tenant_may_use(rig: Rig) -> None:
    made = await rig.ask("POST", "/v1/admin/tenants", json={"id": "acme"})
    assert (made.json()["tier"], made.json()["quota"]) == (
        "community",
        {"requests_month": 1_000, "providers": 5},
    )
    ring = rig.plane.control.keys.ring
    assert (ring.quotas["acme"].requests_month, ring.quotas["acme"].providers) == (1_000, 5)
    assert "default" not in ring.quotas
    own = {"tier": "custom", "quota": {"requests_month": 7}}
    custom = (await rig.ask("PATCH", "/v1/admin/tenants/acme", json=own)).json()
    assert custom["quota"] == {"requests_month": 7, "providers": None}
    assert rig.plane.control.keys.ring.quotas["acme"].requests_month == 7
    pro = (await rig.ask("PATCH", "/v1/admin/tenants/acme", json={"tier": "pro"})).json()
    assert pro["quota"] == {"requests_month": 100_000, "providers": 20}
    free = await rig.ask("PATCH", "/v1/admin/tenants/acme", json={"tier": "enterprise"})
    assert free.json()["quota"] == {"requests_month": None, "providers": None}
    assert "acme" not in rig.plane.control.keys.ring.quotas
    wrong = {"id": "b", "tier": "pro", "quota": {"providers": 9}}
    assert error(await rig.ask("POST", "/v1/admin/tenants", json=wrong))[2] == "quota"


async def test_a_suspended_tenant_has_no_key_in_force(rig: Rig) -> None:
    secret = await rig.key(Role.OWNER, "other")
    for suspended, status in ((True, 401), (False, 200)):
        await rig.ask("PATCH", "/v1/admin/tenants/other", json={"suspended": suspended})
        assert (await rig.ask("GET", "/v1/keys", secret=secret)).status_code == status


@pytest.mark.parametrize("change", [{"suspended": True}, None])
async def test_the_operators_tenant_stays(rig: Rig, change: dict[str, Any] | None) -> None:
    method = "DELETE" if change is None else "PATCH"
    reply = await rig.ask(method, "/v1/admin/tenants/default", json=change)
    assert error(reply)[:2] == (409, "own_tenant")


async def test_what_something_belongs_to_is_not_deleted(rig: Rig) -> None:
    await rig.ask("POST", "/v1/admin/teams", json={"id": "red"})
    await rig.ask("POST", "/v1/admin/users", json={"id": "ada", "team": "red"})
    key = (await rig.ask("POST", "/v1/keys", json={"name": "k", "user": "ada"})).json()
    for path in ("teams/red", "users/ada"):
        assert error(await rig.ask("DELETE", f"/v1/admin/{path}"))[:2] == (409, "in_use")
    await rig.ask("DELETE", f"/v1/keys/{key['id']}")
    for path in ("users/ada", "teams/red"):
        assert (await rig.ask("DELETE", f"/v1/admin/{path}")).status_code == 204


async def test_what_keeps_something_from_being_deleted_is_named_with_a_way_on(rig: Rig) -> None:
    async def refusal(path: str) -> str:
        reply = await rig.ask("DELETE", f"/v1/admin/{path}")
        assert error(reply)[:2] == (409, "in_use")
        message = reply.json()["error"]["message"]
        assert isinstance(message, str)
        return message

    await rig.ask("POST", "/v1/admin/tenants", json={"id": "acme"})
    await rig.ask("POST", "/v1/admin/teams?tenant=acme", json={"id": "red"})
    await rig.ask("POST", "/v1/admin/users?tenant=acme", json={"id": "ada", "team": "red"})
    assert "has 1 team and 1 user. Delete these first." in await refusal("tenants/acme")
    wish = {"name": "k", "user": "ada", "tenant": "acme"}
    key = (await rig.ask("POST", "/v1/keys", json=wish)).json()["id"]
    assert "has 1 user. Move or" in await refusal("teams/red?tenant=acme")
    assert "has 1 working key. Revoke" in await refusal("users/ada?tenant=acme")
    assert "1 team, 1 user and 1 working key" in await refusal("tenants/acme")
    for path in (f"keys/{key}", "admin/users/ada?tenant=acme", "admin/teams/red?tenant=acme"):
        assert (await rig.ask("DELETE", f"/v1/{path}")).status_code in (200, 204)
    left = await refusal("tenants/acme")
    assert "has 1 revoked key. Ledger and evidence name" in left
    assert "Suspend it" in left


async def test_a_persons_keys_follow_them(rig: Rig) -> None:
    for team in ("red", "blue"):
        await rig.ask("POST", "/v1/admin/teams", json={"id": team})
    ada = {"id": "ada", "team": "red", "role": "owner"}
    await rig.ask("POST", "/v1/admin/users", json=ada)
    wish = {"name": "k", "user": "ada", "role": "owner"}
    secret = (await rig.ask("POST", "/v1/keys", json=wish)).json()["secret"]

    def held() -> Any:
        found = rig.plane.control.keys.keys.find(secret)
        return found and (found.user, found.team, found.role.value)

    assert held() == ("ada", "red", "owner")
    await rig.ask("PATCH", "/v1/admin/users/ada", json={"team": "blue", "role": "viewer"})
    assert held() == ("ada", "blue", "viewer")
    await rig.ask("PATCH", "/v1/admin/users/ada", json={"suspended": True})
    assert held() is None
    back = {"suspended": False, "team": "", "role": "owner"}
    await rig.ask("PATCH", "/v1/admin/users/ada", json=back)
    assert held() == ("ada", "", "owner")


async def test_a_persons_key_goes_no_further_than_the_person(rig: Rig) -> None:
    await rig.ask("POST", "/v1/admin/users", json={"id": "ada", "role": "viewer"})
    wish = {"name": "k", "user": "ada", "role": "owner"}
    assert error(await rig.ask("POST", "/v1/keys", json=wish)) == (403, "permission_denied", "role")


async def test_a_person_has_so_many_keys_that_are_good(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.control.keys.OF_A_PERSON", 2)
    await rig.ask("POST", "/v1/admin/users", json={"id": "ada", "role": "owner"})
    wish = {"name": "k", "user": "ada", "role": "owner"}
    first = (await rig.ask("POST", "/v1/keys", json=wish)).json()
    # A token of hers makes no more keys than she may have, whoever holds it.
    tokens = await rig.ask("POST", "/auth/token", json={"api_key": first["secret"]})
    token = tokens.json()["access_token"]
    made = await rig.ask("POST", "/v1/keys", secret=token, json=wish)
    assert made.status_code == 201
    refused = await rig.ask("POST", "/v1/keys", secret=token, json=wish)
    assert error(refused)[:2] == (409, "too_many_keys")
    assert "Revoke some first" in refused.json()["error"]["message"]
    await rig.ask("DELETE", f"/v1/keys/{made.json()['id']}")
    assert (await rig.ask("POST", "/v1/keys", secret=token, json=wish)).status_code == 201


async def test_a_tenant_has_so_many_keys_unless_an_operator_makes_more(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.control.keys.OF_A_TENANT", 2)
    await rig.ask("POST", "/v1/admin/tenants", json={"id": "acme"})
    owner = await rig.key(Role.OWNER, "acme")
    wish = {"name": "k", "tenant": "acme"}
    assert (await rig.ask("POST", "/v1/keys", secret=owner, json=wish)).status_code == 201
    refused = await rig.ask("POST", "/v1/keys", secret=owner, json=wish)
    assert error(refused)[:2] == (409, "too_many_keys")
    assert (await rig.ask("POST", "/v1/keys", json=wish)).status_code == 201


@pytest.mark.parametrize("field", ["team", "user"])
async def test_a_key_is_for_a_team_and_user_that_are_there(rig: Rig, field: str) -> None:
    wish = {"name": "k", field: "nobody"}
    assert error(await rig.ask("POST", "/v1/keys", json=wish)) == (404, "not_found", field)
    key = (await rig.ask("POST", "/v1/keys", json={"name": "k"})).json()
    change = await rig.ask("PATCH", f"/v1/keys/{key['id']}", json={field: "nobody"})
    assert error(change) == (404, "not_found", field)


async def test_a_rotated_secret_works_on_until_its_time(rig: Rig) -> None:
    made = (await rig.ask("POST", "/v1/keys", json={"name": "k", "role": "viewer"})).json()
    path = f"/v1/keys/{made['id']}/rotate"
    new = (await rig.ask("POST", path, json={"overlap_s": 60})).json()
    assert new["old_secret_until_ms"] == int(rig.plane.clock.now * 1000) + 60_000
    assert (new["id"], new["hint"]) == (made["id"], new["secret"][-4:])
    assert await rig.status(made["secret"]) == await rig.status(new["secret"]) == 200
    newer = (await rig.ask("POST", path)).json()
    assert await rig.status(made["secret"]) == 401
    assert await rig.status(new["secret"]) == await rig.status(newer["secret"]) == 200
    rig.plane.clock.now += 3600
    assert await rig.status(new["secret"]) == 401
    assert await rig.status(newer["secret"]) == 200
    last = (await rig.ask("POST", path, json={"overlap_s": 0})).json()
    assert last["old_secret_until_ms"] is None
    assert await rig.status(newer["secret"]) == 401


async def test_revoking_ends_a_former_secret_too(rig: Rig) -> None:
    made = (await rig.ask("POST", "/v1/keys", json={"name": "k", "role": "viewer"})).json()
    new = (await rig.ask("POST", f"/v1/keys/{made['id']}/rotate")).json()
    await rig.ask("DELETE", f"/v1/keys/{made['id']}")
    assert await rig.status(made["secret"]) == await rig.status(new["secret"]) == 401
    assert error(await rig.ask("POST", f"/v1/keys/{made['id']}/rotate"))[:2] == (409, "key_revoked")
    again = await rig.ask("PATCH", f"/v1/keys/{made['id']}", json={"name": "x"})
    assert error(again)[:2] == (409, "key_revoked")


async def test_a_former_secret_does_not_outlive_its_key(rig: Rig) -> None:
    made = (await rig.ask("POST", "/v1/keys", json={"name": "k", "expires_in_s": 10})).json()
    await rig.ask("POST", f"/v1/keys/{made['id']}/rotate", json={"overlap_s": 60})
    found = rig.plane.control.keys.keys.find(made["secret"])
    assert found is not None
    assert found.expires_ms == made["expires_ms"]


async def test_a_key_is_changed_and_its_secret_stays(rig: Rig) -> None:
    made = await rig.ask("POST", "/v1/keys", json={"name": "k", "expires_in_s": 60})
    path = f"/v1/keys/{made.json()['id']}"
    edit = {"name": "n", "role": "viewer", "models": ["a"], "expires_in_s": None}
    changed = await rig.ask("PATCH", path, {"if-match": made.headers["etag"]}, json=edit)
    said = changed.json()
    assert (said["name"], said["role"], said["models"], said["expires_ms"]) == (
        *("n", "viewer", ["a"]),
        None,
    )
    assert (await rig.ask("GET", path)).headers["etag"] == changed.headers["etag"]
    assert await rig.status(made.json()["secret"]) == 200
    late = await rig.ask("PATCH", path, {"if-match": made.headers["etag"]}, json={})
    assert error(late)[:2] == (412, "changed_since")


async def test_nobody_reaches_further_through_another_key(rig: Rig) -> None:
    """Whoever rotates a key holds its secret; whoever changes one could widen their own."""
    owner = await rig.key(Role.OWNER)
    strong = (await rig.ask("POST", "/v1/keys", json={"name": "k", "role": "admin"})).json()["id"]
    weak = (await rig.ask("POST", "/v1/keys", json={"name": "k"})).json()["id"]
    for method, path, body in (
        ("POST", f"/v1/keys/{strong}/rotate", None),
        ("PATCH", f"/v1/keys/{strong}", {"name": "x"}),
        ("PATCH", f"/v1/keys/{weak}", {"role": "admin"}),
        ("POST", "/v1/admin/users", {"id": "eve", "role": "admin"}),
    ):
        assert (await rig.ask(method, path, secret=owner, json=body)).status_code == 403
    await rig.ask("POST", "/v1/admin/users", json={"id": "boss", "role": "admin"})
    for method, edit in (("PATCH", {"name": "x"}), ("PATCH", {"role": "viewer"}), ("DELETE", None)):
        reply = await rig.ask(method, "/v1/admin/users/boss", secret=owner, json=edit)
        assert reply.status_code == 403


async def test_nobody_ends_a_key_that_may_do_more(rig: Rig) -> None:
    owner, admin = await rig.key(Role.OWNER), await rig.key(Role.ADMIN)
    listed = (await rig.ask("GET", "/v1/keys", secret=owner)).json()["data"]
    key = next(each["id"] for each in listed if each["role"] == "admin" and each["id"] != "admin")
    refused = await rig.ask("DELETE", f"/v1/keys/{key}", secret=owner)
    assert refused.status_code == 403
    assert "cannot end one with the role 'admin'" in refused.json()["error"]["message"]
    assert await rig.status(admin) == 200
    assert (await rig.ask("DELETE", f"/v1/keys/{key}")).status_code == 200
    assert await rig.status(admin) == 401


@pytest.mark.parametrize("key", ["admin", "env_1"])
async def test_keys_of_the_environment_are_changed_there(rig: Rig, key: str) -> None:
    assert (await rig.ask("GET", f"/v1/keys/{key}")).json()["id"] == key
    for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")):
        reply = await rig.ask(method, f"/v1/keys/{key}{path}", json={})
        assert error(reply)[:2] == (409, "key_not_issued_here")


POSTS = [
    ("/v1/keys", {"name": "k"}),
    ("/v1/admin/tenants", {"id": "acme"}),
    ("/v1/admin/teams", {"id": "red"}),
    ("/v1/admin/users", {"id": "ada"}),
    ("/v1/admin/tenancy", {"tenants": [{"id": "acme", "name": "Acme"}]}),
]


@pytest.mark.parametrize(("path", "body"), POSTS)
async def test_a_request_that_names_itself_is_done_once(rig: Rig, path: str, body: Any) -> None:
    name = {"idempotency-key": "1"}
    first = await rig.ask("POST", path, name, json=body)
    again = await rig.ask("POST", path, name, json=body)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("etag") == first.headers.get("etag")
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = await rig.ask("POST", path, name, json=body | {"x": 1})
    assert error(other)[:2] == (422, "idempotency_key_reused")


async def test_every_post_that_changes_something_may_name_itself(rig: Rig) -> None:
    no_name = {"idempotency-key": "n" * 1000}
    unnamed = set()
    for method, path in ROUTES:
        if method == "POST" and not path.startswith("/auth/"):
            reply = await rig.ask("POST", re.sub("{.*?}", "reject", path), no_name, json={})
            if reply.status_code != 400 or error(reply)[2] != "Idempotency-Key":
                unnamed.add(path)
    assert unnamed == {"/v1/admin/data/names"}, "which only looks somebody up"


async def test_of_requests_with_one_name_at_once_one_is_done(rig: Rig) -> None:
    asked = [
        rig.ask("POST", "/v1/keys", {"idempotency-key": "1"}, json={"name": "k"}) for _ in range(8)
    ]
    replies = await asyncio.gather(*asked)
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert len(rig.plane.keys.list(None)) == 1
    waiting = next(reply for reply in replies if reply.status_code == 409)
    assert error(waiting)[1] == "request_under_way"
    assert waiting.headers["retry-after"] == "1"


async def test_a_name_is_free_again_after_a_failure(rig: Rig) -> None:
    name = {"idempotency-key": "1"}
    for body, status in (({"name": ""}, 400), ({"name": "k"}, 201)):
        assert (await rig.ask("POST", "/v1/keys", name, json=body)).status_code == status


async def test_what_failed_after_it_was_done_is_not_done_again_under_its_name(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, keys = {"idempotency-key": "1"}, rig.plane.control.keys

    def away() -> KeyRing:
        raise Unavailable("The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(keys, "gather", away)
        first = await rig.ask("POST", "/v1/keys", name, json={"name": "k"})
    assert error(first)[:2] == (503, "unavailable")
    (made,) = rig.plane.keys.list(None)
    for _ in range(2):
        again = await rig.ask("POST", "/v1/keys", name, json={"name": "k"})
        assert error(again)[:2] == (409, "outcome_unknown")
        assert "retry-after" not in again.headers
        rig.plane.clock.now += 3_600
    other = await rig.ask("POST", "/v1/keys", name, json={"name": "other"})
    assert error(other)[:2] == (422, "idempotency_key_reused")
    assert rig.plane.keys.list(None) == [made]


async def test_a_store_that_is_away_altogether_leaves_the_name_under_way(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = {"idempotency-key": "1"}

    def away(*_: object) -> KeyRing:
        raise Unavailable("The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(rig.plane.control.keys, "gather", away)
        patched.setattr(rig.answers, "finish", away)
        first = await rig.ask("POST", "/v1/keys", name, json={"name": "k"})
    assert error(first)[:2] == (503, "unavailable")
    again = await rig.ask("POST", "/v1/keys", name, json={"name": "k"})
    assert error(again)[:2] == (409, "request_under_way")


async def test_what_was_done_is_told_where_the_answer_cannot_be_kept(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise Unavailable("The store is away.")

    monkeypatch.setattr(rig.answers, "finish", away)
    name = {"idempotency-key": "1"}
    first = await rig.ask("POST", "/v1/keys", name, json={"name": "k"})
    assert first.status_code == 201
    again = await rig.ask("POST", "/v1/keys", name, json={"name": "k"})
    assert error(again)[:2] == (409, "request_under_way")


async def test_a_name_lasts_for_a_day(rig: Rig) -> None:
    name = {"idempotency-key": "1"}
    first = (await rig.ask("POST", "/v1/keys", name, json={"name": "k"})).json()
    rig.plane.clock.now += 86_399
    assert (await rig.ask("POST", "/v1/keys", name, json={"name": "k"})).json() == first
    rig.plane.clock.now += 1
    assert (await rig.ask("POST", "/v1/keys", name, json={"name": "k"})).json() != first


async def test_no_secret_of_a_kept_answer_can_be_read_from_the_store(rig: Rig) -> None:
    name = {"idempotency-key": "a name that only the client knows"}
    secret = (await rig.ask("POST", "/v1/keys", name, json={"name": "k"})).json()["secret"]
    kept = str(vars(rig.answers))
    assert "sealed" not in kept  # repr leaves it out
    (answer,) = rig.answers.kept()
    assert secret.encode() not in answer.sealed
    assert "only the client knows" not in answer.name


@pytest.mark.parametrize("name", ["", "x" * 256])
async def test_a_name_has_bounds(rig: Rig, name: str) -> None:
    reply = await rig.ask("POST", "/v1/keys", {"idempotency-key": name}, json={"name": "k"})
    assert error(reply) == (400, "invalid_request", "Idempotency-Key")


async def test_an_export_brings_all_of_it_to_another_gateway(rig: Rig, tmp_path: Path) -> None:
    custom = {"id": "acme", "tier": "custom", "quota": {"requests_month": 9}}
    await rig.ask("POST", "/v1/admin/tenants", json=custom)
    await rig.ask("POST", "/v1/admin/teams", json={"id": "red", "tenant": "acme"})
    ada = {"id": "ada", "tenant": "acme", "team": "red", "role": "owner", "email": "a@x.test"}
    await rig.ask("POST", "/v1/admin/users", json=ada)
    wish = {"name": "k", "tenant": "acme", "user": "ada", "models": ["m"], "expires_in_s": 99}
    key = (await rig.ask("POST", "/v1/keys", json=wish)).json()
    gone = (await rig.ask("POST", "/v1/keys", json={"name": "gone"})).json()
    await rig.ask("DELETE", f"/v1/keys/{gone['id']}")
    exported = (await rig.ask("GET", "/v1/admin/tenancy")).json()
    assert key["secret"] not in str(exported)
    assert gone["id"] not in str(exported)
    assert key["hint"] not in [entry.get("hint") for entry in exported["tenants"][0]["keys"]]

    there = await started(tmp_path / "there", beside=True)
    done = (await there.ask("POST", "/v1/admin/tenancy", json=exported)).json()
    assert (done["made"], done["changed"]) == (4, 0)
    (moved,) = done["keys"]
    assert moved["id"] == key["id"]
    assert moved["secret"] != key["secret"]
    assert await there.status(moved["secret"], "/v1/stats") == 200
    assert (await there.ask("GET", "/v1/admin/tenancy")).json() == exported
    again = (await there.ask("POST", "/v1/admin/tenancy", json=exported)).json()
    assert (again["made"], again["changed"], again["keys"]) == (0, 0, [])
    exported["tenants"][0]["name"] = "New"
    exported["tenants"][0]["keys"][0]["models"] = []
    third = (await there.ask("POST", "/v1/admin/tenancy", json=exported)).json()
    assert (third["made"], third["changed"]) == (0, 2)
    await there.client.aclose()


async def test_an_import_makes_no_key_that_has_ended(rig: Rig) -> None:
    made = (await rig.ask("POST", "/v1/keys", json={"name": "k", "expires_in_s": 60})).json()
    gone = (await rig.ask("POST", "/v1/keys", json={"name": "k"})).json()
    exported = (await rig.ask("GET", "/v1/admin/tenancy?tenant=default")).json()
    assert [tenant["id"] for tenant in exported["tenants"]] == ["default"]
    await rig.ask("DELETE", f"/v1/keys/{gone['id']}")
    rig.plane.clock.now += 60
    done = (await rig.ask("POST", "/v1/admin/tenancy", json=exported)).json()
    assert sorted(done["ended"]) == sorted((made["id"], gone["id"]))
    assert done["keys"] == []


async def test_an_import_does_not_move_a_key_to_another_tenant(rig: Rig) -> None:
    made = (await rig.ask("POST", "/v1/keys", json={"name": "k", "tenant": "other"})).json()
    entry = {"id": made["id"], "name": "k"}
    own = (await rig.ask("GET", "/v1/admin/tenancy?tenant=default")).json()
    own["tenants"][0]["keys"] = [entry]
    refused = await rig.ask("POST", "/v1/admin/tenancy", json=own)
    assert error(refused) == (409, "already_exists", "keys")


async def test_an_import_that_ends_half_way_tells_what_it_made(rig: Rig) -> None:
    ada = {"id": "ada", "name": "Ada", "role": "viewer"}
    keys = [
        {"id": "key_00000000000000aa", "name": "one"},
        {"id": "key_00000000000000bb", "name": "two", "role": "admin", "user": "ada"},
    ]
    body = {"tenants": [{"id": "acme", "name": "Acme", "users": [ada], "keys": keys}]}
    first = await rig.ask("POST", "/v1/admin/tenancy", json=body)
    assert first.status_code == 200
    assert first.json()["made"] == 3
    problem = first.json()["problem"]
    assert (problem["code"], problem["param"]) == ("permission_denied", "role")
    assert "viewer" in problem["message"]
    keys[1]["role"] = "viewer"
    second = (await rig.ask("POST", "/v1/admin/tenancy", json=body)).json()
    assert (second["made"], second["unchanged"], second["problem"]) == (1, 3, None)
    told = {key["id"]: key["secret"] for key in (*first.json()["keys"], *second["keys"])}
    assert set(told) == {key["id"] for key in keys}
    for secret in told.values():
        assert await rig.status(secret, "/auth/me") == 200


async def test_an_import_that_makes_nothing_is_refused(rig: Rig) -> None:
    entry: dict[str, Any] = {"id": "acme", "name": "Acme"}
    await rig.ask("POST", "/v1/admin/tenancy", json={"tenants": [entry]})
    entry["users"] = [{"id": "Not an id", "name": "x"}]
    refused = await rig.ask("POST", "/v1/admin/tenancy", json={"tenants": [entry]})
    assert error(refused) == (400, "invalid_request", "id")


async def test_an_import_that_is_not_in_force_tells_its_secrets_all_the_same(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise Unavailable("The store is away.")

    monkeypatch.setattr(rig.plane.control.tenancy, "changed", away)
    key = {"id": "key_00000000000000aa", "name": "one"}
    body = {"tenants": [{"id": "acme", "name": "Acme", "keys": [key]}]}
    done = (await rig.ask("POST", "/v1/admin/tenancy", json=body)).json()
    assert [each["id"] for each in done["keys"]] == [key["id"]]
    assert done["problem"]["code"] == "unavailable"


async def test_an_owner_exports_their_own_and_imports_nothing(rig: Rig) -> None:
    owner = await rig.key(Role.OWNER, "other")
    exported = (await rig.ask("GET", "/v1/admin/tenancy", secret=owner)).json()
    assert [tenant["id"] for tenant in exported["tenants"]] == ["other"]
    body: dict[str, Any] = {"tenants": []}
    reply = await rig.ask("POST", "/v1/admin/tenancy", secret=owner, json=body)
    assert reply.status_code == 403


async def test_half_of_a_character_is_refused(rig: Rig) -> None:
    body = b'{"name": "a", "tenant": "\\ud800"}'
    reply = await rig.ask(
        "POST", "/v1/keys", content=body, headers={"content-type": "application/json"}
    )
    assert reply.status_code == 400
    assert "no character" in reply.json()["error"]["message"]
