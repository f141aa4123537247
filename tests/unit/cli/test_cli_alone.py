"""Commands where no gateway runs: on the files and the store, or failing with advice."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from federation import __version__
from federation.bootstrap.hold import hold
from federation.cli.client import Gateway, Unreachable
from federation.cli.failures import CommandFailed, Exit, from_error
from federation.cli.place import Place
from federation.errors import ConfigError, NotEligible, NotFound, Problem, Unauthorized

Run = Callable[..., Result]

PROVIDERS = """\
- id: acme
  dialect: openai
  base_url: http://127.0.0.1:9/v1
  regions: [eu]
  models:
    - {id: acme-large, price: {input: 2.5, output: 10}, context: 128000, quality: 0.9}
    - {id: acme-small, price: {input: 0.1, output: 0.2}, context: 8000, quality: 0.4}
"""


@pytest.fixture
def acme(project: Path) -> Path:
    (project / "config").mkdir()
    (project / "config" / "providers.yaml").write_text(PROVIDERS)
    return project


def test_the_version_is_told(alone: Run) -> None:
    assert alone("version").stdout == f"federation {__version__}\n"
    assert alone("--version").stdout == f"federation {__version__}\n"
    assert json.loads(alone("version", "--json").stdout) == {"version": __version__}


def test_the_package_is_run_as_a_program_too() -> None:
    asked = (sys.executable, "-m", "federation", "version")
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout == f"federation {__version__}\n"


@pytest.mark.parametrize("option", ["--timeout", "--max-cost", "--max-latency"])
def test_a_number_without_an_end_is_wrong_usage(alone: Run, option: str) -> None:
    told = alone("route", "run", option, "inf", "Hello")
    assert told.exit_code == Exit.USAGE
    assert option in told.stderr


def test_a_factor_on_all_waiting_has_an_end(alone: Run) -> None:
    told = alone("sandbox", "--time-scale", "inf")
    assert told.exit_code == Exit.USAGE
    assert "--time-scale" in told.stderr


@pytest.mark.parametrize(
    "asked",
    [("init", ""), ("serve", "--data="), ("up", "--config", ""), ("status", "health", "--data=")],
)
def test_a_place_without_a_name_is_not_the_current_directory(
    alone: Run, project: Path, asked: tuple[str, ...]
) -> None:
    told = alone(*asked)
    assert told.exit_code == Exit.USAGE
    assert "it is empty" in told.stderr
    assert not list(project.iterdir())


def test_what_a_newcomer_needs_is_named_first(alone: Run) -> None:
    commands = alone("--help").stdout.partition("Commands:")[2].splitlines()[1:]
    assert [line.split()[0] for line in commands[:3]] == ["up", "serve", "init"]


@pytest.mark.parametrize(
    "asked",
    [
        ("tenant", "show", "a\udcff\xe9"),
        ("key", "create", "alice", "--model", "chat", "--model", "a\udcff\xe9"),
        ("audit", "query", "--tenant", "a\udcff\xe9"),
        ("user", "list", "--url", "a\udcff\xe9"),
    ],
)
def test_an_argument_that_is_no_text_is_wrong_usage(alone: Run, asked: tuple[str, ...]) -> None:
    result = alone(*asked)
    assert result.exit_code == Exit.USAGE
    assert "'a\\xff\xe9' is not text in UTF-8." in result.stderr


@pytest.mark.parametrize("command", [("user", "list"), ("tenant", "import", "users.json")])
def test_a_key_that_is_no_text_is_not_shown(
    alone: Run, project: Path, command: tuple[str, ...]
) -> None:
    (project / "users.json").write_text("{}")
    result = alone(*command, "--api-key", "fed_hidden\udcff", "--url", "http://127.0.0.1:9")
    assert result.exit_code == Exit.USAGE
    assert "The key holds a line break or another character that no key has." in result.stderr
    assert "hidden" not in result.stderr


def test_a_path_may_have_bytes_that_are_no_text(alone: Run, project: Path) -> None:
    alone("init", "a\udcff", "--json")
    assert (project / "a\udcff" / "config" / "providers.yaml").is_file()


def test_init_writes_files_that_load_clean(alone: Run, project: Path) -> None:
    result = alone("init", "here")
    assert result.exit_code == 0
    for name in ("config/providers.yaml", "config/federation.yaml", ".env.example"):
        assert (project / "here" / name).is_file()
        assert name in result.stdout
    checked = alone("config", "check", "--config", "here/config", "--strict", "--json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["ok"]


def test_init_overwrites_nothing_unless_forced(alone: Run, project: Path) -> None:
    (project / ".env.example").write_text("mine")
    result = alone("init")
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert not (project / "config").exists()
    forced = alone("init", "--force", "--json")
    assert len(json.loads(forced.stdout)["written"]) == 3
    assert (project / ".env.example").read_text() != "mine"


def test_init_minds_no_file_that_is_the_same(alone: Run, project: Path) -> None:
    alone("init")
    (project / "config" / "providers.yaml").unlink()
    again = alone("init", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["written"] == ["config/providers.yaml"]


def test_init_a_second_time_says_that_nothing_was_written(alone: Run, project: Path) -> None:
    assert "Nothing was written" not in alone("init").stdout
    again = alone("init")
    assert again.exit_code == 0
    assert "Nothing was written" in again.stdout


def test_init_into_a_file_is_a_failure_without_traceback(alone: Run, project: Path) -> None:
    (project / "file").write_text("")
    result = alone("init", "file")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_init_on_a_full_disk_names_the_file(
    alone: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    result = alone("init", "there")
    assert result.exit_code == 1
    assert "there/config/providers.yaml cannot be written: No space left" in result.stderr


def test_a_good_configuration_is_summed_up(alone: Run, acme: Path) -> None:
    (acme / "config" / "federation.yaml").write_text(
        "routes: {chat: [acme/acme-large]}\nserver: {port: 1234}"
    )
    (acme / ".env").write_text("ANTHROPIC_API_KEY=sk-hidden\n")
    result = alone("config", "check")
    assert result.exit_code == 0
    for part in ("can be used", "acme, anthropic", "chat"):
        assert part in result.stdout
    assert "sk-hidden" not in result.output


def test_a_bad_configuration_lists_every_problem_and_exits_with_78(alone: Run, acme: Path) -> None:
    (acme / "config" / "federation.yaml").write_text("routs: 1\nserver: {prot: 2}\n")
    result = alone("config", "check")
    assert result.exit_code == 78
    assert "federation.yaml:1: unknown key 'routs': did you mean 'routes'?" in result.stderr
    assert "federation.yaml:2: unknown key 'server.prot'" in result.stderr
    as_json = alone("config", "check", "--json")
    assert len(json.loads(as_json.stdout)["error"]["problems"]) == 2


def test_warnings_fail_a_strict_check(alone: Run, acme: Path) -> None:
    (acme / "config" / "providers.yaml").write_text("- {id: openai, credential: env:NOT_SET}")
    assert "NOT_SET is not set" in alone("config", "check").stderr
    strict = alone("config", "check", "--strict", "--json")
    assert strict.exit_code == 78
    said = json.loads(strict.stdout)["error"]
    assert (said["code"], said["ok"], said["usable"]) == ("warnings", False, [])


def test_what_is_disabled_or_has_no_model_is_not_usable(alone: Run, acme: Path) -> None:
    rows = "- {id: acme, enabled: false}\n- {id: vllm}\n"
    (acme / "config" / "providers").mkdir()
    (acme / "config" / "providers" / "more.yaml").write_text(rows)
    said = json.loads(alone("config", "check", "--json").stdout)
    assert (said["configured"], said["usable"]) == (["acme", "vllm"], [])


def test_a_configuration_directory_that_is_missing_is_wrong_usage(alone: Run) -> None:
    result = alone("config", "check", "--config", "nowhere")
    assert result.exit_code == 2
    assert "federation init" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["route", "hello"], ["status", "health"], ["status", "stats"]],
)
def test_what_needs_a_gateway_says_so_and_exits_with_three(
    alone: Run, arguments: list[str]
) -> None:
    result = alone(*arguments)
    assert result.exit_code == 3
    assert "federation up" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["route", "hello", "--dry-run"],
        ["provider", "list"],
        ["provider", "test", "openai"],
        ["provider", "disable", "openai"],
        ["key", "list"],
        ["key", "create", "x"],
        ["key", "revoke", "x"],
    ],
)
def test_a_gateway_that_was_named_and_does_not_answer_is_not_replaced_by_files(
    alone: Run, project: Path, arguments: list[str]
) -> None:
    result = alone(*arguments, "--url", "http://127.0.0.1:9")
    assert result.exit_code == 3
    assert not (project / "data").exists()


def test_providers_are_listed_from_the_files(alone: Run, acme: Path) -> None:
    result = alone("provider", "list")
    assert result.exit_code == 0
    assert "acme" in result.stdout
    assert "what the configuration says" in result.stderr
    everything = json.loads(alone("provider", "list", "--all", "--json").stdout)["data"]
    assert "openai" in {row["id"] for row in everything}
    shown = alone("provider", "show", "acme")
    assert "acme-large" in shown.stdout
    assert "2.5" in shown.stdout


def test_a_decision_is_explained_from_the_files(alone: Run, acme: Path) -> None:
    result = alone("route", "explain", "what is a monad?", "--json", "--model", "acme/acme-large")
    assert result.exit_code == 0, result.output
    decision = json.loads(result.stdout)
    assert decision["deployment"] == "acme/acme-large"
    assert decision["estimated_cost"] > 0
    assert "without live measurements" in result.stderr


def test_a_decision_that_no_rule_allows_exits_with_four(alone: Run, acme: Path) -> None:
    result = alone(
        *("route", "hi", "--dry-run", "--model", "acme/acme-large"),
        *("--data-residency", "us"),
    )
    assert result.exit_code == 4
    assert "residency" in result.stderr
    unknown = alone("route", "hi", "--dry-run", "--model", "acme/none")
    assert unknown.exit_code == 1


def test_a_text_is_classified_here(alone: Run) -> None:
    result = alone("route", "task", "Translate this sentence into French.")
    assert result.exit_code == 0
    assert "Intent" in result.stdout
    as_json = json.loads(alone("route", "task", "Translate this.", "--json").stdout)
    assert as_json["name"] == "translation"


@pytest.mark.parametrize("asked", [("key", "list"), ("key", "revoke", "key_none")])
def test_where_there_is_no_store_none_is_made_to_read_it(
    alone: Run, project: Path, asked: tuple[str, ...]
) -> None:
    result = alone(*asked)
    assert result.exit_code == 1
    assert "There is no store in" in result.stderr
    assert not (project / "data").exists()


def test_keys_are_kept_in_the_store(alone: Run, project: Path) -> None:
    made = alone("key", "create", "ci", "--role", "viewer", "--expires", "1h", "--json")
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)
    assert key["secret"].startswith("fed_")
    assert "next start" in made.stderr
    assert (project / "data" / "admin.key").stat().st_mode & 0o777 == 0o600
    listed = json.loads(alone("key", "list", "--json").stdout)["data"]
    assert {row["name"] for row in listed} == {"admin key", "ci"}
    assert key["secret"] not in json.dumps(listed)
    here = alone("key", "list", "--tenant", "default", "--json")
    assert [row["id"] for row in json.loads(here.stdout)["data"]] == [key["id"]]
    elsewhere = alone("key", "list", "--tenant", "acme")
    assert (elsewhere.exit_code, elsewhere.stdout) == (1, "")
    assert "There is no tenant 'acme'." in elsewhere.stderr
    assert "is revoked" in alone("key", "revoke", key["id"]).stdout
    assert key["id"] not in alone("key", "list").stdout
    missing = alone("key", "revoke", "key_none")
    assert missing.exit_code == 1
    assert "There is no key" in missing.stderr


@pytest.mark.parametrize(
    ("wished", "told"),
    [
        (("--scope", "infre"), "scopes.0: Input should be 'infer'"),
        (("--expires", "9999w"), "expires_in_s: Input should be less than"),
        (("--model", "m" * 10, "--user", "u" * 129), "user: String should have at most 128"),
    ],
)
def test_a_key_that_a_gateway_would_not_make_is_not_made_in_its_store(
    alone: Run, wished: tuple[str, ...], told: str
) -> None:
    """It could not show its list of keys from then on."""
    alone("key", "create", "first")
    refused = alone("key", "create", "x", *wished)
    assert refused.exit_code == 1
    assert told in refused.stderr
    listed = json.loads(alone("key", "list", "--all", "--json").stdout)["data"]
    assert [row["name"] for row in listed] == ["admin key", "first"]


def test_a_change_that_was_refused_is_not_on_record_as_half_done(alone: Run, project: Path) -> None:
    alone("key", "create", "first")
    assert alone("key", "revoke", "key_none").exit_code == 1
    logs = sorted((project / "data/evidence/journal").glob("notes-*.log"), key=os.path.getmtime)
    notes = [json.loads(line[9:])["record"] for line in logs[-1].read_bytes().splitlines()]
    assert [(each["phase"], each.get("status")) for each in notes] == [
        ("asked", None),
        ("done", 404),
    ]
    assert len({each["id"] for each in notes}) == 1


def test_a_key_for_a_tenant_that_does_not_exist_is_refused(alone: Run) -> None:
    assert alone("key", "create", "x", "--tenant", "nobody").exit_code == 1


def test_a_provider_is_switched_in_the_store(alone: Run, acme: Path) -> None:
    result = alone("provider", "disable", "acme")
    assert result.exit_code == 0, result.output
    assert "acme is disabled" in result.stdout
    assert "from the next start" in result.stderr
    assert "acme" not in alone("provider", "list").stdout
    assert alone("provider", "enable", "acme", "--json").exit_code == 0
    assert "acme" in alone("provider", "list").stdout
    assert alone("provider", "disable", "nobody").exit_code == 1


def test_a_provider_is_asked_from_here(alone: Run, acme: Path) -> None:
    result = alone("provider", "test", "acme")
    assert result.exit_code == 1
    assert "acme does not pass" in result.stderr
    assert alone("provider", "test", "openai").exit_code == 1


def test_a_decision_from_the_files_obeys_the_policies_and_names_them(
    alone: Run, acme: Path
) -> None:
    policies = acme / "config" / "policies"
    policies.mkdir()
    small = "policy: {name: tidy, rules: [{denied_models: [acme-small]}]}"
    (policies / "tidy.yaml").write_text(small)
    asked = ("route", "explain", "Hi", "--json", "--model")
    told = json.loads(alone(*asked, "acme/acme-large").stdout)["governance"]
    assert [name.partition("+")[0] for name in told["policies"]] == ["tidy@1"]
    refused = alone(*asked, "acme/acme-small")
    assert refused.exit_code != 0
    assert "denied_models of tidy keeps out 1" in refused.output


def test_a_condition_that_cannot_be_used_is_a_bad_configuration(alone: Run, acme: Path) -> None:
    (acme / "config" / "policies").mkdir()
    (acme / "config" / "policies" / "odd.yaml").write_text(
        "policy: {name: odd, rules: [{condition: tenant == 1}]}"
    )
    checked = alone("config", "check")
    assert checked.exit_code != 0
    assert "odd.yaml:1" in checked.output


@pytest.mark.parametrize("anchor", ["s3:x", "file:", "file:data/inside", "syslog:tcp://h"])
def test_an_anchor_that_cannot_be_used_is_a_bad_configuration(
    alone: Run, acme: Path, anchor: str
) -> None:
    (acme / "config" / "federation.yaml").write_text(f"evidence: {{anchors: ['{anchor}']}}")
    checked = alone("config", "check")
    assert checked.exit_code == 78
    assert "evidence.anchors" in checked.output


def test_the_keys_of_an_anchor_may_stand_in_the_env_file(alone: Run, acme: Path) -> None:
    asked = "evidence: {anchors: ['s3:https://s3.test/bucket/logs?days=10']}"
    (acme / "config" / "federation.yaml").write_text(asked)
    assert "AWS_ACCESS_KEY_ID" in alone("config", "check").stderr
    (acme / ".env").write_text("AWS_ACCESS_KEY_ID=k\nAWS_SECRET_ACCESS_KEY=s\n")
    assert alone("config", "check").exit_code == 0


def test_a_bad_configuration_is_explained_by_every_command(alone: Run, acme: Path) -> None:
    (acme / "config" / "federation.yaml").write_text("server: {workers: x}")
    for arguments in (["provider", "list"], ["status", "health"], ["serve"], ["key", "list"]):
        result = alone(*arguments)
        assert result.exit_code == 78
        assert "Traceback" not in result.output


def test_nothing_is_written_beside_a_gateway_that_does_not_answer(alone: Run, acme: Path) -> None:
    run = acme / "data" / "run"
    run.mkdir(parents=True)
    with hold(run) as held:
        held.note("http://127.0.0.1:9")
        for arguments in (["key", "create", "x"], ["key", "list"], ["provider", "disable", "acme"]):
            result = alone(*arguments)
            assert result.exit_code == 3
            assert f"in use by process {os.getpid()} at http://127.0.0.1:9" in result.stderr
            assert "It may still do what it was asked" in result.stderr
    assert not (acme / "data" / "federation.db").exists()
    assert alone("provider", "disable", "acme").exit_code == 0


def test_a_provider_whose_language_is_not_spoken_says_so(alone: Run, project: Path) -> None:
    (project / ".env").write_text("ANTHROPIC_API_KEY=sk-hidden\n")
    result = alone("provider", "list", "--all", env={"COLUMNS": "80"})
    assert "dialect not spoken yet" in result.stdout
    assert "needs OPENAI_API_KEY" in result.stdout, "a variable to copy is not broken"


# Which gateway, which key


def test_the_gateway_on_our_data_directory_is_found(project: Path) -> None:
    run = project / "data" / "run"
    run.mkdir(parents=True)
    with hold(run) as held:
        assert Place().address() == "http://127.0.0.1:8000"
        held.note("http://127.0.0.1:8765")
        assert Place().address() == "http://127.0.0.1:8765"
        assert Place(url="http://x").address() == "http://x"
        assert Place(data=Path("other")).address() == "http://127.0.0.1:8000"
    assert Place().address() == "http://127.0.0.1:8000"


def test_the_address_comes_from_the_flag_then_the_configuration(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Place().address() == "http://127.0.0.1:8000"
    assert Place(url="https://gw.test/x/").address() == "https://gw.test/x"
    monkeypatch.setenv("FEDERATION_HOST", "::")
    monkeypatch.setenv("FEDERATION_PORT", "9")
    assert Place().address() == "http://[::1]:9"
    monkeypatch.setenv("FEDERATION_HOST", "0.0.0.0")
    assert Place().address() == "http://127.0.0.1:9"


def test_the_key_comes_from_the_flag_the_environment_or_the_data_directory(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Place().secret() is None
    (project / "data").mkdir()
    (project / "data" / "admin.key").write_text("from the file\n")
    assert Place().secret() == "from the file"
    assert Place(url="http://localhost:9").secret() == "from the file"
    assert Place(url="https://elsewhere.test").secret() is None
    assert Place(url="http://[bad").secret() is None
    (project / ".env").write_text("FEDERATION_ADMIN_KEY=from the env file\n")
    assert Place().secret() == "from the env file"
    monkeypatch.setenv("FEDERATION_API_KEY", "from the environment")
    assert Place().secret() == "from the environment"
    assert Place(api_key="from the flag").secret() == "from the flag"
    assert "from the flag" not in repr(Place(api_key="from the flag"))
    assert "hidden" not in repr(Gateway("http://x", "hidden"))


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://x", "http://x:port", "http://", "http://a b", "http://\x7f:1/x"]
)
def test_an_address_that_is_none_is_wrong_usage(url: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        Gateway(url).get("/x")
    assert caught.value.exit_code is Exit.USAGE


def test_why_nobody_answers_is_said() -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        Gateway("http://127.0.0.1:9").get("/x")
    with pytest.raises(Unreachable):
        Gateway("https://127.0.0.1:9").get("/x")


def test_an_answer_that_takes_too_long_is_given_up(stub: Any) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="no answer within") as reading:
            Gateway(url, timeout_s=0.05).get("/x")
        with pytest.raises(Unreachable) as changing:
            Gateway(url, timeout_s=0.05).post("/x", {})
    assert "Start one" in reading.value.hint
    assert "It may have been done" in changing.value.hint
    with pytest.raises(Unreachable) as nobody:
        Gateway(url).post("/x", {})
    assert "Start one" in nobody.value.hint


def test_an_answer_that_is_not_http_is_said() -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"nonsense\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(Unreachable, match="not HTTP"):
            Gateway(f"http://127.0.0.1:{server.getsockname()[1]}").get("/x")
        thread.join()


def test_failures_of_the_house_become_exit_codes() -> None:
    problem = Problem("file", 1, "bad")
    assert from_error(ConfigError([problem])).exit_code is Exit.CONFIG
    assert from_error(Unauthorized("no")).exit_code is Exit.REFUSED
    assert from_error(NotFound("no")).exit_code is Exit.FAILURE
    refused = from_error(NotEligible("no", removed={"a": "b"}))
    assert refused.exit_code is Exit.REFUSED
    assert refused.details == {"removed": {"a": "b"}}


def test_a_provider_of_which_no_model_is_known_is_not_said_to_be_unknown(alone: Run) -> None:
    shown = alone("provider", "show", "vllm")
    assert shown.exit_code == 1
    assert "No model of 'vllm' is known here" in shown.stderr
    assert "There is no provider 'vlm'" in alone("provider", "show", "vlm").stderr
