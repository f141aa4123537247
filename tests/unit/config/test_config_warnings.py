"""Nothing that is set and has no effect is passed over in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from config_world import Load

Write = Callable[[str, str], Path]


def test_a_variable_without_effect_is_warned_of_without_its_value(loading: Load) -> None:
    (warning,) = loading({"JWT_SECRET_KEY": "j" * 32}).warnings
    assert str(warning) == (
        "environment variable JWT_SECRET_KEY: JWT_SECRET_KEY has no effect: no issuer in "
        "'sign_in.issuers' says 'secret: env:JWT_SECRET_KEY'"
    )


def test_a_version_that_an_address_does_not_take_is_said_to_have_no_effect(loading: Load) -> None:
    (warning,) = loading({"AZURE_API_VERSION": "2024-10-21"}).warnings
    assert "AZURE_API_VERSION has no effect: the path /openai/v1" in str(warning)
    assert "2024" not in str(warning)
    assert loading({"AZURE_API_VERSION": ""}).warnings == ()


def test_what_a_plug_in_reads_has_an_effect(loading: Load) -> None:
    assert loading({"FEDERATION_PRESIDIO_CONF": "a.yaml"}).warnings == ()
    (warning,) = loading({"FEDERATION_PRESIDIO_CONFG": "a.yaml"}).warnings
    assert "did you mean 'FEDERATION_PRESIDIO_CONF'?" in str(warning)


def test_what_works_or_is_left_empty_is_not_warned_of(loading: Load, write: Write) -> None:
    write("federation.yaml", "server: {trusted_proxies: []}\nbudgets: {daily: null}\n")
    write("providers.yaml", "- {id: openai, limits: {rpm: 1, tpm: 2}}\n")
    assert loading({"JWT_SECRET_KEY": ""}).warnings == ()


def test_a_default_model_that_nobody_has_is_warned_of(loading: Load, write: Write) -> None:
    (warning,) = loading({"DEFAULT_MODEL": "gpt-6.1-sool"}).warnings
    assert str(warning) == (
        "environment variable DEFAULT_MODEL: calls that name no model are refused: "
        "unknown model 'gpt-6.1-sool': did you mean 'gpt-6.1-sol'?"
    )
    write("federation.yaml", "routes: [{name: chat, targets: [openai/sol]}]\n")
    for name in ("chat", "auto", "gpt-6.1-sol", "sol", "openai/gpt-6.1-sol", "openai/sol", ""):
        assert loading({"DEFAULT_MODEL": name}).warnings == ()


def test_a_provider_without_a_model_is_warned_of(loading: Load, write: Write) -> None:
    row = "id: acme, dialect: openai, base_url: 'http://127.0.0.1:9/v1'"
    write("providers.yaml", f"- {{{row}}}\n")
    (warning,) = loading({}).warnings
    assert str(warning).startswith("provider acme: no call reaches it: list its models")
    write("providers.yaml", f"- {{{row}, enabled: false}}\n")
    assert loading({}).warnings == ()
