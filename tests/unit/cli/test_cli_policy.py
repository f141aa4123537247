"""`federation policy`: check, test, diff, explain, packs, on files alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from federation.cli.tree import app
from federation.storage.accounts import SqlKeys
from federation.storage.engine import opened_stores

Run = Callable[..., Result]
EU_ONLY = """\
policy:
  name: eu-only
  attach: {tenants: [acme]}
  rules:
    - data_residency: [eu]
      control: GDPR Art. 44
"""
TESTS = """\
tests:
  - name: acme stays in Europe
    call: {tenant: acme}
    deployment: there/large
    expect: deny
    why: eu-only.data_residency
  - name: others do not
    call: {tenant: other}
    deployment: there/large
    expect: allow
"""
ROWS = """\
providers:
  - {id: here, dialect: openai, base_url: "http://127.0.0.1:1", regions: [de], models: [large]}
  - {id: there, dialect: openai, base_url: "http://127.0.0.1:2", regions: [us], models: [large]}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "config"
    (directory / "policies" / "tests").mkdir(parents=True)
    (directory / "providers.yaml").write_text(ROWS)
    (directory / "policies" / "eu.yaml").write_text(EU_ONLY)
    (directory / "policies" / "tests" / "eu.yaml").write_text(TESTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDERATION_CONFIG_DIR", raising=False)
    return directory


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments])


def told(*arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_check_shows_what_is_in_force(config: Path) -> None:
    done = run("check")
    assert done.exit_code == 0
    assert "eu-only@1+" in done.output
    assert "tenants acme" in done.output
    (shown,) = told("check")["policies"]
    assert shown["attach"]["tenants"] == ["acme"]
    assert shown["deployments_left"] >= 1
    assert len(shown["digest"]) == 64


def test_check_warns_of_a_policy_that_leaves_nobody(config: Path) -> None:
    (config / "policies" / "shut.yaml").write_text("policy: {name: shut, rules: [{data_use: []}]}")
    assert "'shut' leaves no deployment" in run("check").output


def test_check_refuses_with_file_and_line(config: Path) -> None:
    (config / "policies" / "eu.yaml").write_text(EU_ONLY.replace("residency", "residencey"))
    done = run("check")
    assert done.exit_code == 78
    assert "eu.yaml:5: unknown key" in done.output
    assert "data_residency" in done.output


def test_check_refuses_a_condition_with_its_line(config: Path) -> None:
    text = f"{EU_ONLY}    - condition: tenent == 'x'\n"
    (config / "policies" / "eu.yaml").write_text(text)
    done = run("check")
    assert done.exit_code == 78
    assert "eu.yaml:7: the condition of 'eu-only' (condition): column 1" in done.output


def test_the_tests_of_the_policies_pass_and_fail(config: Path) -> None:
    assert "2 passed, 0 failed" in run("test").output
    (config / "policies" / "eu.yaml").write_text(EU_ONLY.replace("eu]", "eu, us]"))
    done = run("test")
    assert done.exit_code == 1
    assert "eu.yaml:2: acme stays in Europe" in done.output
    assert "expected deny, and the policies allow" in done.output
    assert "1 passed, 1 failed" in done.output
    done = run("test", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["failed"] == 1


def test_without_tests_nothing_is_said_to_pass(config: Path) -> None:
    (config / "policies" / "tests" / "eu.yaml").unlink()
    assert run("test").exit_code == 1
    assert run("test", "nowhere.yaml").exit_code == 78


def test_explain_says_why_not(config: Path) -> None:
    done = run("explain", "--tenant", "ACME", "-d", "there/large")
    assert done.exit_code == 0
    assert "data_residency" in done.output
    assert "is not known to keep data within eu" in done.output
    shown = told("explain", "--tenant", "acme")
    assert "here/large" in shown["allowed"]
    assert shown["reasons"]["there/large"][0]["control"] == "GDPR Art. 44"
    assert shown["obligations"]["residency"] == [["eu"]]
    assert "there/large" in told("explain", "--tenant", "other")["allowed"]


def test_explain_tells_what_a_policy_obliges_to_in_words(config: Path) -> None:
    (config / "policies" / "eu.yaml").write_text(
        EU_ONLY
        + "    - all_requests_logged: true\n    - pii: {action: redact, types: {card: block}}\n"
    )
    said = run("explain", "--tenant", "acme").output.splitlines()
    obliged = [line.removeprefix("Obliges: ") for line in said if line.startswith("Obliges: ")]
    assert {"logged", "residency: eu", "pii: redact", "pii_types: card block"} <= set(obliged)


def test_explain_tells_what_the_name_reaches_and_who_could_be_asked(config: Path) -> None:
    (config / "providers.yaml").write_text(
        f"""{ROWS}  - id: shut
    dialect: openai
    base_url: "http://127.0.0.1:3"
    auth: {{scheme: bearer}}
    credential: env:SHUT_KEY
    regions: [us]
    models: [large]
"""
    )
    (config / "federation.yaml").write_text(
        """\
routes:
  - {name: us-only, targets: [{deployment: there/large}, {deployment: shut/large}]}
  - {name: mixed, targets: [{deployment: shut/large}, {deployment: here/large}]}
"""
    )
    shown = told("explain", "--tenant", "acme", "--route", "us-only")
    assert shown["reached"] == ["there/large", "shut/large"], "who can be asked comes first"
    assert (shown["allowed"], shown["name"]) == ([], "us-only")
    assert shown["cannot_be_asked"] == {"shut/large": "credential"}
    assert set(shown["reasons"]) == {"there/large", "shut/large"}
    said = run("explain", "--tenant", "acme", "--route", "us-only").output
    for line in (
        "'us-only' reaches 2 deployments.",
        "May serve the call: 0: nobody",
        "Kept out by policies: 1: there/large",
        "Cannot be asked: 1: shut/large (credential: has no usable credential)",
    ):
        assert line in said
    assert told("explain", "--tenant", "other", "--route", "us-only")["allowed"] == ["there/large"]
    assert told("explain", "--tenant", "acme", "--route", "mixed")["allowed"] == ["here/large"]
    everybody = told("explain", "--tenant", "acme")
    assert (everybody["name"], everybody["allowed"]) == ("auto", ["here/large"])
    assert everybody["reached"][:2] == ["here/large", "there/large"], "one's own come first"
    assert len(everybody["cannot_be_asked"]) > 100
    passage = told("explain", "--tenant", "other", "--operation", "passthrough")
    assert (passage["name"], set(passage["allowed"])) == ("", {"here/large", "there/large"})
    strange = run("explain", "--route", "us-onyl")
    assert strange.exit_code == 1
    assert "Did you mean us-only" in strange.stderr
    aside = run("explain", "--route", "us-only", "-d", "here/large")
    assert (aside.exit_code, aside.stderr) == (2, "Error: 'us-only' does not reach 'here/large'.\n")


def test_explain_takes_the_facts_of_a_call(config: Path) -> None:
    (config / "policies" / "more.yaml").write_text(
        """\
policy:
  name: more
  rules:
    - prohibited_data: {"*": [phi]}
    - hours: {days: mon-fri}
    - approval: cto
    - condition: tags.team == "legal"
"""
    )
    open_ = (
        *("--tag", "team=legal", "--approval", "cto", "--at", "2026-01-07T12:00:00+00:00"),
        *("--tenant", "other"),
    )
    assert told("explain", *open_)["allowed"]
    assert not told("explain", *open_, "--data-class", "phi")["allowed"]
    assert not told("explain", *open_, "--unclassified")["allowed"]
    silent = "Only where the call says what data it holds"
    assert silent in run("explain", *open_).output
    assert silent not in run("explain", *open_, "--unclassified").output
    assert silent not in run("explain", *open_, "--data-class", "phi").output
    assert not told("explain", *open_, "--at", "2026-01-10T12:00:00+00:00")["allowed"]
    assert not told("explain", *open_[2:])["allowed"]
    assert not told("explain", *open_, "--privacy", "Public")["allowed"]


@pytest.mark.parametrize(
    "arguments",
    [("--tag", "x"), ("--at", "noon"), ("--at", "2026-01-07T12:00:00"), ("-d", "no/body")],
)
def test_explain_refuses_what_it_cannot_read(config: Path, arguments: tuple[str, ...]) -> None:
    assert run("explain", *arguments).exit_code == 2


def test_diff_says_what_opens_and_closes(config: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.yaml"
    old.write_text(EU_ONLY.replace("[eu]", "[eu, us]"))
    shown = told("diff", str(old))
    (change,) = shown["changes"]
    assert (change["policy"], change["what"]) == ("eu-only", "changed")
    (detail,) = (each for each in change["details"] if each["name"] == "data_residency")
    assert '"us"' in detail["before"]
    assert '"us"' not in detail["after"]
    (effect,) = shown["effects"]
    assert effect["tenant"] == "acme"
    assert "there/large" in effect["lost"]
    assert not effect["gained"]
    done = run("diff", str(old))
    assert "│ tenant acme" in done.output
    assert {"Before", "After", "Loses", "Gains"} <= set(done.output.split())
    assert "there 1" in done.output
    assert "The policies say the same." in run("diff", str(config), str(config / "policies")).output
    assert run("diff", "nowhere").exit_code == 2


def test_packs_are_listed_and_shown() -> None:
    assert {each["name"] for each in told("packs")["packs"]} == {"gdpr", "soc2", "hipaa", "ccpa"}
    assert "GDPR" in run("packs").output
    done = run("packs", "HIPAA")
    assert "164.312(b)" in done.output
    assert run("packs", "hippa").exit_code == 2
    assert "did you mean 'hipaa'?" in run("packs", "hippa").output


def test_explain_refuses_a_tenant_that_is_not_there(config: Path) -> None:
    noted = run("explain", "--tenant", "acmee")
    assert noted.exit_code == 0, "without a store nobody knows which there are"
    assert "No policy names the tenant 'acmee'" in noted.stderr
    with opened_stores(config.parent / "data", None) as stores:
        SqlKeys(stores.durable).ensure_tenant("bravo", 1)
    refused = run("explain", "--tenant", "acmee")
    assert refused.exit_code == 2
    assert "There is no tenant 'acmee', and no policy names it." in refused.output
    assert "did you mean 'acme'?" in refused.output
    for known in ("acme", "ACME", "bravo", "default"):
        done = run("explain", "--tenant", known)
        assert (done.exit_code, done.stderr) == (0, ""), done.output
