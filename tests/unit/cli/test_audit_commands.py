"""`federation audit` and `federation-verify` on a data directory, as an auditor would use them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evidence_world import World
from typer.testing import Result

from federation.control.ingest import Ingest
from federation.evidence.web import Web
from federation.storage.anchors import FileAnchor
from federation.storage.calls import SqlCalls
from federation.storage.journal_reader import JournalReader
from federation_verify.main import main

Run = Callable[..., Result]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "evidence.md"
MOST_WORDS = 1700
"""Of two pages, with their commands and a table."""


@pytest.fixture
def data(project: Path) -> Path:
    """A data directory with 44 calls under checkpoints, which are anchored."""
    world = World(project / "data")
    world.anchors = (FileAnchor(project / "elsewhere.jsonl"),)
    world.fill().close()
    Ingest(JournalReader(world.data / "journal"), SqlCalls(world.engine), world.clock).run()
    world.close()
    return world.data


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def key(alone: Run, data: Path, project: Path) -> str:
    public: str = said(alone("audit", "checkpoint", "--json"))["public"]
    (project / "auditor.key").write_text(public + "\n")
    return public


def configured(project: Path, *anchors: str) -> None:
    named = json.dumps([f"file:{project / each}" for each in anchors])
    (project / "config").mkdir(exist_ok=True)
    (project / "config" / "federation.yaml").write_text(f"evidence:\n  anchors: {named}\n")


def test_every_anchor_is_handed_a_new_checkpoint_and_each_is_shown(
    alone: Run, data: Path, project: Path
) -> None:
    configured(project, "elsewhere.jsonl", "other.jsonl")
    shown = alone("audit", "anchor")
    assert shown.exit_code == 0, shown.output
    assert "is anchored" in shown.stdout
    told = said(alone("audit", "anchor", "--json"))
    newest = said(alone("audit", "checkpoint", "--json"))
    assert told["checkpoint"] == newest["checkpoint"]
    assert [each["checkpoint"] for each in told["anchors"]] == [told["checkpoint"]] * 2
    for name, count in (("elsewhere.jsonl", 7), ("other.jsonl", 2)):
        lines = (project / name).read_text().splitlines()
        assert (len(lines), lines[-1]) == (count, newest["line"])


def test_a_checkpoint_of_a_copy_speaks_to_no_anchor_and_forgets_none(
    alone: Run, data: Path, project: Path
) -> None:
    configured(project, "elsewhere.jsonl")
    kept = (project / "elsewhere.jsonl").read_bytes()
    known = (data / "evidence" / "anchored.json").read_bytes()
    assert alone("audit", "checkpoint", "--now").exit_code == 0
    assert (project / "elsewhere.jsonl").read_bytes() == kept
    assert (data / "evidence" / "anchored.json").read_bytes() == known


def test_an_anchor_that_takes_nothing_is_a_failure_that_names_it(
    alone: Run, data: Path, project: Path
) -> None:
    configured(project, "elsewhere.jsonl", "away/other.jsonl")
    shown = alone("audit", "anchor")
    assert shown.exit_code == 1
    assert "is not anchored in: file" in shown.output
    error = json.loads(alone("audit", "anchor", "--json").stdout)["error"]
    here, there = error["anchors"]
    assert (here["checkpoint"], here["failing_ms"]) == (error["checkpoint"], None)
    assert there["checkpoint"] is None
    assert "No such file" in there["reason"]


def test_without_an_anchor_it_is_said_how_to_name_one(alone: Run, data: Path) -> None:
    shown = alone("audit", "anchor")
    assert shown.exit_code == 2
    assert "evidence.anchors" in shown.output


def findings(result: Result) -> list[str]:
    assert result.exit_code == 1, result.output
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "not_verified"
    return [found["kind"] for found in error["findings"]]


@pytest.mark.parametrize("form", ["export", "export.tar"])
def test_an_export_is_verified_with_the_key_and_the_anchor(
    alone: Run, key: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(alone("audit", "export", form, "--json"))["records"] == 90
    checked = said(
        alone("audit", "verify", form, "--key", key, "--anchor", "elsewhere.jsonl", "--json")
    )
    assert (checked["verified"], checked["records"], checked["anchors"]) == (True, 90, 5)
    shown = alone("audit", "verify", form, "--key", "auditor.key")
    assert "every record is what was signed" in shown.stdout
    assert main([form, "--key", "auditor.key", "--anchor", "elsewhere.jsonl"]) == 0
    assert "verified: 90 records, 5 checkpoints" in capsys.readouterr().out


def test_an_export_that_was_tampered_with_fails_both_ways(
    alone: Run, key: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone("audit", "export", "export")
    entries = project / "export" / "entries.jsonl"
    entries.write_bytes(entries.read_bytes().replace(b"call_000009", b"call_000008"))
    assert findings(alone("audit", "verify", "export", "--key", key, "--json")) == ["edited"]
    shown = alone("audit", "verify", "export", "--key", key)
    assert "[edited] Record" in shown.output
    assert main(["export", "--key", key]) == 1
    assert "NOT VERIFIED [edited] (record " in capsys.readouterr().out


def test_what_is_no_export_or_no_key_is_said(
    alone: Run, key: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alone("audit", "verify", "nowhere", "--key", key).exit_code == 2
    assert alone("audit", "verify", "data", "--key", "nothing").exit_code == 2
    assert alone("audit", "verify", "data").exit_code == 2
    (project / "x.tar").write_bytes(b"no tar")
    assert alone("audit", "verify", "x.tar", "--key", key).exit_code == 2
    (project / "x.json").write_bytes(b"{}")
    assert alone("audit", "verify", "x.json", "--key", key).exit_code == 2
    for path in ("nowhere", "x.tar", "x.json"):
        assert main([path, "--key", key]) == 2
    assert main(["data", "--key", "nothing"]) == 2
    assert main(["data", "--key", key, "--anchor", "nowhere"]) == 2
    assert "is no public key" in capsys.readouterr().err
    alone("audit", "export", "export")
    assert alone("audit", "export", "export").exit_code == 2, "an export is never overwritten"


def test_a_bug_of_a_verification_is_not_taken_for_a_bad_export(
    alone: Run, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a bug")

    alone("audit", "export", "export")
    monkeypatch.setattr(Web, "read", fail)
    result = alone("audit", "verify", "export", "--key", key)
    assert isinstance(result.exception, KeyError)


def test_the_data_directory_is_verified_and_the_index_with_it(
    alone: Run, data: Path, project: Path
) -> None:
    import sqlite3

    checked = said(alone("audit", "verify", "--json"))
    assert (checked["records"], checked["calls"], checked["behind"]) == (90, 44, 0)
    assert "Calls in the store, as recorded" in alone("audit", "verify").stdout
    with sqlite3.connect(data / "federation.db") as store:
        store.execute("DROP TRIGGER evidence_runs_delete")
        store.execute("DELETE FROM evidence_runs WHERE at = 0")
    store.close()
    assert findings(alone("audit", "verify", "--json")) == ["index", "index"]
    with sqlite3.connect(data / "federation.db") as store:
        store.execute("DELETE FROM calls WHERE id = 'call_000004'")
        store.execute("UPDATE calls SET tenant = 'x', cost_nano = 5 WHERE id = 'call_000005'")
    store.close()
    assert findings(alone("audit", "verify", "--json")) == ["index"] * 4
    shown = alone("audit", "verify").output
    assert "[index] Call call_000004 has no row in the store." in shown
    assert "[index] Call call_000005 was changed in the store: tenant, cost_nano." in shown
    journal = next((data / "journal").glob("w1-b.*"))
    journal.write_bytes(journal.read_bytes().replace(b"call_000008", b"call_000009"))
    assert findings(alone("audit", "verify", "--json")) == ["edited"]


def test_an_older_copy_of_the_data_is_found_with_an_anchor(
    alone: Run, key: str, data: Path, project: Path
) -> None:
    spine = data / "evidence" / "spine.000001.log"
    spine.write_bytes(b"".join(spine.read_bytes().splitlines(keepends=True)[:3]))
    (data / "federation.db").unlink()
    assert said(alone("audit", "verify", "--json"))["verified"]
    assert "no store here" in alone("audit", "verify").stderr
    with_anchor = alone("audit", "verify", "--anchor", "elsewhere.jsonl", "--json")
    assert findings(with_anchor) == ["rolled_back"]


def test_a_checkpoint_is_made_where_no_gateway_runs(alone: Run, data: Path) -> None:
    before = said(alone("audit", "checkpoint", "--json"))
    after = said(alone("audit", "checkpoint", "--now", "--json"))
    assert after["checkpoint"] == before["checkpoint"] + 1
    assert said(alone("audit", "verify", "--json"))["records"] == after["size"]


def test_a_key_is_replaced(alone: Run, key: str, data: Path) -> None:
    new = said(alone("audit", "rotate-key", "--json"))
    assert said(alone("audit", "checkpoint", "--now", "--json"))["public"] == new["public"]
    alone("audit", "export", "export")
    for trusted in (key, new["public"]):
        assert said(alone("audit", "verify", "export", "--key", trusted, "--json"))["keys"] == 2
    assert alone("audit", "rotate-key").exit_code == 0


def test_calls_are_found_by_what_is_known_of_them(alone: Run, data: Path) -> None:
    def found(*options: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = said(alone("audit", "query", "--json", *options))["data"]
        return rows

    assert len(found("--limit", "1000")) == 44
    newest = found("--limit", "1", "--actor", "key_1", "--model", "auto", "--verdict", "ok")
    assert newest[0]["call"] == "call_000043", "the last that was taken in"
    assert isinstance(newest[0]["entry"], int)
    assert found("--since", "24h") == []
    for last in ("2023-11-15", "2023-11-14", "2023-11-15T00:00"):
        assert len(found("--since", "2023-11-14", "--until", last)) == 44
    assert found("--until", "2023-11-14T00:00") == []
    assert found("--tenant", "other") == []
    assert "call_000044" in alone("audit", "query").stdout
    assert alone("audit", "query", "--since", "soon").exit_code == 2
    assert alone("audit", "query", "--verdict", "failed").exit_code == 2


def test_a_proof_is_named_by_a_call_or_by_checkpoints(alone: Run, key: str) -> None:
    assert alone("audit", "prove").exit_code == 2
    assert alone("audit", "prove", "call_x").exit_code == 1
    assert json.loads(alone("audit", "prove", "call_000003").stdout)["kind"] == "inclusion"
    assert alone("audit", "prove", "--from", "1", "--to", "2", "-o", "c.json").exit_code == 0
    assert alone("audit", "verify", "c.json", "--key", key).exit_code == 0
    text = Path("c.json").read_text()
    Path("c.json").write_text(text.replace('"path": [\n  "', '"path": [\n  "00', 1))
    assert findings(alone("audit", "verify", "c.json", "--key", key, "--json")) == ["forged"]
    assert main(["c.json", "--key", key]) == 1


def test_where_there_is_no_log_that_is_said(alone: Run, project: Path) -> None:
    for command in ("verify", "checkpoint", "rotate-key", "query"):
        result = alone("audit", command)
        assert result.exit_code == 1, command
        assert "There is no" in result.output
    assert alone("audit", "export", "x").exit_code == 1
    assert not Path("x").exists()
    assert not (project / "data").exists()


def test_every_command_of_the_worked_audit_does_what_the_page_says(
    alone: Run, data: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's blocks, in order; `# exit 1` beside a command is part of the promise."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    assert len(commands) >= 9
    for line in commands:
        command, _, promise = line.removeprefix("$ ").partition("  # exit ")
        words = shlex.split(command)
        if words[0] == "federation":
            code = alone(*words[1:]).exit_code
        elif words[0] == "federation-verify":
            code = main(words[1:])
        elif words[0] == "cp":
            shutil.copytree(words[2], words[3])
            code = 0
        else:
            assert words[0] == "sed"
            old, new = words[2].split("/")[1:3]
            path = Path(words[3])
            path.write_text(path.read_text().replace(old, new))
            code = 0
        assert code == int(promise or 0), line
        if "checkpoint" in words:
            public = said(alone("audit", "checkpoint", "--json"))["public"]
            Path("auditor.key").write_text(public)


def test_a_tar_that_somebody_packed_is_read_as_it_unpacks(
    alone: Run, key: str, project: Path
) -> None:
    alone("audit", "export", "export")
    alone("audit", "export", "short")
    entries = project / "short" / "entries.jsonl"
    entries.write_bytes(b"".join(entries.read_bytes().splitlines(keepends=True)[:-1]))
    for first, second, code in (("export", "short", 1), ("short", "export", 0)):
        with tarfile.open("packed.tar", "w") as tar:
            tar.add(first, "")
            tar.add(second, ".")
        assert main(["packed.tar", "--key", key]) == code
        assert alone("audit", "verify", "packed.tar", "--key", key).exit_code == code
    with tarfile.open("deeper.tar", "w") as tar:
        tar.add("export", "export")
    assert main(["deeper.tar", "--key", key]) == 2
    told = alone("audit", "verify", "deeper.tar", "--key", key)
    assert told.exit_code == 2
    assert "there is no keys.jsonl at its root" in told.output


def test_a_tar_holds_nothing_but_the_three_files(alone: Run, data: Path) -> None:
    alone("audit", "export", "export.tar")
    with tarfile.open("export.tar") as tar:
        assert tar.getnames() == ["keys.jsonl", "checkpoints.jsonl", "entries.jsonl"]


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if everything lay on a file system that is mounted read-only."""
    monkeypatch.setattr("federation.cli.db_store.is_read_only", lambda _: True)


def _state(data: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in data.rglob("*")}


@pytest.mark.usefixtures("still")
def test_a_log_and_its_store_on_read_only_media_are_read_where_they_lie(
    alone: Run, key: str, data: Path
) -> None:
    before = _state(data)
    checked = said(alone("audit", "verify", "--key", key, "--json"))
    assert (checked["verified"], checked["records"]) == (True, 90)
    assert len(said(alone("audit", "query", "--limit", "5", "--json"))["data"]) == 5
    call = said(alone("audit", "query", "--limit", "1", "--json"))["data"][0]["call"]
    assert alone("audit", "prove", call).exit_code == 0
    assert _state(data) == before


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("log", ["federation.db-wal", "federation.db-journal"])
def test_a_store_on_read_only_media_that_was_not_closed_is_to_be_copied(
    alone: Run, data: Path, key: str, log: str
) -> None:
    (data / log).touch()
    for command in (("audit", "verify", "--key", key), ("audit", "query")):
        told = alone(*command)
        assert told.exit_code == 1
        assert f"{log} beside it" in told.stderr
        assert "--data" in told.stderr


@pytest.mark.usefixtures("still")
def test_a_gateway_that_begins_to_work_on_what_is_read_is_noticed(
    alone: Run, data: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*_: object) -> None:
        (data / "federation.db-wal").touch()

    monkeypatch.setattr("federation.cli.audit_store.check_log", check)
    told = alone("audit", "verify", "--key", key)
    assert told.exit_code == 1
    assert "a gateway is at work there" in told.stderr


def test_the_page_for_an_auditor_is_one_of_two_pages() -> None:
    """What only who runs replicas, or writes a verifier, must know stands elsewhere."""
    assert len(PAGE.read_text("utf-8").split()) < MOST_WORDS
