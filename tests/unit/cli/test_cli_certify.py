"""`provider certify`, and every command of the page that says how to add a provider."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from certify_world import SECRET, served
from typer.testing import Result
from vault_server import FakeVault

from federation.bootstrap.hold import hold
from federation.catalogue.quirks import QUIRKS
from federation.control.certify.run import CHECKS
from federation.sandbox.profiles import COMET
from federation.sandbox.rows import model_row, provider_row

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/how-to/add-a-provider.md").read_text("utf-8")
ADDRESS = "https://api.acme.example/v1"
LOCAL = "http://127.0.0.1:9401/v1"
ACME = replace(
    COMET,
    id="acme",
    models=(replace(COMET.models[0], id="acme-large", context=128_000),),
)
Run = Callable[..., Result]


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("federation ")]


@pytest.fixture
def acme(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page's row, its key, and the provider that it speaks of."""
    (row,) = blocks("yaml")
    (project / "config").mkdir()
    with served(ACME) as address:
        written = row.replace(ADDRESS, address)
        assert written != row
        (project / "config" / "providers.yaml").write_text(written)
        monkeypatch.setenv("ACME_API_KEY", SECRET)
        yield address


def test_the_row_of_the_page_has_ten_lines() -> None:
    (row,) = blocks("yaml")
    lines = row.splitlines()
    assert len(lines[lines.index("  - id: acme") :]) == 10


def test_every_command_of_the_page_works(alone: Run, acme: str) -> None:
    found = commands()
    assert len(found) >= 5
    assert {tuple(words[1:3]) for words in found} >= {
        ("config", "check"),
        ("provider", "test"),
        ("provider", "certify"),
    }
    for words in found:
        result = alone(*(word.replace(LOCAL, acme) for word in words[1:]))
        assert result.exit_code == 0, (words, result.output)


def test_a_sound_provider_is_certified(alone: Run, acme: str) -> None:
    result = alone("provider", "certify", "acme")
    assert result.exit_code == 0, result.output
    assert "acme/acme-large, openai" in result.stdout
    assert "0 failed" in result.stdout
    for check in CHECKS:
        assert check.id in result.stdout


def test_the_page_names_only_checks_and_words_that_there_are() -> None:
    table = PAGE.partition("## When a check fails")[2].partition("\n\nA call")[0]
    lines = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    named = {word for line in lines for word in re.findall(r"`(\w+)`", line[1])}
    assert named
    assert named <= {check.id for check in CHECKS}
    words = {word for line in lines for word in re.findall(r"`(\w+): ", line[2])}
    assert words
    assert words <= set(QUIRKS)


def test_the_report_is_one_document_for_programs(alone: Run, acme: str) -> None:
    result = alone("provider", "certify", "acme", "--json")
    told = json.loads(result.stdout)
    assert told["object"] == "certification"
    assert (told["provider"], told["model"], told["dialect"]) == ("acme", "acme-large", "openai")
    assert told["base_url"] == acme
    assert told["ok"] is True
    assert sum(told["summary"].values()) == len(told["checks"]) == len(CHECKS)
    assert {"id", "group", "proves", "status", "reason", "evidence", "took_ms"} == set(
        told["checks"][0]
    )
    assert SECRET not in result.stdout


def test_a_failure_is_the_exit_code(alone: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk-not-the-one-that-is-taken")
    result = alone("provider", "certify", "acme", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert [one["id"] for one in told["checks"] if one["status"] == "failed"] == ["auth_good"]
    shown = alone("provider", "certify", "acme")
    assert shown.exit_code == 1
    assert "does not hold what it says" in shown.stdout


def test_an_address_where_nobody_answers_is_the_first_and_last_thing_said(
    alone: Run, acme: str
) -> None:
    result = alone("provider", "certify", "acme", "--base-url", "http://127.0.0.1:9/v1")
    assert result.exit_code == 1
    assert result.stdout.startswith("acme does not answer at http://127.0.0.1:9/v1: ")
    assert "auth_good" not in result.stdout


def test_a_simulated_provider_that_does_not_run_says_how_to_start_it(
    alone: Run, project: Path
) -> None:
    result = alone("provider", "certify", "sim-boreal")
    assert result.exit_code == 1
    assert "The simulated provider 'sim-boreal' does not run" in result.stderr
    assert "federation sandbox --json" in result.stderr


def test_a_provider_that_only_a_running_gateway_found_is_certified(
    alone: Run, project: Path
) -> None:
    run = project / "data" / "run"
    run.mkdir(parents=True)
    with served(COMET) as address:
        found = {"providers": [provider_row(COMET, address, [model_row(COMET.models[0], "m")])]}
        (run / "found.yaml").write_text(json.dumps(found))
        assert alone("provider", "certify", COMET.id).exit_code == 1, "no gateway runs"
        with hold(run):
            result = alone("provider", "certify", COMET.id, "--json")
    assert json.loads(result.stdout)["checks"][0]["status"] == "passed"


def test_a_model_that_the_row_does_not_list_is_tried(alone: Run, acme: str) -> None:
    result = alone("provider", "certify", "acme", "--model", "acme-larg", "--json")
    assert result.exit_code == 1
    assert "did you mean 'acme-large'" in result.stderr
    told = json.loads(result.stdout)
    assert told["model"] == "acme-larg"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("nobody",), 1, "There is no provider 'nobody'"),
        (("acme", "--base-url", "api.acme.example"), 2, "--base-url is not an address"),
        (("acme", "--base-url", "http://[oops"), 2, "--base-url is not an address"),
    ],
)
def test_what_cannot_be_asked_is_said(
    alone: Run, acme: str, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    result = alone("provider", "certify", *arguments)
    assert result.exit_code == exit_code, result.output
    assert words in result.stderr


def test_a_row_without_its_key_says_which(
    alone: Run, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACME_API_KEY")
    result = alone("provider", "certify", "acme")
    assert result.exit_code == 1
    assert "Set ACME_API_KEY" in result.stderr


def test_a_credential_in_a_vault_is_read(
    alone: Run, acme: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = project / "config" / "providers.yaml"
    rows.write_text(rows.read_text().replace("env:ACME_API_KEY", "vault:kv/acme#key"))
    with FakeVault() as vault:
        vault.put("kv/acme", key=SECRET)
        for name, value in vault.environ.items():
            monkeypatch.setenv(name, value)
        assert alone("provider", "certify", "acme").exit_code == 0
        assert alone("provider", "test", "acme").exit_code == 0


def test_a_credential_that_cannot_be_read_is_not_said_to_be_missing(
    alone: Run, acme: str, project: Path
) -> None:
    rows = project / "config" / "providers.yaml"
    rows.write_text(rows.read_text().replace("env:ACME_API_KEY", f"file:{project}/acme.key"))
    result = alone("provider", "certify", "acme")
    assert result.exit_code == 1
    assert f"the credential file {project}/acme.key cannot be read: No such file" in result.stderr
    assert "Set file:" not in result.stderr


def test_a_row_without_a_chat_model_wants_one_named(alone: Run, project: Path) -> None:
    (project / "config").mkdir()
    (project / "config" / "providers.yaml").write_text(
        "- {id: bare, dialect: openai, base_url: 'http://127.0.0.1:9/v1', models:"
        " [{id: vectors, operations: [embeddings]}]}\n"
    )
    result = alone("provider", "certify", "bare")
    assert result.exit_code == 2
    assert "--model" in result.stderr
    result = alone("provider", "certify", "bare", "--model", "vectors")
    assert result.exit_code == 2
    assert "no chat model" in result.stderr
