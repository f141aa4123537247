"""Somebody who has signed in, works, is looked up and is erased, at a running service.

The canary is the name. What a person did stands in records, stores, logs and exports under a
pseudonym from the first line on; asked for by the name, it is found all the same.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
from gateway_rig import CHAT
from identity_provider import identity_provider
from named_users import COSTS, NAMES, behave, call, cli, files
from processes import FEDERATION, Service, serving, write_config
from scripted import Upstream

MAIL = "canary.ada.5d1c@corp.test"
CLEAR = f"user:default/{MAIL}"
SIGN_IN = """
telemetry: {{access_log: true}}
sign_in:
  issuers:
    - name: corp
      issuer: {url}
      audience: federation
      private: true
      people: any
      user_claim: email
      role: admin
"""
EU = "policy: {name: eu-first, rules: [{data_residency: [eu]}]}"


async def said(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> Any:
    answer = await client.request(method, path, **more)
    assert answer.status_code < 300, (path, answer.text)
    return answer.json() if answer.content else None


async def known(ada: httpx.AsyncClient) -> None:
    """Until the keys of her identity provider have come."""
    end = time.monotonic() + 30
    while (answer := await ada.get("/auth/me")).status_code != 200:
        assert time.monotonic() < end, answer.text
        await asyncio.sleep(0.1)


async def work(ada: httpx.AsyncClient) -> dict[str, Any]:
    """Whatever leaves the id of who asks in a record or a row; the key that she made."""
    for _ in range(2):
        assert (await ada.post(CHAT, json=call())).status_code == 200
    limits = {"scope": "user", "subject": "*", "period": "daily"}
    await said(ada, "POST", "/v1/admin/budgets", json=limits | {"limit_usd": 10})
    assert (await ada.post(CHAT, json=call())).status_code == 200
    wish = {"name": "made", "role": "developer"}
    headers = {"idempotency-key": "once"}
    made = await said(ada, "POST", "/v1/keys", json=wish, headers=headers)
    await said(ada, "POST", f"/v1/keys/{made['id']}/rotate", json={"overlap_s": 0})
    await said(ada, "POST", "/v1/policies/proposals", json={"policy": EU})
    held = await said(ada, "POST", "/v1/admin/data/holds", json={"user": "bob", "reason": "x"})
    await said(ada, "DELETE", f"/v1/admin/data/holds/{held['id']}")
    await said(ada, "POST", "/v1/providers/acme/disable")
    await said(ada, "POST", "/v1/providers/acme/enable", json={"force": True})
    found: dict[str, Any] = made
    return found


def nowhere(root: Path, *texts: str) -> None:
    assert not [text for text in texts if MAIL in text]
    for path, content in files(root):
        assert MAIL.encode() not in content, path


def nowhere_any_more(root: Path, store: Path) -> None:
    """The same once she stood in the directory, too: what is left of a deleted row in the pages
    of the store is not to be read by asking for it."""
    for path, content in files(root):
        assert path.name.startswith(store.name) or MAIL.encode() not in content, path
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as opened:
        assert not [line for line in opened.iterdump() if MAIL in line]


async def listed_and_left(admin: httpx.AsyncClient) -> None:
    """She is put into the directory, gets a key, and leaves the house."""
    await said(admin, "POST", "/v1/admin/users", json={"id": MAIL, "name": "Ada"})
    wish = {"name": "k", "role": "developer", "user": MAIL}
    made = await said(admin, "POST", "/v1/keys", json=wish)
    await said(admin, "PATCH", f"/v1/keys/{made['id']}", json={"user": ""})
    made = await said(admin, "POST", "/v1/keys", json=wish)
    await said(admin, "DELETE", f"/v1/keys/{made['id']}")
    await said(admin, "DELETE", f"/v1/admin/users/{MAIL.replace('@', '%40')}")


async def listed(client: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    """Calls, once the ledger has all three."""
    end = time.monotonic() + 30
    while True:
        answer = await said(client, "GET", "/v1/calls", params=query)
        found: list[dict[str, Any]] = answer["data"]
        if len(found) == 3:
            return found
        assert time.monotonic() < end, found
        await asyncio.sleep(0.1)


async def exported(service: Service, root: Path) -> None:
    for _ in range(30):  # the first checkpoint comes after ten seconds
        code, text = cli(service, "audit", "export", str(root / "export"))
        if "no checkpoint" not in text:
            break
        await asyncio.sleep(1)
    assert code == 0, text


async def test_a_person_is_named_nowhere_found_by_name_and_erased(tmp_path: Path) -> None:
    async with identity_provider(time.time()) as provider, Upstream(behave) as upstream:
        settings = FEDERATION + SIGN_IN.format(url=provider.url)
        config = write_config(tmp_path, upstream.url, settings)
        token = provider.token(aud="federation", email=MAIL)
        async with (
            serving(tmp_path, config, workers=2) as running,
            running.client() as admin,
            running.client(token) as ada,
        ):
            await known(ada)
            assert (await said(ada, "GET", "/auth/me"))["id"] == CLEAR
            made = await work(ada)

            shown = await listed(admin, key=CLEAR)
            assert {each["key"] for each in shown} == {CLEAR}
            subject = (await said(admin, "POST", NAMES, json={"user": MAIL}))["subject"]
            kept = f"user:default/{subject}"
            async with running.client(made["secret"]) as other:
                assert (await other.get("/v1/calls")).status_code == 401
            viewer = await said(admin, "POST", "/v1/keys", json={"name": "v", "role": "viewer"})
            async with running.client(viewer["secret"]) as other:
                keys = {each["key"] for each in await listed(other)}
                assert keys == {kept}, keys
            await by_name(running, admin, ada, kept)

            await exported(running, tmp_path)
            metrics = (await admin.get("/metrics")).text
            nowhere(tmp_path, metrics, running.log.read_text())

            await listed_and_left(admin)
            done = await said(admin, "POST", "/v1/admin/data/erasures", json={"user": subject})
            assert done["state"] == "done"
            assert {each["key"] for each in await listed(admin)} == {kept}
            (proposal,) = (await said(admin, "GET", "/v1/policies/proposals"))["data"]
            assert proposal["proposed_by"] == kept

            # She comes back as somebody else, and is the same person to four eyes.
            await said(ada, "GET", "/auth/me")
            path = f"/v1/policies/proposals/{proposal['id']}/approve"
            refused = await ada.post(path)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "four_eyes")
            again = (await said(admin, "POST", NAMES, json={"user": MAIL}))["subject"]
            assert again != subject
            code, text = cli(running, "audit", "verify", "--data", str(running.data))
            assert code == 0, text
            nowhere_any_more(tmp_path, running.data / "federation.db")


async def by_name(
    running: Service, admin: httpx.AsyncClient, ada: httpx.AsyncClient, kept: str
) -> None:
    """What she did is found by her name, wherever one may ask."""
    costs = await said(admin, "GET", COSTS, params={"key": CLEAR, "group_by": "key"})
    assert [(each["group"]["key"], each["calls"]) for each in costs["data"]] == [(CLEAR, 3)]
    stats = await said(ada, "GET", "/user/stats")
    assert (stats["key"], stats["today"]["calls"]) == (CLEAR, 3)
    assert len(await listed(ada, key=CLEAR)) == 3
    (first, *_) = await listed(ada)
    assert (await said(ada, "GET", f"/v1/calls/{first['id']}"))["receipt"] is not None

    (proposal,) = (await said(admin, "GET", "/v1/policies/proposals"))["data"]
    assert proposal["proposed_by"] == CLEAR
    code, text = cli(running, "audit", "query", "--actor", CLEAR, "--json")
    assert code == 0, text
    assert [each["key"] for each in json.loads(text)["data"]] == [kept] * 3
    code, text = cli(running, "audit", "changes", "--actor", CLEAR, "--json")
    assert code == 0, text
    rows = json.loads(text)["data"]
    who = {each.get("actor") or each.get("by") for each in rows}
    assert who == {kept}
    assert {"action", "policy_version", "data"} <= {each["type"] for each in rows}
    with sqlite3.connect(f"file:{running.data}/federation.db?mode=ro", uri=True) as store:
        hands = set(store.execute("SELECT hand FROM key_hands WHERE how = 'made'"))
    assert (kept,) in hands
