"""Whatever is written where: a load either works or lists problems, and shows no secret."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import yaml
from config_world import a_catalogue
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.config.load import load
from federation.errors import ConfigError, Problem

PROVIDERS: dict[str, Any] = {
    "providers": [
        {
            "id": "acme",
            "dialect": "openai",
            "base_url": "http://127.0.0.1:1/v1",
            "credential": "env:K",
            "auth": {"scheme": "header", "name": "x", "extra": {"a": "b"}},
            "regions": ["eu"],
            "limits": {"rpm": 1},
            "quirks": {"drop": ["a"]},
            "models": [
                {
                    "id": "m",
                    "price": {
                        "input": 1,
                        "tiers": [{"above": 1, "input": 2}],
                        "windows": [{"start": "1:00", "end": "2:00", "weekdays": ["mon"]}],
                        "multipliers": {"eu": 1.1},
                        "units": {"image": 1},
                    },
                    "quality": {"default": {"mean": 0.5}},
                    "speed": {"first_token_ms": 1, "tokens_per_s": 1},
                    "abilities": ["tools"],
                }
            ],
        },
        {"id": "second", "extends": "acme"},
    ]
}
FEDERATION: dict[str, Any] = {
    "server": {"port": 1, "limits": {"body_bytes": 1}, "trusted_proxies": ["10.0.0.0/8"]},
    "routes": [
        {"name": "r", "targets": ["acme/m", {"deployment": "openai/sol", "weight": 2}]},
        {"name": "s", "weights": {"cost": 1}, "timeouts": {"idle_s": 1}},
    ],
    "weights": {"quality": 1},
    "timeouts": {"total_s": 1},
    "upstream": {"https_proxy": "http://p:1", "no_proxy": ["a"]},
    "budgets": {"daily": 1},
    "fields": {"allow": ["a"]},
}
SECRET = "hunter2-hunter2"
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.floats(allow_nan=True),
    st.sampled_from([SECRET, "", "a b", "env:", "http://[", "auto", "acme", "\u0000", "x" * 300]),
    st.lists(st.sampled_from([None, 1, "a", [], {}]), max_size=2),
    st.dictionaries(st.sampled_from(["id", "name", "", "<<", "a.b"]), st.none(), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            found += places(inner, (*path, at))
    return found


def problems_of(directory: Path, environ: dict[str, str]) -> list[Problem]:
    try:
        load(directory, environ, a_catalogue())
    except ConfigError as error:
        return error.problems
    return []


def put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    for part in path[:-1]:
        tree = tree[part]
    tree[path[-1]] = value


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_no_value_in_any_place_makes_a_load_raise_anything_else(data: st.DataObject) -> None:
    trees = {"providers.yaml": PROVIDERS, "federation.yaml": FEDERATION}
    name = data.draw(st.sampled_from(sorted(trees)))
    trees[name] = copy.deepcopy(trees[name])
    place = data.draw(st.sampled_from(places(trees[name])))
    put(trees[name], place, data.draw(values))
    with tempfile.TemporaryDirectory() as directory:
        for file, tree in trees.items():
            (Path(directory) / file).write_text(yaml.safe_dump(tree))
        problems = problems_of(Path(directory), {})
    if place[-1] in ("credential", "base_url", "https_proxy", "extra", "a", "auth", "limits"):
        assert not any(SECRET in problem.message for problem in problems)


@settings(deadline=None, max_examples=80)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("FEDERATION_PORT", "FEDERATION_PROVIDER_OPENAI_MODELS", "OPENAI_API_BASE"),
                *("FEDERATION_PROVIDER_OPENAI_BASE_URL", "FEDERATION_PROVIDER_ACME_RPM"),
                *("OLLAMA_HOST", "LMSTUDIO_PORT", "AZURE_RESOURCE_NAME", "HTTPS_PROXY"),
                *("FEDERATION_PROVIDER_OPENAI_AUTH", "FEDERATION_PROVIDER_X", "NO_PROXY"),
                *("DEFAULT_DAILY_BUDGET", "ALLOWED_API_KEYS", "OPENROUTER_MODEL", "DEBUG"),
            ]
        ),
        st.one_of(
            st.text(max_size=20), st.sampled_from(["[", "{a: b}", "http://x:y", "1e9", SECRET])
        ),
        max_size=4,
    )
)
def test_no_value_in_the_environment_makes_a_load_raise_anything_else(
    environ: dict[str, str],
) -> None:
    problems = problems_of(Path("/nonexistent"), environ)
    assert not any(SECRET in problem.message for problem in problems)
