"""People who sign in at an identity provider that is really asked, over sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from control_plane import ADMIN
from identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider
from sign_in_rig import PUBLIC, Rig, row, started
from token_world import Party

from federation.control.sign_in_issuers import AGAIN_S, FRESH_S, STALE_S
from federation.control.sign_in_people import CODE_S, STATE_S
from federation.credentials.oidc import challenge_of
from federation.domain.access import Role
from federation.domain.sign_in import ClaimRules

VERIFIER = "v" * 64
BACK = "http://127.0.0.1:7777/done"
NEW = ClaimRules(known=False, role_claim="groups", roles=(("ops", Role.OWNER),), team_claim="dept")


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[IdentityProvider]:
    async with identity_provider(1_000_000.0) as made:
        yield made


@pytest.fixture
async def rig(tmp_path: Path, provider: IdentityProvider) -> AsyncIterator[Rig]:
    made = await started(tmp_path)
    made.plane.control.sign_in.issuers._resolve = {"env:S": SECRET}.get
    await at(made, provider)
    yield made
    await made.aclose()


async def at(
    rig: Rig, provider: IdentityProvider, rules: ClaimRules | None = None, **more: Any
) -> None:
    more = {"client_id": CLIENT, "client_secret": "env:S"} | more
    await rig.configure(public_url=PUBLIC, issuers=(row(provider.url, rules, **more),))


async def depart(rig: Rig, **more: Any) -> httpx.Response:
    asked = {
        "issuer": "corp",
        "redirect_uri": BACK,
        "code_challenge": challenge_of(VERIFIER),
        "state": "mine",
    }
    return await rig.get("/auth/login", params=asked | more)


async def travel(rig: Rig, **more: Any) -> httpx.Response:
    """To the provider and back, as a browser does it."""
    rig.client.cookies.clear()
    away = await depart(rig, **more)
    assert away.status_code == 302, away.text
    async with httpx.AsyncClient(trust_env=False) as browser:
        there = await browser.get(away.headers["location"])
    assert there.status_code == 302
    home = there.headers["location"].removeprefix(PUBLIC)
    return await rig.get(home)


def brought(reply: httpx.Response) -> dict[str, str]:
    assert reply.status_code == 302, reply.text
    place, _, query = reply.headers["location"].partition("?")
    assert place == BACK
    return {name: values[0] for name, values in parse_qs(query).items()}


async def exchange(rig: Rig, code: str, /, **more: Any) -> httpx.Response:
    body = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": BACK,
    }
    return await rig.post("/auth/token", body | more)


async def signed_in(rig: Rig) -> dict[str, Any]:
    back = brought(await travel(rig))
    assert back["state"] == "mine"
    reply = await exchange(rig, back["code"])
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def me(rig: Rig, token: str) -> dict[str, Any]:
    reply = await rig.get("/auth/me", token)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_a_known_person_signs_in(rig: Rig, provider: IdentityProvider) -> None:
    await rig.user("ada", Role.AUDITOR)
    found = await signed_in(rig)
    who = await me(rig, found["access_token"])
    assert (who["id"], who["user"], who["role"]) == ("user:default/ada", "ada", "auditor")
    again = (await rig.refresh(found["refresh_token"])).json()
    assert (await me(rig, again["access_token"])) == who
    assert "GET /jwks" in provider.asked
    doors = {"issuers": ["corp"], "login_url": f"{PUBLIC}/auth/login"}
    assert (await rig.get("/auth/issuers")).json() == doors


async def test_the_way_out_carries_what_the_way_back_is_bound_to(rig: Rig) -> None:
    reply = await depart(rig)
    asked = {k: v[0] for k, v in parse_qs(urlsplit(reply.headers["location"]).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{PUBLIC}/auth/callback"
    assert asked["scope"].split()[0] == "openid"
    assert asked["code_challenge"] != challenge_of(VERIFIER)
    assert len(asked["nonce"]) > 30
    assert SECRET not in reply.headers["location"]
    cookie = reply.headers["set-cookie"].lower()
    for word in ("httponly", "secure", "samesite=lax", "path=/auth/callback"):
        assert word in cookie
    assert reply.headers["cache-control"] == "no-store"
    other = await depart(rig)
    assert other.headers["location"] != reply.headers["location"]


async def test_somebody_unknown_is_refused_or_added_as_it_is_said(
    rig: Rig, provider: IdentityProvider
) -> None:
    assert brought(await travel(rig)) == {"error": "access_denied", "state": "mine"}
    provider.person |= {"groups": ["x", "ops"], "dept": "nowhere", "name": "Ada L."}
    await at(rig, provider, NEW)
    found = await signed_in(rig)
    who = await me(rig, found["access_token"])
    assert (who["user"], who["role"], who["team"], who["name"]) == ("ada", "owner", "", "Ada L.")
    kept = await rig.get("/v1/admin/users/ada", ADMIN)
    assert kept.json()["email"] == "ada@corp.test"
    # From now on what is written here counts, and not what the provider says.
    provider.person |= {"groups": []}
    assert (await me(rig, (await signed_in(rig))["access_token"]))["role"] == "owner"


@pytest.mark.parametrize("more", [{"in_body": True}, {"client_secret": None}])
async def test_clients_present_themselves_in_other_ways(
    rig: Rig, provider: IdentityProvider, more: dict[str, Any]
) -> None:
    await rig.user("ada")
    provider.public = "client_secret" in more
    await at(rig, provider, **more)
    await signed_in(rig)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": [CLIENT, "another-client"]},
        {"aud": [CLIENT, "b"], "azp": "another-client"},
        {"azp": "another-client"},
        {"iss": "https://login.test"},
        {"exp": 999_000, "iat": 998_000},
        {"sub": None},
        {"sub": ""},
        {"sub": "bob"},
    ],
)
async def test_an_identity_that_does_not_hold_is_refused(
    rig: Rig, provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    await rig.user("ada")
    provider.says = claims
    assert brought(await travel(rig)) == {"error": "access_denied", "state": "mine"}


async def test_a_token_of_two_audiences_that_names_us_as_its_party_is_good(
    rig: Rig, provider: IdentityProvider
) -> None:
    await rig.user("ada")
    provider.says = {"aud": [CLIENT, "b"], "azp": CLIENT}
    await signed_in(rig)


async def test_a_suspended_person_is_refused(rig: Rig, provider: IdentityProvider) -> None:
    await rig.user("ada", suspended=True)
    assert "error" in brought(await travel(rig))


async def test_a_token_signed_with_another_key_is_refused(
    rig: Rig, provider: IdentityProvider
) -> None:
    await rig.user("ada")
    await signed_in(rig)
    genuine = provider.party
    provider.published = genuine.jwk
    provider.party = Party(kid=genuine.kid)
    assert "error" in brought(await travel(rig))


async def test_a_provider_may_change_its_keys(rig: Rig, provider: IdentityProvider) -> None:
    await rig.user("ada")
    await signed_in(rig)
    provider.rotate("f2")
    held = next(iter(rig.plane.control.sign_in.issuers._held.values()))
    assert held.fetched_s is not None
    held.fetched_s -= AGAIN_S
    await signed_in(rig)


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.test/",
        "https://gateway.test.evil.test/",
        "https://gateway.test@evil.test/",
        "https://gateway.test",
        "http://gateway.test/x",
        "http://localhost:1/",
        "http://127.0.0.1/",
        "http://127.0.0.1:1@evil.test/",
        "http://127.0.0.1:1/#x",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:1\\@evil.test/",
        "https://gateway.test/\r\nset-cookie: x",
        "//evil.test",
        "javascript:alert(1)",
        "/dashboard",
        "",
    ],
)
async def test_nobody_is_sent_to_a_stranger(rig: Rig, redirect: str) -> None:
    reply = await depart(rig, redirect_uri=redirect)
    assert reply.status_code == 400
    assert "location" not in reply.headers


async def test_what_else_cannot_depart(rig: Rig, provider: IdentityProvider) -> None:
    assert (await depart(rig, issuer="nobody")).status_code == 404
    assert (await depart(rig, code_challenge="plain")).status_code == 400
    assert (await depart(rig, state="s" * 600)).status_code == 400
    assert (await depart(rig, redirect_uri=f"{PUBLIC}/dashboard/in")).status_code == 302
    assert (await depart(rig, redirect_uri="http://[::1]:9/")).status_code == 302
    await rig.configure()
    assert (await depart(rig)).status_code == 404


async def test_only_the_browser_that_set_out_may_come_back(rig: Rig) -> None:
    await rig.user("ada")
    away = await depart(rig)
    state = parse_qs(urlsplit(away.headers["location"]).query)["state"][0]
    for cookies, said in (
        ({}, state),
        ({"federation_sign_in": "another"}, state),
        ({}, ""),
        ({}, "x" * 100),
        ({}, state[:-2] + "AA"),
        ({}, state[::-1]),
        ({}, "\u00e9"),
    ):
        rig.client.cookies.clear()
        for name, value in cookies.items():
            rig.client.cookies.set(name, value)
        reply = await rig.get("/auth/callback?" + urlencode({"state": said, "code": "x"}))
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == "sign_in_lost"
        assert "location" not in reply.headers


async def test_a_way_back_has_its_time(rig: Rig) -> None:
    await rig.user("ada")
    away = await depart(rig)
    async with httpx.AsyncClient(trust_env=False) as browser:
        there = await browser.get(away.headers["location"])
    rig.plane.clock.now += STATE_S
    reply = await rig.get(there.headers["location"].removeprefix(PUBLIC))
    assert reply.json()["error"]["code"] == "sign_in_lost"


async def test_a_provider_that_refuses_is_told_on(rig: Rig) -> None:
    away = await depart(rig)
    state = parse_qs(urlsplit(away.headers["location"]).query)["state"][0]
    back = await rig.get("/auth/callback?" + urlencode({"state": state, "error": "<script>"}))
    assert brought(back) == {"error": "access_denied", "state": "mine"}


async def test_a_code_is_good_once_for_who_asked_for_it(rig: Rig) -> None:
    await rig.user("ada")
    code = brought(await travel(rig))["code"]
    for more in (
        {"code_verifier": "w" * 64},
        {"code_verifier": "short"},
        {"redirect_uri": BACK + "x"},
        {"code": code[:-2] + "AA"},
    ):
        assert (await exchange(rig, code, **more)).status_code == 401
    found = (await exchange(rig, code)).json()
    assert await me(rig, found["access_token"])
    twice = await exchange(rig, code)
    assert (twice.status_code, twice.json()["error"]["code"]) == (401, "token_revoked")
    assert (await rig.get("/auth/me", found["access_token"])).status_code == 401
    late = brought(await travel(rig))["code"]
    rig.plane.clock.now += CODE_S
    assert (await exchange(rig, late)).status_code == 401


async def test_a_code_of_somebody_who_was_suspended_meanwhile_is_worth_nothing(rig: Rig) -> None:
    await rig.user("ada")
    code = brought(await travel(rig))["code"]
    await rig.client.patch(
        "/v1/admin/users/ada",
        json={"suspended": True},
        headers={"authorization": f"Bearer {ADMIN}"},
    )
    assert (await exchange(rig, code)).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://login.test"},
        {"token_endpoint": None},
        {"authorization_endpoint": ""},
        {"jwks_uri": "file:///etc/passwd"},
        {"token_endpoint": "http://169.254.169.254/latest"},
    ],
)
async def test_a_provider_that_says_odd_things_of_itself_is_not_used(
    rig: Rig, provider: IdentityProvider, change: dict[str, Any]
) -> None:
    await rig.user("ada")
    provider.discovery = change
    if str(change.get("token_endpoint")).startswith("http://169"):
        assert (await travel(rig)).status_code >= 400
        return
    reply = await depart(rig)
    assert reply.status_code >= 400
    assert "location" not in reply.headers


async def test_a_provider_that_is_away_is_an_error_and_no_lockout(
    rig: Rig, provider: IdentityProvider
) -> None:
    provider.failing = True
    for _ in range(8):
        assert (await depart(rig)).status_code == 502
    provider.failing = False
    assert (await depart(rig)).status_code == 302


class TestBearers:
    """Tokens of the provider that are let in as they are."""

    async def put(self, rig: Rig, provider: IdentityProvider, **more: Any) -> None:
        await rig.configure(issuers=(row(provider.url, NEW, bearer=True, **more),))
        await rig.plane.control.sign_in.issuers.refresh()
        await rig.plane.control.sign_in.renew()

    async def test_a_token_of_a_trusted_issuer_is_let_in(
        self, rig: Rig, provider: IdentityProvider
    ) -> None:
        await self.put(rig, provider)
        token = provider.token(aud="federation", groups=["ops"])
        who = await me(rig, token)
        assert (who["user"], who["role"]) == ("ada", "owner")
        assert (await rig.get("/v1/keys", token)).status_code == 200
        # A foreign token is no session of ours.
        await rig.post("/auth/revoke", {"token": token})
        assert (await rig.get("/v1/keys", token)).status_code == 200
        assert (await rig.get("/v1/keys", provider.token())).status_code == 401

    async def test_keys_are_fetched_again_in_time_and_kept_while_the_issuer_is_away(
        self, rig: Rig, provider: IdentityProvider
    ) -> None:
        await self.put(rig, provider)
        desk = rig.plane.control.sign_in
        now = [1_000.0]
        desk.issuers._clock = lambda: now[0]
        for held in desk.issuers._held.values():
            held.next_s, held.fetched_s = 0.0, now[0]
        old = provider.token(aud="federation")
        assert (await rig.get("/auth/me", old)).status_code == 200
        assert not await desk.issuers.refresh()
        asked = len(provider.asked)
        assert not await desk.issuers.refresh()
        assert len(provider.asked) == asked

        provider.rotate("f2")
        now[0] += FRESH_S
        assert await desk.issuers.refresh()
        await desk.renew()
        assert (await rig.get("/auth/me", provider.token(aud="federation"))).status_code == 200
        assert (await rig.get("/auth/me", old)).status_code == 401

        provider.failing = True
        now[0] += FRESH_S
        assert not await desk.issuers.refresh()
        await desk.renew()
        assert (await rig.get("/auth/me", provider.token(aud="federation"))).status_code == 200
        now[0] += STALE_S
        await desk.renew()
        assert (await rig.get("/auth/me", provider.token(aud="federation"))).status_code == 401

    async def test_keys_may_lie_at_an_address_of_their_own(
        self, rig: Rig, provider: IdentityProvider
    ) -> None:
        await self.put(rig, provider, jwks_url=f"{provider.url}/jwks")
        assert provider.asked == ["GET /jwks"]
        assert (await rig.get("/auth/me", provider.token(aud="federation"))).status_code == 200

    async def test_an_issuer_of_a_shared_secret_is_asked_for_nothing(
        self, rig: Rig, provider: IdentityProvider
    ) -> None:
        await self.put(rig, provider, secret="env:S")
        assert provider.asked == []
        await self.put(rig, provider, secret="env:MISSING")
        assert rig.plane.control.sign_in.ring.issuers[0].keys == ()

    async def test_an_address_inside_is_reached_only_where_that_was_said(
        self, rig: Rig, provider: IdentityProvider
    ) -> None:
        await rig.configure(issuers=(replace(row(provider.url, NEW, bearer=True), private=False),))
        await rig.plane.control.sign_in.issuers.refresh()
        assert provider.asked == []
        assert rig.plane.control.sign_in.ring.issuers[0].keys == ()
