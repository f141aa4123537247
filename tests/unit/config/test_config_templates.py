from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from config_world import Load, a_catalogue

from federation.catalogue import reader as catalogue
from federation.config import reference, reference_text, words
from federation.config.load import load
from federation.config.templates import env_example, starter_files
from federation.config.variables import PROVIDER_VARIABLES, VARIABLES
from federation.dialects.table import UPSTREAMS
from federation.routing.strategies import STRATEGIES
from federation.sandbox.profiles import PROFILES
from federation.sandbox.rows import rows

Write = Callable[[str, str], Path]


def test_the_starter_files_load_clean(tmp_path: Path) -> None:
    everything = catalogue.load()
    for name, text in starter_files(everything).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    found = load(tmp_path / "config", {}, everything, tmp_path / ".env.example")
    assert found.warnings == ()
    assert found.configured == frozenset()


def test_what_the_starter_files_have_in_comments_loads_too(tmp_path: Path) -> None:
    everything = catalogue.load()
    files = starter_files(everything)
    (tmp_path / "providers.yaml").write_text(
        re.sub(r"(?m)^  # (?=-|  )", "  ", files["config/providers.yaml"])
    )
    text = files["config/federation.yaml"].replace("routes: []", "routes:")
    text = re.sub(r"(?m)^( *)#(?: (?=[a-z_]+:)|(?=  ))", r"\1", text)
    (tmp_path / "federation.yaml").write_text(text)
    found = load(tmp_path, {}, everything)
    assert found.configured == {"acme", "openai-eu", "deepseek", "anthropic"}
    assert set(found.routes) == {"chat", "cheap"}
    assert found.settings.max_tokens_default == 4096
    assert found.providers["anthropic"].limits.rpm == 100


def test_the_example_environment_names_every_variable() -> None:
    text = env_example(a_catalogue())
    names = [variable.name for variable in VARIABLES]
    names += [variable.name for variable in PROVIDER_VARIABLES]
    names += ["OPENAI_API_KEY", "OLLAMA_HOST", "AZURE_RESOURCE_NAME", "AZURE_TAG"]
    for name in names:
        assert len(re.findall(rf"^# {name}=", text, re.MULTILINE)) == 1, name


def test_every_provider_that_a_variable_names_is_in_the_catalogue() -> None:
    assert {variable.provider for variable in PROVIDER_VARIABLES} <= catalogue.load().keys()


def test_strategies_and_dialects_are_those_that_are_built() -> None:
    assert set(words.STRATEGIES) == set(STRATEGIES)
    assert set(UPSTREAMS) <= words.DIALECTS


def test_the_whole_catalogue_loads_without_a_warning(tmp_path: Path) -> None:
    found = load(tmp_path, {}, catalogue.load())
    assert found.warnings == ()
    assert len(found.providers) >= 60


def test_every_key_of_every_provider_of_the_catalogue_configures_it() -> None:
    everything = catalogue.load()
    for row in everything.values():
        if not row.env or row.auth.scheme == "none":
            continue
        found = load(Path("/nonexistent"), {row.env[0]: "k"}, everything)
        assert row.id in found.configured


def test_the_rows_of_the_sandbox_are_rows_of_ours(loading: Load, write: Write) -> None:
    ports = {profile.id: 9000 + at for at, profile in enumerate(PROFILES)}
    write("providers.yaml", yaml.safe_dump(rows(ports, fault_models=True)))
    found = loading()
    assert found.configured == set(ports)
    assert all(found.providers[name].simulated for name in ports)
    assert all(found.providers[name].auth.scheme == "none" for name in ports)


def test_the_reference_describes_every_key() -> None:
    page = reference.page(a_catalogue())
    for key in ("server.port", "routes[].targets[].weight", "models[].price.windows[].start"):
        assert f"`{key}`" in page
    for name in ("FEDERATION_PORT", "OPENAI_API_KEY", "LMSTUDIO_HOST"):
        assert f"`{name}`" in page


def test_the_reference_names_defaults_as_a_file_has_them() -> None:
    page = reference.page(a_catalogue())
    assert re.findall(r"`[A-Z]\w*\.[A-Z_]+`", page) == []
    (row,) = re.findall(r"(?m)^\| `rate_limits\[\]\.scope` .*$", page)
    assert row.split(" | ")[2] == "`tenant`"


def test_a_key_without_a_description_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(reference_text.FILE, "server.port")
    with pytest.raises(ValueError, match=r"server\.port"):
        reference.page({})
