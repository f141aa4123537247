"""`federation data name` and `--user`, against a stub over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evidence_world
import pytest
from typer.testing import Result

from federation.control.ingest import Ingest
from federation.storage.calls import SqlCalls
from federation.storage.journal import JournalWriter
from federation.storage.journal_reader import JournalReader

Run = Callable[..., Result]
SUBJECT = "p_" + "0a" * 16
NAMES = "/v1/admin/data/names"


@pytest.fixture
def data(project: Path) -> Path:
    """A data directory with calls of three users, one of them from before there were pseudonyms."""
    world = evidence_world.World(project / "data")
    journal = JournalWriter(world.data / "journal", "w0-1-1")
    for n, user in enumerate((SUBJECT, "anna", "p_" + "1" * 32, "")):
        given = (f"job-{SUBJECT}-9", "job-anna-9", "job:7", "job:7")[n]
        journal.append(evidence_world.ended(f"call_{n}", user=user, client_id=given))
    journal.close()
    Ingest(JournalReader(world.data / "journal"), SqlCalls(world.engine), world.clock).run()
    world.close()
    return world.data


def answer(user: str | None) -> dict[str, Any]:
    return {"object": "name", "tenant": "default", "user": user, "subject": SUBJECT}


def calls(done: Result) -> set[str]:
    assert done.exit_code == 0, done.output
    return {each["call"] for each in json.loads(done.stdout)["data"]}


def test_a_name_and_a_pseudonym_are_told_one_for_the_other(stub: Any, run: Run) -> None:
    stub.on("POST", NAMES, answer("anna"))
    assert SUBJECT in run("data", "name", "anna").stdout
    assert "anna" in run("data", "name", SUBJECT, "--tenant", "acme").stdout
    assert [body for _, _, _, body in stub.asked] == [
        {"user": "anna"},
        {"tenant": "acme", "subject": SUBJECT},
    ]
    assert json.loads(run("data", "name", "anna", "--json").stdout) == answer("anna")
    stub.on("POST", NAMES, answer(None))
    assert "erased, or never named" in run("data", "name", SUBJECT).stdout


def test_calls_are_found_by_a_user_with_the_help_of_the_gateway(
    stub: Any, run: Run, data: Path
) -> None:
    query = ("audit", "query", "--json", "--user")
    stub.on("POST", NAMES, answer("anna"))
    assert calls(run(*query, "anna", "--tenant", "default")) == {"call_0", "call_1"}
    assert stub.asked[-1][3] == {"tenant": "default", "user": "anna"}
    stub.refuse("POST", NAMES, 404, "nobody yet", "not_found")
    assert calls(run(*query, "anna", "--tenant", "default")) == {"call_1"}
    stub.refuse("POST", NAMES, 403, "no", "forbidden")
    assert run(*query, "anna", "--tenant", "default").exit_code != 0
    asked = len(stub.asked)
    refused = run(*query, "anna")
    assert refused.exit_code == 2
    assert "--tenant" in refused.output
    assert len(stub.asked) == asked


def test_calls_are_found_by_a_pseudonym_where_no_gateway_runs(alone: Run, data: Path) -> None:
    assert calls(alone("audit", "query", "--json", "--user", SUBJECT)) == {"call_0"}
    assert alone("audit", "query", "--user", "anna").exit_code != 0


def test_the_ledgers_lines_of_a_user_are_asked_for(stub: Any, run: Run) -> None:
    run("ledger", "show", "--user", "anna")
    assert "user=anna" in stub.asked[-1][1]
    run("ledger", "export", "out.csv", "--user", SUBJECT)
    assert f"user={SUBJECT}" in stub.asked[-1][1]


@pytest.mark.parametrize("keys", [0, 2])
def test_an_erasure_of_nothing_says_in_which_tenant_it_looked(
    run: Run, stub: Any, keys: int
) -> None:
    erased = {"id": "erasure_1", "tenant": "default", "state": "done", "keys": keys, "holds": []}
    stub.on("POST", "/v1/admin/data/erasures", erased, 201)
    done = run("data", "erase", "--subject", "anna", "--yes")
    assert done.exit_code == 0, done.output
    assert f"Erased: {keys} keys" in done.stdout
    assert ("of that person in the tenant default" in done.stderr) is (keys == 0)


@pytest.mark.parametrize("said", ["", "n\n", "y\n"])
def test_nothing_is_erased_unless_somebody_is_sure(run: Run, stub: Any, said: str) -> None:
    erased = {"id": "erasure_1", "tenant": "default", "state": "done", "keys": 1, "holds": []}
    stub.on("POST", "/v1/admin/data/erasures", erased, 201)
    done = run("data", "erase", "--subject", "anna", "--json", input=said)
    assert "Destroy the keys" in done.stderr
    printed = json.loads(done.stdout.lstrip(f" {said}"))  # the runner shows what is typed
    if said.startswith("y"):
        assert (done.exit_code, printed["id"]) == (0, "erasure_1")
        return
    assert (done.exit_code, printed["error"]["code"]) == (1, "not_sure")
    assert not stub.asked


def test_calls_are_found_by_the_id_of_their_client(alone: Run, data: Path) -> None:
    query = ("audit", "query", "--json", "--client-id")
    assert calls(alone(*query, "job:7")) == {"call_2", "call_3"}
    assert calls(alone(*query, "job:7", "--tenant", "other")) == set()
    assert calls(alone(*query, "job")) == set()


def test_an_id_with_the_users_name_in_it_is_found_where_the_user_is_told(
    stub: Any, run: Run, data: Path
) -> None:
    stub.on("POST", NAMES, answer("anna"))
    query = ("audit", "query", "--json", "--client-id", "job-Anna-9", "--tenant", "default")
    assert calls(run(*query)) == set()
    assert calls(run(*query, "--user", "anna")) == {"call_0", "call_1"}
    limited = run(*query, "--user", "anna", "--limit", "1")
    assert calls(limited) == {"call_1"}, "the newest of both"
