from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from config_world import Load

from federation.config import dotenv, environment
from federation.config.credentials import resolve_all, resolve_credential
from federation.config.settings import Budgets
from federation.config.variables import PLUG_IN_VARIABLES, VARIABLES, variable_word
from federation.domain.catalogue import DataUse

Write = Callable[[str, str], Path]
Refused = Callable[..., list[str]]


# The .env file


def env_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / ".env"
    path.write_text(text)
    return path


def test_an_env_file_has_quotes_comments_and_export(tmp_path: Path) -> None:
    text = """
# a comment
PLAIN=value
export EXPORTED = spaced out   # remark
SINGLE='a # b $HOME \\n'
DOUBLE="line\\none \\"quoted\\" \\$ # kept" # remark
EMPTY=
HASH=a#b
ONLY_COMMENT= # nothing
URL=http://a/b?c=d
"""
    assert dotenv.read(env_file(tmp_path, text)).values == {
        "PLAIN": "value",
        "EXPORTED": "spaced out",
        "SINGLE": "a # b $HOME \\n",
        "DOUBLE": 'line\none "quoted" $ # kept',
        "EMPTY": "",
        "HASH": "a#b",
        "ONLY_COMMENT": "",
        "URL": "http://a/b?c=d",
    }


@pytest.mark.parametrize("line", ["just words", "1A=2", "A B=c", "=x", "A='open", 'A="x" y'])
def test_a_bad_line_of_the_env_file_is_named_and_not_shown(
    refused: Refused, tmp_path: Path, line: str
) -> None:
    problems = refused({}, env_file(tmp_path, f"OK=1\n{line}\n"))
    assert len(problems) == 1
    assert problems[0].startswith(f"{tmp_path}/.env:2: ")
    assert line not in problems[0]


def test_an_env_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"A=\xff")
    assert "UTF-8" in str(dotenv.read(path).problems[0])
    path.write_bytes(b"A=\x00")
    assert "not a text file" in str(dotenv.read(path).problems[0])


def test_no_env_file_is_no_variables(tmp_path: Path) -> None:
    assert dotenv.read(None).values == {}
    assert dotenv.read(tmp_path / "none").values == {}


def test_the_real_environment_wins_over_the_file_even_when_empty(
    loading: Load, tmp_path: Path
) -> None:
    file = env_file(tmp_path, "FEDERATION_PORT=1\nDEFAULT_MODEL=sol\nOPENAI_API_KEY=k\n")
    found = loading({"FEDERATION_PORT": "2", "OPENAI_API_KEY": ""}, file)
    assert found.server.port == 2
    assert found.settings.default_model == "sol"
    assert found.configured == frozenset()


def test_a_problem_with_a_variable_names_the_line_of_the_env_file(
    refused: Refused, tmp_path: Path
) -> None:
    file = env_file(tmp_path, "\nFEDERATION_PORT=nine\n")
    assert refused({}, file) == [f"{file}:2: 'server.port' should be a whole number"]


# Variables that set a key of federation.yaml


def test_variables_win_over_the_file(loading: Load, write: Write) -> None:
    write("federation.yaml", "server: {port: 1}\ntelemetry: {level: error}")
    found = loading(
        {
            "FEDERATION_PORT": "9",
            "FEDERATION_HOST": "::1",
            "FEDERATION_WORKERS": "2",
            "FEDERATION_OPEN": "true",
            "FEDERATION_DRAIN_S": "1.5",
            "FEDERATION_STRATEGY": "speed",
            "FEDERATION_DURABILITY": "disk",
            "FEDERATION_LOG_FORMAT": "console",
            "FEDERATION_ACCESS_LOG": "1",
            "DEFAULT_MODEL": "auto",
            "MAX_TOKENS_DEFAULT": "55",
            "TEMPERATURE_DEFAULT": "0.25",
            "DEFAULT_DAILY_BUDGET": "0.10",
            "DEFAULT_MONTHLY_BUDGET": "3",
            "DEBUG": "yes",
        }
    )
    assert (found.server.host, found.server.port, found.server.workers) == ("::1", 9, 2)
    assert (found.server.open, found.server.drain_s) == (True, 1.5)
    assert (found.settings.strategy, found.settings.durability) == ("speed", "disk")
    assert (found.telemetry.format, found.telemetry.access_log) == ("console", True)
    assert found.telemetry.level == "debug"
    assert found.settings.default_model == "auto"
    assert (found.settings.max_tokens_default, found.settings.temperature_default) == (55, 0.25)
    assert found.budgets == Budgets(100_000_000, 3_000_000_000)


def test_an_empty_variable_is_as_good_as_none(loading: Load) -> None:
    assert loading({"FEDERATION_PORT": " ", "DEBUG": "false"}).server.port == 8000


def test_the_older_products_variables_stand_for_ours(loading: Load) -> None:
    assert loading({"SWARMROUTER_PORT": "7"}).server.port == 7
    assert loading({"SWARMROUTER_PORT": "7", "FEDERATION_PORT": "8"}).server.port == 8


def test_a_bad_value_names_the_variable(refused: Refused) -> None:
    assert refused({"FEDERATION_WORKERS": "many"}) == [
        "environment variable FEDERATION_WORKERS: 'server.workers' should be a whole number"
    ]


def test_a_variable_of_ours_that_nobody_knows_is_warned_of(loading: Load) -> None:
    found = loading({"FEDERATION_PROT": "1", "PATH": "/bin"})
    assert [str(warning) for warning in found.warnings] == [
        (
            "environment variable FEDERATION_PROT: FEDERATION_PROT is not known and has no effect: "
            "did you mean 'FEDERATION_PORT'?"
        )
    ]


def test_proxies_come_from_the_environment_in_either_case(loading: Load) -> None:
    found = loading({"https_proxy": "proxy:1", "HTTP_PROXY": "http://p:2", "no_proxy": "a, .b"})
    assert found.settings.proxy == "http://proxy:1"
    assert found.settings.http_proxy == "http://p:2"
    assert found.settings.no_proxy == ("a", ".b")


def test_one_proxy_may_serve_all(loading: Load) -> None:
    found = loading({"ALL_PROXY": "http://p:2"}).settings
    assert (found.proxy, found.http_proxy) == ("http://p:2", "http://p:2")


def test_a_proxy_in_the_file_wins_over_the_general_variables(loading: Load, write: Write) -> None:
    write("federation.yaml", "upstream: {https_proxy: 'http://own:1'}")
    assert loading({"HTTPS_PROXY": "http://general:2"}).settings.proxy == "http://own:1"


def test_a_proxy_that_is_no_address_is_refused_without_its_password(refused: Refused) -> None:
    problems = refused({"HTTPS_PROXY": "http://user:hunter2@proxy:port"})
    assert "should be a proxy's address" in problems[0]
    assert "hunter2" not in problems[0]


# Keys that come with the environment


def test_allowed_keys_are_taken_and_hidden_like_the_token_secret(loading: Load) -> None:
    keys = {"ALLOWED_API_KEYS": "first-key-1234567, second-key-123456,", "JWT_SECRET_KEY": "j" * 32}
    found = loading(keys)
    assert found.access.keys == ("first-key-1234567", "second-key-123456")
    for secret in ("first-key", "second-key", "jjjj"):
        assert secret not in repr(found)


def test_weak_secrets_are_refused_and_not_shown(refused: Refused) -> None:
    problems = refused({"ALLOWED_API_KEYS": "hunter2", "JWT_SECRET_KEY": "hunter3"})
    assert len(problems) == 2
    assert "shorter than 16" in problems[0]
    assert "shorter than 32 bytes" in problems[1]
    assert "hunter" not in "".join(problems)


# FEDERATION_PROVIDER_<ID>_<KEY>


def test_a_variable_overrides_a_key_of_a_row(loading: Load, write: Write) -> None:
    write("providers.yaml", "- {id: openai, name: from the file, regions: [us]}")
    found = loading(
        {
            "FEDERATION_PROVIDER_OPENAI_NAME": "5",
            "FEDERATION_PROVIDER_OPENAI_REGIONS": "eu, de",
            "FEDERATION_PROVIDER_OPENAI_RPM": "9",
            "FEDERATION_PROVIDER_OPENAI_API_KEY": "sk-hidden",
            "FEDERATION_PROVIDER_OPENAI_MODELS": "[{id: extra, price: {input: 0.1}}]",
            "FEDERATION_PROVIDER_AZURE_OPENAI_BASE_URL": "https://me.test/openai/v1",
            "FEDERATION_PROVIDER_ANTHROPIC_ENABLED": "no",
        }
    )
    openai = found.providers["openai"]
    assert (openai.name, openai.regions, openai.limits.rpm) == ("5", ("eu", "de"), 9)
    assert openai.credential == "env:FEDERATION_PROVIDER_OPENAI_API_KEY"
    assert openai.models[-1].price.rates.input == 100_000_000
    assert found.providers["azure_openai"].base_url == "https://me.test/openai/v1"
    assert not found.providers["anthropic"].enabled
    assert found.configured == {"openai", "azure_openai", "anthropic"}
    assert resolve_all(found).secrets == {"openai": "sk-hidden"}
    assert "sk-hidden" not in repr(found)
    assert "sk-hidden" not in repr(resolve_all(found))


def test_an_unknown_provider_or_key_in_a_variable_is_refused(refused: Refused) -> None:
    problems = refused(
        {
            "FEDERATION_PROVIDER_OPENIA_NAME": "x",
            "FEDERATION_PROVIDER_OPENAI_NAMES": "x",
            "FEDERATION_PROVIDER_OPENAI_MODELS": "3",
        }
    )
    joined = "\n".join(problems)
    assert "environment variable FEDERATION_PROVIDER_OPENIA_NAME: unknown provider in" in joined
    assert "unknown key 'names': did you mean 'name'?" in joined
    assert "FEDERATION_PROVIDER_OPENAI_MODELS: 'models' should be a list" in joined


@pytest.mark.parametrize("written", ['"eu', "eu: [", "!place eu"])
def test_a_variable_that_cannot_be_read_is_refused_and_not_left_out(
    refused: Refused, written: str
) -> None:
    """Left out, the region would be everywhere."""
    problems = refused({"OPENAI_API_KEY": "k", "FEDERATION_PROVIDER_OPENAI_REGION": written})
    assert problems[0].startswith("environment variable FEDERATION_PROVIDER_OPENAI_REGION: ")
    assert "'region': " in problems[0]


def test_a_providers_word_in_a_variable_is_plain() -> None:
    assert variable_word("black-forest.labs_2") == "BLACK_FOREST_LABS_2"


# Variables of vendors and older products


def test_a_key_in_the_environment_configures_its_provider(loading: Load) -> None:
    found = loading({"ANTHROPIC_API_KEY": "sk-1", "OPENROUTER_API_KEY": "sk-2"})
    assert found.configured == {"anthropic", "openrouter"}
    assert found.credentials == {
        "anthropic": "env:ANTHROPIC_API_KEY",
        "openrouter": "env:OPENROUTER_API_KEY",
    }


def test_a_credential_in_the_file_wins_over_the_general_variable(
    loading: Load, write: Write
) -> None:
    write("providers.yaml", "- {id: openai, credential: env:MINE}")
    found = loading({"OPENAI_API_KEY": "sk-general"})
    assert found.providers["openai"].credential == "env:MINE"
    assert resolve_all(found).warnings[0].message == "the variable MINE is not set"


def test_any_rows_key_and_address_may_come_from_the_environment(
    loading: Load, write: Write
) -> None:
    write("providers.yaml", "- {id: acme-2, dialect: openai, base_url: 'https://a.test/v1'}")
    found = loading({"ACME_2_API_KEY": "k", "ACME_2_API_BASE": "https://other.test/v1"})
    assert found.providers["acme-2"].credential == "env:ACME_2_API_KEY"
    assert found.providers["acme-2"].base_url == "https://a.test/v1", "the file wins"


@pytest.mark.parametrize(
    ("variables", "provider", "address"),
    [
        ({"OPENAI_API_BASE": "https://proxy.test/x/v1/"}, "openai", "https://proxy.test/x/v1"),
        ({"OPENAI_API_BASE": "https://proxy.test"}, "openai", "https://proxy.test/v1"),
        ({"OLLAMA_HOST": "0.0.0.0"}, "ollama", "http://127.0.0.1:11434"),
        ({"OLLAMA_HOST": "box:5"}, "ollama", "http://box:5"),
        ({"OLLAMA_HOST": "[::]:5"}, "ollama", "http://[::1]:5"),
        ({"OLLAMA_HOST": "https://box"}, "ollama", "https://box"),
        ({"LMSTUDIO_HOST": "box"}, "lmstudio", "http://box:1234/v1"),
        ({"LMSTUDIO_PORT": "99"}, "lmstudio", "http://127.0.0.1:99/v1"),
        ({"LMSTUDIO_HOST": "box", "LMSTUDIO_PORT": "99"}, "lmstudio", "http://box:99/v1"),
        ({"LMSTUDIO_BASE_URL": "http://b:7/v1"}, "lmstudio", "http://b:7/v1"),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://me.openai.azure.com/"},
            "azure_openai",
            "https://me.openai.azure.com/openai/v1",
        ),
        (
            {"AZURE_RESOURCE_NAME": "me"},
            "azure_openai",
            "https://me.openai.azure.com/openai/v1",
        ),
    ],
)
def test_an_address_may_be_written_loosely(
    loading: Load, variables: dict[str, str], provider: str, address: str
) -> None:
    found = loading({**variables, f"{provider.upper()}_API_KEY": "k"})
    assert found.providers[provider].base_url == address
    assert provider in found.configured
    assert not any("needs" in warning.message for warning in found.warnings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OLLAMA_HOST", "http://user:hunter2@box"),
        ("OLLAMA_HOST", "box:99999"),
        ("OLLAMA_HOST", "ftp://box"),
        ("LMSTUDIO_PORT", "many"),
        ("LMSTUDIO_PORT", "0"),
        ("OPENROUTER_APP_NAME", "bad\nname"),
        ("OPENROUTER_MODEL", "a model"),
    ],
)
def test_a_bad_value_of_a_vendors_variable_is_refused_and_not_shown(
    refused: Refused, name: str, value: str
) -> None:
    problems = refused({name: value})
    assert len(problems) == 1
    assert problems[0].startswith(f"environment variable {name}: {name} should")
    assert value not in problems[0]


def test_a_header_from_the_environment_is_one_line(write: Write, refused: Refused) -> None:
    write("providers.yaml", "- {id: openai, quirks: {header_env: {x-team: TEAM}}}\n")
    (problem,) = refused({"TEAM": "blue\r\nx-other: 1"})
    assert "TEAM should be printable ASCII" in problem
    assert "blue" not in problem


def test_models_and_headers_may_come_from_the_environment(loading: Load) -> None:
    found = loading(
        {
            "OPENROUTER_API_KEY": "k",
            "OPENROUTER_MODEL": "a/b, c/d",
            "OPENROUTER_SITE_URL": "https://me.test",
            "LMSTUDIO_MODEL": "qwen",
            "AZURE_TAG": "blue",
        }
    )
    router = found.providers["openrouter"]
    assert [model.id for model in router.models] == ["a/b", "c/d"]
    assert router.auth.extra == {"http-referer": "https://me.test"}
    assert found.providers["lmstudio"].models[0].id == "qwen"
    assert found.providers["azure_openai"].auth.extra == {"x-ms-tag": "blue"}


def test_who_names_an_address_keeps_the_other_variables(loading: Load, write: Write) -> None:
    site = {"OPENROUTER_API_KEY": "k", "OPENROUTER_SITE_URL": "https://me.test"}
    found = loading(site | {"OPENROUTER_BASE_URL": "https://own.test/v1"})
    router = found.providers["openrouter"]
    assert (router.base_url, len(router.auth.extra)) == ("https://own.test/v1", 1)
    write("providers.yaml", "- {id: openrouter, base_url: 'https://file.test/v1'}")
    router = loading(site | {"OPENROUTER_BASE_URL": "https://own.test/v1"}).providers["openrouter"]
    assert router.base_url == "https://file.test/v1"
    assert router.auth.extra == {"http-referer": "https://me.test"}


def test_an_address_with_a_gap_makes_a_provider_unusable_and_says_so(loading: Load) -> None:
    found = loading({"AWS_ACCESS_KEY_ID": "k"})
    assert found.providers["bedrock"].credential is None
    assert "its address needs AWS_REGION" in str(found.warnings[0])
    assert "bedrock" not in loading({}).configured


def test_a_gap_is_filled_from_the_environment(loading: Load) -> None:
    found = loading({"AWS_ACCESS_KEY_ID": "k", "AWS_DEFAULT_REGION": "eu-west-1"})
    row = found.providers["bedrock"]
    assert row.base_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert row.credential == "env:AWS_ACCESS_KEY_ID"


def test_what_fills_a_gap_must_be_a_plain_name(refused: Refused) -> None:
    problems = refused({"AZURE_RESOURCE_NAME": "evil.test/x", "AZURE_OPENAI_API_KEY": "k"})
    assert "AZURE_RESOURCE_NAME should be a plain name" in problems[0]
    assert "evil" not in problems[0]


def test_a_local_server_without_a_key_needs_none(loading: Load) -> None:
    found = loading()
    assert found.providers["lmstudio"].auth.scheme == "none"
    assert found.providers["lmstudio"].private
    assert found.providers["openai"].auth.scheme == "bearer"
    assert not found.providers["openai"].private
    assert loading({"LM_STUDIO_API_KEY": "k"}).providers["lmstudio"].auth.scheme == "bearer"


def test_what_a_new_row_does_not_say_is_unknown(loading: Load, write: Write) -> None:
    write("providers.yaml", "- {id: here, dialect: openai, base_url: http://127.0.0.1:1}")
    found = loading().providers["here"]
    assert found.data_use is DataUse.UNKNOWN
    assert found.regions == ()
    assert not found.local


# Secrets


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-1\n")
    path.chmod(0o600)
    assert resolve_credential(f"file:{path}", {}) == "sk-1"


def test_a_reference_that_leads_nowhere_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "large").write_text("x" * 70_000)
    for reference in (
        "env:MISSING",
        f"file:{tmp_path}/none",
        f"file:{tmp_path}/empty",
        f"file:{tmp_path}/bytes",
        f"file:{tmp_path}/large",
        f"file:{tmp_path}",
        "vault:x",
    ):
        assert resolve_credential(reference, {}) is None
    assert resolve_credential("env:A", {"A": " "}) is None


def test_a_credential_file_that_others_can_read_is_warned_of(
    loading: Load, write: Write, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text("sk-1")
    path.chmod(0o644)
    row = f"- {{id: openai, credential: 'file:{path}'}}\n- {{id: second, extends: openai, "
    write("providers.yaml", row + f"credential: 'file:{path}'}}\n- anthropic\n")
    found = resolve_all(loading())
    assert found.secrets == {"openai": "sk-1", "second": "sk-1"}
    assert [warning.where for warning in found.warnings] == ["provider openai", "provider second"]
    assert "chmod 600" in found.warnings[0].message


def test_every_variable_of_the_table_is_read_somewhere() -> None:
    elsewhere = {
        "FEDERATION_CONFIG_DIR", "FEDERATION_DATA_DIR", "FEDERATION_PROVIDERS_FILE",
        "FEDERATION_ADMIN_KEY",
        "FEDERATION_MASTER_KEY", "FEDERATION_DATABASE_URL", "FEDERATION_REDIS_URL",
        "FEDERATION_URL", "FEDERATION_API_KEY", "ALLOWED_API_KEYS",
        "JWT_SECRET_KEY", "DEBUG", *PLUG_IN_VARIABLES,
    }  # fmt: skip
    assert {variable.name for variable in VARIABLES if not variable.sets} == elsewhere


def test_names_in_the_environment_never_show_values() -> None:
    found = environment.gather({"FEDERATION_X": "hunter2"}, None)
    assert "hunter2" not in repr(found)


def test_one_more_file_of_rows_may_be_named_and_is_read_last(
    loading: Load, write: Write, tmp_path: Path
) -> None:
    write("providers.yaml", "- {id: openai, name: first}")
    more = tmp_path / "more.json"
    more.write_text('[{"id": "openai", "name": "last"}]')
    found = loading({"FEDERATION_PROVIDERS_FILE": str(more)})
    assert found.providers["openai"].name == "last"
    assert more in found.files


def test_a_file_of_rows_that_is_named_and_not_there_is_refused(
    refused: Refused, tmp_path: Path
) -> None:
    nowhere = tmp_path / "more.yaml"
    assert refused({"FEDERATION_PROVIDERS_FILE": str(nowhere)}) == [
        f"environment variable FEDERATION_PROVIDERS_FILE: there is no file {nowhere}"
    ]


def test_a_local_server_that_nobody_named_is_not_asked(loading: Load, write: Write) -> None:
    assert not loading().providers["ollama"].enabled
    assert loading({"OLLAMA_HOST": "127.0.0.1"}).providers["ollama"].enabled
    write("providers.yaml", "- ollama")
    assert loading().providers["ollama"].enabled


def test_a_quirk_that_nothing_reads_is_refused_at_its_line(refused: Refused, write: Write) -> None:
    write(
        "providers.yaml",
        "- id: openai\n  quirks:\n    auth_optional: true\n    output_limit_feld: x\n"
        "  models:\n    - id: m\n      quirks: {zzz: 1}\n",
    )
    problems = [problem.rpartition("/")[2] for problem in refused()]
    assert problems[0] == (
        "providers.yaml:4: unknown quirk 'output_limit_feld': did you mean 'output_limit_field'?"
    )
    assert problems[1].startswith("providers.yaml:7: unknown quirk 'zzz' (known: accepts_only, ")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("stream_usage: alway", "one of option, always, x_groq, none: did you mean 'always'?"),
        ("output_limit_field: max_token", "max_completion_tokens: did you mean 'max_tokens'?"),
        ("reasoning_control: efort", "chat_template_kwargs: did you mean 'effort'?"),
        ("json_mode: 'no'", "true or false"),
        ("single_choice: 1", "true or false"),
        ("drop: stop", "a list of words"),
        ("drop: [1]", "a list of words"),
        ("tool_choice: auto", "a list of some of auto, none, required, named"),
        ("tool_choice: [auto, any]", "a list of some of auto, none, required, named"),
        ("temperature_max: low", "a number"),
        ("throttle_status: [52]", "a list of HTTP statuses"),
        ("throttle_status: 529", "a list of HTTP statuses"),
        ("rename: [a]", "a mapping of names to names"),
        ("set: x", "a mapping of fields to values"),
        ("sampling: null", "one of drop"),
        ("cache_breakpoints: -1", "a whole number"),
        ("path: 5", "a path, or a mapping of operations to paths"),
    ],
)
def test_a_quirk_with_a_value_that_nothing_reads_is_refused(
    refused: Refused, write: Write, written: str, said: str
) -> None:
    write("providers.yaml", f"- id: openai\n  quirks:\n    {written}\n")
    (problem,) = refused()
    word = written.partition(":")[0]
    assert f"providers.yaml:3: the quirk '{word}' should be " in problem
    assert problem.endswith(said)


def test_a_quirk_that_the_rows_dialect_does_not_read_is_refused(
    refused: Refused, write: Write
) -> None:
    write(
        "providers.yaml",
        "- id: openai\n  quirks:\n    model_in_path: true\n"
        "- id: mine\n  dialect: anthropic\n  base_url: https://mine.test/v1\n"
        "  models:\n    - id: m\n      quirks: {json_mode: false, sampling: drop}\n",
    )
    problems = [problem.rpartition("/")[2] for problem in refused()]
    does_not, others = "does not read the quirk", "cohere, ollama, openai"
    assert problems == [
        f"providers.yaml:3: the dialect 'openai' {does_not} 'model_in_path'; read by: anthropic",
        f"providers.yaml:9: the dialect 'anthropic' {does_not} 'json_mode'; read by: {others}",
    ]


def test_quirks_with_the_values_that_they_take_are_taken(loading: Load, write: Write) -> None:
    write(
        "providers.yaml",
        "- id: openai\n  quirks: {temperature_max: 1.5, effort_none_value: null, query: {v: 1},\n"
        "    path: /chat, throttle_status: [529], prefill: prefix}\n",
    )
    quirks = loading().providers["openai"].quirks
    assert quirks["temperature_max"] == 1.5
    assert quirks["effort_none_value"] is None


@pytest.mark.parametrize(
    "models",
    ["[{id: a}, {id: a}]", "[a, a]", "[{id: a}, {id: b, aliases: [a]}]"],
)
def test_a_name_that_two_models_of_a_row_have_is_refused(
    refused: Refused, write: Write, models: str
) -> None:
    write("providers.yaml", f"- id: openai\n  models: {models}\n")
    (problem,) = refused()
    assert problem.endswith("providers.yaml:2: the model 'a' was already given in line 2")


@pytest.mark.parametrize(
    ("place", "host"),
    [
        ("eu-west-1", "bedrock-runtime.eu-west-1.amazonaws.com"),
        ("anywhere", "models.amazonaws.com"),
        (" anywhere/", "models.amazonaws.com"),
        ("elsewhere", "bedrock-runtime.elsewhere.amazonaws.com"),
    ],
)
def test_a_place_may_have_a_host_that_is_not_named_after_it(
    loading: Load, write: Write, place: str, host: str
) -> None:
    hosts = "{anywhere: models.amazonaws.com, elsewhere: models.acme.test}"
    write("providers.yaml", f"- {{id: bedrock, quirks: {{place_hosts: {hosts}}}}}")
    found = loading({"AWS_ACCESS_KEY_ID": "k", "AWS_REGION": place})
    assert found.providers["bedrock"].base_url == f"https://{host}"


@pytest.mark.parametrize(
    ("row", "address"),
    [
        ("id: bedrock, base_url: 'https://in.acme.test:8443/{region}'", "https://in.acme.test:8443/x"),
        ("id: bedrock, base_url: 'https://{region}.acme.test/v1'", "https://x.acme.test/v1"),
        ("id: bedrock, base_url: 'http://127.0.0.1:9/{region}'", "http://127.0.0.1:9/x"),
        ("id: mine, extends: bedrock, base_url: 'http://127.0.0.1:9/{region}'", "http://127.0.0.1:9/x"),
    ],
)  # fmt: skip
def test_an_address_that_the_operator_gave_stays_whatever_host_a_place_has(
    loading: Load, write: Write, row: str, address: str
) -> None:
    write("providers.yaml", f"- {{{row}, quirks: {{place_hosts: {{x: models.amazonaws.com}}}}}}")
    found = loading({"AWS_ACCESS_KEY_ID": "k", "AWS_REGION": "x"})
    assert found.providers["mine" if "mine" in row else "bedrock"].base_url == address
