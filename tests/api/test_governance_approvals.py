"""Policies and approvals by four eyes, over the API, and what is in force because of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from control_plane import ADMIN, plane
from governed_world import policy
from oversight_rig import Key, Rig, overseen

from federation.control.frames import pack_snapshot, unpack_snapshot
from federation.domain.access import Role
from federation.domain.asker import ANONYMOUS
from federation.domain.policies import Approval, Mode, Residency
from federation.errors import Forbidden

EU = """\
policy:
  name: eu-first
  rules:
    - data_residency: [eu]
"""
PROPOSALS = "/v1/policies/proposals"
APPROVALS = "/v1/policies/approvals"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with overseen(tmp_path) as made:
        yield made


async def decide(rig: Rig, proposal: str, verb: str, by: str | Key, **more: Any) -> Any:
    return await rig.ask("POST", f"{PROPOSALS}/{proposal}/{verb}", by, **more)


def in_force(rig: Rig) -> list[tuple[str, int, str]]:
    snapshot = rig.plane.control.configuration.snapshot
    # As a worker gets it.
    policies = unpack_snapshot(pack_snapshot(snapshot)).policies
    return [(each.name, each.version, each.mode.value) for each in policies]


async def test_a_policy_is_in_force_once_another_person_has_approved_it(rig: Rig) -> None:
    second = await rig.approver()
    made = await rig.said("POST", PROPOSALS, json={"policy": EU, "reason": "Art. 44"})
    assert (made["stage"], made["version"], made["body"]) == ("proposed", 1, EU)
    (change,) = made["changes"]
    assert (change["policy"], change["what"]) == ("eu-first", "added")
    assert change["details"][0].startswith("+ data_residency {")
    assert in_force(rig) == []
    own = await decide(rig, made["id"], "approve", ADMIN)
    assert (own.status_code, own.json()["error"]["code"]) == (403, "four_eyes")
    done = await decide(rig, made["id"], "approve", second, json={"words": "seen"})
    assert (done.json()["stage"], done.json()["decision"]) == ("approved", "seen")
    assert in_force(rig) == [("eu-first", 1, "enforce")]
    (listed,) = (await rig.said("GET", "/v1/policies"))["data"]
    assert (listed["name"], listed["source"], listed["digest"]) == (
        "eu-first",
        "proposal",
        made["digest"],
    )
    steps = [(each["state"], each["by"]) for each in rig.records("policy_version")]
    assert steps == [("proposed", "admin"), ("approved", second.id)]
    assert rig.records("in_force")[-1]["policies"] == [f"eu-first@1+{made['digest'][:12]}"]


async def test_a_proposal_that_names_itself_is_made_once(rig: Rig) -> None:
    headers = {"authorization": f"Bearer {ADMIN}", "idempotency-key": "1"}
    asked = [
        await rig.client.post(PROPOSALS, headers=headers, json={"policy": EU}) for _ in range(2)
    ]
    assert [each.status_code for each in asked] == [201, 201]
    assert asked[0].content == asked[1].content
    assert [each["version"] for each in (await rig.said("GET", PROPOSALS))["data"]] == [1]


@pytest.mark.parametrize("text", ["\n", "# only a remark\n"])
async def test_a_text_without_a_policy_is_said_to_hold_none(rig: Rig, text: str) -> None:
    refused = await rig.ask("POST", PROPOSALS, json={"policy": text})
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        400,
        "The text holds no policy.",
    )


async def test_a_version_takes_the_place_of_the_one_before_and_may_be_retired(rig: Rig) -> None:
    second = await rig.approver()
    first = await rig.said("POST", PROPOSALS, json={"policy": EU})
    await decide(rig, first["id"], "approve", second)
    next_ = await rig.said("POST", PROPOSALS, json={"policy": EU.replace("[eu]", "[eu, us]")})
    assert (next_["version"], next_["changes"][0]["what"]) == (2, "changed")
    await decide(rig, next_["id"], "approve", second)
    assert in_force(rig) == [("eu-first", 2, "enforce")]
    retire = await rig.said("POST", PROPOSALS, json={"name": "eu-first", "change": "retire"})
    assert retire["changes"][0]["what"] == "removed"
    assert in_force(rig) == [("eu-first", 2, "enforce")]
    await decide(rig, retire["id"], "approve", second)
    assert in_force(rig) == []
    listed = (await rig.said("GET", PROPOSALS, params={"name": "eu-first"}))["data"]
    assert [each["stage"] for each in listed] == ["superseded", "superseded", "approved"]


async def test_a_report_is_enforced_by_approval_and_the_file_is_untouched(rig: Rig) -> None:
    second = await rig.approver()
    await rig.govern(policy(Residency(places=("eu",)), name="soft", mode=Mode.REPORT))
    body = {"name": "soft", "change": "enforce"}
    made = await rig.said("POST", PROPOSALS, json=body)
    assert made["changes"][0]["what"] == "changed"
    await decide(rig, made["id"], "approve", second)
    assert in_force(rig) == [("soft", 1, "enforce")]
    assert (await rig.ask("POST", PROPOSALS, json=body)).status_code == 400, "it decides already"
    retire = await rig.said("POST", PROPOSALS, json={"name": "soft", "change": "retire"})
    await decide(rig, retire["id"], "approve", second)
    assert in_force(rig) == [("soft", 1, "report")]


async def test_what_is_decided_stays_so_and_only_its_author_withdraws(rig: Rig) -> None:
    second = await rig.approver()
    made = await rig.said("POST", PROPOSALS, json={"policy": EU})
    assert (await decide(rig, made["id"], "withdraw", second)).status_code == 403
    assert (await decide(rig, made["id"], "reject", second)).json()["stage"] == "rejected"
    assert (await decide(rig, made["id"], "approve", second)).status_code == 409
    again = await rig.said("POST", PROPOSALS, json={"policy": EU})
    assert (await decide(rig, again["id"], "withdraw", ADMIN)).json()["stage"] == "withdrawn"
    assert (await decide(rig, "prop_none", "approve", second)).status_code == 404
    assert (await rig.ask("GET", f"{PROPOSALS}/prop_none")).status_code == 404
    assert (await rig.said("GET", f"{PROPOSALS}/{again['id']}"))["stage"] == "withdrawn"
    assert in_force(rig) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"policy": "policy: {name: a, rules: [{data_residence: [eu]}]}"}, "line 1"),
        ({"policy": "policy: ["}, "line"),
        ({"policy": EU + EU.replace("policy:", "policies: []\n#")}, ""),
        ({"policy": "policies: []"}, "holds no policy"),
        (
            {
                "policy": "policies:\n  - {name: a, rules: [{privacy: public}]}\n"
                "  - {name: b, rules: [{privacy: public}]}"
            },
            "one policy at a time",
        ),
        ({"policy": "policy: {name: a, rules: [{condition: text_bytes == '1'}]}"}, "line 1"),
        ({"policy": EU.replace("eu-first", "written")}, "stands in a file"),
        ({"name": "written", "change": "enforce"}, "no policy 'written' in report mode"),
        ({"name": "written", "change": "retire"}, "approved"),
    ],
)
async def test_what_is_no_policy_is_refused_with_the_reason(
    rig: Rig, body: dict[str, str], words: str
) -> None:
    await rig.govern(policy(Residency(places=("eu",)), name="written"))
    reply = await rig.ask("POST", PROPOSALS, json=body)
    assert reply.status_code in (400, 409)
    assert words in reply.json()["error"]["message"]


async def test_who_cannot_change_policies_reads_them_at_most(rig: Rig) -> None:
    auditor, owner = await rig.key(Role.AUDITOR), await rig.key(Role.OWNER, "other")
    assert (await rig.ask("GET", PROPOSALS, auditor)).status_code == 200
    assert (await rig.ask("POST", PROPOSALS, auditor, json={"policy": EU})).status_code == 403
    assert (await rig.ask("GET", PROPOSALS, owner)).status_code == 403, "they are the operators'"


async def test_an_approval_holds_for_whom_and_as_long_as_it_says(rig: Rig) -> None:
    second = await rig.approver()
    await rig.govern(policy(Approval(name="overseas", at=("*",)), name="ask"))
    body = {"name": "overseas", "tenant": "other", "days": 2, "reason": "a demo"}
    made = await rig.said("POST", APPROVALS, json=body)
    snapshot = rig.plane.control.configuration.snapshot
    assert snapshot.approvals == ()
    assert (await decide(rig, made["id"], "approve", ADMIN)).status_code == 403
    assert (await decide(rig, made["id"], "approve", second)).json()["stage"] == "approved"
    snapshot = unpack_snapshot(pack_snapshot(rig.plane.control.configuration.snapshot))
    (granted,) = snapshot.approvals
    now_ms = int(rig.plane.clock.now * 1000)
    assert granted.covers("other", "key_1", now_ms)
    assert not granted.covers("default", "key_1", now_ms)
    assert not granted.covers("other", "key_1", made["until_ms"])
    ended = await decide(rig, made["id"], "withdraw", second)
    assert ended.json()["stage"] == "withdrawn"
    assert rig.plane.control.configuration.snapshot.approvals == ()
    listed = (await rig.said("GET", APPROVALS, params={"stage": "withdrawn"}))["data"]
    assert [each["id"] for each in listed] == [made["id"]]
    states = [each["state"] for each in rig.records("policy_version")]
    assert states == ["proposed", "approved", "withdrawn"]


async def test_nobody_asks_for_an_approval_that_no_policy_knows(rig: Rig) -> None:
    await rig.govern(policy(Approval(name="overseas", at=("*",)), name="ask"))
    reply = await rig.ask("POST", APPROVALS, json={"name": "oversees"})
    assert reply.status_code == 400
    assert "They ask for: overseas." in reply.json()["error"]["message"]
    reply = await rig.ask("POST", APPROVALS, json={"name": "overseas", "days": 0})
    assert reply.status_code == 400


async def test_an_approval_for_somebody_of_no_tenant_makes_no_key_for_names(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.govern(policy(Approval(name="overseas", at=("*",)), name="ask"))
    made: list[str] = []

    def kept(asker: str) -> str:
        made.append(asker)
        return asker

    monkeypatch.setattr(rig.plane.control.askers, "kept", kept)
    for wish in ({"key": "user:ghost/anna"}, {"key": "user:default/anna", "tenant": "ghost"}):
        reply = await rig.ask("POST", APPROVALS, json={"name": "overseas", **wish})
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")
    assert made == []
    await rig.said("POST", APPROVALS, json={"name": "overseas", "key": "user:default/anna"})
    assert made == ["user:default/anna"]


async def test_at_an_open_gateway_nobody_is_a_second_person(tmp_path: Path) -> None:
    built = plane(tmp_path, is_open=True)
    with pytest.raises(Forbidden, match="same person"):
        await built.control.oversight.approvals.propose(ANONYMOUS, EU, "")
    built.control.oversight.close()
