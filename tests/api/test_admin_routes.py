"""Nodes, overflow and standings through the management API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from control_plane import ADMIN, DEVELOPER, Plane, plane

from federation.api.app import create_app
from federation.control.link_server import Session
from federation.errors import UpstreamError
from federation.schema.link import Condition, Hello

BOX = {"id": "box", "base_url": "http://10.0.0.7:8000/v1", "models": ["tiny"]}


@dataclass
class Rig:
    plane: Plane
    client: httpx.AsyncClient

    async def ask(
        self, method: str, path: str, body: object = None, secret: str = ADMIN
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {secret}"}
        return await self.client.request(method, path, headers=headers, json=body)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    built = plane(tmp_path)
    await built.control.publish_snapshot()
    transport = httpx.ASGITransport(create_app(built.control), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
        yield Rig(built, client)


async def test_a_node_lives_through_the_api(rig: Rig) -> None:
    made = await rig.ask("POST", "/admin/nodes", BOX)
    assert made.status_code == 201
    told = made.json()
    assert (told["state"], told["dialect"], told["region"]) == ("ready", "openai", "local")
    assert told["probe"]["ok"]
    listed = (await rig.ask("GET", "/admin/nodes")).json()["data"]
    assert [node["id"] for node in listed] == ["box"]
    assert (await rig.ask("POST", "/admin/nodes/box/drain")).json()["state"] == "draining"
    status = (await rig.ask("GET", "/admin/status")).json()
    assert status["nodes"] == [{"id": "box", "state": "draining", "in_flight": 0}]
    assert (await rig.ask("DELETE", "/admin/nodes/box")).json()["state"] == "removed"
    assert (await rig.ask("GET", "/admin/nodes")).json()["data"] == []
    assert (await rig.ask("DELETE", "/admin/nodes/box")).status_code == 404


async def test_a_clock_that_was_set_does_not_change_how_long_control_is_up(rig: Rig) -> None:
    for seconds in (86_400, -90_000):
        rig.plane.clock.now += seconds
        assert 0 <= (await rig.ask("GET", "/admin/status")).json()["uptime_s"] < 3600


async def test_a_node_where_the_gateway_never_connects_is_refused(rig: Rig) -> None:
    said = "the gateway does not connect to 169.254.169.254: it is a cloud metadata service"
    rig.plane.provided.error = UpstreamError(said, code="upstream_address_forbidden")
    for address in ("http://169.254.169.254/", "http://leads-there.test/"):
        refused = await rig.ask("POST", "/admin/nodes", BOX | {"base_url": address})
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert (error["param"], error["message"]) == (
            "base_url",
            f"'base_url' cannot be used: {said}.",
        )
    assert (await rig.ask("GET", "/admin/nodes")).json()["data"] == []


async def test_overflow_is_decided_through_the_api(rig: Rig) -> None:
    made = await rig.ask("POST", "/admin/overflow_provider", {"provider": "acme"})
    assert made.status_code == 200
    assert made.json()["providers"] == ["acme"]
    status = (await rig.ask("GET", "/admin/status")).json()
    assert status["overflow"] == {"providers": ["acme"], "active": False}
    gone = await rig.ask("DELETE", "/admin/overflow_provider/acme")
    assert gone.json()["providers"] == []


async def test_an_overflow_provider_that_does_not_answer_is_not_taken(rig: Rig) -> None:
    rig.plane.provided.status = 500
    reply = await rig.ask("POST", "/admin/overflow_provider", {"provider": "acme"})
    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == "probe_failed"
    unknown = await rig.ask("POST", "/admin/overflow_provider", {"provider": "nobody"})
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/admin/overflow_provider", {"provider": "acme"}),
        ("DELETE", "/admin/overflow_provider/acme", None),
        ("POST", "/admin/nodes", BOX),
        ("POST", "/admin/nodes/box/drain", None),
        ("DELETE", "/admin/nodes/box", None),
    ],
)
async def test_only_who_may_change_providers_may_change_where_calls_go(
    rig: Rig, method: str, path: str, body: object
) -> None:
    assert (await rig.ask(method, path, body, DEVELOPER)).status_code == 403
    assert (await rig.ask(method, path, body, "fed_nobody")).status_code == 401


async def test_the_status_shows_how_deployments_stand(rig: Rig) -> None:
    session = Session(cast("Any", None), Hello(0, 1, "w"), 0)
    session.conditions = [
        Condition("acme/large", "unhealthy", "open", 1, 2, 30),
        Condition("home/tiny", "healthy", "closed", 4, 5, 60, crowded=True),
    ]
    rig.plane.control.link._sessions.add(session)
    status = (await rig.ask("GET", "/admin/status")).json()
    assert status["deployments"] == [
        {
            "id": "acme/large",
            "health": "unhealthy",
            "circuit": "open",
            "in_flight": 1,
            "queued": 2,
            "tokens": 30,
            "crowded": False,
        },
        {
            "id": "home/tiny",
            "health": "healthy",
            "circuit": "closed",
            "in_flight": 4,
            "queued": 5,
            "tokens": 60,
            "crowded": True,
        },
    ]
    assert status["overflow"]["active"]
    told = (await rig.ask("GET", "/metrics")).text
    assert 'federation_circuit_state{model="large",provider="acme"} 2.0' in told
    assert 'federation_circuit_state{model="tiny",provider="home"} 0.0' in told
