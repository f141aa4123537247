"""`federation audit` and `federation-verify` over the exports of several replicas."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evidence_web import Cluster
from evidence_world import World, ended, started
from typer.testing import Result

from federation.cli.audit_report import at
from federation.control.ingest import Ingest
from federation.storage.calls import SqlCalls
from federation.storage.journal_reader import JournalReader
from federation_verify.main import main

Run = Callable[..., Result]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "audit-replicas.md"


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
    assert alone("audit", "verify", ".", "--key", key).exit_code == 2


def test_the_ledger_of_replicas_is_held_against_all_of_their_logs(key: str, alone: Run) -> None:
    words = ("audit", "verify", "--key", key, "--ledger", "--json", "--data", "eu-2")
    assert said(alone(*words, "exports"))["ledger"]["compared"] == 32
    shutil.rmtree(min(Path("exports").iterdir()))
    public = said(alone("audit", "checkpoint", "--json", "--data", "eu-2"))["public"]
    words = ("audit", "verify", "--key", public, "--ledger", "--json", "--data", "eu-2")
    assert found(alone(*words, "exports")) == [("missing", "")]


@pytest.fixture
def running(project: Path, alone: Run) -> tuple[str, int]:
    """Exports of two replicas that run, a minute between them, in `live`; a public key, and the
    time at which the first was begun."""
    cluster = Cluster(project / "running")
    for name in ("one", "two"):
        cluster.join(name)
    cluster.work(4)
    begun_ms = int(cluster.clock.now * 1000)
    for name in ("one", "two"):
        data = str(project / "running" / name)
        assert alone("audit", "export", f"live/{name}", "--data", data).exit_code == 0
        cluster.work(6)
    key = cluster.replicas["two"].export().trusted.hex()
    for replica in cluster.replicas.values():
        replica.notary.close()
        replica.world.close()
    return key, begun_ms


def test_exports_of_replicas_that_run_are_one_through_a_moment(
    running: tuple[str, int], alone: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    key, begun_ms = running
    shown = alone("audit", "verify", "live", "--key", key)
    assert shown.exit_code == 1
    assert "[rolled_back]" in shown.output
    assert "as --through" in shown.output
    assert main(["live", "--key", key]) == 1
    assert "as --through" in capsys.readouterr().out
    for moment in (str(begun_ms), "2023-11-14T22:14:00Z", "2023-11-14T22:14:00"):
        words = ["live", "--key", key, "--through", moment]
        shown = alone("audit", "verify", *words)
        assert shown.exit_code == 0, shown.output
        assert "after 2023-11-14 22:14:00 UTC was set aside" in shown.output
        assert said(alone("audit", "verify", *words, "--json"))["through_ms"] == begun_ms
        assert main(words) == 0
        assert "after 2023-11-14 22:14:00+00:00 set aside" in capsys.readouterr().out
    words = ["live", "--key", key, "--through", "2023-11-14T22:15:01Z"]
    assert found(alone("audit", "verify", *words, "--json")) == [("rolled_back", "one")]
    assert main(words) == 1
    assert "as --through" not in capsys.readouterr().out


def test_a_moment_that_is_none_and_one_for_no_export_are_refused(
    running: tuple[str, int], alone: Run
) -> None:
    key, begun_ms = running
    assert main(["live", "--key", key, "--through", "noon"]) == 2
    assert alone("audit", "verify", "live", "--key", key, "--through", "noon").exit_code == 2
    assert alone("audit", "verify", "--through", str(begun_ms)).exit_code == 2
    Path("proof.json").write_text("{}")
    for word in (["--through", str(begun_ms)], ["--only-keys"], ["--alone"]):
        assert main(["proof.json", "--key", key, *word]) == 2
        assert alone("audit", "verify", "proof.json", "--key", key, *word).exit_code == 2


def test_the_logs_are_named_and_each_may_need_a_key_of_its_own(
    key: str, alone: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["exports", "--key", key]
    logs = said(alone("audit", "verify", *words, "--json"))["logs"]
    shown = alone("audit", "verify", *words).output
    assert main(words) == 0
    also = capsys.readouterr().out
    assert all(log["log"] in shown and log["log"] in also for log in logs.values())
    assert found(alone("audit", "verify", *words, "--only-keys", "--json")) == [("keys", "eu-2")]
    assert main([*words, "--only-keys"]) == 1
    one = [str(min(Path("exports").iterdir())), "--key", key, "--only-keys"]
    capsys.readouterr()
    assert main(one) == 0
    assert "with a key that was not given" in capsys.readouterr().out
    assert alone("audit", "verify", *one).exit_code == 0


def test_who_names_an_export_does_not_write_on_the_terminal(
    key: str, alone: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = sorted(Path("exports").iterdir())
    first.rename("exports/\x1b[2K\u202e")
    second.rename(os.fsdecode(b"exports/\xff\\"))
    shown = alone("audit", "verify", "exports", "--key", key)
    assert shown.exit_code == 0, shown.output
    assert "exports/\\x1b[2K\\u202e" in shown.output
    logs = said(alone("audit", "verify", "exports", "--key", key, "--json"))["logs"]
    assert set(logs) == {"exports/\\x1b[2K\\u202e", "exports/\\udcff\\\\"}
    assert main(["exports", "--key", key]) == 0
    assert "\x1b" not in shown.output + capsys.readouterr().out


def test_an_export_by_two_names_is_one(key: str, alone: Run) -> None:
    first, second = sorted(Path("exports").iterdir())
    Path("link").symlink_to(first)
    words = ["link", str(first), str(second.absolute()), str(second), "--key", key]
    assert len(said(alone("audit", "verify", *words, "--json"))["logs"]) == 2
    assert main(words) == 0


def test_every_command_for_several_replicas_does_what_the_page_says(
    key: str, alone: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "auditor.key").write_text(key)
    monkeypatch.setenv("FEDERATION_DATA_DIR", "eu-2")
    section = PAGE.read_text("utf-8")
    commands = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = [line for block in commands for line in block.splitlines()]
    assert len(lines) == 6
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


@pytest.mark.parametrize(("before_ms", "code"), [(900, 0), (1_100, 1)])
def test_a_call_that_ended_just_before_the_newest_checkpoint_may_be_in_the_next(
    alone: Run, project: Path, before_ms: int, code: int
) -> None:
    world = World(project / "data")
    notary = world.fill()
    world.clock.now += 10
    world.write("w0-a", 1)
    notary.round()
    assert alone("audit", "export", "export").exit_code == 0
    at_ms = int(world.clock.now * 1000) - before_ms
    for record in (started("call_late", at_ms), ended("call_late", at_ms)):
        world.writers["w0-a"].append(record)
    public = world.export().trusted.hex()
    Ingest(JournalReader(world.data / "journal"), SqlCalls(world.engine), world.clock).run()
    notary.close()
    world.close()
    shown = alone("audit", "verify", "export", "--key", public, "--ledger", "--json")
    assert shown.exit_code == code, shown.output
    answer = json.loads(shown.stdout)
    if code:
        assert "call_late" in answer["error"]["message"]
    else:
        assert answer["ledger"] == {"compared": 46, "running": 0, "later": 1}


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
        store.execute("UPDATE calls SET cost_nano = 1, tenant = 'x' WHERE id = 'call_000033'")
    store.close()
    assert found(alone(*words, "--json")) == [("ledger", "expo")] * 20 + [("ledger", "")]
    shown = alone(*words).output
    assert "Call call_000031 is lost in the ledger, and has ended in a log." in shown
    assert "So it is with 12 more calls." in shown


def test_a_time_that_no_calendar_has_is_said_in_milliseconds() -> None:
    assert at(1_700_000_040_000) == "2023-11-14 22:14:00 UTC"
    assert at((1 << 63) - 1) == "9223372036854775807 ms"
