"""Nothing that is set and not obeyed is passed over in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from config_world import Load

from federation.config import unenforced

Write = Callable[[str, str], Path]
SAID = "is read but not enforced by this version"


@pytest.fixture(autouse=True)
def not_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a limit were not built."""
    monkeypatch.setattr(unenforced, "LIMITS", ("tpm",))


def test_each_setting_without_effect_is_warned_of_at_its_line(
    loading: Load, write: Write, config_dir: Path
) -> None:
    write(
        "federation.yaml",
        "server:\n  trusted_proxies: [10.0.0.0/8]\nbudgets:\n  daily: 0\n  monthly: 20\n",
    )
    write(
        "providers.yaml",
        "- {id: openai, limits: {rpm: 1, tpm: 2}}\n"
        "- id: anthropic\n  limits:\n    concurrency: 3\n",  # is obeyed
    )
    said = [str(warning).replace(f"{config_dir}/", "") for warning in loading().warnings]
    assert said == [
        f"providers.yaml:1: 'limits.tpm' of 'openai' {SAID}",
    ]


def test_variables_without_effect_are_warned_of_without_their_value(loading: Load) -> None:
    environ = {
        "DEFAULT_DAILY_BUDGET": "1",
        "JWT_SECRET_KEY": "j" * 32,
        "FEDERATION_PROVIDER_OPENAI_TPM": "5",
    }
    said = [str(warning) for warning in loading(environ).warnings]
    assert said == [
        f"environment variable FEDERATION_PROVIDER_OPENAI_TPM: 'limits.tpm' of 'openai' {SAID}",
        (
            "environment variable JWT_SECRET_KEY: JWT_SECRET_KEY has no effect: no issuer in "
            "'sign_in.issuers' says 'secret: env:JWT_SECRET_KEY'"
        ),
    ]


def test_what_works_or_is_left_empty_is_not_warned_of(loading: Load, write: Write) -> None:
    write("federation.yaml", "server: {trusted_proxies: []}\nbudgets: {daily: null}\n")
    write("providers.yaml", "- {id: openai, limits: {rpm: 1}}\n")
    assert loading({"JWT_SECRET_KEY": ""}).warnings == ()
