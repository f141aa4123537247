"""`federation tenant|team|user` and the commands of keys that came with them, against a stub."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from federation.cli.tree import app

Run = Callable[..., Result]

QUOTA = {"requests_month": 1000, "providers": None}
TENANT = {
    "object": "tenant",
    "id": "acme",
    "name": "Acme [Inc]",
    "tier": "custom",
    "quota": QUOTA,
    "suspended": False,
    "created_ms": 1,
}
TEAM = {"object": "team", "id": "red", "tenant": "acme", "name": "Reds", "created_ms": 1}
USER = {
    "object": "user",
    "id": "ada@x",
    "tenant": "acme",
    "name": "Ada",
    "role": "owner",
    "team": "red",
    "email": "ada@x.test",
    "suspended": True,
    "created_ms": 1,
}
KEY = {
    "object": "key",
    "id": "key_1",
    "name": "ci",
    "tenant": "default",
    "role": "developer",
    "created_ms": 1,
    "expires_ms": None,
    "revoked_ms": None,
    "models": [],
    "providers": ["acme"],
    "hint": "abcd",
    "team": "red",
    "user": "ada",
}


@pytest.mark.parametrize("kind_and_row", [("tenant", TENANT), ("team", TEAM), ("user", USER)])
def test_objects_are_listed_page_by_page(
    run: Run, stub: Any, kind_and_row: tuple[str, dict[str, Any]]
) -> None:
    kind, row = kind_and_row
    path = f"/v1/admin/{kind}s"
    stub.on("GET", path, {"data": [row], "next": "c"})
    stub.on("GET", f"{path}?cursor=c", {"data": [row | {"id": "second"}], "next": None})
    shown = run(kind, "list")
    assert shown.exit_code == 0, shown.output
    assert row["name"] in shown.stdout
    assert "second" in shown.stdout
    assert len(json.loads(run(kind, "list", "--json").stdout)["data"]) == 2


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (("budget", "list"), "/v1/admin/budgets"),
        (("limit", "list"), "/v1/admin/limits"),
        (("team", "list"), "/v1/admin/teams"),
        (("violation", "list"), "/v1/violations"),
        (("data", "list"), "/v1/admin/data/payloads"),
    ],
)
def test_a_list_of_nothing_is_a_sentence(
    run: Run, stub: Any, asked: tuple[str, ...], path: str
) -> None:
    stub.on("GET", path, {"data": [], "next": None})
    assert run(*asked).stdout == "There are none.\n"
    assert json.loads(run(*asked, "--json").stdout)["data"] == []


def test_a_tenant_is_made_and_shown(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/admin/tenants", TENANT, 201)
    made = run("tenant", "create", "acme", "--tier", "custom", "--requests", "1000")
    assert made.exit_code == 0, made.output
    assert "1970-01-01 00:00 UTC" in made.stdout
    assert "Acme [Inc]" in made.stdout
    assert "unlimited" in made.stdout
    assert stub.asked[-1][3] == {"id": "acme", "tier": "custom", "quota": QUOTA}


@pytest.mark.parametrize(
    ("command", "path", "body"),
    [
        (("tenant", "set", "acme", "--tier", "pro"), "tenants/acme", {"tier": "pro"}),
        (("tenant", "suspend", "acme"), "tenants/acme", {"suspended": True}),
        (("tenant", "resume", "acme"), "tenants/acme", {"suspended": False}),
        (
            ("team", "rename", "red", "R", "--tenant", "b"),
            "teams/red?tenant=b",
            {"name": "R"},
        ),
        (
            ("user", "set", "ada@x", "--role", "viewer", "--team", ""),
            "users/ada%40x",
            {"role": "viewer", "team": ""},
        ),
        (("user", "suspend", "a", "--tenant", "b"), "users/a?tenant=b", {"suspended": True}),
    ],
)
def test_objects_are_changed(
    run: Run, stub: Any, command: tuple[str, ...], path: str, body: dict[str, Any]
) -> None:
    row = {"tenant": TENANT, "team": TEAM, "user": USER}[command[0]]
    stub.on("PATCH", f"/v1/admin/{path}", row)
    done = run(*command, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == row
    assert stub.asked[-1][3] == body


def test_changing_nothing_is_a_wrong_use(run: Run) -> None:
    for command in (("user", "set", "ada"), ("tenant", "set", "a"), ("key", "set", "key_1")):
        assert run(*command).exit_code == 2


def test_a_user_is_made_and_deleted(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/admin/users", USER, 201)
    made = run("user", "create", "ada@x", "--team", "red", "--tenant", "acme", "--role", "owner")
    assert made.exit_code == 0
    wanted = {"id": "ada@x", "role": "owner", "team": "red", "tenant": "acme"}
    assert stub.asked[-1][3] == wanted
    stub.on("DELETE", "/v1/admin/users/ada%40x", None)
    assert "is deleted" in run("user", "delete", "ada@x").stdout


def test_what_the_gateway_refuses_is_said(run: Run, stub: Any) -> None:
    stub.refuse("DELETE", "/v1/admin/teams/red", 409, "Something belongs to this team.", "in_use")
    refused = run("team", "delete", "red")
    assert refused.exit_code == 1
    assert "Something belongs to this team." in refused.stderr


def test_no_gateway_is_no_tenancy(alone: Run) -> None:
    assert alone("team", "list").exit_code == 3


FILE: dict[str, Any] = {
    "federation_tenancy": 1,
    "tenants": [
        {
            "id": "acme",
            "name": "2.50",
            "tier": "pro",
            "quota": None,
            "suspended": False,
            "teams": [{"id": "no", "name": "on: [x] # y"}],
            "users": [],
            "keys": [{"id": "key_0000000000000001", "name": "0x10", "expires_ms": 1700000000000}],
        }
    ],
}
DONE: dict[str, Any] = {
    "object": "import",
    "made": 2,
    "changed": 0,
    "unchanged": 1,
    "ended": ["key_2"],
    "keys": [KEY | {"secret": "fed_new"}],
    "problem": None,
}
PROBLEM = {"message": "The role is viewer.", "type": "x", "param": "role", "code": "too_far"}


@pytest.mark.parametrize("name", ["all.yaml", "all.json"])
def test_an_export_is_imported_as_it_was(run: Run, stub: Any, project: Path, name: str) -> None:
    stub.on("GET", "/v1/admin/tenancy", FILE)
    written = run("tenant", "export", name)
    assert written.exit_code == 0, written.output
    stub.on("POST", "/v1/admin/tenancy", DONE)
    done = run("tenant", "import", name)
    assert done.exit_code == 0, done.output
    assert stub.asked[-1][3] == FILE
    assert "fed_new" in done.stdout
    assert "key_2" in done.stderr
    assert json.loads(run("tenant", "import", name, "--json").stdout) == DONE


def test_an_export_goes_to_the_terminal_where_no_file_is_named(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/admin/tenancy?tenant=acme", FILE)
    assert "federation_tenancy: 1" in run("tenant", "export", "--tenant", "acme").stdout


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", "{"), ("a.yaml", "a: [\n"), ("a.yaml", "a: 1\na: 2\n"), ("missing.yaml", None)],
)
def test_a_file_that_cannot_be_read_is_refused(
    run: Run, project: Path, name: str, text: str | None
) -> None:
    if text is not None:
        (project / name).write_text(text)
    refused = run("tenant", "import", name)
    assert refused.exit_code == 1
    assert name in refused.stderr


def imported(project: Path, run: Run, *more: str, users: int = 0, keys: int = 1) -> Result:
    """Import two tenants with so many users and keys each."""
    tenants = [
        FILE["tenants"][0]
        | {
            "id": name,
            "users": [{"id": f"{name}{n}", "name": "u"} for n in range(users)],
            "keys": [{"id": f"key_{name}{n}", "name": "k"} for n in range(keys)],
        }
        for name in ("a", "b")
    ]
    (project / "all.json").write_text(json.dumps({"federation_tenancy": 1, "tenants": tenants}))
    return run("tenant", "import", "all.json", *more)


def names_of(stub: Any) -> list[str]:
    return [headers["idempotency-key"] for _, _, headers, _ in stub.asked]


def test_an_import_that_ended_half_way_shows_its_secrets_and_fails(
    run: Run, stub: Any, project: Path
) -> None:
    stub.on("POST", "/v1/admin/tenancy", DONE | {"problem": PROBLEM})
    done = imported(project, run)
    assert done.exit_code == 1
    assert "fed_new" in done.stdout
    assert "2 made" in done.stderr
    assert "The role is viewer." in done.stderr
    assert "federation key rotate" in done.stderr
    done = imported(project, run, "--json")
    assert done.exit_code == 1
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["keys"], error["made"]) == ("too_far", DONE["keys"], 2)


def test_an_import_that_did_nothing_fails_as_it_was_refused(
    run: Run, stub: Any, project: Path
) -> None:
    stub.refuse("POST", "/v1/admin/tenancy", 403, "Not for this key.", "permission_denied")
    done = imported(project, run)
    assert done.exit_code == 4
    assert "rotate" not in done.stderr
    assert "keys" not in json.loads(imported(project, run, "--json").stdout)["error"]


def test_a_large_file_is_imported_in_parts(
    run: Run, stub: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.cli.tenant_import._PART", 4)
    told = DONE | {"made": 1, "unchanged": 2, "ended": ["key_e"]}
    stub.on("POST", "/v1/admin/tenancy", told)
    done = imported(project, run, "--json", users=2, keys=3)
    assert done.exit_code == 0, done.output
    parts = [body["tenants"] for _, _, _, body in stub.asked]
    shape = [
        [(each["id"], len(each["teams"]), len(each["users"]), len(each["keys"])) for each in part]
        for part in parts
    ]
    assert shape == [
        [("a", 1, 2, 0)],
        [("a", 0, 0, 3), ("b", 0, 0, 0)],
        [("b", 1, 2, 1)],
        [("b", 0, 0, 2)],
    ]
    assert all(each["name"] == "2.50" and each["tier"] == "pro" for part in parts for each in part)
    assert len(set(names_of(stub))) == 4
    whole = json.loads(done.stdout)
    # A tenant that goes on in another part is counted once.
    assert (whole["made"], whole["unchanged"], whole["ended"]) == (4, 8 - 3, ["key_e"] * 4)
    assert len(whole["keys"]) == 4


@pytest.mark.parametrize(
    ("second", "code", "told"),
    [
        ((403, {"error": {"message": "No more.", "code": "no"}}), 4, "No more."),
        ((200, DONE | {"keys": [], "problem": PROBLEM}), 1, "The role is viewer."),
        ((200, b"<html>"), 3, "no Federation gateway"),
    ],
)
def test_parts_before_one_that_fails_are_told(
    run: Run,
    stub: Any,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    second: tuple[int, Any],
    code: int,
    told: str,
) -> None:
    monkeypatch.setattr("federation.cli.tenant_import._PART", 4)
    monkeypatch.setattr("federation.cli.tenant_import._AGAIN_S", ())
    stub.turn_by_turn("POST", "/v1/admin/tenancy", (200, DONE), second)
    done = imported(project, run, keys=6)
    assert done.exit_code == code
    assert len(stub.asked) == 2
    assert "fed_new" in done.stdout
    assert told in done.stderr
    assert "federation key rotate" in done.stderr
    stub.turn_by_turn("POST", "/v1/admin/tenancy", (200, DONE), second)
    done = imported(project, run, "--json", keys=6)
    assert json.loads(done.stdout)["error"]["keys"] == DONE["keys"]


def test_an_answer_that_was_lost_is_asked_for_again(
    run: Run, stub: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.cli.tenant_import._AGAIN_S", (0.0,) * 4)
    stub.turn_by_turn(
        *("POST", "/v1/admin/tenancy"),
        (503, {"error": {"message": "Starting.", "code": "control_unavailable"}}),
        (504, b"<html>"),
        (409, {"error": {"message": "Wait.", "code": "request_under_way"}}),
        (200, DONE),
    )
    done = imported(project, run)
    assert done.exit_code == 0, done.output
    assert "fed_new" in done.stdout
    assert len(set(names_of(stub))) == 1
    assert len(stub.asked) == 4


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr("federation.cli.tenant_import._PART_S", 0.05)
    monkeypatch.setattr("federation.cli.tenant_import._AGAIN_S", (0.0, 0.0))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        def run(*arguments: str) -> Result:
            return CliRunner().invoke(app, [*arguments, "--url", url, "--api-key", "k"])

        done = imported(project, run)
        for _ in range(3):
            silent.accept()[0].close()
    assert done.exit_code == 3
    assert "no answer within" in done.stderr
    assert "federation key rotate" in done.stderr


def test_nobody_waits_for_a_gateway_that_is_not_there(
    alone: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.cli.tenant_import._AGAIN_S", (60.0,))
    done = imported(project, alone)
    assert done.exit_code == 3
    assert "rotate" not in done.stderr


def test_an_interrupted_import_tells_what_came(
    run: Run, stub: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.cli.tenant_import._PART", 4)
    monkeypatch.setattr("federation.cli.tenant_import._AGAIN_S", (0.0,))

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    stub.turn_by_turn("POST", "/v1/admin/tenancy", (200, DONE), (504, b""))
    done = imported(project, run, "--json", keys=6)
    assert done.exit_code == 1
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["keys"]) == ("interrupted", DONE["keys"])


@pytest.mark.parametrize(
    "document",
    [[], {}, {"tenants": 5}, {"tenants": [5]}, {"tenants": [{"id": "a", "keys": "x" * 9}]}],
)
def test_what_no_gateway_would_take_is_asked_as_it_stands(
    run: Run, stub: Any, project: Path, monkeypatch: pytest.MonkeyPatch, document: Any
) -> None:
    monkeypatch.setattr("federation.cli.tenant_import._PART", 1)
    stub.refuse("POST", "/v1/admin/tenancy", 400, "Not so.", "invalid_request")
    (project / "all.json").write_text(json.dumps(document))
    assert run("tenant", "import", "all.json").exit_code == 1
    assert [body for *_, body in stub.asked] == [document]


# Keys


def test_a_key_is_made_for_a_person(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/keys", KEY | {"secret": "fed_s"}, 201)
    assert run("key", "create", "ci", "--user", "ada", "--team", "red").exit_code == 0
    asked = stub.asked[-1][3]
    assert (asked["user"], asked["team"]) == ("ada", "red")


def test_a_key_is_shown_and_changed(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/keys/key_1", KEY)
    assert "ada" in run("key", "show", "key_1").stdout
    stub.on("PATCH", "/v1/keys/key_1", KEY)
    done = run(
        *("key", "set", "key_1", "--role", "viewer", "--model", "all", "--provider", "acme"),
        *("--expires", "never", "--team", ""),
    )
    assert done.exit_code == 0, done.output
    assert stub.asked[-1][3] == {
        "role": "viewer",
        "models": [],
        "providers": ["acme"],
        "expires_in_s": None,
        "team": "",
    }
    run("key", "set", "key_1", "--expires", "1h")
    assert stub.asked[-1][3] == {"expires_in_s": 3600}


@pytest.mark.parametrize(
    ("overlap", "overlap_s", "until"), [("2d", 172_800, 1_700_000_000_000), ("0", 0, None)]
)
def test_a_key_is_rotated_and_its_secret_shown(
    run: Run, stub: Any, overlap: str, overlap_s: int, until: int | None
) -> None:
    told = KEY | {"secret": "fed_new", "old_secret_until_ms": until}
    stub.on("POST", "/v1/keys/key_1/rotate", told)
    done = run("key", "rotate", "key_1", "--overlap", overlap)
    assert done.exit_code == 0, done.output
    assert "fed_new" in done.stdout
    assert ("works no more" in done.stdout) == (until is None)
    assert stub.asked[-1][3] == {"overlap_s": overlap_s}
    assert json.loads(run("key", "rotate", "key_1", "--json").stdout) == told


@pytest.fixture
def nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed goes to a full disk."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("federation.cli.output.panel", full)
    monkeypatch.setattr("federation.cli.output.say", full)


@pytest.mark.usefixtures("nobody_reads")
def test_a_key_that_cannot_be_shown_and_not_be_revoked_is_named(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/keys", KEY | {"secret": "fed_new"})
    stub.refuse("DELETE", "/v1/keys/key_1", 403, "Not this one.", "forbidden")
    done = run("key", "create", "ci")
    assert done.exit_code == 1
    assert "No space left on device. key_1 is good yet" in done.stderr
    assert "Not this one." in done.stderr


@pytest.mark.usefixtures("nobody_reads")
def test_a_new_secret_that_cannot_be_shown_is_told(run: Run, stub: Any) -> None:
    told = KEY | {"secret": "fed_new", "old_secret_until_ms": 1_700_000_000_000}
    stub.on("POST", "/v1/keys/key_1/rotate", told)
    done = run("key", "rotate", "key_1")
    assert done.exit_code == 1
    assert "rotate it again. The old one works until 2023-11-14" in done.stderr


@pytest.mark.usefixtures("nobody_reads")
def test_imported_keys_that_cannot_be_shown_are_named(run: Run, stub: Any, project: Path) -> None:
    made = {"id": "key_9", "name": "ci", "secret": "fed_new"}
    told = {"made": 1, "changed": 0, "unchanged": 0, "ended": [], "keys": [made], "problem": None}
    stub.on("POST", "/v1/admin/tenancy", told)
    done = imported(project, run)
    assert done.exit_code == 1
    assert "nobody knows their secrets: key_9." in done.stderr
