"""Files of policies that somebody has to approve before they bind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from control_plane import ADMIN
from governed_world import policy
from oversight_rig import Key, Rig, overseen

from federation.domain.policies import Mode, Policy, Residency

PROPOSALS = "/v1/policies/proposals"
EU = policy(Residency(places=("eu",)), name="place")
WIDER = policy(Residency(places=("eu", "us")), name="place")
UK = policy(Residency(places=("uk",)), name="island")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with overseen(tmp_path) as made:
        yield made


async def write(rig: Rig, *policies: Policy, demand: bool = True) -> None:
    """The files say this from now on; read, and looked at."""
    files, control = rig.plane.files, rig.plane.control
    files.loaded = replace(files.loaded, policies=policies, approve_files=demand)
    control.configuration.reload()
    assert control.configuration.problems == ()
    await control.oversight.look()


def in_force(rig: Rig) -> list[tuple[str, str]]:
    policies = rig.plane.control.configuration.snapshot.policies
    return sorted((each.name, each.digest) for each in policies)


def said(*policies: Policy) -> list[tuple[str, str]]:
    return sorted((each.name, each.digest) for each in policies)


async def waiting(rig: Rig) -> list[dict[str, Any]]:
    found = (await rig.said("GET", PROPOSALS))["data"]
    return [each for each in found if each["stage"] == "proposed"]


async def approve(rig: Rig, proposal: str, by: str | Key = ADMIN) -> None:
    await rig.said("POST", f"{PROPOSALS}/{proposal}/approve", by)


async def test_the_first_start_takes_the_files_as_they_are(rig: Rig) -> None:
    await write(rig, EU)
    assert in_force(rig) == said(EU)
    assert await waiting(rig) == []
    listed = (await rig.said("GET", PROPOSALS))["data"]
    assert [(each["name"], each["stage"], each["proposed_by"]) for each in listed] == [
        ("file:*", "approved", "federation"),
        ("file:place", "approved", "federation"),
    ]


async def test_a_changed_file_waits_with_its_diff_and_binds_once_it_is_approved(rig: Rig) -> None:
    await write(rig, EU)
    await write(rig, WIDER)
    assert in_force(rig) == said(EU)
    (open_,) = await waiting(rig)
    shown = await rig.said("GET", f"{PROPOSALS}/{open_['id']}")
    (change,) = shown["changes"]
    assert (change["policy"], change["what"]) == ("place", "changed")
    await rig.plane.control.oversight.look()
    assert [each["id"] for each in await waiting(rig)] == [open_["id"]], "it is proposed once"
    await approve(rig, open_["id"])
    assert in_force(rig) == said(WIDER)
    assert await waiting(rig) == []
    states = [(each["name"], each["state"]) for each in rig.records("policy_version")]
    assert states[-2:] == [("file:place", "proposed"), ("file:place", "approved")]


async def test_a_start_with_an_unapproved_file_keeps_what_was_approved(rig: Rig) -> None:
    await write(rig, EU)
    files, configuration = rig.plane.files, rig.plane.control.configuration
    files.loaded = replace(files.loaded, policies=(WIDER,))
    again = type(configuration)(
        files.read,
        files.look,
        configuration._overrides,
        configuration._versions,
        rig.plane.clock,
        configuration._added,
    )
    assert [each.digest for each in again.snapshot.policies] == [EU.digest]


async def test_a_policy_that_comes_or_goes_waits_like_one_that_changes(rig: Rig) -> None:
    await write(rig, EU)
    await write(rig, UK)
    assert in_force(rig) == said(EU)
    by_name = {each["name"]: each["id"] for each in await waiting(rig)}
    assert set(by_name) == {"file:place", "file:island"}
    shown = await rig.said("GET", f"{PROPOSALS}/{by_name['file:place']}")
    assert shown["changes"][0]["what"] == "removed"
    await approve(rig, by_name["file:island"])
    assert in_force(rig) == said(EU, UK)
    await approve(rig, by_name["file:place"])
    assert in_force(rig) == said(UK)
    await rig.plane.control.oversight.look()
    assert await waiting(rig) == []


async def test_a_file_that_is_put_back_withdraws_what_was_proposed(rig: Rig) -> None:
    await write(rig, EU)
    await write(rig, WIDER)
    (open_,) = await waiting(rig)
    await write(rig, EU)
    assert await waiting(rig) == []
    assert (await rig.said("GET", f"{PROPOSALS}/{open_['id']}"))["stage"] == "withdrawn"
    await write(rig, WIDER)
    assert len(await waiting(rig)) == 1


async def test_what_was_rejected_is_not_proposed_again_until_the_file_changes(rig: Rig) -> None:
    await write(rig, EU)
    await write(rig, WIDER)
    (open_,) = await waiting(rig)
    await rig.said("POST", f"{PROPOSALS}/{open_['id']}/reject")
    await rig.plane.control.oversight.look()
    assert await waiting(rig) == []
    assert in_force(rig) == said(EU)
    await write(rig, policy(Residency(places=("us",)), name="place"))
    assert len(await waiting(rig)) == 1


async def test_the_demand_outlives_its_own_setting_until_two_have_ended_it(rig: Rig) -> None:
    second = await rig.approver()
    await write(rig, EU)
    await write(rig, WIDER, demand=False)
    assert in_force(rig) == said(EU), "whoever changes the file could change the setting"
    made = await rig.said("POST", PROPOSALS, json={"name": "file:*", "change": "retire"})
    own = await rig.ask("POST", f"{PROPOSALS}/{made['id']}/approve")
    assert own.status_code == 403
    await approve(rig, made["id"], second)
    assert in_force(rig) == said(WIDER)
    await write(rig, UK, demand=True)
    assert in_force(rig) == said(EU), "a demand that comes back finds what was approved"


async def test_nobody_proposes_a_file_but_the_gateway(rig: Rig) -> None:
    await write(rig, EU)
    body = {"name": "file:place", "change": "file"}
    reply = await rig.ask("POST", PROPOSALS, json=body)
    assert (reply.status_code, "by the gateway" in reply.text) == (400, True)


async def test_an_approved_file_in_report_mode_can_be_enforced(rig: Rig) -> None:
    second = await rig.approver()
    soft = policy(Residency(places=("eu",)), name="place", mode=Mode.REPORT)
    await write(rig, soft)
    made = await rig.said("POST", PROPOSALS, json={"name": "place", "change": "enforce"})
    await approve(rig, made["id"], second)
    (bound,) = rig.plane.control.configuration.snapshot.policies
    assert bound.mode is Mode.ENFORCE


async def test_without_the_demand_files_bind_at_once(rig: Rig) -> None:
    await write(rig, EU, demand=False)
    await write(rig, WIDER, demand=False)
    assert in_force(rig) == said(WIDER)
    assert (await rig.said("GET", PROPOSALS))["data"] == []
