"""`federation violation`, `compliance`, and the commands that propose and approve policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evidence_world import World
from typer.testing import Result

from federation.control.ingest import Ingest
from federation.storage.calls import SqlCalls
from federation.storage.journal_reader import JournalReader

Run = Callable[..., Result]

VIOLATION: dict[str, Any] = {
    "object": "violation",
    "id": "vio_1",
    "kind": "refused",
    "severity": "critical",
    "state": "open",
    "count": 3,
    "first_ms": 1_700_000_000_000,
    "last_ms": 1_700_000_000_000,
    "due_ms": 1_700_086_400_000,
    "call": "call_1",
    "last_call": "call_3",
    "policy": "eu-only",
    "rule": "data_residency",
    "control": "GDPR Art. 44",
    "tenant": "acme",
    "key": "key_1",
    "escalated": True,
    "changed_ms": 0,
    "changed_by": "",
    "note": "",
}
REMEDY: dict[str, Any] = {
    "id": "rem_1",
    "violation": "vio_1",
    "action": "revoke_key",
    "subject": "key_1",
    "state": "proposed",
    "proposed_by": "admin",
    "proposed_ms": 1,
    "decided_by": "",
    "decided_ms": 0,
}
PROPOSAL: dict[str, Any] = {
    "id": "prop_1",
    "name": "eu-first",
    "stage": "proposed",
    "proposed_by": "admin",
    "proposed_ms": 1_700_000_000_000,
    "reason": "Art. 44",
    "decided_by": "",
    "decided_ms": 0,
    "decision": "",
}
VERSION = PROPOSAL | {
    "version": 2,
    "change": "set",
    "digest": "d",
    "body": "policy: ...",
    "changes": [{"policy": "eu-first", "what": "added", "details": ["+ data_residency: [eu]"]}],
}
APPROVAL = PROPOSAL | {"tenant": "", "key": "", "until_ms": 1_700_000_000_000}


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_violations_are_listed_and_shown(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/violations", {"data": [VIOLATION], "next": None})
    stub.on("GET", "/v1/violations?state=open&kind=refused", {"data": [VIOLATION], "next": None})
    whole = VIOLATION | {"calls": ["call_3", "call_1"], "remedies": [REMEDY]}
    stub.on("GET", "/v1/violations/vio_1", whole)
    assert "eu-only.data_residency" in good(run("violation", "list"))
    shown = good(run("violation", "list", "--state", "open", "--kind", "refused", "--json"))
    assert json.loads(shown)["data"][0]["id"] == "vio_1"
    told = good(run("violation", "show", "vio_1"))
    for part in ("critical (escalated)", "GDPR Art. 44", "call_3, call_1", "rem_1", "2023-11-15"):
        assert part in told
    assert json.loads(good(run("violation", "show", "vio_1", "--json")))["calls"]


def test_somebody_looks_after_one_and_does_something_about_it(run: Run, stub: Any) -> None:
    path = "/v1/violations/vio_1"
    stub.on("POST", f"{path}/acknowledge", VIOLATION | {"state": "acknowledged"})
    stub.on("POST", f"{path}/resolve", VIOLATION | {"state": "resolved", "policy": ""})
    stub.on("POST", f"{path}/remedies", REMEDY, 201)
    assert "acknowledged" in good(run("violation", "ack", "vio_1", "--note", "mine"))
    assert stub.asked[-1][3] == {"note": "mine"}
    assert "resolved" in good(run("violation", "resolve", "vio_1", "--note", "done"))
    assert run("violation", "resolve", "vio_1").exit_code == 2, "a word has to be said"
    json.loads(good(run("violation", "ack", "vio_1", "--json")))
    told = good(run("violation", "remedy", "vio_1", "revoke_key"))
    assert "Another person has to say `federation violation approve rem_1`" in told
    for verb, state in (("approve", "done"), ("reject", "rejected"), ("undo", "undone")):
        stub.on("POST", f"/v1/remedies/rem_1/{verb}", REMEDY | {"state": state})
        assert f"is {state}" in good(run("violation", verb, "rem_1"))
        assert json.loads(good(run("violation", verb, "rem_1", "--json")))["state"] == state


def test_a_policy_is_proposed_from_a_file_and_decided_by_another(
    run: Run, stub: Any, project: Path
) -> None:
    file = project / "eu.yaml"
    file.write_text("policy: {}")
    stub.on("POST", "/v1/policies/proposals", VERSION, 201)
    told = good(run("policy", "propose", str(file), "--reason", "Art. 44"))
    assert stub.asked[-1][3] == {"policy": "policy: {}", "reason": "Art. 44"}
    for part in ("eu-first, version 2", "+ data_residency: [eu]", "policy approve prop_1"):
        assert part in told
    assert run("policy", "propose", str(project / "none.yaml")).exit_code == 1
    empty = run("policy", "propose", "/dev/null")
    assert (empty.exit_code, len(stub.asked)) == (1, 1)
    assert "/dev/null is empty: it holds no policy." in empty.stderr
    for verb in ("enforce", "retire"):
        good(run("policy", verb, "eu-first"))
        assert stub.asked[-1][3] == {"name": "eu-first", "change": verb, "reason": ""}
    for verb, stage in (("approve", "approved"), ("reject", "rejected"), ("withdraw", "withdrawn")):
        stub.on("POST", f"/v1/policies/proposals/prop_1/{verb}", VERSION | {"stage": stage})
        assert f"is {stage}" in good(run("policy", verb, "prop_1", "--words", "seen"))
        assert stub.asked[-1][3] == {"words": "seen"}
        assert json.loads(good(run("policy", verb, "prop_1", "--json")))["stage"] == stage
    json.loads(good(run("policy", "propose", str(file), "--json")))


REFUSED = {
    "id": "call_1",
    "tenant": "acme",
    "key": "key_1",
    "operation": "chat",
    "requested": "us-only",
    "outcome": "error",
    "status": 403,
    "error": "no_eligible_deployment",
    "deployment": "",
    "decision": None,
    "policies": ["eu-only@1+abc"],
    "refusals": {"eu-only@1+abc.data_residency": 2, "call.privacy": 1, "credential": 3},
    "findings": {"card:block": 1},
    "watched": {"soft@1+def.data_use": 1},
}


def test_a_refused_call_is_explained_from_its_record(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/calls/call_1", REFUSED)
    told = good(run("policy", "explain", "--call", "call_1"))
    for words in (
        "error 403 no_eligible_deployment",
        "us-only",
        "rule data_residency of the policy eu-only@1+abc",
        "rule privacy of the call itself",
        "has no usable credential",
        "Content checks: card:block, 1",
        "In report mode: soft@1+def.data_use, 1",
    ):
        assert words in told
    shown = json.loads(good(run("policy", "explain", "--call", "call_1", "--json")))
    assert [(each["rule"], each["removed"]) for each in shown["rules"]] == list(
        REFUSED["refusals"].items()  # type: ignore[attr-defined]
    )
    assert shown["findings"] == REFUSED["findings"]
    served = REFUSED | {"refusals": {}, "decision": {"removed": {"policy:data_residency": 1}}}
    stub.on("GET", "/v1/calls/call_1", served | {"deployment": "eu/large", "watched": {}})
    told = good(run("policy", "explain", "--call", "call_1"))
    assert "eu/large" in told
    assert "is kept out by a policy" in told
    stub.on("GET", "/v1/calls/call_1", served | {"decision": None})
    assert "No rule kept a deployment" in good(run("policy", "explain", "--call", "call_1"))
    assert run("policy", "explain", "--call", "call_2").exit_code == 1


def test_versions_and_approvals_are_listed(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/policies/proposals", {"data": [VERSION]})
    stub.on("GET", "/v1/policies/proposals?name=eu-first", {"data": [VERSION]})
    stub.on("GET", "/v1/policies/proposals/prop_1", VERSION)
    stub.on("GET", "/v1/policies/approvals", {"data": [APPROVAL]})
    stub.on("POST", "/v1/policies/approvals", APPROVAL, 201)
    assert "eu-first" in good(run("policy", "history"))
    assert json.loads(good(run("policy", "history", "eu-first", "--json")))["data"]
    assert "Art. 44" in good(run("policy", "show", "prop_1"))
    json.loads(good(run("policy", "show", "prop_1", "--json")))
    assert "2023-11-14" in good(run("policy", "approvals"))
    json.loads(good(run("policy", "approvals", "--json")))
    good(run("policy", "request", "overseas", "--tenant", "acme", "--days", "2"))
    wanted = {"name": "overseas", "tenant": "acme", "key": "", "days": 2, "reason": ""}
    assert stub.asked[-1][3] == wanted
    json.loads(good(run("policy", "request", "overseas", "--json")))


@pytest.fixture
def data(project: Path) -> Path:
    world = World(project / "data")
    world.fill(rounds=2).close()
    Ingest(JournalReader(world.data / "journal"), SqlCalls(world.engine), world.clock).run()
    world.close()
    return world.data


def test_a_report_is_made_from_the_files_alone(alone: Run, data: Path, project: Path) -> None:
    period = ("--framework", "gdpr", "--from", "2023-11-14", "--to", "2023-11-16")
    found = json.loads(good(alone("compliance", "report", *period, "--format", "json")))
    assert found["calls"]["counted"] == 22
    assert found["log"]["verified"]
    assert found["gaps"] == len(found["controls"])
    day = ("--framework", "gdpr", "--from", "2023-11-14", "--to", "2023-11-14")
    assert "Calls: 22 " in good(alone("compliance", "report", *day, "--format", "markdown"))
    assert "Calls: 22 " in good(alone("compliance", "report", *day[:4], "--to", "9999-12-31"))
    told = good(
        alone("compliance", "report", *period, "--output", "report.html", "--format", "html")
    )
    assert "7 controls, 7 of them with gaps" in told
    assert (project / "report.html").read_text().startswith("<!doctype html>")
    loud = ("--framework", "GDPR", *period[2:], "--format", "JSON")
    assert json.loads(good(alone("compliance", "report", *loud)))["framework"] == "gdpr"
    text = good(alone("compliance", "report", *period, "--no-verify", "--tenant", "default"))
    assert "NOT verified" in text


def test_a_report_that_cannot_be_made_says_why(alone: Run, data: Path) -> None:
    report = ("compliance", "report", "--framework")
    assert alone(*report, "iso9001").exit_code == 1
    assert alone(*report, "gdpr", "--from", "yesterday").exit_code == 2
    assert alone(*report, "gdpr", "--output", str(data / "none" / "r.md")).exit_code == 1
    unknown = alone(*report, "gdpr", "--tenant", "nobody")
    assert unknown.exit_code == 1
    assert "There is no tenant 'nobody'." in unknown.output


def test_a_change_without_a_gateway_is_on_record_too(alone: Run, project: Path) -> None:
    result = alone("key", "create", "ci", "--json")
    good(result)
    made = json.loads(result.stdout)
    good(alone("key", "revoke", made["id"]))
    lines = [
        json.loads(line.split(" ", 1)[1])["record"]
        for path in sorted((project / "data" / "evidence" / "journal").glob("notes-*.log"))
        for line in path.read_text().splitlines()
    ]
    assert {each["actor"] for each in lines} == {"operator"}
    steps = [(each["action"], each["phase"]) for each in lines]
    assert sorted(steps) == [
        ("create key", "asked"),
        ("create key", "done"),
        ("revoke key", "asked"),
        ("revoke key", "done"),
    ]
    assert made["secret"] not in str(lines)
    made_, ended = (each["changed"][0] for each in lines if each["phase"] == "done")
    assert (made_["id"], made_["after"]) == (made["id"], ended["before"])
    assert ended["fields"] == ["revoked_ms"]
