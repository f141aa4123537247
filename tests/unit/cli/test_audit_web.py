"""`federation audit` and `federation-verify` over the exports of several replicas."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evidence_web import Cluster
from evidence_world import World
from typer.testing import Result

from federation.control.ingest import Ingest
from federation.storage.calls import SqlCalls
from federation.storage.journal_reader import JournalReader
from federation_verify.main import main

Run = Callable[..., Result]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "evidence.md"


@pytest.fixture
def key(project: Path, alone: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """Exports of two replicas, side by side in `exports`; the public key of one of them."""
    cluster = Cluster(project)
    for name in ("eu/1", "eu/2"):
        (project / name).parent.mkdir(exist_ok=True)
        cluster.join(name.replace("/", "-"))
    cluster.work()
    made = cluster.close()
    ledger = SqlCalls(cluster.replicas["eu-2"].world.engine)
    for replica in cluster.replicas.values():
        Ingest(JournalReader(replica.world.data / "journal"), ledger, cluster.clock).run()
    for name in made:
        monkeypatch.setenv("FEDERATION_REPLICA", name.replace("-", "/"))
        result = alone("audit", "export", "--into", "exports", "--data", str(project / name))
        assert result.exit_code == 0, result.output
    return made["eu-1"].trusted.hex()


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def found(result: Result) -> list[tuple[str, str]]:
    assert result.exit_code == 1, result.output
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "not_verified"
    return [(each["kind"], Path(each["log"]).name[:4]) for each in error["findings"]]


def test_exports_lie_side_by_side_under_their_replicas_names_and_are_one(
    key: str, alone: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    exports = sorted(Path("exports").iterdir())
    assert [each.name[:5] for each in exports] == ["eu-1-", "eu-2-"]
    checked = said(alone("audit", "verify", "exports", "--key", key, "--json"))
    assert checked["verified"]
    assert all(report["witnessed"] for report in checked["logs"].values())
    words = [str(each) for each in exports]
    shown = alone("audit", "verify", *words, "--key", key)
    assert "Verified: 2 logs as one" in shown.stdout
    assert "Witnessed by others" in shown.stdout
    assert main([*words, "--key", key]) == 0
    assert main([*words, *words, "--key", key]) == 0, "the same twice is the same"
    assert alone("audit", "verify", "exports", *words, "--key", key).exit_code == 0
    assert main(["exports", "--key", key]) == 0
    assert "verified: 2 logs as one" in capsys.readouterr().out


def test_one_of_them_says_that_the_other_is_missing_unless_it_is_judged_alone(
    key: str, alone: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    one = str(min(Path("exports").iterdir()))
    assert found(alone("audit", "verify", one, "--key", key, "--json")) == [("missing", "")]
    assert main([one, "--key", key]) == 1
    assert "NOT VERIFIED [missing]: The log" in capsys.readouterr().out
    assert said(alone("audit", "verify", one, "--key", key, "--alone", "--json"))["verified"]
    assert main([one, "--key", key, "--alone"]) == 0
    assert main(["exports", "--key", key, "--alone"]) == 2
    assert main([one, "--key", key, "--key", key, "--alone"]) == 2
    for words in (["exports", "--alone"], [one, "--alone", "--ledger"]):
        assert alone("audit", "verify", *words, "--key", key).exit_code == 2
    for words in (["--alone"], ["--ledger"], ["--key", key, "--key", key]):
        assert alone("audit", "verify", *words).exit_code == 2


def test_what_was_done_to_one_is_said_with_its_name(
    key: str, alone: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    second = sorted(Path("exports").iterdir())[1]
    entries = second / "entries.jsonl"
    entries.write_bytes(entries.read_bytes().replace(b"call_001003", b"call_001009"))
    assert found(alone("audit", "verify", "exports", "--key", key, "--json")) == [
        ("edited", "eu-2")
    ]
    shown = alone("audit", "verify", "exports", "--key", key)
    assert f"{second}: [edited] Record" in shown.output
    assert main(["exports", "--key", key]) == 1
    assert f"{second}: NOT VERIFIED [edited] (record" in capsys.readouterr().out


def test_an_export_is_named_once_and_never_overwritten(key: str, alone: Run) -> None:
    assert key
    assert alone("audit", "export").exit_code == 2
    assert alone("audit", "export", "x", "--into", "y").exit_code == 2
    again = alone("audit", "export", "--into", "exports", "--data", "eu-2")
    assert again.exit_code == 2
    assert "is there already" in again.output
    assert main([".", "--key", key]) == 2, "a directory without exports is none"
    assert alone("audit", "verify", ".", "--key", key).exit_code == 1


def test_the_ledger_of_replicas_is_held_against_all_of_their_logs(key: str, alone: Run) -> None:
    words = ("audit", "verify", "--key", key, "--ledger", "--json", "--data", "eu-2")
    assert said(alone(*words, "exports"))["ledger"]["compared"] == 32
    shutil.rmtree(min(Path("exports").iterdir()))
    public = said(alone("audit", "checkpoint", "--json", "--data", "eu-2"))["public"]
    words = ("audit", "verify", "--key", public, "--ledger", "--json", "--data", "eu-2")
    assert found(alone(*words, "exports")) == [("missing", "")]


def test_every_command_for_several_replicas_does_what_the_page_says(
    key: str, alone: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "auditor.key").write_text(key)
    monkeypatch.setenv("FEDERATION_DATA_DIR", "eu-2")
    section = PAGE.read_text("utf-8").partition("## Several replicas")[2].partition("\n## ")[0]
    commands = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = [line for block in commands for line in block.splitlines()]
    assert len(lines) == 4
    shutil.move("exports", "taken")
    for line in lines:
        program, *words = shlex.split(line)
        if program == "federation-verify":
            assert main(words) == 0, line
        else:
            assert alone(*words).exit_code == 0, line
        if words[1] == "export":
            shutil.rmtree("exports")
            shutil.move("taken", "exports")


def test_exports_are_held_against_the_ledger(alone: Run, project: Path) -> None:
    world = World(project / "data")
    world.fill().close()
    Ingest(JournalReader(world.data / "journal"), SqlCalls(world.engine), world.clock).run()
    public = world.export().trusted.hex()
    world.close()
    assert alone("audit", "export", "export").exit_code == 0
    words = ("audit", "verify", "export", "--key", public, "--ledger")
    checked = said(alone(*words, "--json"))
    assert checked["ledger"] == {"compared": 44, "running": 0, "later": 0}
    assert "Calls compared" in alone(*words).stdout
    shutil.copy(project / "data" / "federation.db", project / "before.db")
    with sqlite3.connect(project / "data" / "federation.db") as store:
        store.execute("DELETE FROM calls WHERE id < 'call_000030'")
        store.execute("UPDATE calls SET outcome = 'lost' WHERE id = 'call_000031'")
        store.execute("UPDATE calls SET line = line || ' ' WHERE id = 'call_000032'")
    store.close()
    assert found(alone(*words, "--json")) == [("ledger", "expo")] * 20 + [("ledger", "")]
    shown = alone(*words).output
    assert "Call call_000031 is lost in the ledger, and has ended in a log." in shown
    assert "So it is with 11 more calls." in shown
