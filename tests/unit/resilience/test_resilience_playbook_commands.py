"""`federation playbook` as a person and as a program use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playbooks import SMALL, shipped_text
from typer.testing import CliRunner, Result

from federation.cli.tree import app


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "220")
    for name in ("FEDERATION_URL", "FEDERATION_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def playbook(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["playbook", *arguments])


def said(*arguments: str) -> Any:
    result = playbook(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_check_counts_what_the_shipped_playbook_holds() -> None:
    found = said("check")
    assert (found["ok"], found["states"], found["events"], found["scenarios"]) == (True, 11, 20, 6)
    assert "The playbook holds" in playbook("check").stdout


def test_check_names_file_line_and_kind_of_what_is_wrong(project: Path) -> None:
    (project / "mine.yaml").write_text(SMALL.replace("{to: idle}", "{to: idel}"))
    result = playbook("check", "mine.yaml")
    assert result.exit_code == 1
    assert "mine.yaml:14: there is no state 'idel': did you mean 'idle'? (unknown)" in result.stderr
    result = playbook("check", "mine.yaml", "--json")
    problem = json.loads(result.stdout)["error"]["problems"][0]
    assert (problem["kind"], problem["file"], problem["line"]) == ("unknown", "mine.yaml", 14)


def test_check_says_where_yaml_breaks_and_that_a_file_is_missing(project: Path) -> None:
    (project / "mine.yaml").write_text("initial: [")
    assert playbook("check", "mine.yaml").exit_code == 1
    result = playbook("check", "none.yaml")
    assert result.exit_code == 2
    assert "There is no file none.yaml" in result.stderr


def test_run_shows_all_six_scenarios_and_takes_one_by_name() -> None:
    found = said("run")
    assert (found["ok"], found["clock"], len(found["data"])) == (True, "virtual", 6)
    assert [row["scenario"] for row in said("run", "privacy")["data"]] == ["privacy"]
    assert "passed" in playbook("run", "happy_path").stdout


def test_run_knows_the_nearest_scenario_and_ends_with_1_where_one_deviates(project: Path) -> None:
    result = playbook("run", "circuit_trap")
    assert result.exit_code == 2
    assert "did you mean 'circuit_trip'?" in result.stderr
    text = shipped_text().replace(
        "- {stream: true, expect: {by: one, attempts: 1}}",
        "- {stream: true, expect: {by: one, attempts: 2}}",
    )
    (project / "mine.yaml").write_text(text)
    result = playbook("run", "happy_path", "--file", "mine.yaml")
    assert result.exit_code == 1
    assert "in place of" in result.stdout


def test_run_against_nobody_says_so() -> None:
    result = playbook("run", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 3
    assert "No gateway answers" in result.stderr


def test_mutate_prints_classes_judges_and_the_score(project: Path) -> None:
    (project / "mine.yaml").write_text(shipped_text())
    found = said("mutate", "mine.yaml", "--judge", "validator", "--judge", "tours")
    assert [row["class"] for row in found["classes"]] == ["M1", "M2", "M3", "M4", "M5"]
    assert found["score"] >= 0.95
    assert found["mutants"] == sum(row["mutants"] for row in found["classes"])


def test_mutate_ends_with_1_under_the_goal_and_lists_survivors(project: Path) -> None:
    (project / "small.yaml").write_text(SMALL.replace("[busy -> busy]", "[]"))
    result = playbook("mutate", "small.yaml", "--judge", "walks", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["score"] < 0.95
    assert {"class", "about", "alike", "why"} <= set(found["survivors"][0])
    assert "Nobody noticed" in playbook("mutate", "small.yaml", "--judge", "walks").stdout
    assert playbook("mutate", "--judge", "tuors").exit_code == 2


def test_export_prints_or_writes_each_format(project: Path) -> None:
    assert playbook("export").stdout.startswith("digraph playbook {")
    assert playbook("export", "-o", "-").stdout == playbook("export").stdout
    assert said("export", "--format", "svg", "-o", "life.svg") == {
        "format": "svg",
        "file": "life.svg",
    }
    assert (project / "life.svg").read_text().startswith("<svg ")
    routes = playbook("export", "--format", "routes").stdout
    assert "  - name: playbook-circuit_trip" in routes
    result = playbook("export", "--format", "png")
    assert result.exit_code == 2
    assert "Known are: dot, svg, routes" in result.stderr
    assert playbook("export", "-o", "no/such/dir/x").exit_code == 1
