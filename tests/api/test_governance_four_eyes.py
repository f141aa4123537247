"""Who is another person: keys by whose hands they went through, people who signed in, and those
whom the operator named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from control_plane import ADMIN
from oversight_rig import Key, Rig, overseen, refused

from federation.control.custody import Custody
from federation.domain.access import Role, VirtualKey
from federation.errors import Unavailable

EU = "policy: {name: eu-first, rules: [{data_residency: [eu]}]}"
PROPOSALS = "/v1/policies/proposals"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with overseen(tmp_path) as made:
        yield made


def name_approvers(rig: Rig, *names: str) -> None:
    files = rig.plane.files
    files.loaded = replace(files.loaded, approvers=frozenset(names))
    assert rig.plane.control.configuration.reload() is not None


async def key_of(rig: Rig, maker: str | Key, **more: Any) -> Key:
    """A key that somebody made over the API."""
    made = await rig.said("POST", "/v1/keys", maker, json={"name": "made", "role": "admin"} | more)
    return Key(rig.plane.control.keys.keys.find(made["secret"]) or none(), made["secret"])


async def erase(rig: Rig, name: str) -> None:
    await rig.said("POST", "/v1/admin/data/erasures", json={"user": name})


def none() -> VirtualKey:
    raise AssertionError("the key is not in force")


async def rotated(rig: Rig, key: Key, by: str | Key) -> Key:
    body = {"overlap_s": 0}
    made = await rig.said("POST", f"/v1/keys/{key.id}/rotate", by, json=body)
    return Key(key.key, made["secret"])


async def approved(rig: Rig, proposer: str | Key, approver: str | Key) -> tuple[int, str]:
    """The status of an approval, and what was said of one that was refused."""
    made = await rig.said("POST", PROPOSALS, proposer, json={"policy": EU})
    done = await rig.ask("POST", f"{PROPOSALS}/{made['id']}/approve", approver)
    if done.status_code == 200:
        return 200, ""
    error = done.json()["error"]
    assert error["code"] == "four_eyes"
    stage = (await rig.said("GET", f"{PROPOSALS}/{made['id']}"))["stage"]
    assert stage == "proposed", "who could approve it still can"
    return done.status_code, error["message"]


async def test_two_keys_of_one_administrator_are_one_person(rig: Rig) -> None:
    one, two = await key_of(rig, ADMIN), await key_of(rig, ADMIN)
    daughter = await key_of(rig, one)
    for proposer, approver in (
        (ADMIN, one),
        (one, ADMIN),
        (one, two),
        (one, daughter),
        (daughter, one),
        (daughter, two),
    ):
        status, said = await approved(rig, proposer, approver)
        assert status == 403, (proposer, approver)
        assert "Somebody else has to approve" in said or "governance.approvers" in said


async def test_two_who_signed_in_are_two_people_and_so_are_the_keys_they_made(rig: Rig) -> None:
    ada, bob = await rig.person("ada"), await rig.person("bob")
    adas, bobs = await key_of(rig, ada), await key_of(rig, bob)
    assert (await approved(rig, ada, ada))[0] == 403
    assert (await approved(rig, ada, adas))[0] == 403
    assert (await approved(rig, adas, ada))[0] == 403
    assert (await approved(rig, ada, bob))[0] == 200
    assert (await approved(rig, adas, bobs))[0] == 200
    assert (await approved(rig, await key_of(rig, adas), bob))[0] == 200


async def test_who_made_a_key_for_another_is_behind_it(rig: Rig) -> None:
    ada, bob, cleo = [await rig.person(name) for name in ("ada", "bob", "cleo")]
    given = await key_of(rig, ada, user="bob")
    for one in (ada, bob):
        assert (await approved(rig, one, given))[0] == 403
        assert (await approved(rig, given, one))[0] == 403
        assert (await approved(rig, one, await key_of(rig, given)))[0] == 403
    assert (await approved(rig, given, cleo))[0] == 200


async def test_the_admin_key_is_no_second_person_for_who_signed_in(rig: Rig) -> None:
    ada = await rig.person("ada")
    for proposer, approver in ((ada, ADMIN), (ADMIN, ada), (ada, await key_of(rig, ADMIN))):
        status, said = await approved(rig, proposer, approver)
        assert status == 403
        assert "may be anybody's" in said
        assert "federation login" in said


async def test_a_new_secret_puts_who_gave_it_behind_the_key_for_good(rig: Rig) -> None:
    ada, bob, cleo = [await rig.person(name) for name in ("ada", "bob", "cleo")]
    bobs = await key_of(rig, bob)
    bobs = await rotated(rig, bobs, bobs)
    assert (await approved(rig, ada, bobs))[0] == 200, "its own new secret changes nothing"
    bobs = await rotated(rig, await rotated(rig, bobs, ada), bob)
    assert (await approved(rig, ada, bobs))[0] == 403
    assert (await approved(rig, bobs, ada))[0] == 403
    assert (await approved(rig, bobs, cleo))[0] == 200


async def test_a_key_that_is_given_away_stays_its_former_holders_too(rig: Rig) -> None:
    ada, cleo = await rig.person("ada"), await rig.person("cleo")
    await rig.person("bob")
    key = await key_of(rig, cleo, user="ada")
    daughter = await key_of(rig, key)
    await rig.said("PATCH", f"/v1/keys/{key.id}", cleo, json={"user": "bob"})
    assert (await approved(rig, daughter, ada))[0] == 403


async def test_a_key_of_which_nobody_noted_who_made_it_is_told_what_to_do(rig: Rig) -> None:
    ada, old = await rig.person("ada"), await rig.key()
    hands = rig.plane.keys._hands
    for each in [each for each in hands if each.key == old.id]:
        del hands[each]
    for proposer, approver in ((ada, old), (old, ada)):
        status, said = await approved(rig, proposer, approver)
        assert status == 403
        assert "Nobody noted who made" in said
        assert "governance.approvers" in said
    name_approvers(rig, old.id)
    assert (await approved(rig, ada, old))[0] == 200


async def test_those_whom_the_operator_named_approve_and_nobody_else(rig: Rig) -> None:
    ada, bob = await rig.person("ada"), await rig.person("bob")
    one, two = await key_of(rig, ADMIN), await key_of(rig, ADMIN)
    name_approvers(rig, "user:default/ada", one.id)
    assert (await approved(rig, ADMIN, one))[0] == 200
    assert (await approved(rig, two, one))[0] == 200
    assert (await approved(rig, two, ada))[0] == 200
    assert (await approved(rig, one, ada))[0] == 200
    for approver in (bob, two, ADMIN):
        status, said = await approved(rig, one, approver)
        assert (status, "The operator has named who approves" in said) == (403, True)
    assert (await approved(rig, one, one))[0] == 403
    assert (await approved(rig, await key_of(rig, one), one))[0] == 403
    assert (await approved(rig, ada, await key_of(rig, ada)))[0] == 403, "her name, not her keys'"


async def test_a_named_key_is_its_holders_until_another_gives_it_a_secret(rig: Rig) -> None:
    key = await key_of(rig, ADMIN)
    name_approvers(rig, key.id)
    key = await rotated(rig, key, key)
    assert (await approved(rig, ADMIN, key))[0] == 200
    key = await rotated(rig, key, ADMIN)
    status, said = await approved(rig, ADMIN, key)
    assert (status, "a new secret" in said) == (403, True)


async def test_a_key_and_its_holder_are_one_also_where_both_are_named(rig: Rig) -> None:
    ada = await rig.person("ada")
    key = await key_of(rig, ADMIN, user="ada")
    name_approvers(rig, key.id, "user:default/ada")
    assert (await approved(rig, ada, key))[0] == 403
    assert (await approved(rig, key, ada))[0] == 403


async def test_what_is_for_good_needs_another_person_too(rig: Rig) -> None:
    ada, bob = await rig.person("ada"), await rig.person("bob")
    target, adas = await rig.key(Role.DEVELOPER), await key_of(rig, ada)
    rig.write(refused("call_1", key=target.id))
    (seen,) = await rig.violations()
    body = {"action": "revoke_key"}
    made = await rig.said("POST", f"/v1/violations/{seen['id']}/remedies", ada, json=body)
    path = f"/v1/remedies/{made['id']}/approve"
    for own in (ada, adas, ADMIN):
        reply = await rig.ask("POST", path, own)
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "four_eyes")
    assert (await rig.said("POST", path, bob))["state"] == "done"


async def test_what_the_gateway_proposes_one_person_decides(rig: Rig) -> None:
    desk = rig.plane.control.oversight.approvals
    eyes, admin = desk._eyes, await rig.admin()
    await eyes.check(admin, "federation")
    one = await key_of(rig, ADMIN)
    name_approvers(rig, one.id)
    await eyes.check(one.key, "federation")
    with pytest.raises(Exception, match="has named who approves"):
        await eyes.check(admin, "federation")


async def test_an_erasure_makes_no_other_person_of_who_proposed(rig: Rig) -> None:
    ada, bob = await rig.person("ada"), await rig.person("bob")
    made = await rig.said("POST", PROPOSALS, ada, json={"policy": EU})
    before = made["proposed_by"]
    await erase(rig, "ada")
    path = f"{PROPOSALS}/{made['id']}"
    kept = (await rig.said("GET", path))["proposed_by"]
    assert (before, kept[:15]) == ("user:default/ada", "user:default/p_")
    assert (await rig.ask("POST", f"{path}/approve", ada)).json()["error"]["code"] == "four_eyes"
    assert (await rig.ask("POST", f"{path}/withdraw", bob)).status_code == 403
    assert (await rig.said("POST", f"{path}/withdraw", ada))["stage"] == "withdrawn"

    adas = await key_of(rig, ada)
    await erase(rig, "ada")
    assert (await approved(rig, ada, adas))[0] == 403
    assert (await approved(rig, adas, ada))[0] == 403
    assert (await approved(rig, adas, bob))[0] == 200


async def test_two_keys_of_people_who_were_erased_cannot_be_told_apart(rig: Rig) -> None:
    ada, bob = await rig.person("ada"), await rig.person("bob")
    adas, bobs = await key_of(rig, ada), await key_of(rig, bob)
    await erase(rig, "ada")
    assert (await approved(rig, adas, bobs))[0] == 200
    await erase(rig, "bob")
    status, said = await approved(rig, adas, bobs)
    assert (status, "erased, perhaps the same person" in said) == (403, True)


async def test_what_was_proposed_by_name_is_the_same_persons(rig: Rig) -> None:
    """As it stands in stores from before there were pseudonyms of who asks."""
    ada, bob = await rig.person("ada"), await rig.person("bob")
    made = await rig.said("POST", PROPOSALS, ada, json={"policy": EU})
    with sqlite3.connect(rig.directory / "oversight.db") as store:
        store.execute(
            "UPDATE policy_versions SET proposed_by = 'user:default/ada', "
            "proposer = 'user default/ada'"
        )
    path = f"{PROPOSALS}/{made['id']}"
    await erase(rig, "ada")
    assert (await rig.ask("POST", f"{path}/approve", ada)).status_code == 403
    assert (await rig.ask("POST", f"{path}/withdraw", bob)).status_code == 403
    assert (await rig.said("POST", f"{path}/withdraw", ada))["stage"] == "withdrawn"


async def test_who_signed_in_is_refused_while_there_is_no_key_to_a_pseudonym(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await rig.person("ada")

    def gone(self: Custody, tenant: str) -> None:
        raise Unavailable("The vault is away.")

    monkeypatch.setattr(Custody, "naming", gone)
    refused = await rig.ask("POST", PROPOSALS, ada, json={"policy": EU})
    assert refused.status_code == 503
    assert (await rig.ask("POST", PROPOSALS, json={"policy": EU})).status_code == 201
    told = json.dumps(rig.records())
    assert "default/ada" not in told
    assert "eu-first" in told
