"""Violations from a worker's lines to what people decide about them, each step on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from control_plane import ADMIN
from governed_world import policy
from ledger_lines import lines as as_lines
from oversight_rig import AT_MS, Rig, ended, overseen, refused

from federation.config.settings import Remedying
from federation.control import oversight
from federation.domain.access import Role
from federation.domain.policies import Approval, Certified, Mode, Residency
from federation.errors import EvidenceUnwritable, Unavailable
from federation.schema.records import CallStarted


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with overseen(tmp_path) as made:
        yield made


async def test_a_refused_call_is_a_violation_and_its_record_names_the_call(rig: Rig) -> None:
    rule = Residency(places=("eu",), control="GDPR Art. 44")
    await rig.govern(policy(rule, name="eu-only"))
    rig.write(refused("call_1"))
    (seen,) = await rig.violations()
    assert (seen["kind"], seen["policy"], seen["rule"]) == ("refused", "eu-only", "data_residency")
    assert (seen["control"], seen["severity"], seen["state"]) == ("GDPR Art. 44", "high", "open")
    assert (seen["tenant"], seen["key"], seen["count"]) == ("default", "key_1", 1)
    assert seen["due_ms"] == AT_MS + 3 * 86_400_000
    whole = await rig.said("GET", f"/v1/violations/{seen['id']}")
    assert whole["calls"] == ["call_1"]
    (record,) = rig.records("violation")
    assert (record["id"], record["call"], record["event"]) == (seen["id"], "call_1", "opened")


async def test_the_third_of_a_kind_raises_the_severity_and_none_counts_twice(rig: Rig) -> None:
    rig.write(*(refused(f"call_{n}") for n in range(3)))
    (seen,) = await rig.violations()
    assert (seen["count"], seen["escalated"], seen["severity"]) == (3, True, "critical")
    assert seen["due_ms"] == AT_MS + 86_400_000
    events = [each["event"] for each in rig.records("violation")]
    assert events == ["opened", "seen", "escalated"]
    lines = rig.plane.control.oversight.violations
    lines.hear(as_lines(refused("call_2")))
    assert (await rig.violations())[0]["count"] == 3, "what is told again changes nothing"


async def test_reports_findings_and_failed_checks_are_told_apart(rig: Rig) -> None:
    rig.write(
        ended("call_1", watched={"soft@2+d.max_price": 1}),
        ended("call_2", findings={"email:redact": 3}),
        ended("call_3", findings={"detector_failure:block": 1, "card:block": 2}),
        ended("call_4", refusals={"call.privacy": 4}),
    )
    found = {(each["kind"], each["rule"]): each["severity"] for each in await rig.violations()}
    assert found == {
        ("reported", "max_price"): "low",
        ("detector", "on_failure"): "high",
        ("blocked", "card"): "medium",
    }, "what was redacted is the policy at work, and a call's own wish is nobody's violation"


async def test_a_provider_that_fails_and_facts_of_deployments_are_nobodys_violation(
    rig: Rig,
) -> None:
    rig.write(
        ended("call_1", deployment="eu/m", outcome="error", refusals={"eu.data_residency": 2}),
        ended("call_2", deployment="", refusals={"credential": 3, "certification:gdpr": 1}),
        ended("call_3", deployment="", refusals={"eu.data_residency": 2, "credential": 1}),
    )
    (seen,) = await rig.violations()
    assert (seen["policy"], seen["rule"], seen["count"]) == ("eu", "data_residency", 1)
    assert (await rig.said("GET", f"/v1/violations/{seen['id']}"))["calls"] == ["call_3"]


async def test_what_a_report_finds_in_content_is_the_violation_of_its_rule(rig: Rig) -> None:
    pii = "soft.pii:custom:staff:redact"
    rig.write(
        ended("call_1", watched={pii: 3, "soft.pii:email:block": 1, "soft.max_price": 2}),
        ended("call_2", watched={"soft.pii:email:log": 1, "soft.pii:unread:log": 1}),
        ended("call_3", watched={"soft.pii:detector_failure:log": 1}),
        ended("call_4", watched={"other.guardrails:injection:block": 1}),
    )
    found = {
        (each["kind"], each["policy"], each["rule"]): (each["severity"], each["count"])
        for each in await rig.violations()
    }
    assert found == {
        ("reported", "soft", "pii"): ("medium", 1),
        ("reported", "soft", "max_price"): ("low", 1),
        ("detector", "soft", "on_failure"): ("high", 1),
        ("reported", "other", "guardrails"): ("medium", 1),
    }, "what would only have been counted is no violation, and a call counts once for a rule"


async def test_somebody_looks_after_it_resolves_it_and_the_next_is_another(rig: Rig) -> None:
    rig.write(refused("call_1"))
    (seen,) = await rig.violations()
    path = f"/v1/violations/{seen['id']}"
    assert (await rig.said("POST", f"{path}/acknowledge"))["state"] == "acknowledged"
    assert (await rig.ask("POST", f"{path}/resolve", json={"note": " "})).status_code == 400
    done = await rig.said("POST", f"{path}/resolve", json={"note": "told the team"})
    assert (done["state"], done["note"], done["changed_by"]) == (
        "resolved",
        "told the team",
        "admin",
    )
    assert (await rig.ask("POST", f"{path}/acknowledge")).status_code == 409
    rig.write(refused("call_2"))
    assert sorted(each["state"] for each in await rig.violations()) == ["open", "resolved"]
    events = [(each["event"], each.get("by", "")) for each in rig.records("violation")]
    assert events[1:3] == [("acknowledged", "admin"), ("resolved", "admin")]
    assert "told the team" not in str(rig.records()), "a record cannot be erased, a note can"


async def test_a_tenant_sees_its_own_and_pages_go_on_where_they_ended(rig: Rig) -> None:
    rig.write(
        *(refused(f"call_{n}", key=f"key_{n}") for n in range(5)),
        refused("call_x", tenant="other"),
    )
    owner = await rig.key(Role.OWNER, "other")
    (own,) = await rig.violations(owner)
    assert own["call"] == "call_x"
    assert len(await rig.violations(state="open", kind="refused", policy="eu-only")) == 6
    assert await rig.violations(policy="another") == []
    mine = next(each for each in await rig.violations() if each["tenant"] == "default")
    assert (await rig.ask("GET", f"/v1/violations/{mine['id']}", owner)).status_code == 404
    path = f"/v1/violations/{mine['id']}/acknowledge"
    assert (await rig.ask("POST", path, owner)).status_code == 404
    first = await rig.said("GET", "/v1/violations", params={"limit": 4})
    more = {"limit": 4, "cursor": first["next"]}
    second = await rig.said("GET", "/v1/violations", params=more)
    ids = {each["id"] for each in (*first["data"], *second["data"])}
    assert (len(ids), second["next"]) == (6, None)


async def test_a_call_that_dies_with_its_worker_has_two_records_that_name_each_other(
    rig: Rig,
) -> None:
    begun = CallStarted("call_1", AT_MS, "default", "key_1", "chat", "auto", "acme/large")
    rig.write(begun, writer="w1")
    await rig.plane.control.ledger.catch_up()
    rig.die("w1")
    rig.plane.clock.now += 5
    (seen,) = await rig.violations()
    assert (seen["kind"], seen["call"]) == ("lost", "call_1")
    (lost,) = rig.records("lost")
    assert (lost["call"], lost["writer"], lost["started_ms"]) == ("call_1", "w1", AT_MS)
    rig.plane.clock.now += 5
    await rig.plane.control.ledger.catch_up()
    assert len(rig.records("lost")) == 1


async def test_what_cannot_be_put_on_record_is_not_taken_in(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise EvidenceUnwritable("the journal cannot be written: No space left on device")

    rig.write(refused("call_1"))
    notebook = rig.plane.control.oversight.notebook
    with monkeypatch.context() as patched:
        patched.setattr(notebook, "write", full)
        assert not await rig.plane.control.ledger.catch_up()
        reply = await rig.ask("POST", "/v1/keys", json={"name": "a", "role": "viewer"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "evidence_unwritable")
    assert await rig.plane.control.ledger._catch_up()
    assert len(await rig.violations()) == 1
    assert len(rig.records("violation")) == 1


async def test_every_change_is_on_record_before_and_after_and_so_is_a_refusal(rig: Rig) -> None:
    body = {"name": "a", "role": "viewer"}
    made = await rig.said("POST", "/v1/keys", json=body)
    assert (await rig.ask("DELETE", "/v1/keys/none")).status_code == 404
    viewer = await rig.key(Role.VIEWER)
    assert (await rig.ask("POST", "/v1/keys", viewer, json=body)).status_code == 403
    assert (await rig.ask("GET", "/v1/keys")).status_code == 200
    asked, done, asked2, done2, refusal = rig.records("action")
    assert (asked["phase"], asked["actor"], asked["action"]) == ("asked", "admin", "POST /v1/keys")
    assert (done["id"], done["status"], done["made"]) == (asked["id"], 201, made["id"])
    assert (asked2["subject"], done2["status"]) == ("/v1/keys/none", 404)
    assert (refusal["phase"], refusal["actor"]) == ("refused", viewer.id)
    assert made["secret"] not in str(rig.records())


async def test_each_configuration_and_its_policies_are_on_record_once(rig: Rig) -> None:
    await rig.govern(policy(Residency(places=("eu",)), name="eu-only"))
    await rig.plane.control.publish_snapshot()
    first, second = rig.records("in_force")
    assert first["version"] < second["version"]
    assert "policies" not in first
    assert second["policies"][0].startswith("eu-only@1+")


async def test_a_key_is_disabled_because_of_a_violation_and_that_is_undone(rig: Rig) -> None:
    key = await rig.key(Role.DEVELOPER)
    rig.write(refused("call_1", key=key.id))
    (seen,) = await rig.violations()
    path = f"/v1/violations/{seen['id']}/remedies"
    remedy = await rig.said("POST", path, json={"action": "disable_key"})
    assert (remedy["state"], remedy["subject"]) == ("done", key.id)
    assert (await rig.ask("GET", "/v1/stats", key)).status_code == 401
    undone = await rig.said("POST", f"/v1/remedies/{remedy['id']}/undo")
    assert undone["state"] == "undone"
    assert (await rig.ask("GET", "/v1/stats", key)).status_code == 200
    assert (await rig.ask("POST", f"/v1/remedies/{remedy['id']}/undo")).status_code == 409
    events = [each["event"] for each in rig.records("violation")]
    assert events == ["opened", "proposed", "done", "undone"]


async def test_what_is_for_good_or_reaches_far_needs_another_person(rig: Rig) -> None:
    key, second = await rig.key(Role.DEVELOPER), await rig.approver()
    rig.write(refused("call_1", key=key.id))
    (seen,) = await rig.violations()
    path = f"/v1/violations/{seen['id']}/remedies"
    revoking = await rig.said("POST", path, json={"action": "revoke_key"})
    off = await rig.said("POST", path, json={"action": "disable_provider", "subject": "acme"})
    not_yet = await rig.said("POST", path, json={"action": "disable_provider", "subject": "home"})
    assert {revoking["state"], off["state"]} == {"proposed"}
    assert (await rig.ask("GET", "/v1/stats", key)).status_code == 200
    own = await rig.ask("POST", f"/v1/remedies/{revoking['id']}/approve")
    assert (own.status_code, own.json()["error"]["code"]) == (403, "four_eyes")
    assert (await rig.said("POST", f"/v1/remedies/{revoking['id']}/approve", second))[
        "state"
    ] == "done"
    assert (await rig.ask("GET", "/v1/stats", key)).status_code == 401
    await rig.said("POST", f"/v1/remedies/{off['id']}/approve", second)
    acme = next(
        each
        for each in rig.plane.control.configuration.snapshot.deployments
        if each.provider.id == "acme"
    )
    assert not acme.enabled
    assert (await rig.said("POST", f"/v1/remedies/{off['id']}/undo"))["state"] == "undone"
    rejected = await rig.said("POST", f"/v1/remedies/{not_yet['id']}/reject", second)
    assert rejected["state"] == "rejected"
    assert (
        await rig.ask("POST", f"/v1/remedies/{not_yet['id']}/approve", second)
    ).status_code == 409


async def test_undoing_leaves_a_provider_off_that_was_off_before(rig: Rig) -> None:
    second = await rig.approver()
    rig.write(refused("call_1"))
    (seen,) = await rig.violations()
    await rig.said("POST", "/v1/providers/acme/disable")
    body = {"action": "disable_provider", "subject": "acme"}
    asked = await rig.said("POST", f"/v1/violations/{seen['id']}/remedies", json=body)
    await rig.said("POST", f"/v1/remedies/{asked['id']}/approve", second)
    assert (await rig.said("POST", f"/v1/remedies/{asked['id']}/undo"))["state"] == "undone"
    deployments = rig.plane.control.configuration.snapshot.deployments
    assert not any(each.enabled for each in deployments if each.provider.id == "acme")


async def test_two_keys_of_one_person_are_no_second_person(rig: Rig) -> None:
    await rig.said("POST", "/v1/admin/users", json={"id": "ada", "name": "Ada", "role": "admin"})
    one, two = await rig.key(user="ada"), await rig.key(user="ada")
    rig.write(refused("call_1", key=(await rig.key()).id))
    (seen,) = await rig.violations()
    path = f"/v1/violations/{seen['id']}/remedies"
    remedy = await rig.said("POST", path, one, json={"action": "revoke_key"})
    reply = await rig.ask("POST", f"/v1/remedies/{remedy['id']}/approve", two)
    assert reply.status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "pray"}, 400),
        ({"action": "disable_provider"}, 400),
        ({"action": "enforce_policy"}, 400),
        ({"action": "open_approval"}, 400),
        ({"action": "disable_key", "subject": "none"}, 404),
        ({"action": "disable_provider", "subject": "acme"}, 403),
    ],
)
async def test_a_remedy_that_makes_no_sense_or_reaches_too_far_is_refused(
    rig: Rig, body: dict[str, str], status: int
) -> None:
    rig.write(refused("call_1", tenant="other"))
    owner = await rig.key(Role.OWNER, "other")
    (seen,) = await rig.violations()
    path = f"/v1/violations/{seen['id']}/remedies"
    by = owner if status == 403 else ADMIN
    assert (await rig.ask("POST", path, by, json=body)).status_code == status
    assert (await rig.ask("POST", "/v1/remedies/none/undo")).status_code == 404


async def test_rules_act_on_what_escalates_within_their_limit(rig: Rig) -> None:
    files = rig.plane.files
    soft = policy(Residency(places=("eu",)), name="soft", mode=Mode.REPORT)
    ask = policy(Approval(name="overseas", at=("*",)), name="ask")
    remedying = Remedying(("disable_key", "enforce_policy", "open_approval"), 10)
    files.loaded = replace(files.loaded, remedying=remedying)
    await rig.govern(soft, ask)
    keys = [await rig.key(Role.DEVELOPER) for _ in range(3)]
    for n in range(3):
        rig.write(
            refused(f"call_a{n}", key=keys[0].id, rule="ask@1+x.approval"),
            ended(f"call_b{n}", key=keys[1].id, watched={"soft@1+x.data_residency": 1}),
        )
    rig.write(refused("call_c", key=keys[2].id))
    await rig.violations()
    await rig.plane.control.oversight.look()
    await rig.plane.control.oversight.look()
    assert (await rig.ask("GET", "/v1/stats", keys[0])).status_code == 401
    assert (await rig.ask("GET", "/v1/stats", keys[1])).status_code == 200, "reported, not in force"
    assert (await rig.ask("GET", "/v1/stats", keys[2])).status_code == 200, "once is no pattern"
    (version,) = (await rig.said("GET", "/v1/policies/proposals"))["data"]
    assert (version["name"], version["change"], version["stage"]) == ("soft", "enforce", "proposed")
    (approval,) = (await rig.said("GET", "/v1/policies/approvals"))["data"]
    assert (approval["name"], approval["key"]) == ("overseas", keys[0].id)
    assert {version["proposed_by"], approval["proposed_by"]} == {"federation"}
    assert sum(each["event"] == "done" for each in rig.records("violation")) == 3


async def test_no_key_ends_by_itself_for_what_a_report_found_in_content(rig: Rig) -> None:
    files = rig.plane.files
    files.loaded = replace(files.loaded, remedying=Remedying(("disable_key",), 10))
    rig.plane.control.configuration.reload()
    key = await rig.key(Role.DEVELOPER)
    for n in range(4):
        watched = {"soft.pii:email:block": 1, "soft.guardrails:detector_failure:block": 1}
        rig.write(ended(f"call_{n}", key=key.id, watched=watched))
    found = await rig.violations()
    assert {each["kind"] for each in found if each["escalated"]} == {"reported", "detector"}
    await rig.plane.control.oversight.look()
    assert (await rig.ask("GET", "/v1/stats", key)).status_code == 200
    path = f"/v1/violations/{found[0]['id']}/remedies"
    done = await rig.ask("POST", path, json={"action": "disable_key"})
    assert done.status_code in (200, 201), "a person may"
    assert (await rig.ask("GET", "/v1/stats", key)).status_code == 401


async def test_a_rules_limit_of_the_day_ends_what_it_does(rig: Rig) -> None:
    files = rig.plane.files
    files.loaded = replace(files.loaded, remedying=Remedying(("disable_key",), 1))
    rig.plane.control.configuration.reload()
    keys = [await rig.key(Role.DEVELOPER) for _ in range(2)]
    for n in range(6):
        rig.write(refused(f"call_{n}", key=keys[n % 2].id))
    await rig.violations()
    await rig.plane.control.oversight.look()
    ended_ = [(await rig.ask("GET", "/v1/stats", key)).status_code for key in keys]
    assert sorted(ended_) == [200, 401]


async def test_certifications_that_nobody_looked_at_for_long_are_violations(rig: Rig) -> None:
    files = rig.plane.files
    acme = files.loaded.providers["acme"]
    old = replace(acme, certifications=frozenset({"soc2"}), as_of="1966-01")
    files.loaded = replace(files.loaded, providers=files.loaded.providers | {"acme": old})
    await rig.govern(policy(Certified(names=("soc2",)), name="sure"))
    for _ in range(2):
        await rig.plane.control.oversight.look()
    (seen,) = await rig.violations()
    assert (seen["kind"], seen["policy"], seen["count"]) == ("certification", "sure", 1)
    assert not oversight.is_stale("2026-03", "2026-11-21")
    assert oversight.is_stale("", "2026-11-21")
    assert oversight.is_stale("2025-11-20", "2026-11-21")


async def test_a_log_that_stands_still_and_a_journal_with_a_hole_are_violations(rig: Rig) -> None:
    overseeing = rig.plane.control.oversight
    overseeing.evidence_kept = lambda: False
    await overseeing.look()
    await overseeing.look()
    rig.write(ended("call_1"), ended("call_2"), ended("call_3"), writer="w1")
    path = rig.plane.journal / "w1.000001.log"
    first, _, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + third)
    found = {each["rule"]: each for each in await rig.violations(kind="gap")}
    assert found.keys() == {"evidence_log", "journal"}
    assert found["journal"]["call"] == "w1:2-2"
    assert found["evidence_log"]["count"] == 1
    overseeing.evidence_kept = lambda: True
    await overseeing.look()
    assert len(await rig.violations(kind="gap")) == 2


async def test_what_could_not_be_noted_at_once_is_noted_later_and_looking_goes_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    overseeing = rig.plane.control.oversight

    def full(*_: object) -> None:
        raise EvidenceUnwritable("the journal cannot be written: No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(overseeing.notebook, "write", full)
        await rig.govern(policy(Residency(places=("eu",)), name="eu-only"))
        assert len(rig.records("in_force")) == 1, "the first was noted before"
    looked: list[int] = []

    async def look() -> None:
        looked.append(1)
        if len(looked) == 1:
            raise Unavailable("not yet")

    monkeypatch.setattr(oversight, "LOOK_S", 0.001)
    with monkeypatch.context() as patched:
        patched.setattr(overseeing, "look", look)
        following = asyncio.create_task(overseeing.follow())
        while len(looked) < 3:
            await asyncio.sleep(0.001)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await overseeing.look()
    assert len(rig.records("in_force")) == 2


async def test_a_change_whose_end_cannot_be_written_is_answered_and_stays_asked(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = rig.plane.control.oversight.notebook
    write, written = notebook.write, []

    def once(*records: object) -> None:
        written.append(records)
        if len(written) > 1:
            raise EvidenceUnwritable("the journal cannot be written: No space left on device")
        write(*records)  # type: ignore[arg-type]

    monkeypatch.setattr(notebook, "write", once)
    reply = await rig.ask("POST", "/v1/keys", json={"name": "a", "role": "viewer"})
    assert reply.status_code == 201
    assert [each["phase"] for each in rig.records("action")] == ["asked"]


async def test_a_bug_in_a_change_is_on_record_as_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(rig.plane.control.keys, "mint", broken)
    reply = await rig.ask("POST", "/v1/keys", json={"name": "a", "role": "viewer"})
    assert reply.status_code == 500
    assert [(each["phase"], each.get("status", 0)) for each in rig.records("action")] == [
        ("asked", 0),
        ("done", 500),
    ]


async def test_what_a_rule_opens_for_a_key_another_person_approves(rig: Rig) -> None:
    files = rig.plane.files
    ask = policy(Approval(name="overseas", at=("*",)), name="ask")
    files.loaded = replace(files.loaded, remedying=Remedying(("open_approval",), 10))
    await rig.govern(ask)
    ada, bob = await rig.person("ada"), await rig.person("bob")
    adas = await rig.said("POST", "/v1/keys", ada, json={"name": "k", "role": "admin"})
    rig.write(*(refused(f"c{n}", key=adas["id"], rule="ask@1+x.approval") for n in range(3)))
    await rig.violations()
    await rig.plane.control.oversight.look()
    (opened,) = (await rig.said("GET", "/v1/policies/approvals"))["data"]
    assert (opened["proposed_by"], opened["key"]) == ("federation", adas["id"])
    path = f"/v1/policies/proposals/{opened['id']}/approve"
    for by in (adas["secret"], ada, ADMIN):
        reply = await rig.ask("POST", path, by)
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "four_eyes")
    assert (await rig.said("POST", path, bob))["stage"] == "approved"


async def test_an_approval_for_who_signed_in_is_kept_without_the_name(rig: Rig) -> None:
    await rig.govern(policy(Approval(name="overseas", at=("*",)), name="ask"))
    ada, bob = await rig.person("ada"), await rig.person("bob")
    wish = {"name": "overseas", "reason": "demo", "key": "user:default/ada"}
    made = await rig.said("POST", "/v1/policies/approvals", ada, json=wish)
    assert made["key"] == "user:default/ada", "shown to who may see people"
    await rig.said("POST", f"/v1/policies/proposals/{made['id']}/approve", bob)
    (granted,) = rig.plane.control.configuration.snapshot.approvals
    assert granted.key.startswith("user:default/p_")
