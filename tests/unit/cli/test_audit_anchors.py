"""What both verifiers make of anchor files: with checkpoints, without, and with broken ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from evidence_web import Cluster
from evidence_world import World
from typer.testing import Result

from federation.storage.anchors import FileAnchor
from federation_verify.main import main

Run = Callable[..., Result]
HEAD = b"<109>1 2023-11-14T22:13:20.000+00:00 host federation 123 checkpoint - "
OTHERS = b'<30>1 2023-11-14T22:13:21Z host cron 1 - - {"body":"hello"}\n\nhello\n{}\n'


@dataclass
class Desk:
    """An auditor's: an export of today, one of an older day, a key, and an anchor's lines."""

    alone: Run
    captured: pytest.CaptureFixture[str]
    lines: list[bytes]

    def ours(self, *words: str, export: str = "export") -> Result:
        """`federation audit verify`."""
        given = ["--key", "auditor.key", *words]
        return self.alone("audit", "verify", *([export] if export else []), *given, "--json")

    def theirs(self, *words: str, export: str = "export") -> tuple[int, str]:
        """`federation-verify`: its exit code and what it says."""
        try:
            code = main([export, "--key", "auditor.key", *words])
        except SystemExit as left:
            code = int(str(left.code))
        said = self.captured.readouterr()
        return code, said.out + said.err

    def both(self, *words: str, export: str = "export") -> tuple[int, Any, str]:
        """The exit code, which must be one, and what each says."""
        ours = self.ours(*words, export=export)
        code, said = self.theirs(*words, export=export)
        assert ours.exit_code == code, (ours.output, said)
        return code, json.loads(ours.stdout or '""'), said


@pytest.fixture
def desk(project: Path, alone: Run, capsys: pytest.CaptureFixture[str]) -> Desk:
    world = World(project / "data")
    world.anchors = (FileAnchor(project / "elsewhere.jsonl"),)
    world.fill().close()
    world.close()
    public = json.loads(alone("audit", "checkpoint", "--json").stdout)["public"]
    (project / "auditor.key").write_text(public)
    assert alone("audit", "export", "export").exit_code == 0
    shutil.copytree("data", "backup")
    spine = Path("backup/evidence/spine.000001.log")
    spine.write_bytes(b"".join(spine.read_bytes().splitlines(keepends=True)[:3]))
    Path("backup/federation.db").unlink()
    assert alone("audit", "export", "older", "--data", "backup").exit_code == 0
    return Desk(alone, capsys, Path("elsewhere.jsonl").read_bytes().splitlines(keepends=True))


@pytest.mark.parametrize("alone_too", [[], ["--alone"]])
@pytest.mark.parametrize(
    "text", [b"", b"\n \n", b"hello\n{}\n", OTHERS, b"\x1f\x8b\x08", "ü".encode("utf-16")]
)
def test_a_file_without_an_anchor_is_wrong_usage(
    desk: Desk, text: bytes, alone_too: list[str]
) -> None:
    Path("empty.jsonl").write_bytes(text)
    for export in ("export", "older"):
        code, ours, theirs = desk.both("--anchor", "empty.jsonl", *alone_too, export=export)
        assert code == 2
        assert ours["error"]["code"] == "usage"
        assert "empty.jsonl holds no anchor" in ours["error"]["message"]
        assert "empty.jsonl holds no anchor" in theirs
        good_beside = ["--anchor", "elsewhere.jsonl", "--anchor", "empty.jsonl"]
        assert desk.both(*good_beside, *alone_too, export=export)[0] == 2
    data = desk.ours("--anchor", "empty.jsonl", export="")
    assert data.exit_code == 2
    assert "holds no anchor" in data.output


@pytest.mark.parametrize("given", ["nowhere.jsonl", "data", ""])
def test_an_anchor_that_cannot_be_read_is_wrong_usage(desk: Desk, given: str) -> None:
    code, ours, theirs = desk.both("--anchor", given)
    assert code == 2
    assert "cannot be read" in ours["error"]["message"]
    assert "cannot be read" in theirs


@pytest.mark.parametrize("alone_too", [[], ["--alone"]])
def test_lines_of_others_in_a_log_servers_file_are_counted(
    desk: Desk, alone_too: list[str]
) -> None:
    text = OTHERS + b"".join(HEAD + line for line in desk.lines)
    text += b'{"event":"push","signature":"%b"}\n' % (b"ab" * 32)
    Path("server.log").write_bytes(text.replace(b"\n", b"\r\n"))
    words = ["--anchor", "server.log", *alone_too]
    code, ours, theirs = desk.both(*words)
    assert (code, ours["verified"], ours["anchors"]) == (0, True, 5)
    assert ours["no_anchors"] == {"server.log": 4}
    assert "server.log: 4 lines are no anchors" in theirs
    assert "5 anchors" in theirs
    code, ours, theirs = desk.both(*words, export="older")
    assert code == 1
    error = ours["error"]
    assert [each["kind"] for each in error["findings"]] == ["rolled_back"]
    assert error["no_anchors"] == {"server.log": 4}
    assert "NOT VERIFIED [rolled_back]" in theirs
    assert "4 lines are no anchors" in theirs
    shown = desk.alone("audit", "verify", "export", "--key", "auditor.key", *words)
    assert "4 lines of server.log are no anchors." in shown.stdout
    assert "1 line of one is no anchor." in _one_line(desk)


def _one_line(desk: Desk) -> str:
    Path("one").write_bytes(b"hello\n" + desk.lines[0])
    words = ["audit", "verify", "export", "--key", "auditor.key", "--anchor", "one"]
    return desk.alone(*words).stdout


def test_several_logs_say_the_same_of_their_anchors(desk: Desk, project: Path) -> None:
    cluster = Cluster(project)
    for name in ("eu", "us"):
        cluster.join(name)
    cluster.work()
    made = cluster.close()
    for name in made:
        assert desk.alone("audit", "export", f"all/{name}", "--data", name).exit_code == 0
    Path("auditor.key").write_text(made["eu"].trusted.hex())
    lines = made["us"].anchors()
    Path("server.log").write_bytes(OTHERS + b"".join(lines))
    code, ours, theirs = desk.both("--anchor", "server.log", export="all")
    assert (code, ours["no_anchors"]) == (0, {"server.log": 3})
    assert [each["anchors"] for each in ours["logs"].values()] == [0, len(lines)]
    assert "server.log: 3 lines are no anchors" in theirs
    Path("server.log").write_bytes(b"".join(lines) + lines[0][:80])
    code, ours, theirs = desk.both("--anchor", "server.log", export="all")
    assert (code, [each["kind"] for each in ours["error"]["findings"]]) == (1, ["anchor"])
    assert f"NOT VERIFIED [anchor]: Line {len(lines) + 1} of server.log" in theirs


def _escaped(line: bytes) -> bytes:
    return json.dumps({"message": line.decode()}).encode()


@pytest.mark.parametrize("alone_too", [[], ["--alone"]])
@pytest.mark.parametrize(
    "broken",
    [
        lambda line: line[:60],
        lambda line: HEAD + line[:60],
        lambda line: HEAD,
        lambda line: HEAD + b"{garbled",
        lambda line: line.replace(b'"body":', b'"bo'),
        lambda line: line.replace(b'{"body":', b'{"body": '),
        lambda line: line.rstrip() + b" and more",
        _escaped,
    ],
)
def test_a_broken_anchor_is_a_failure_and_not_passed_over(
    desk: Desk, broken: Callable[[bytes], bytes], alone_too: list[str]
) -> None:
    Path("server.log").write_bytes(b"".join(desk.lines[:2]) + broken(desk.lines[2]) + b"\n")
    code, ours, theirs = desk.both("--anchor", "server.log", *alone_too)
    assert code == 1
    (finding,) = ours["error"]["findings"]
    assert finding["kind"] == "anchor"
    assert "Line 3 of server.log looks like a checkpoint" in finding["message"]
    assert "NOT VERIFIED [anchor]: Line 3 of server.log" in theirs
    assert desk.ours("--anchor", "server.log", export="").exit_code == 1


@pytest.mark.parametrize("alone_too", [[], ["--alone"]])
def test_an_anchor_that_nobody_signed_is_a_failure(desk: Desk, alone_too: list[str]) -> None:
    forged = desk.lines[2].replace(b'"size":', b'"size":1')
    Path("server.log").write_bytes(b"".join(desk.lines[:2]) + forged)
    code, ours, theirs = desk.both("--anchor", "server.log", *alone_too)
    assert code == 1
    (finding,) = ours["error"]["findings"]
    assert finding["kind"] == "signature"
    assert finding["message"].startswith("An anchor cannot be used: it is not signed")
    assert "NOT VERIFIED [signature]: An anchor" in theirs


@pytest.mark.parametrize("alone_too", [[], ["--alone"]])
def test_a_moment_before_everything_or_all_anchors_is_wrong_usage(
    desk: Desk, alone_too: list[str]
) -> None:
    """It would set aside whatever could speak against an older copy."""
    anchor = ["--anchor", "elsewhere.jsonl", *alone_too]
    code, ours, theirs = desk.both("--through", "2001-01-01", *anchor, export="older")
    assert code == 2
    assert "before the first checkpoint" in ours["error"]["message"]
    assert "before the first checkpoint" in theirs
    whole = desk.ours("--alone")
    last_ms = json.loads(whole.stdout)["last_ms"]
    assert desk.both("--through", str(last_ms), *anchor, export="older")[0] == 1
    code, ours, theirs = desk.both("--through", str(last_ms - 1), *anchor)
    assert (code, ours["anchors"], ours["set_aside"]) == (0, 5, 0), "it has them all"
    Path("newest").write_bytes(desk.lines[-1])
    words = ["--through", str(last_ms - 1), "--anchor", "newest", *alone_too]
    code, ours, theirs = desk.both(*words, export="older")
    assert code == 2
    assert "No anchor says anything" in ours["error"]["message"]
    assert "no anchor says anything" in theirs


@pytest.mark.parametrize("words", [["--through", ""], ["--key", ""], ["--key", "empty"]])
def test_an_empty_value_is_wrong_usage(desk: Desk, words: list[str]) -> None:
    Path("empty").touch()
    assert desk.both(*words)[0] == 2


def test_an_empty_path_is_not_whatever_lies_here(desk: Desk) -> None:
    assert desk.theirs(export="")[0] == 2
    verified = desk.alone("audit", "verify", "", "--key", "auditor.key")
    assert verified.exit_code == 2
    assert "it is empty" in verified.output


@pytest.mark.parametrize("lost", ["keys.jsonl", "checkpoints.jsonl", "entries.jsonl"])
def test_an_export_that_lacks_a_file_is_not_passed_over(desk: Desk, lost: str) -> None:
    shutil.copytree("export", "exports/first")
    assert desk.both(export="exports")[0] == 0
    shutil.copytree("export", "exports/second")
    Path("exports/second", lost).unlink()
    assert desk.both(export="exports")[0] == 2


def test_what_a_proof_is_not_held_against_is_wrong_usage(desk: Desk) -> None:
    assert desk.alone("audit", "prove", "--from", "1", "-o", "proof.json").exit_code == 0
    assert desk.both(export="proof.json")[0] == 0
    for words in (["--anchor", "elsewhere.jsonl"], ["--key", "ab" * 32]):
        assert desk.both(*words, export="proof.json")[0] == 2
