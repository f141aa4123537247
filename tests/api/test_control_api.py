from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from control_plane import ACME, ADMIN, DEVELOPER, Plane, plane
from fastapi import FastAPI
from fastapi.routing import APIRoute
from msgspec import structs

from federation.api.access import ROUTES
from federation.api.app import create_app
from federation.api.inference_docs import SERVED
from federation.api.inference_models import Constraints, FederationFields, RouteBody
from federation.control.permissions import ROLES, KeyWish, Permission
from federation.dialects.operations.table import CLIENT_PATHS
from federation.domain.access import Role
from federation.domain.catalogue import Model
from federation.errors import EvidenceUnwritable
from federation.evidence.receipts import input_hash, salt_of
from federation.gateway import route_endpoint
from federation.gateway.passing import is_passed
from federation.gateway.paths import CHATS, COUNTS, chat_dialect
from federation.schema import glance
from federation.schema.glance import Ask
from federation.schema.records import (
    AttemptRecord,
    CallEnded,
    CallStarted,
    Candidate,
    Decision,
    Features,
    Ranked,
)
from federation.schema.usage import Usage
from federation.storage.journal import JournalWriter
from federation.storage.journal_reader import PlainReader


@dataclass
class Rig:
    plane: Plane
    app: FastAPI
    client: httpx.AsyncClient
    journal: JournalWriter

    async def key(self, role: Role, tenant: str = "default") -> str:
        keys = self.plane.control.keys
        admin = keys.keys.find(ADMIN)
        assert admin is not None
        return (await keys.mint(admin, KeyWish("made", role, tenant)))[1]

    async def ask(
        self, method: str, path: str, secret: str | None = ADMIN, **more: Any
    ) -> httpx.Response:
        headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
        return await self.client.request(method, path, headers=headers, **more)


async def started(directory: Path, *, is_open: bool = False) -> Rig:
    built = plane(directory, is_open=is_open)
    await built.control.publish_snapshot()
    app = create_app(built.control)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://control")
    return Rig(built, app, client, JournalWriter(built.journal, "w"))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = await started(tmp_path)
    yield made
    await made.client.aclose()


def ended(call: str, tenant: str = "default", cost_nano: int | None = 75_000) -> CallEnded:
    attempt = AttemptRecord("acme/large", 999_999_000, 200, "", 1.5, 9.5, Usage(10, 5), cost_nano)
    return CallEnded(
        *(call, 1_000_000_000, tenant, "key_1", "chat", "auto", "ok", 200),
        deployment="acme/large",
        response_model="large-2026",
        finish="stop",
        started_ms=999_999_000,
        duration_ms=12.5,
        usage=Usage(10, 5),
        cost_nano=cost_nano,
        attempts=(attempt,),
        decision=Decision("auto", "priority", 1, Features("code"), (Candidate("acme/large"),)),
        tags={"team": "search"},
    )


def on_record(rig: Rig, kind: str) -> list[dict[str, Any]]:
    """What control itself put on record, of this kind, in order."""
    reader = PlainReader(rig.plane.journal.parent / "evidence" / "journal")
    lines = [line for name in reader.writers() for line in reader.read(name, 1, 0).lines]
    records = [json.loads(line.json)["record"] for line in lines]
    return [each for each in records if each["type"] == kind]


def paths(routes: Iterable[object]) -> list[tuple[str, str]]:
    """Every route of an application, those of the routers in it included."""
    found: list[tuple[str, str]] = []
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            found += paths(inner.routes)
        else:
            assert isinstance(route, APIRoute)
            found += [(method, route.path) for method in route.methods or ()]
    return found


async def test_every_route_stands_in_the_table_of_permissions(rig: Rig) -> None:
    assert sorted(paths(rig.app.routes)) == sorted(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_every_route_is_reached_by_way_of_the_gateway(route: tuple[str, str]) -> None:
    assert is_passed(route[1])


@pytest.mark.parametrize(("route", "permission"), ROUTES.items(), ids=[str(r) for r in ROUTES])
async def test_a_route_answers_exactly_those_whose_role_has_its_permission(
    rig: Rig, route: tuple[str, str], permission: Permission | None
) -> None:
    method, path = route
    path = path.format_map(defaultdict(lambda: "none"))
    reply = await rig.ask(method, path, None)
    assert (reply.status_code == 401) == (permission is not None)
    for role in Role:
        reply = await rig.ask(method, path, await rig.key(role))
        allowed = permission is None or permission in ROLES[role]
        assert (reply.status_code == 403) == (not allowed), (role, reply.text)
        assert reply.status_code < 500


async def test_a_route_that_is_not_in_the_table_is_refused(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(ROUTES, ("GET", "/v1/stats"))
    assert (await rig.ask("GET", "/v1/stats", await rig.key(Role.OWNER))).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {ADMIN}"}, 200),
        ({"authorization": f"bearer  {ADMIN} "}, 200),
        ({"x-api-key": ADMIN}, 200),
        ({"authorization": f"Bearer {ADMIN}", "x-api-key": ADMIN}, 200),
        ({"authorization": f"Bearer {ADMIN}", "x-api-key": DEVELOPER}, 401),
        ({"authorization": f"Basic {ADMIN}"}, 401),
        ({"authorization": "Bearer fed_nobody"}, 401),
        ({"x-api-key": ""}, 401),
        ({}, 401),
    ],
)
async def test_a_key_comes_in_either_header(rig: Rig, headers: dict[str, str], status: int) -> None:
    reply = await rig.client.get("/v1/keys", headers=headers)
    assert reply.status_code == status
    if status == 401:
        error = reply.json()["error"]
        assert error["type"] == "authentication_error"
        assert error["code"] in ("missing_api_key", "invalid_api_key")


async def test_every_refusal_has_an_id_to_tell_of_it(rig: Rig) -> None:
    viewer = await rig.key(Role.VIEWER)
    refused = [
        await rig.ask("GET", "/v1/keys", "wrong"),
        await rig.ask("POST", "/v1/keys", viewer, json={"name": "k", "role": "viewer"}),
        await rig.ask("GET", "/v1/calls/none"),
        await rig.ask("GET", "/nowhere"),
        await rig.ask("PUT", "/v1/keys"),
        await rig.ask("POST", "/v1/keys", json={"role": 7}),
    ]
    assert [reply.status_code for reply in refused] == [401, 403, 404, 404, 405, 400]
    ids = {reply.headers["x-request-id"] for reply in refused}
    assert len(ids) == len(refused)
    assert all(each.startswith("req_") for each in ids)


async def test_an_open_gateway_lets_strangers_read_but_not_administer(tmp_path: Path) -> None:
    rig = await started(tmp_path, is_open=True)
    assert (await rig.ask("GET", "/v1/stats", None)).status_code == 200
    assert (await rig.ask("POST", "/v1/keys", None, json={"name": "x"})).status_code == 403
    assert (await rig.ask("GET", "/v1/stats", "fed_any")).status_code == 200


async def test_a_call_is_told_with_its_attempts_and_decision(rig: Rig) -> None:
    rig.journal.append(ended("call_1"))
    story = (await rig.ask("GET", "/v1/calls/call_1", DEVELOPER)).json()
    assert (story["provider"], story["cost_nano"], story["cost_usd"]) == ("acme", 75_000, 0.000075)
    assert story["usage"]["input"] == 10
    assert story["attempts"][0]["cost_nano"] == 75_000
    assert story["decision"]["features"]["intent"] == "code"
    assert story["tags"] == {"team": "search"}


async def test_calls_are_found_by_the_id_that_their_client_gave_them(rig: Rig) -> None:
    for n, given in enumerate(("job:7", "", "job:7", "job:8")):
        rig.journal.append(structs.replace(ended(f"call_{n}"), client_id=given))
    page = (await rig.ask("GET", "/v1/calls?client_id=job:7&limit=1", DEVELOPER)).json()
    rest = (
        await rig.ask("GET", f"/v1/calls?client_id=job:7&cursor={page['next']}", DEVELOPER)
    ).json()
    assert [call["id"] for call in page["data"] + rest["data"]] == ["call_2", "call_0"]
    assert {call["client_id"] for call in page["data"] + rest["data"]} == {"job:7"}
    assert (await rig.ask("GET", "/v1/calls?client_id=", DEVELOPER)).status_code == 400


async def test_an_id_that_became_longer_than_clients_may_give_is_asked_for(rig: Rig) -> None:
    kept = "-".join(["p_" + "0a" * 16] * 26)  # of 26 names with four letters each
    rig.journal.append(structs.replace(ended("call_1"), client_id=kept))
    page = (await rig.ask("GET", f"/v1/calls?client_id={kept}", DEVELOPER)).json()
    assert [call["client_id"] for call in page["data"]] == [kept]


async def test_a_receipt_is_for_who_made_the_call_and_for_who_may_read_contents(rig: Rig) -> None:
    developer = rig.plane.control.keys.keys.find(DEVELOPER)
    assert developer is not None
    salt = salt_of(b"k" * 32, "call_1")
    said = input_hash(salt, b"said")
    record = structs.replace(ended("call_1"), key=developer.id, input=said, output="o")
    rig.journal.append(record)
    rig.journal.append(structs.replace(record, call="call_2", key="key_other"))
    rig.journal.append(structs.replace(record, call="call_3", input="", output=""))
    told = {"salt": salt.hex(), "input": said, "output": "o", "unproven": {}}
    for call, secret, receipt in (
        ("call_1", DEVELOPER, told),
        ("call_1", ADMIN, told),
        ("call_2", DEVELOPER, None),
        ("call_2", ADMIN, told | {"salt": salt_of(b"k" * 32, "call_2").hex()}),
        ("call_3", ADMIN, None),
    ):
        story = (await rig.ask("GET", f"/v1/calls/{call}?receipt=true", secret)).json()
        assert story["receipt"] == receipt
    reads = [
        (each["actor"], each["action"], each["subject"], each["phase"])
        for each in on_record(rig, "action")
    ]
    read = "GET /v1/calls/{call}?receipt"
    assert reads == [
        ("admin", read, "/v1/calls/call_1", "done"),
        ("admin", read, "/v1/calls/call_2", "done"),
    ], "only what tells of others"


async def test_a_look_at_a_call_tells_no_salt_but_its_own_and_leaves_no_record(rig: Rig) -> None:
    developer = rig.plane.control.keys.keys.find(DEVELOPER)
    assert developer is not None
    rig.journal.append(structs.replace(ended("call_1"), key=developer.id, input="i"))
    for secret, told in ((ADMIN, False), (DEVELOPER, True)):
        story = (await rig.ask("GET", "/v1/calls/call_1", secret)).json()
        assert (story["receipt"] is not None) is told
    assert on_record(rig, "action") == []


async def test_no_salt_is_told_that_cannot_be_put_on_record(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise EvidenceUnwritable("the disk is full")

    rig.journal.append(structs.replace(ended("call_1"), input="i"))
    monkeypatch.setattr(rig.plane.control.oversight.notebook, "write", full)
    refused = await rig.ask("GET", "/v1/calls/call_1?receipt=true", ADMIN)
    assert refused.status_code == 503
    assert salt_of(b"k" * 32, "call_1").hex() not in refused.text
    assert (await rig.ask("GET", "/v1/calls/call_1", ADMIN)).status_code == 200


async def test_a_calls_story_tells_what_checks_on_content_found(rig: Rig) -> None:
    found = {"card:block": 1, "email:redact": 2}
    rig.journal.append(structs.replace(ended("call_1"), findings=found))
    assert (await rig.ask("GET", "/v1/calls/call_1", DEVELOPER)).json()["findings"] == found


async def test_when_an_answer_began_is_told_of_whole_ones_too(rig: Rig) -> None:
    whole = ended("call_1")
    failed = AttemptRecord("acme/small", 999_999_000, 503, "upstream_failed", 1.0, 2.0)
    second = structs.replace(whole.attempts[0], started_ms=999_999_004)
    for record, said in (
        (whole, 1.5),
        (structs.replace(whole, call="call_2", attempts=(failed, second)), 5.5),
        (structs.replace(whole, call="call_3", first_byte_ms=3.25), 3.25),
        (structs.replace(whole, call="call_4", attempts=(failed,), outcome="error"), None),
        (structs.replace(whole, call="call_5", duration_ms=1.25), 1.25),
    ):
        rig.journal.append(record)
        story = (await rig.ask("GET", f"/v1/calls/{record.call}", DEVELOPER)).json()
        assert story["first_byte_ms"] == said, record.call
    silent = structs.replace(failed, status=0, error="upstream_timeout", first_byte_ms=0.0)
    rig.journal.append(structs.replace(whole, call="call_6", attempts=(silent,)))
    story = (await rig.ask("GET", "/v1/calls/call_6", DEVELOPER)).json()
    assert story["attempts"][0]["first_byte_ms"] is None


async def test_candidates_are_told_one_by_one_in_whichever_form_they_were_written(rig: Rig) -> None:
    columns = Ranked(["acme/large", "acme/small"], [0.5, 0.25], [0.9], probability=[1.0, 0.0])
    decision = Decision("auto", "speed", 1, Features("code"), ranked=columns)
    rows = structs.replace(decision, listed=decision.candidates, ranked=None)
    for call, written in (("call_1", decision), ("call_2", rows)):
        rig.journal.append(structs.replace(ended(call), decision=written))
        story = (await rig.ask("GET", f"/v1/calls/{call}", DEVELOPER)).json()
        assert story["decision"]["candidates"] == [
            {"deployment": "acme/large", "score": 0.5, "quality": 0.9, "probability": 1.0},
            {"deployment": "acme/small", "score": 0.25, "quality": 0.9, "probability": 0.0},
        ]
        assert "ranked" not in story["decision"]


async def test_a_running_and_a_lost_call_have_no_end(rig: Rig) -> None:
    rig.journal.append(
        CallStarted("call_1", 1000, "default", "key_1", "chat", "auto", "acme/large", stream=True)
    )
    running = (await rig.ask("GET", "/v1/calls/call_1")).json()
    assert (running["outcome"], running["status"], running["ended_ms"]) == ("running", None, None)
    assert (running["started_ms"], running["cost_nano"], running["stream"]) == (1000, None, True)
    rig.journal.close()
    rig.plane.clock.now += 2
    lost = (await rig.ask("GET", "/v1/calls/call_1")).json()
    assert (lost["outcome"], lost["error"], lost["attempts"]) == ("lost", "worker_died", [])


async def test_a_call_of_another_tenant_does_not_exist(rig: Rig) -> None:
    rig.journal.append(ended("call_1", tenant="other"))
    theirs = await rig.ask("GET", "/v1/calls/call_1", DEVELOPER)
    nobody = await rig.ask("GET", "/v1/calls/call_9", DEVELOPER)
    assert theirs.status_code == nobody.status_code == 404
    assert theirs.json()["error"]["message"] == "There is no call 'call_1'."
    assert (await rig.ask("GET", "/v1/calls/call_1")).status_code == 200


async def test_calls_are_listed_page_by_page_within_a_tenant(rig: Rig) -> None:
    for n in range(3):
        rig.journal.append(ended(f"call_{n}"))
    rig.journal.append(ended("call_x", tenant="other"))
    first = (await rig.ask("GET", "/v1/calls?limit=2", DEVELOPER)).json()
    assert [call["id"] for call in first["data"]] == ["call_2", "call_1"]
    rest = (await rig.ask("GET", f"/v1/calls?before={first['next']}", DEVELOPER)).json()
    assert ([call["id"] for call in rest["data"]], rest["next"]) == (["call_0"], None)
    assert (await rig.ask("GET", f"/v1/calls?before={2**63}")).status_code == 400
    everyone = (await rig.ask("GET", "/v1/calls?outcome=ok")).json()
    assert len(everyone["data"]) == 4


async def test_calls_are_found_by_time_and_by_the_model_that_was_asked_for(rig: Rig) -> None:
    day = 86_400_000
    rig.journal.append(structs.replace(ended("call_1"), started_ms=day, requested="fast"))
    rig.journal.append(structs.replace(ended("call_2"), started_ms=2 * day - 1))
    rig.journal.append(structs.replace(ended("call_3"), started_ms=2 * day))

    async def found(query: str) -> list[str]:
        reply = await rig.ask("GET", f"/v1/calls?{query}")
        return [call["id"] for call in reply.json()["data"]]

    assert await found("start_date=1970-01-02&end_date=1970-01-02") == ["call_2", "call_1"]
    assert await found("start_date=1970-01-03") == ["call_3"]
    assert await found("end_date=1970-01-02T12:00:00Z") == ["call_1"]
    assert await found("model=fast") == ["call_1"]
    for query in ("start_date=soon", "start_date=1970-01-03&end_date=1970-01-02"):
        assert (await rig.ask("GET", f"/v1/calls?{query}")).status_code == 400


async def test_stats_are_exact_and_within_a_tenant(rig: Rig) -> None:
    rig.journal.append(ended("call_1"))
    rig.journal.append(ended("call_2", cost_nano=None))
    rig.journal.append(ended("call_3", tenant="other"))
    stats = (await rig.ask("GET", "/v1/stats", DEVELOPER)).json()
    assert (stats["calls"], stats["cost_nano"], stats["unpriced_calls"]) == (2, 75_000, 1)
    assert stats["outcomes"] == {"ok": 2}
    (row,) = stats["deployments"]
    assert (row["deployment"], row["provider"], row["mean_ms"]) == ("acme/large", "acme", 12.5)
    assert (await rig.ask("GET", "/v1/stats")).json()["calls"] == 3
    rig.plane.clock.now += 100_000
    assert (await rig.ask("GET", "/v1/stats")).json()["calls"] == 0


async def test_a_key_lives_and_dies_through_the_api(rig: Rig) -> None:
    body = {"name": "search", "role": "viewer", "expires_in_s": 60, "models": ["chat"]}
    made = await rig.ask("POST", "/v1/keys", json=body)
    assert made.status_code == 201
    key = made.json()
    assert key["expires_ms"] == int(rig.plane.clock.now * 1000) + 60_000
    assert (await rig.ask("GET", "/v1/stats", key["secret"])).status_code == 200
    listed = (await rig.ask("GET", "/v1/keys")).json()["data"]
    assert [each["id"] for each in listed] == ["admin", "env_1", key["id"]]
    assert key["secret"] not in str(listed)
    gone = await rig.ask("DELETE", f"/v1/keys/{key['id']}")
    assert gone.json()["revoked_ms"] is not None
    assert (await rig.ask("GET", "/v1/stats", key["secret"])).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "name"),
        ({"name": ""}, 400, "name"),
        ({"name": "x", "rolle": "viewer"}, 400, "rolle"),
        ({"name": "x", "role": "king"}, 400, "role"),
        ({"name": "x", "models": ["a", 7]}, 400, "models.1"),
        ({"name": "x", "expires_in_s": -1}, 400, "expires_in_s"),
        ([], 400, None),
    ],
)
async def test_a_wrong_body_is_told_which_field_is_wrong(
    rig: Rig, body: object, status: int, param: str | None
) -> None:
    reply = await rig.ask("POST", "/v1/keys", json=body)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


async def test_a_body_that_is_not_json_is_a_bad_request(rig: Rig) -> None:
    reply = await rig.ask("POST", "/v1/keys", content=b"{nope")
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_request"


async def test_a_key_cannot_mint_more_than_it_has(rig: Rig) -> None:
    owner = await rig.key(Role.OWNER)
    reply = await rig.ask("POST", "/v1/keys", owner, json={"name": "x", "role": "admin"})
    assert reply.status_code == 403
    assert reply.json()["error"]["param"] == "role"


async def test_a_provider_is_switched_and_tested(rig: Rig) -> None:
    off = (await rig.ask("POST", "/v1/providers/acme/disable")).json()
    assert (off["enabled"], off["version"], off["probe"]) == (False, 2, None)
    rig.plane.provided.status = 503
    refused = await rig.ask("POST", "/v1/providers/acme/enable")
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "probe_failed"
    forced = await rig.ask("POST", "/v1/providers/acme/enable", json={"force": True})
    assert forced.json()["version"] == 3
    tested = (await rig.ask("POST", "/v1/providers/acme/test")).json()
    assert (tested["ok"], tested["status"]) == (False, 503)
    rig.plane.provided.status = 200
    assert (await rig.ask("POST", "/v1/providers/acme/enable")).json()["probe"]["ok"]
    assert (await rig.ask("POST", "/v1/providers/nobody/test")).status_code == 404


async def test_a_deployment_that_no_call_can_reach_is_not_usable(rig: Rig) -> None:
    files = rig.plane.files
    mute = replace(ACME, id="mute", dialect="none-that-we-speak")
    painter = replace(ACME, id="painter", models=(Model("brush", operations=("images",)),))
    files.loaded = replace(
        files.loaded, providers={**files.loaded.providers, "mute": mute, "painter": painter}
    )
    files.secrets |= {"mute": "s", "painter": "s"}
    assert rig.plane.control.configuration.reload()
    config = (await rig.ask("GET", "/admin/status")).json()["config"]
    assert (config["deployments"], config["usable_deployments"]) == (6, 3)


async def test_the_status_says_what_is_not_well(rig: Rig) -> None:
    status = (await rig.ask("GET", "/admin/status")).json()
    assert status["status"] == "degraded"
    assert (status["workers_wanted"], status["workers"]) == (1, [])
    assert status["config"]["deployments"] == 3
    assert status["config"]["usable_deployments"] == 3
    assert status["store"]["writable"]


async def test_metrics_are_in_prometheus_text_format(rig: Rig) -> None:
    reply = await rig.ask("GET", "/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "federation_snapshot_version 1.0" in reply.text


async def test_startup_needs_no_key(rig: Rig) -> None:
    reply = await rig.ask("GET", "/health/startup", None)
    assert reply.json()["status"] == "started"


async def test_a_path_that_is_not_there_and_a_wrong_method_have_our_error_shape(
    rig: Rig,
) -> None:
    missing = await rig.ask("GET", "/v1/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = await rig.ask("PUT", "/v1/keys")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, POST"
    assert (await rig.ask("POST", "/docs", None)).headers["allow"] == "GET"
    named = await rig.ask("PUT", "/v1/keys/key_1")
    assert named.headers["allow"] == "DELETE, GET, PATCH"


async def test_a_bug_is_a_500_that_says_nothing_of_itself(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret inner life")

    monkeypatch.setattr(rig.plane.calls, "sums", broken)
    reply = await rig.ask("GET", "/v1/stats")
    assert reply.status_code == 500
    assert "inner life" not in reply.text
    assert reply.headers["x-request-id"] in reply.text


async def test_the_document_covers_workers_and_control(rig: Rig) -> None:
    reply = await rig.ask("GET", "/openapi.json", None)
    document = reply.json()
    for served in SERVED:
        operation = document["paths"][served.path][served.method]
        assert operation["responses"]["200"]["content"]
        assert (operation.get("security") == []) == served.open
    for method, path in ROUTES:
        if path not in ("/docs", "/openapi.json"):
            assert method.lower() in document["paths"][path]
    assert document["paths"]["/health/startup"]["get"]["security"] == []
    assert "security" not in document["paths"]["/v1/keys"]["get"]
    assert document == (await rig.ask("GET", "/openapi.json", None)).json()


async def test_the_document_names_every_path_that_clients_know(rig: Rig) -> None:
    paths = (await rig.ask("GET", "/openapi.json", None)).json()["paths"]
    known = {*CHATS, *COUNTS, *CLIENT_PATHS}
    short = {path for path in known if f"/v1{path}" in known}
    assert known - short <= paths.keys()
    assert {path for path in paths if chat_dialect(path) in ("gemini", "bedrock")} == {
        "/v1beta/models/{model}:generateContent",
        "/v1beta/models/{model}:streamGenerateContent",
        "/model/{model}/converse",
        "/model/{model}/converse-stream",
    }
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(set(ids)) == len(ids)
    served = paths["/v1/audio/transcriptions"]["post"]
    assert set(served["requestBody"]["content"]) == {"multipart/form-data"}
    parameters = paths["/passthrough/{provider}/{path}"]["get"]["parameters"]
    assert [one["name"] for one in parameters] == ["provider", "path"]


async def test_every_reference_in_the_document_leads_somewhere(rig: Rig) -> None:
    document = (await rig.ask("GET", "/openapi.json", None)).json()
    schemas = document["components"]["schemas"]

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [ref for value in node.values() for ref in references(value)]
        if isinstance(node, list):
            return [ref for value in node for ref in references(value)]
        return []

    found = references(document)
    assert found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in schemas
    ids = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))


async def test_the_page_runs_nothing_that_is_not_ours(rig: Rig) -> None:
    reply = await rig.ask("GET", "/docs", None)
    assert reply.status_code == 200
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "http://" not in reply.text
    assert "https://" not in reply.text


def test_what_a_call_may_ask_of_the_gateway_is_documented_member_by_member() -> None:
    for told, read in ((FederationFields, Ask), (Constraints, glance.Constraints)):
        assert set(told.model_fields) == set(read.__struct_fields__)
    assert set(RouteBody.model_fields) == set(route_endpoint.RouteBody.__struct_fields__)
