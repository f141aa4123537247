"""What may be written about kept contents, their keys, and secrets in a Vault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from config_world import Load

from federation.config.credentials import resolve_all, resolve_credential
from federation.config.settings import SealingSettings, SecretsSettings
from federation.domain.routes import PayloadKeeping

Write = Callable[[str, str], Path]
Refused = Callable[..., list[str]]


def test_nothing_is_kept_unless_it_is_written(loading: Load) -> None:
    found = loading()

    assert found.settings.payloads == PayloadKeeping(keep=False, days=30)
    assert found.sealing == SealingSettings("file", None, None)
    assert found.secrets == SecretsSettings(60.0, 3600.0)


def test_contents_and_their_keys_are_set(loading: Load, write: Write) -> None:
    write(
        "federation.yaml",
        "payloads: {keep: true, days: 7}\n"
        "sealing: {root: 'vault-transit:transit/federation', directory: /k, tombstones: /t}\n"
        "secrets: {refresh_s: 5, lifetime_s: 0}\n",
    )

    found = loading()

    assert found.settings.payloads == PayloadKeeping(keep=True, days=7)
    assert found.sealing == SealingSettings("vault-transit:transit/federation", "/k", "/t")
    assert found.secrets == SecretsSettings(5, 0)


@pytest.mark.parametrize(
    "root",
    ["kms", "vault", "vault:secret", "vault:secret/a", "vault-transit:key", "file:/x", "[1]", "''"],
)
def test_a_root_that_is_none_is_refused(refused: Refused, write: Write, root: str) -> None:
    write(
        "federation.yaml",
        f"sealing: {{root: {root!r}}}\n" if root != "[1]" else "sealing: {root: [1]}\n",
    )

    (problem,) = refused()

    assert "sealing.root" in problem or "vault-transit:MOUNT/KEY" in problem


def test_a_credential_is_read_from_a_vault_and_what_it_says_is_noted(
    loading: Load, write: Write
) -> None:
    write(
        "providers.yaml",
        "- {id: openai, credential: 'vault:secret/llm/openai#key'}\n"
        "- {id: mine, dialect: openai, base_url: 'https://x.test', "
        "credential: 'vault:secret/none#key'}\n",
    )
    known = {"secret/llm/openai#key": ("sk-1", ""), "secret/none#key": (None, "it is not there")}

    found = resolve_all(loading(), known.__getitem__)

    assert found.secrets == {"openai": "sk-1"}
    assert [warning.message for warning in found.warnings] == ["it is not there"]
    assert resolve_credential("vault:secret/none#key", {}) is None
    assert "running gateway" in resolve_all(loading()).warnings[0].message
