"""What is read of a Vault before anyone needs it."""

from __future__ import annotations

from vault_server import FakeVault

from federation.bootstrap.secret_sources import SecretSources
from federation.config.settings import Loaded
from federation.config.sign_in_settings import IssuerSettings, SignInSettings
from federation.domain.routes import Settings
from federation.domain.sign_in import TrustedIssuer


def test_nobody_who_checks_tokens_waits_for_a_vault() -> None:
    trusted = TrustedIssuer("corp", "https://corp.test", "gateway", 300)
    issuer = IssuerSettings(trusted, secret="vault:kv/corp#hs", client_secret="vault:kv/door#own")
    plain = IssuerSettings(trusted, secret="env:CORP")
    with FakeVault() as vault:
        vault.put("kv/corp", hs="s" * 32)
        loaded = Loaded(
            Settings(),
            {},
            frozenset(),
            {},
            sign_in=SignInSettings(issuers=(issuer, plain)),
            environ=vault.environ,
        )
        sources = SecretSources({})
        sources.follow(loaded)
        asked = len(vault.asked)
        assert asked == 2
        assert sources.read("kv/corp#hs") == ("s" * 32, "")
        assert sources.read("kv/door#own")[0] is None
        sources.follow(loaded)
        assert len(vault.asked) == asked, "what is known is refreshed at its own time"
