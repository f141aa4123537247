"""Compliance reports over the API: numbers that are the records', and gaps that are said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from oversight_rig import AT_MS, Rig, ended, overseen, refused
from sqlalchemy import text

from federation.config.policies_packs import pack_rules
from federation.control.notary import Notary, Rhythm
from federation.domain.access import Role
from federation.domain.catalogue import DataUse
from federation.domain.policies import Attachment, Mode, Policy, Residency, digest_of
from federation.schema.records import AttemptRecord, CallStarted
from federation.storage.accounts import SqlKeys
from federation.storage.engine import open_engine, writing
from federation.storage.evidence_index import SqlEvidence

PERIOD = {"from": "1970-01-10", "to": "1970-01-20"}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with overseen(tmp_path) as made:
        yield made


def gdpr(**more: Any) -> Policy:
    made = Policy("europe", pack_rules("gdpr"), packs=("gdpr",), **more)
    return replace(made, digest=digest_of(made))


async def report(rig: Rig, framework: str = "gdpr", **more: Any) -> Any:
    await rig.plane.control.ledger.catch_up()
    return await rig.said("GET", f"/v1/compliance/reports/{framework}", params=PERIOD | more)


def by_rule(found: Any) -> dict[str, Any]:
    return {each["rule"]: each for each in found["controls"]}


def seal(rig: Rig) -> None:
    engine = open_engine(rig.directory / "oversight.db")
    notary = Notary(rig.directory, SqlEvidence(engine), (), rig.plane.clock, Rhythm())
    notary.open()
    notary.close()
    engine.dispose()


async def test_without_policies_and_proof_every_control_is_a_gap(rig: Rig) -> None:
    found = await report(rig)
    assert found["gaps"] == len(found["controls"]) == 7
    assert all("No policy in force" in each["gaps"][0] for each in found["controls"])
    assert not found["log"]["verified"]
    assert (found["score"]["total"], found["score"]["grade"]) == (None, "none")


async def test_a_day_that_ends_a_period_belongs_to_it(rig: Rig) -> None:
    rig.write(ended("call_1"))
    day = f"{datetime.fromtimestamp(AT_MS / 1000, UTC):%Y-%m-%d}"
    for first, last, counted in (
        (day, day, 1),
        ("1970-01-01", day, 1),
        ("1970-01-01", f"{day}T00:00", 0),
    ):
        found = await report(rig, **{"from": first, "to": last})
        assert found["calls"]["counted"] == counted, (first, last)


async def test_a_report_is_a_text_in_either_word_for_it(rig: Rig) -> None:
    for word in ("md", "markdown"):
        reply = await rig.ask(
            "GET", "/v1/compliance/reports/gdpr", params=PERIOD | {"format": word}
        )
        assert reply.headers["content-type"].startswith("text/markdown"), reply.text


async def test_numbers_are_those_of_the_records(rig: Rig) -> None:
    files = rig.plane.files
    acme = files.loaded.providers["acme"]
    inside = replace(acme, regions=("eu",), data_use=DataUse.NONE)
    files.loaded = replace(files.loaded, providers=files.loaded.providers | {"acme": inside})
    policy = gdpr()
    await rig.govern(policy)
    bound = (policy.label,)
    rig.write(
        *(ended(f"call_{n}", policies=bound) for n in range(4)),
        ended("call_pii", policies=bound, findings={"email:tokenize": 3, "card:tokenize": 1}),
        refused("call_no", rule=f"{policy.label}.data_residency"),
    )
    await rig.plane.control.ledger.catch_up()
    seal(rig)
    found = await report(rig)
    assert found["calls"]["counted"] == 6
    assert found["calls"]["under_a_policy"] == 6
    assert (found["calls"]["first"], found["calls"]["last"]) == ("call_0", "call_no")
    assert found["log"]["verified"]
    assert found["log"]["records"] >= 6
    controls = by_rule(found)
    places = controls["data_residency"]
    assert places["policies"] == [policy.label]
    assert places["counts"]["sent where it is met"] == 5
    assert places["counts"]["refused by it"] == 1
    assert places["calls"] == ["call_no"]
    assert places["gaps"] == ["1 violations of this rule are not resolved."]
    assert controls["pii"]["counts"]["findings: tokenize"] == 4
    assert controls["pii"]["calls"] == ["call_pii"]
    for rule in ("pii", "data_use", "all_requests_logged", "payloads", "encryption"):
        assert controls[rule]["status"] == "evidenced", controls[rule]
    (violation,) = await rig.violations()
    path = f"/v1/violations/{violation['id']}/resolve"
    await rig.said("POST", path, json={"note": "the client was told"})
    assert by_rule(await report(rig))["data_residency"]["status"] == "evidenced"


async def test_hashes_of_what_was_said_are_counted_and_a_missing_one_is_a_gap(rig: Rig) -> None:
    rig.write(
        *(ended(f"call_{n}", input="a" * 64, output="b" * 64) for n in range(3)),
        ended("call_odd", input="a" * 64, unproven={"output": "MemoryError"}),
        ended("call_old"),
        CallStarted("call_lost", AT_MS, "default", "key_1", "chat", "auto", "acme/large"),
    )
    rig.die("w0")
    await rig.plane.control.ledger.catch_up()
    found = await report(rig)
    assert found["calls"]["hashes_of_content"] == {"made": 3, "unproven": 1, "off": 1}
    logged = by_rule(found)["all_requests_logged"]
    assert logged["counts"]["calls with hashes of their content"] == 3
    assert logged["counts"]["calls of which a hash could not be made"] == 1
    assert any(gap.startswith("1 calls lack a hash") for gap in logged["gaps"])


async def test_what_was_blocked_is_counted_by_calls_and_by_findings(rig: Rig) -> None:
    policy = gdpr()
    await rig.govern(policy)
    bound = (policy.label,)
    rig.write(
        ended(
            "call_1", outcome="error", policies=bound, findings={"card:block": 4, "ssn:block": 1}
        ),
        ended("call_2", policies=bound, findings={"email:tokenize": 2}),
    )
    controls = by_rule(await report(rig, verify=False))
    counts = controls["pii"]["counts"]
    assert counts["calls with findings"] == 2
    assert counts["calls blocked for them"] == 1
    assert (counts["findings: block"], counts["findings: tokenize"]) == (5, 2)
    assert "refused by it" not in counts, "a check on content keeps no deployment from a call"
    assert controls["data_residency"]["counts"]["refused by it"] == 0


@pytest.mark.parametrize(
    ("own", "serves"),
    [
        (Residency(places=("eu",)), True),
        (Residency(places=("de", "local")), True),
        (Residency(places=("eu", "us")), False),
    ],
)
async def test_a_policy_of_ones_own_counts_where_it_demands_as_much(
    rig: Rig, own: Residency, serves: bool
) -> None:
    made = Policy("own", (own,))
    policy = replace(made, digest=digest_of(made))
    await rig.govern(policy)
    rig.write(ended("call_1", policies=(policy.label,)))
    places = by_rule(await report(rig, verify=False))["data_residency"]
    assert places["policies"] == ([policy.label] if serves else [])
    assert places["counts"]["bound by it"] == int(serves)
    assert any("No policy in force" in gap for gap in places["gaps"]) is not serves


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM calls WHERE id = 'call_1'", "has no row in the store"),
        (
            "UPDATE calls SET started_ms = 5, tenant = 'other' WHERE id = 'call_1'",
            "was changed in the store: tenant, started_ms",
        ),
    ],
)
async def test_a_report_over_calls_that_were_changed_says_so(
    rig: Rig, change: str, said: str
) -> None:
    await rig.govern(gdpr())
    rig.write(ended("call_0"), ended("call_1", attempts=(AttemptRecord("us/model", AT_MS, 200),)))
    await rig.plane.control.ledger.catch_up()
    seal(rig)
    whole = await report(rig)
    assert whole["log"]["verified"]
    assert by_rule(whole)["data_residency"]["counts"]["sent elsewhere"] == 2
    engine = open_engine(rig.directory / "oversight.db")
    with writing(engine) as connection:
        connection.execute(text(change))
    engine.dispose()
    found = await report(rig)
    assert by_rule(found)["data_residency"]["counts"]["sent elsewhere"] == 1
    assert not found["log"]["verified"]
    assert found["log"]["findings"] == [f"[index] Call call_1 {said}."]
    gaps = by_rule(found)["all_requests_logged"]["gaps"]
    assert f"The log is not verified: [index] Call call_1 {said}." in gaps


async def test_calls_that_the_store_says_it_has_not_taken_in_yet_are_a_gap(rig: Rig) -> None:
    await rig.govern(gdpr())
    rig.write(ended("call_1"), ended("call_2"))
    await rig.plane.control.ledger.catch_up()
    seal(rig)
    engine = open_engine(rig.directory / "oversight.db")
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM calls WHERE id = 'call_2'"))
        connection.execute(text("UPDATE ingest_offsets SET seq = seq - 1 WHERE writer = 'w0'"))
    engine.dispose()
    found = await report(rig)
    assert found["calls"]["counted"] == 1
    assert (found["log"]["verified"], found["log"]["not_counted_yet"]) == (True, 1)
    gaps = by_rule(found)["all_requests_logged"]["gaps"]
    assert "1 records of calls are in the log and not yet counted here." in gaps


async def test_data_that_went_elsewhere_lost_calls_and_loose_calls_are_gaps(rig: Rig) -> None:
    policy = gdpr()
    await rig.govern(policy)
    rig.write(
        ended("call_1", policies=(policy.label,), findings={"detector_failure:log": 2}),
        ended("call_2", attempts=(AttemptRecord("gone/model", AT_MS, 200),)),
    )
    controls = by_rule(await report(rig, verify=False))
    assert controls["data_residency"]["counts"]["sent elsewhere"] == 2
    assert controls["data_residency"]["calls"] == ["call_1", "call_2"]
    gaps = " ".join(controls["data_residency"]["gaps"])
    assert "1 of 2 calls were not bound" in gaps
    assert "acme/large, gone/model" in gaps
    assert "2 content checks could say nothing." in controls["pii"]["gaps"]
    logged = " ".join(controls["all_requests_logged"]["gaps"])
    assert "nobody has verified it" in logged


async def test_a_report_mode_and_other_frameworks_are_told(rig: Rig) -> None:
    await rig.govern(gdpr(mode=Mode.REPORT))
    rig.write(ended("call_1"))
    gaps = by_rule(await report(rig, verify=False))["data_residency"]["gaps"]
    assert "report mode" in gaps[0]
    soc2 = by_rule(await report(rig, "soc2", verify=False))
    assert soc2["retention_days"]["counts"]["days to keep"] == 2555
    assert "The log is not verified" in " ".join(soc2["retention_days"]["gaps"])
    assert soc2["certifications"]["counts"]["sent elsewhere"] == 1
    assert {"hipaa", "ccpa"} == {
        (await report(rig, name, verify=False))["framework"] for name in ("hipaa", "ccpa")
    }


async def test_it_is_written_as_text_and_as_a_page_and_names_are_harmless(rig: Rig) -> None:
    odd = replace(gdpr(), name="<b>|x", digest="d" * 64)
    await rig.govern(odd)
    rig.write(ended("call_1", policies=(odd.label,)))
    await rig.plane.control.ledger.catch_up()
    path = "/v1/compliance/reports/gdpr"
    text = await rig.ask("GET", path, params=PERIOD | {"format": "md", "verify": "false"})
    assert text.headers["content-type"].startswith("text/markdown")
    assert "federation audit prove call_1" in text.text
    assert "&lt;b>\\|x@1" in text.text
    page = await rig.ask("GET", path, params=PERIOD | {"format": "html", "verify": "false"})
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "&lt;b&gt;|x@1" in page.text
    assert "<b>" not in page.text


async def test_a_tenants_report_is_about_its_own_calls_and_policies(rig: Rig) -> None:
    await rig.govern(gdpr(attach=Attachment(tenants=("default",))))
    rig.write(ended("call_1"), ended("call_2", tenant="other"))
    owner = await rig.key(Role.OWNER, "other")
    await rig.plane.control.ledger.catch_up()
    path = "/v1/compliance/reports/gdpr"
    found = await rig.said("GET", path, owner, params=PERIOD | {"verify": "false"})
    assert (found["tenant"], found["calls"]["counted"]) == ("other", 1)
    assert all(each["policies"] == [] for each in found["controls"])
    elsewhere = PERIOD | {"tenant": "default"}
    assert (await rig.ask("GET", path, owner, params=elsewhere)).status_code == 404


async def test_a_tenant_that_there_never_was_has_no_report(rig: Rig) -> None:
    rig.write(ended("call_1", tenant="gone"))
    await rig.plane.control.ledger.catch_up()
    path = "/v1/compliance/reports/gdpr"
    unknown = await rig.ask("GET", path, params=PERIOD | {"tenant": "nobody"})
    assert unknown.status_code == 404
    assert unknown.json()["error"]["message"] == "There is no tenant 'nobody'."
    gone = await rig.said("GET", path, params=PERIOD | {"tenant": "gone", "verify": "false"})
    assert gone["calls"]["counted"] == 1
    engine = open_engine(rig.directory / "oversight.db")
    SqlKeys(engine).ensure_tenant("quiet", 0)
    engine.dispose()
    empty = PERIOD | {"tenant": "quiet", "verify": "false"}
    assert (await rig.said("GET", path, params=empty))["calls"]["counted"] == 0


async def test_what_is_wrong_with_others_calls_is_not_for_a_tenant(rig: Rig) -> None:
    await rig.govern(gdpr())
    rig.write(ended("call_0"), ended("call_1", tenant="other"))
    owner = await rig.key(Role.OWNER, "other")
    await rig.plane.control.ledger.catch_up()
    seal(rig)
    path = "/v1/compliance/reports/gdpr"
    whole = (await rig.said("GET", path, owner, params=PERIOD))["log"]
    assert (whole["verified"], whole["records"], whole["root"]) == (True, None, "")
    engine = open_engine(rig.directory / "oversight.db")
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM calls WHERE id = 'call_0'"))
    engine.dispose()
    answer = await rig.ask("GET", path, owner, params=PERIOD | {"format": "md"})
    assert "NOT verified" in answer.text
    assert "call_0" not in answer.text
    told = await rig.said("GET", path, params=PERIOD | {"tenant": "other"})
    assert "call_0" in str(told["log"]["findings"])


@pytest.mark.parametrize(
    ("framework", "query"),
    [
        ("iso9001", {}),
        ("gdpr", {"from": "yesterday"}),
        ("gdpr", {"from": "2026-01-02", "to": "2026-01-01"}),
        ("gdpr", {"format": "pdf"}),
    ],
)
async def test_what_cannot_be_reported_is_refused(
    rig: Rig, framework: str, query: dict[str, str]
) -> None:
    reply = await rig.ask("GET", f"/v1/compliance/reports/{framework}", params=query)
    assert reply.status_code == 400
