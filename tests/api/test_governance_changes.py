"""What was changed by an action is on record: which object, and its version before and after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from control_plane import ADMIN
from oversight_rig import Rig, overseen

from federation.control.changes import MOST
from federation.domain.access import Role

EU = "policy: {name: eu-first, rules: [{data_residency: [eu]}]}"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with overseen(tmp_path) as made:
        yield made


async def done(rig: Rig, method: str, path: str, **more: Any) -> dict[str, Any]:
    """What is on record of a request once it is answered."""
    reply = await rig.ask(method, path, **more)
    record = rig.records("action")[-1]
    assert (record["phase"], record["status"]) == ("done", reply.status_code)
    return record


async def changed(rig: Rig, method: str, path: str, **more: Any) -> dict[str, Any]:
    """The one object that a request has changed."""
    (found,) = (await done(rig, method, path, **more))["changed"]
    assert isinstance(found, dict)
    return found


async def test_each_version_of_a_key_follows_on_the_one_before(rig: Rig) -> None:
    made = await rig.said("POST", "/v1/keys", json={"name": "n", "role": "viewer"})
    (first,) = rig.records("action")[-1]["changed"]
    path = f"/v1/keys/{made['id']}"
    assert (first["kind"], first["id"], first["tenant"]) == ("key", made["id"], "default")
    assert "before" not in first
    assert "fields" not in first
    steps = [
        first,
        await changed(rig, "PATCH", path, json={"name": "m", "scopes": ["stats.read"]}),
        await changed(rig, "POST", f"{path}/rotate"),
        await changed(rig, "DELETE", path),
    ]
    for earlier, later in pairwise(steps):
        assert later["before"] == earlier["after"]
    assert [each.get("fields") for each in steps] == [
        None,
        ["name", "scopes"],
        ["secret", "hint"],
        ["revoked_ms"],
    ]
    assert len({each["after"] for each in steps}) == 4
    assert made["secret"] not in str(rig.records())


LIMIT = {"id": "x", "scope": "key", "subject": "*", "counts": "requests", "amount": 5}
BUDGET = {"id": "x", "scope": "tenant", "limit_usd": "5", "period": "monthly"}


@pytest.mark.parametrize(
    ("kind", "body", "edit"),
    [
        ("tenant", {"id": "x"}, {"name": "A"}),
        ("team", {"id": "x"}, {"name": "Red"}),
        ("user", {"id": "x"}, {"role": "viewer"}),
        ("budget", BUDGET, BUDGET | {"limit_usd": "6"}),
        ("limit", LIMIT, LIMIT | {"amount": 6}),
    ],
)
async def test_what_is_made_changed_and_ended_has_its_versions_in_a_row(
    rig: Rig, kind: str, body: dict[str, Any], edit: dict[str, Any]
) -> None:
    every, one = f"/v1/admin/{kind}s", f"/v1/admin/{kind}s/x"
    made = await changed(rig, "POST", every, json=body)
    again = ("POST", every) if "id" in edit else ("PATCH", one)
    then = await changed(rig, *again, json=edit)
    gone = await changed(rig, "DELETE", one)
    assert {each["kind"] for each in (made, then, gone)} == {kind}
    assert "before" not in made
    assert then["before"] == made["after"] != then["after"]
    assert (gone["before"], "after" in gone) == (then["after"], False)


async def test_a_switch_of_a_provider_is_named_also_where_a_remedy_turns_it(rig: Rig) -> None:
    off = await changed(rig, "POST", "/v1/providers/acme/disable")
    assert (off["kind"], off["id"], "before" in off) == ("provider", "acme", False)
    on = await changed(rig, "POST", "/v1/providers/acme/enable", json={"force": True})
    assert (on["before"], on["fields"]) == (off["after"], ["enabled"])
    spill = await changed(rig, "POST", "/admin/overflow_provider", json={"provider": "acme"})
    assert spill["kind"] == "overflow_provider"


async def test_what_was_refused_or_had_no_effect_names_nothing(rig: Rig) -> None:
    assert "changed" not in await done(rig, "DELETE", "/v1/keys/none")
    made = await rig.said("POST", "/v1/keys", json={"name": "n", "role": "viewer"})
    path = f"/v1/keys/{made['id']}"
    assert "changed" not in await done(rig, "PATCH", path, json={"name": "n"})
    stale = {"authorization": f"Bearer {ADMIN}", "if-match": '"other"'}
    await rig.client.patch(path, headers=stale, json={"name": "x"})
    assert "changed" not in rig.records("action")[-1]


async def test_an_import_names_so_many_and_counts_the_rest(rig: Rig) -> None:
    teams = [{"id": f"t{n}", "name": f"t{n}"} for n in range(MOST + 7)]
    tenant = {"id": "acme", "name": "Acme", "tier": "pro", "teams": teams}
    record = await done(rig, "POST", "/v1/admin/tenancy", json={"tenants": [tenant]})
    assert (len(record["changed"]), record["unnamed"]) == (MOST, 8)


async def test_what_two_do_at_once_stands_in_the_record_of_who_did_it(rig: Rig) -> None:
    keys = [await rig.key(Role.VIEWER) for _ in range(4)]
    await asyncio.gather(
        *(rig.ask("PATCH", f"/v1/keys/{key.id}", json={"name": "x"}) for key in keys)
    )
    found = [each for each in rig.records("action") if each["phase"] == "done"]
    assert {each["subject"].rsplit("/", 1)[1] for each in found} == {key.id for key in keys}
    for each in found:
        (one,) = each["changed"]
        assert each["subject"].endswith(one["id"])


async def test_what_a_failure_leaves_half_done_is_named(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await rig.key(Role.VIEWER)

    async def broken() -> None:
        raise RuntimeError

    monkeypatch.setattr(rig.plane.control.keys, "refresh", broken)
    record = await done(rig, "PATCH", f"/v1/keys/{key.id}", json={"name": "x"})
    assert record["status"] == 500
    assert [each["id"] for each in record["changed"]] == [key.id]


async def test_a_policys_record_says_which_version_was_in_force_before(rig: Rig) -> None:
    second = await rig.approver()
    digests = []
    for text in (EU, EU.replace("[eu]", "[eu, us]")):
        made = await rig.said("POST", "/v1/policies/proposals", json={"policy": text})
        digests.append(made["digest"])
        await rig.said("POST", f"/v1/policies/proposals/{made['id']}/approve", second)
    steps = rig.records("policy_version")
    assert [each.get("before") for each in steps] == [None, None, None, digests[0]]
    assert [each["digest"] for each in steps[1::2]] == digests
