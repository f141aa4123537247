"""`federation audit changes`: what was put on record beside the calls, and the proof of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evidence_world import World
from typer.testing import Result

from federation.cli import audit_changes
from federation.control.notebook import Notebook
from federation.evidence.records import (
    Action,
    Changed,
    DataMoved,
    InForce,
    PolicyMoved,
    ViolationMoved,
)
from federation_verify.main import main

Run = Callable[..., Result]
NOW = 1_700_000_000_000
MINTED = Action(NOW, "act_1", "asked", "key_ada", "acme", "owner", "POST /v1/keys", "/v1/keys")


@pytest.fixture
def data(project: Path) -> Path:
    """A data directory with changes, all but the last of them under checkpoints."""
    world = World(project / "data")
    notes = Notebook(world.data, world.clock)
    notary = world.notary()
    notary.open()
    notes.write(
        InForce(NOW - 1000, 1, "d" * 64, ("eu@1+abc",)),
        MINTED,
        Action(
            *(NOW + 5, "act_1", "done", "key_ada", "acme", "owner", "POST /v1/keys", "/v1/keys"),
            status=201,
            made="key_9",
            changed=(
                Changed("key", "key_9", "acme", after="b" * 32),
                Changed("user", "p_1", "acme", "c" * 32, "d" * 32, ("role", "team")),
            ),
            unnamed=3,
        ),
        PolicyMoved(NOW + 10, "policy", "eu", 2, "prop_1", "approved", "key_bob", "key_ada"),
        ViolationMoved(
            *(NOW + 20, "vio_1", "opened", "refused", "high", "open", "eu", "data_residency"),
            tenant="globex",
            key="key_eve",
        ),
    )
    notary.round()
    world.clock.now += 10
    notary.round()
    notary.close()
    notes.write(DataMoved(NOW + 30, "erased", "acme", "p_1", "era_1", "key_bob"))
    notes.close()
    world.close()
    return world.data


def listed(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)["data"]
    return rows


def kinds(rows: list[dict[str, Any]]) -> list[str]:
    return [row["type"] for row in rows if not row["type"].startswith("log_")]


@pytest.mark.usefixtures("data")
def test_changes_are_listed_newest_first_and_their_places_told(alone: Run) -> None:
    rows = listed(alone("audit", "changes", "--json"))
    assert kinds(rows) == ["data", "violation", "policy_version", "action", "action", "in_force"]
    by_kind = {row["type"]: row for row in rows}
    assert by_kind["data"]["entry"] is None
    assert isinstance(by_kind["violation"]["entry"], int)
    shown = alone("audit", "changes").stdout
    for words in (
        "POST /v1/keys: done (201), made key_9; key acme/key_9 none -> bbbbbbbb;",
        "user acme/p_1 cccccccc -> dddddddd (role, team); 3 more",
        "configuration 1, policies: eu@1+abc",
        "policy eu, version 2: approved (prop_1)",
        "opened: refused eu.data_residency (vio_1)",
        "erased p_1 era_1",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("--actor", "key_ada"), ["policy_version", "action", "action"]),
        (("--actor", "key_bob"), ["data", "policy_version"]),
        (("--tenant", "globex"), ["violation"]),
        (("--type", "action", "-n", "1"), ["action"]),
        (("--type", "witnessed"), []),
        (("--about", "key_9"), ["action"]),
        (("--about", "p_1"), ["data", "action"]),
        (("--about", "keys"), ["action", "action"]),
        (("--about", "prop_1"), ["policy_version"]),
        (("--until", "2023-11-14T22:13:20"), ["in_force"]),
        (("--until", "2023-11-13"), []),
        (("--until", "2023-11-14", "--type", "in_force"), ["in_force"]),
        (("--since", "2023-11-14T22:13:20", "--tenant", "acme"), ["data", "action", "action"]),
    ],
)
@pytest.mark.usefixtures("data")
def test_changes_are_found_by_time_tenant_key_and_type(
    alone: Run, asked: tuple[str, ...], found: list[str]
) -> None:
    assert kinds(listed(alone("audit", "changes", *asked, "--json"))) == found


def test_an_action_from_before_it_said_what_was_changed_is_read_as_it_stands() -> None:
    old = (
        b'{"writer":"notes-1","seq":1,"record":{"type":"action","at_ms":1,"id":"act_1",'
        b'"phase":"done","actor":"admin","tenant":"default","role":"admin",'
        b'"action":"POST /v1/keys","subject":"/v1/keys","status":201,"made":"key_1"}}'
    )
    record = audit_changes._line(old).record
    assert isinstance(record, Action)
    assert (record.changed, record.unnamed) == ((), 0)


def test_a_change_is_proven_by_its_place(
    alone: Run, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data.is_dir()
    key = json.loads(alone("audit", "checkpoint", "--json").stdout)["public"]
    row = listed(alone("audit", "changes", "--type", "violation", "--json"))[0]
    assert alone("audit", "prove", "--entry", str(row["entry"]), "-o", "p.json").exit_code == 0
    assert "vio_1" in json.loads(Path("p.json").read_text())["line"]
    assert main(["p.json", "--key", key]) == 0
    assert "holds" in capsys.readouterr().out
    assert alone("audit", "prove", "--entry", "999").exit_code == 1
    assert alone("audit", "prove", "call_1", "--entry", "1").exit_code == 2


def test_a_damaged_record_is_counted_and_hides_no_other(alone: Run, data: Path) -> None:
    (notes,) = (data / "evidence" / "journal").glob("notes-*.log")
    notes.write_bytes(notes.read_bytes().replace(b'"type":"violation"', b'"type":"viol\xfftion"'))
    result = alone("audit", "changes", "--json")
    assert "violation" not in kinds(json.loads(result.stdout)["data"])
    assert "1 records cannot be read" in result.stderr


def test_where_there_is_no_log_it_is_said(alone: Run, project: Path) -> None:
    assert project.is_dir()
    result = alone("audit", "changes")
    assert result.exit_code == 1
    assert "no evidence log" in result.output
