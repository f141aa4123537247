"""Sessions through the management API: tokens for a key, refreshing, ending, who may try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from control_plane import ADMIN
from sign_in_rig import PEER, Rig, started

from federation.api.access import ROUTES
from federation.control.permissions import ROLES, Permission
from federation.credentials.lockout import FAILURES
from federation.credentials.refreshes import GRACE_S
from federation.domain.access import Role


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = await started(tmp_path)
    yield made
    await made.aclose()


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


async def test_a_key_is_exchanged_for_tokens_that_do_what_it_does(rig: Rig) -> None:
    secret = await rig.key(Role.VIEWER)
    found = await rig.tokens(secret)
    assert found["token_type"] == "Bearer"
    assert found["expires_in"] == 1_800
    assert (await rig.get("/v1/stats", found["access_token"])).status_code == 200
    assert (await rig.get("/v1/keys", found["access_token"])).status_code == 403
    me = (await rig.get("/auth/me", found["access_token"])).json()
    assert me == (await rig.get("/auth/me", secret)).json()
    assert (me["role"], me["tenant"]) == ("viewer", "default")
    assert set(me["permissions"]) == ROLES[Role.VIEWER]


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_the_key_may_come_where_calls_have_it(rig: Rig, header: str) -> None:
    value = f"Bearer {ADMIN}" if header == "authorization" else ADMIN
    reply = await rig.post("/auth/token", headers={header: value})
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"


async def test_our_tokens_can_be_checked_by_anybody(rig: Rig) -> None:
    found = await rig.tokens(ADMIN)
    keys = (await rig.get("/auth/jwks.json")).json()
    (key,) = jwt.PyJWKSet.from_dict(keys).keys
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(
        found["access_token"], key, ["EdDSA"], audience="federation", options=options
    )
    assert (claims["sub"], claims["sid"]) == ("key:admin", found["session"])
    assert "d" not in keys["keys"][0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"api_key": ""}, 400),
        ({"api_key": "fed_nobody"}, 401),
        ({"api_key": "x" * 513}, 400),
        ({"api_key": "' OR 1=1 --"}, 401),
        ({"api_key": "fed_\u0430dmin\x00"}, 401),
        ({"grant_type": "password", "username": "a", "password": "b"}, 400),
        ({"grant_type": "authorization_code"}, 400),
        ({"grant_type": "authorization_code", "code": "x", "code_verifier": "y"}, 400),
        (
            {
                "grant_type": "authorization_code",
                "code": "x",
                "code_verifier": "y" * 43,
                "redirect_uri": "http://127.0.0.1:1/",
            },
            401,
        ),
        ({"api_key": "x", "admin": True}, 400),
        ({"scopes": ["everything"]}, 400),
    ],
)
async def test_who_has_nothing_gets_nothing(rig: Rig, body: Any, status: int) -> None:
    reply = await rig.post("/auth/token", body)
    assert reply.status_code == status, reply.text
    if status == 401:
        assert reply.json()["error"]["message"] == "The sign-in was refused."


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b'"key"'),
        ("text/plain", b'{"api_key": "fed_x"}'),
        ("application/x-www-form-urlencoded", b"api_key=fed_x"),
    ],
)
@pytest.mark.parametrize("path", ["/auth/token", "/auth/refresh"])
async def test_a_body_that_is_no_object_is_told_what_it_should_be(
    rig: Rig, kind: str, body: bytes, path: str
) -> None:
    reply = await rig.client.post(path, content=body, headers={"content-type": kind})
    assert reply.status_code == 400
    told = reply.json()["error"]["message"]
    assert "The body should be a JSON object" in told
    assert "'Content-Type: application/json'" in told
    assert ("not valid JSON" in told) is (body == b"{")


async def test_a_token_is_no_key_that_a_longer_session_could_be_had_for(rig: Rig) -> None:
    found = await rig.tokens(ADMIN)
    for token in (found["access_token"][:512], found["refresh_token"]):
        assert code(await rig.post("/auth/token", {"api_key": token})) == (401, "sign_in_refused")
    headers = {"authorization": f"Bearer {found['access_token']}"}
    assert (await rig.post("/auth/token", headers=headers)).status_code == 401


async def test_scopes_narrow_a_session_and_a_key(rig: Rig) -> None:
    found = await rig.tokens(ADMIN, scopes=["stats.read"])
    assert (await rig.get("/v1/stats", found["access_token"])).status_code == 200
    assert (await rig.get("/v1/keys", found["access_token"])).status_code == 403
    me = (await rig.get("/auth/me", found["access_token"])).json()
    assert sorted(me["permissions"]) == ["self.read", "stats.read"]
    again = (await rig.refresh(found["refresh_token"])).json()
    assert (await rig.get("/v1/keys", again["access_token"])).status_code == 403

    secret = await rig.key(Role.OWNER, scopes=("keys.read", "keys.change"))
    assert (await rig.get("/v1/keys", secret)).status_code == 200
    assert (await rig.get("/v1/stats", secret)).status_code == 403
    assert code(await rig.post("/auth/token", {"api_key": secret, "scopes": ["infer"]})) == (
        401,
        "invalid_token",
    )
    headers = {"authorization": f"Bearer {secret}"}
    for scopes, status in (([], 403), (["infer"], 403), (["keys.read"], 201)):
        wish = {"name": "k", "role": "owner", "scopes": scopes}
        reply = await rig.post("/v1/keys", wish, headers=headers)
        assert reply.status_code == status, reply.text
    assert reply.json()["scopes"] == ["keys.read"]
    path = f"/v1/keys/{reply.json()['id']}"
    edit = await rig.client.patch(path, json={"scopes": []}, headers=headers)
    assert edit.status_code == 403
    admin = {"authorization": f"Bearer {ADMIN}"}
    edit = await rig.client.patch(path, json={"scopes": ["infer"]}, headers=admin)
    assert edit.json()["scopes"] == ["infer"]


async def test_each_refresh_token_brings_the_next(rig: Rig) -> None:
    found = await rig.tokens(await rig.key())
    for _ in range(3):
        rig.plane.clock.now += 100
        following = (await rig.refresh(found["refresh_token"])).json()
        assert following["refresh_token"] != found["refresh_token"]
        assert following["session"] == found["session"]
        assert following["refresh_expires_ms"] > found["refresh_expires_ms"]
        assert (await rig.get("/v1/stats", following["access_token"])).status_code == 200
        found = following


async def test_an_old_refresh_token_ends_the_session_for_both_who_have_it(rig: Rig) -> None:
    found = await rig.tokens(await rig.key())
    following = (await rig.refresh(found["refresh_token"])).json()
    rig.plane.clock.now += GRACE_S + 1
    assert code(await rig.refresh(found["refresh_token"])) == (401, "token_revoked")
    assert code(await rig.refresh(following["refresh_token"])) == (401, "token_revoked")
    for token in (found["access_token"], following["access_token"]):
        assert code(await rig.get("/v1/stats", token)) == (401, "token_revoked")


async def test_a_lost_answer_is_given_again_and_is_no_theft(rig: Rig) -> None:
    found = await rig.tokens(await rig.key())
    first = (await rig.refresh(found["refresh_token"])).json()
    rig.plane.clock.now += GRACE_S
    second = (await rig.refresh(found["refresh_token"])).json()
    assert second["refresh_token"] == first["refresh_token"]
    assert (await rig.get("/v1/stats", second["access_token"])).status_code == 200


async def test_of_two_that_refresh_at_once_both_get_the_same_next_token(rig: Rig) -> None:
    found = await rig.tokens(await rig.key())
    replies = await asyncio.gather(*(rig.refresh(found["refresh_token"]) for _ in range(8)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["refresh_token"] for reply in replies}) == 1
    rig.plane.clock.now += GRACE_S + 1
    assert (await rig.refresh(replies[0].json()["refresh_token"])).status_code == 200


async def test_a_forged_refresh_token_does_not_end_anybody_s_session(rig: Rig) -> None:
    found = await rig.tokens(await rig.key())
    token = found["refresh_token"]
    head, n, proof = token.split(".")
    forged = [f"{head}.0.{'A' * 43}", f"{head}.9.{proof}", token[:-1], "fedr_x", "", "x" * 8_000]
    for n, each in enumerate(forged):
        reply = await rig.refresh(each, peer=f"198.51.100.{n}")
        assert code(reply) == (401, "sign_in_refused")
    assert (await rig.refresh(token)).status_code == 200


async def test_a_session_ends_after_a_week_without_a_refresh_and_after_a_month(rig: Rig) -> None:
    found = await rig.tokens(await rig.key())
    rig.plane.clock.now += 7 * 86_400
    assert code(await rig.refresh(found["refresh_token"])) == (401, "token_revoked")
    found = await rig.tokens(await rig.key())
    for _ in range(4):
        rig.plane.clock.now += 7 * 86_400 - 10
        reply = await rig.refresh(found["refresh_token"])
        found = reply.json()
    assert reply.status_code == 200
    rig.plane.clock.now += 3 * 86_400
    assert (await rig.refresh(found["refresh_token"])).status_code == 401


async def test_a_session_ends_with_its_key(rig: Rig) -> None:
    secret = await rig.key(expires_ms=int((rig.plane.clock.now + 100) * 1000))
    found = await rig.tokens(secret)
    assert found["refresh_expires_ms"] == int((rig.plane.clock.now + 100) * 1000)
    other = await rig.key()
    mine = await rig.tokens(other)
    (name,) = [k.id for k in rig.plane.keys.list(None) if k.hint == other[-4:] and k.id != "x"][:1]
    await rig.client.delete(f"/v1/keys/{name}", headers={"authorization": f"Bearer {ADMIN}"})
    assert code(await rig.get("/v1/stats", mine["access_token"])) == (401, "token_revoked")
    assert code(await rig.refresh(mine["refresh_token"])) == (401, "token_revoked")
    rig.plane.clock.now += 100
    assert (await rig.get("/v1/stats", found["access_token"])).status_code == 401
    assert (await rig.refresh(found["refresh_token"])).status_code == 401


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_either_token_ends_its_session(rig: Rig, kind: str) -> None:
    secret = await rig.key()
    found, other = await rig.tokens(secret), await rig.tokens(secret)
    assert (await rig.post("/auth/revoke", {"token": found[kind]})).json() == {"revoked": True}
    assert code(await rig.get("/v1/stats", found["access_token"])) == (401, "token_revoked")
    assert code(await rig.refresh(found["refresh_token"])) == (401, "token_revoked")
    assert (await rig.get("/v1/stats", other["access_token"])).status_code == 200
    await rig.post("/auth/revoke", {"token": other[kind], "everywhere": True})
    assert (await rig.get("/v1/stats", other["access_token"])).status_code == 401


async def test_everywhere_ends_all_sessions_of_who_has_the_token(rig: Rig) -> None:
    secret, stranger = await rig.key(), await rig.key()
    mine = [await rig.tokens(secret) for _ in range(3)]
    theirs = await rig.tokens(stranger)
    await rig.post("/auth/revoke", {"token": mine[0]["refresh_token"], "everywhere": True})
    for each in mine:
        assert (await rig.get("/v1/stats", each["access_token"])).status_code == 401
    assert (await rig.get("/v1/stats", theirs["access_token"])).status_code == 200


async def test_what_is_no_token_is_revoked_like_one(rig: Rig) -> None:
    for odd in ("", "x", ADMIN, "eyJ.e30.x", "fedr_ses_" + "0" * 32 + ".0." + "A" * 43):
        reply = await rig.post("/auth/revoke", {"token": odd})
        assert (reply.status_code, reply.json()) == (200, {"revoked": True})
    assert (await rig.get("/v1/stats", ADMIN)).status_code == 200


async def test_what_another_replica_has_ended_is_heard_of(rig: Rig) -> None:
    found = await rig.tokens(await rig.key())
    desk = rig.plane.control.sign_in
    assert desk._store.end(found["session"], int(rig.plane.clock.now * 1000), "elsewhere")
    assert (await rig.get("/v1/stats", found["access_token"])).status_code == 200
    await desk.renew()
    assert (await rig.get("/v1/stats", found["access_token"])).status_code == 401


async def test_too_many_ended_sessions_become_a_line_in_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.control.sign_in.ENDED_MOST", 2)
    secret = await rig.key()
    found = []
    for _ in range(4):
        rig.plane.clock.now += 2
        found.append(await rig.tokens(secret))
    rig.plane.clock.now += 2
    for each in found[:3]:
        await rig.post("/auth/revoke", {"token": each["refresh_token"]})
        rig.plane.clock.now += 2
    ring = rig.plane.control.sign_in.ring
    assert len(ring.ended) == 2
    for each in found[:3]:
        assert (await rig.get("/v1/stats", each["access_token"])).status_code == 401
    late = (await rig.refresh(found[3]["refresh_token"])).json()
    assert (await rig.get("/v1/stats", late["access_token"])).status_code == 200


async def test_failures_lock_their_source_and_nobody_else(rig: Rig) -> None:
    for _ in range(FAILURES):
        assert (await rig.post("/auth/token", {"api_key": "fed_x"})).status_code == 401
    reply = await rig.post("/auth/token", {"api_key": ADMIN})
    assert code(reply) == (429, "sign_in_locked")
    assert int(reply.headers["retry-after"]) > 30
    found = await rig.post("/auth/token", {"api_key": ADMIN}, "203.0.113.8")
    assert found.status_code == 200
    assert code(await rig.refresh("fedr_x")) == (429, "sign_in_locked")
    # Who is let in elsewhere is not touched: a lock is on signing in.
    assert (await rig.get("/v1/stats", ADMIN)).status_code == 200


async def test_who_comes_through_a_proxy_is_who_the_proxy_says(rig: Rig) -> None:
    files = rig.plane.files
    server = replace(files.loaded.server, trusted_proxies=("10.0.0.0/8",))
    files.loaded = replace(files.loaded, server=server)
    rig.plane.control.configuration.reading = files.read()
    for _ in range(FAILURES):
        headers = {"x-forwarded-for": "6.6.6.6, 198.51.100.1, 10.1.1.1"}
        await rig.post("/auth/token", {"api_key": "x"}, "10.2.2.2", headers=headers)
    for forwarded, peer, status in (
        ("198.51.100.1", "10.2.2.2", 429),
        ("198.51.100.1, 10.9.9.9", "10.2.2.2", 429),
        ("198.51.100.2", "10.2.2.2", 200),
        ("6.6.6.6", "10.2.2.2", 200),
        ("198.51.100.1", PEER, 200),
        ("", "10.2.2.2", 200),
    ):
        headers = {"x-forwarded-for": forwarded}
        reply = await rig.post("/auth/token", {"api_key": ADMIN}, peer, headers=headers)
        assert reply.status_code == status, (forwarded, peer)


@pytest.mark.parametrize("role", Role)
async def test_a_token_may_what_its_role_may_on_every_route(rig: Rig, role: Role) -> None:
    token = (await rig.tokens(await rig.key(role)))["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    for (method, path), permission in ROUTES.items():
        if permission is None or method == "DELETE":
            continue
        place = path.replace("{", "").replace("}", "")
        reply = await rig.client.request(method, place, headers=headers)
        allowed = permission in ROLES[role]
        assert (reply.status_code == 403) == (not allowed), (method, path, reply.text)
        assert reply.status_code not in (401, 500)


async def test_a_person_s_token_is_theirs_on_every_route_that_lists(rig: Rig) -> None:
    """A customer's person sees their own tenant, and makes keys that outlive the token."""
    await rig.user("eve", Role.OWNER, tenant="other")
    desk = rig.plane.control.sign_in
    granted = await desk.open(desk.bearers.of_session("user:other/eve"))
    headers = {"authorization": f"Bearer {granted.access}"}
    assert (await rig.client.get("/v1/admin/tenants/default", headers=headers)).status_code == 404
    made = await rig.client.post("/v1/keys", json={"name": "k"}, headers=headers)
    assert (made.status_code, made.json()["tenant"]) == (201, "other")
    assert made.json()["expires_ms"] is None
    wish = {"name": "k", "tenant": "default"}
    assert (await rig.client.post("/v1/keys", json=wish, headers=headers)).status_code == 404
    listed = (await rig.client.get("/v1/keys", headers=headers)).json()["data"]
    assert {key["tenant"] for key in listed} == {"other"}
    change = {"suspended": True}
    await rig.client.patch(
        "/v1/admin/users/eve?tenant=other",
        json=change,
        headers={"authorization": f"Bearer {ADMIN}"},
    )
    assert (await rig.client.get("/v1/keys", headers=headers)).status_code == 401


def test_every_permission_is_one_that_a_scope_can_name() -> None:
    assert all(str(each.value) == each.value and " " not in each.value for each in Permission)
