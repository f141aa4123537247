"""Users whom calls name, as an operator meets them: a running service, its CLI, its files.

The canary: names of users, an e-mail among them, stand in every place where a call may name
somebody. They may be in no file, log, metric and export, for records hold pseudonyms.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
from gateway_rig import CHAT
from named_users import BROKEN, COSTS, NAMES, behave, call, cli, files
from processes import FEDERATION, Service, serving, write_config
from scripted import Upstream

MAIL, PLAIN, CLAUDE, OTHER = (
    "canary.anna.7f3a@example.org",
    "canary-user-91c2",
    "canary-claude-55d0",
    "canary-header-0b1e",
)
CANARIES = (MAIL, PLAIN, CLAUDE, OTHER)
SETTINGS = FEDERATION + "telemetry: {access_log: true}\n"


def asking(user: str, **more: Any) -> dict[str, Any]:
    """A call with all of its names in our own object."""
    about = {"user": user, "session": f"chat of {user}", "tags": {"who": user, "team": "red"}}
    return call(federation=about, **more)


async def users(client: httpx.AsyncClient, wanted: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Calls by user, as this client is shown them, once all of these are among them."""
    end = time.monotonic() + 30.0
    while True:
        found: dict[str, list[dict[str, Any]]] = {}
        for each in (await client.get("/v1/calls?limit=500")).json()["data"]:
            found.setdefault(each["user"], []).append(each)
        if wanted <= set(found):
            return found
        assert time.monotonic() < end, found.keys()
        await asyncio.sleep(0.1)


async def name_everybody(client: httpx.AsyncClient) -> None:
    """One call for each place in which a client may name a user, and one that fails."""
    for body in (call(user=PLAIN), call(safety_identifier=PLAIN), asking(MAIL)):
        assert (await client.post(CHAT, json=body)).status_code == 200
    headers = {"x-federation-user": OTHER, "x-federation-session": OTHER}
    assert (await client.post(CHAT, json=call(), headers=headers)).status_code == 200
    message = call(max_tokens=5, metadata={"user_id": CLAUDE})
    assert (await client.post("/v1/messages", json=message)).status_code == 200
    assert (await client.post(CHAT, json=asking(MAIL, said=BROKEN))).status_code >= 500


async def test_a_users_name_is_found_nowhere_and_shown_to_who_may_see_it(tmp_path: Path) -> None:
    async with Upstream(behave) as upstream:
        config = write_config(tmp_path, upstream.url, SETTINGS)
        async with (
            serving(tmp_path, config, workers=2) as running,
            running.client() as client,
        ):
            budget = {"scope": "session", "subject": "*", "limit_usd": 10, "period": "daily"}
            assert (await client.post("/v1/admin/budgets", json=budget)).status_code == 201
            await name_everybody(client)
            known = await users(client, set(CANARIES))
            assert {each["session"] for each in known[MAIL]} == {f"chat of {MAIL}"}
            assert {each["tags"]["who"] for each in known[MAIL]} == {MAIL}
            assert {each["outcome"] for each in known[MAIL]} == {"ok", "error"}

            body = {"name": "dev", "role": "developer"}
            made = (await client.post("/v1/keys", json=body)).json()
            bearer = {"authorization": f"Bearer {made['secret']}"}
            seen = (await client.get("/v1/calls?limit=500", headers=bearer)).json()["data"]
            assert {each["user"][:2] for each in seen} == {"p_"}
            assert not [name for name in CANARIES if name in json.dumps(seen)]

            answer = await client.post(NAMES, json={"user": MAIL})
            subject = answer.json()["subject"]
            one = (await client.get(f"{COSTS}?user={MAIL.replace('@', '%40')}")).json()
            same = (await client.get(f"{COSTS}?user={subject}&group_by=user")).json()
            assert one["total"]["calls"] == same["total"]["calls"] == 2
            assert [each["group"]["user"] for each in same["data"]] == [MAIL]
            own = (await client.get(f"/v1/analytics/lines?user={subject}")).json()["data"]
            assert [each["user"] for each in own] == [subject, subject]
            code, text = cli(
                running, "audit", "query", "--tenant", "default", "--user", MAIL, "--json"
            )
            assert code == 0, text
            assert {each["user"] for each in json.loads(text)["data"]} == {subject}

            for _ in range(30):  # the first checkpoint comes after ten seconds
                code, text = cli(running, "audit", "export", str(tmp_path / "export"))
                if "no checkpoint" not in text:
                    break
                await asyncio.sleep(1)
            assert code == 0, text
            lines = (await client.get("/v1/analytics/lines")).text
            metrics = (await client.get("/metrics")).text
            found_nowhere(tmp_path, lines, metrics, running.log.read_text())

            await erased(client, running, subject)
    found_nowhere(tmp_path)


def found_nowhere(root: Path, *texts: str) -> None:
    """No canary in these texts, nor in any file that the gateway or an export wrote."""
    for canary in CANARIES:
        assert not [text for text in texts if canary in text]
        for path, content in files(root):
            assert canary.encode() not in content, (path, canary)


async def erased(client: httpx.AsyncClient, running: Service, subject: str) -> None:
    """After an erasure nobody is behind the pseudonym, and who comes back is somebody else."""
    done = await client.post("/v1/admin/data/erasures", json={"user": MAIL})
    assert done.json()["state"] == "done"
    answer = (await client.post(NAMES, json={"subject": subject})).json()
    assert answer == {"object": "name", "tenant": "default", "user": None, "subject": subject}
    shown = await users(client, {subject, PLAIN})
    assert MAIL not in json.dumps(shown)

    # Workers hear of it within moments; until then they go on with the one that is nobody's.
    end = time.monotonic() + 30.0
    while MAIL not in (shown := await users(client, {subject})):
        assert time.monotonic() < end, shown.keys()
        assert (await client.post(CHAT, json=asking(MAIL))).status_code == 200
        await asyncio.sleep(0.2)
    assert len(shown[subject]) >= 2
    again = (await client.post(NAMES, json={"user": MAIL})).json()["subject"]
    assert again != subject
    code, text = cli(running, "audit", "verify", "--data", str(running.data))
    assert code == 0, text
