"""Budgets through the management API: which state a change is meant for, and how they stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tenancy_rig import Rig, started

BUDGETS = "/v1/admin/budgets"
BODY: dict[str, Any] = {"id": "b1", "scope": "key", "subject": "*", "limit_usd": "5"}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = await started(tmp_path)
    yield made
    await made.client.aclose()


async def test_a_change_is_made_to_the_state_that_it_was_meant_for(rig: Rig) -> None:
    made = await rig.ask("POST", BUDGETS, json=BODY)
    assert made.status_code == 201
    first = {"if-match": made.headers["etag"]}
    assert (await rig.ask("GET", f"{BUDGETS}/b1")).headers["etag"] == first["if-match"]
    again = await rig.ask("POST", BUDGETS, first, json=BODY | {"limit_usd": "6"})
    assert again.status_code == 200
    assert again.headers["etag"] != first["if-match"]
    stale = await rig.ask("POST", BUDGETS, first, json=BODY | {"limit_usd": "7"})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "changed_since")
    assert stale.json()["error"]["message"].startswith("The budget was changed since.")
    assert (await rig.ask("GET", f"{BUDGETS}/b1")).json()["limit_usd"] == "6"
    assert (await rig.ask("DELETE", f"{BUDGETS}/b1", first)).status_code == 412
    now = {"if-match": again.headers["etag"]}
    assert (await rig.ask("DELETE", f"{BUDGETS}/b1", now)).status_code == 204
    assert (await rig.ask("DELETE", f"{BUDGETS}/b1", now)).status_code == 404


@pytest.mark.parametrize("state", ['"abc"', "*"])
@pytest.mark.parametrize(
    ("path", "body"),
    [(BUDGETS, BODY), ("/v1/admin/limits", {"id": "l1", "scope": "tenant", "amount": 5})],
    ids=["budget", "limit"],
)
async def test_what_is_gone_is_in_no_state(
    rig: Rig, path: str, body: dict[str, Any], state: str
) -> None:
    reply = await rig.ask("POST", path, {"if-match": state}, json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (412, "changed_since")
    assert (await rig.ask("GET", path)).json()["data"] == []
    assert (await rig.ask("POST", path, json=body)).status_code == 201
