"""`sign_in` and `alerts` in federation.yaml: what is built of them, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from config_world import Load

from federation.config.sign_in_settings import (
    AlertSettings,
    IssuerSettings,
    Mail,
    SignInSettings,
    Webhook,
)
from federation.control.alerts_channels import signature
from federation.domain.access import Role
from federation.domain.sign_in import ClaimRules, TrustedIssuer

Write = Callable[[str, str], Path]
Refused = Callable[..., list[str]]

WHOLE = """
sign_in:
  issuer: https://gateway.test
  public_url: https://gateway.test/
  access_s: 600
  refresh_days: 2
  issuers:
    - name: corp
      issuer: https://login.test/
      audience: federation
      jwks_url: https://login.test/keys
      longest_s: 900
      tenant: acme
      user_claim: email
      team_claim: dept
      role_claim: groups
      roles: {ops: owner, dev: developer}
      role: viewer
      people: any
      client_id: gw
      client_secret: env:CORP
      client_auth: body
      scopes: email, groups
    - {name: legacy, issuer: old, audience: federation, secret: 'env:JWT_SECRET_KEY',
       tenant_claim: org}
alerts:
  webhooks:
    - {name: ops, url: 'https://hooks.test/x', secret: 'env:HOOK', tenants: acme}
  email:
    host: smtp.test
    sender: gw@b.test
    to: x@y.test, z@y.test
    username: gw
    password: file:/run/smtp
"""


def test_what_is_written_is_what_is_in_force(loading: Load, write: Write) -> None:
    write("federation.yaml", WHOLE)
    loaded = loading({"JWT_SECRET_KEY": "j" * 32})
    assert loaded.warnings == ()
    corp = TrustedIssuer(
        "corp",
        "https://login.test/",
        "federation",
        900,
        ClaimRules(
            tenant="acme",
            user_claim="email",
            team_claim="dept",
            role_claim="groups",
            role=Role.VIEWER,
            roles=(("ops", Role.OWNER), ("dev", Role.DEVELOPER)),
            known=False,
        ),
    )
    legacy = TrustedIssuer("legacy", "old", "federation", 3_600, ClaimRules(tenant_claim="org"))
    assert loaded.sign_in == SignInSettings(
        issuer="https://gateway.test",
        public_url="https://gateway.test",
        access_s=600,
        refresh_s=2 * 86_400,
        issuers=(
            IssuerSettings(
                corp,
                bearer=True,
                jwks_url="https://login.test/keys",
                client_id="gw",
                client_secret="env:CORP",
                in_body=True,
                scopes=("openid", "email", "groups"),
            ),
            IssuerSettings(legacy, bearer=True, secret="env:JWT_SECRET_KEY"),
        ),
    )
    assert loaded.alerts == AlertSettings(
        (Webhook("ops", "https://hooks.test/x", "env:HOOK", tenants=("acme",)),),
        Mail(
            "smtp.test",
            "gw@b.test",
            ("x@y.test", "z@y.test"),
            username="gw",
            password="file:/run/smtp",
        ),
    )
    assert "file:/run" in repr(loaded.alerts)


def test_nothing_written_is_our_own_tokens_alone(loading: Load) -> None:
    assert loading().sign_in == SignInSettings()
    assert loading().alerts == AlertSettings()


HOOK = "{name: a, url: 'https://a.test', secret: 'env:A'}"
MAIL = "alerts: {email: {host: h, sender: a@b.test, to: x@y.test"
ISSUER = "sign_in:\n  issuers:\n    - {name: a, issuer: 'https://a.test'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ISSUER + "}", "needs an 'audience'"),
        (ISSUER + ", audience: f, odd: 1}", "unknown key"),
        (ISSUER + ", audience: f, secret: hunter2}", "should be env:NAME"),
        (ISSUER + ", audience: f, secret: 'env:A', jwks_url: 'https://a.test/k'}", "neither"),
        (ISSUER + ", audience: f, roles: {x: king}}", "should be one of"),
        (ISSUER + ", audience: f, people: all}", "should be one of"),
        (ISSUER + ", audience: f, longest_s: 1}", "longest_s"),
        (ISSUER + ", client_id: x}", "'sign_in.public_url' is missing"),
        (ISSUER.replace("https:", "http:") + ", audience: f}", "plain http"),
        (ISSUER.replace("https://a.test", "name") + ", audience: f}", "name a host"),
        (ISSUER + ", audience: f, jwks_url: 'http://a.test/k'}", "plain http"),
        (ISSUER + ", audience: f, jwks_url: 'https://{x}.test'}", "address"),
        (ISSUER.replace("https://a.test", "federation") + ", audience: f, secret: 'env:A'}", "own"),
        (
            ISSUER + ", audience: f}\n    - {name: a, issuer: 'https://a.test', audience: g}",
            "two rows with the name 'a'",
        ),
        (
            ISSUER + ", audience: f}\n    - {name: b, issuer: 'https://a.test', audience: g}",
            "another row",
        ),
        ("sign_in: {access_s: 5}", "access_s"),
        ("sign_in: {public_url: 'gateway.test'}", "name a host"),
        ("alerts: {webhooks: [{name: a, url: 'https://a.test'}]}", "'alerts.webhooks.0.secret'"),
        (
            "alerts: {webhooks: [{name: a, url: 'http://a.test', secret: 'env:A'}]}",
            "plain http",
        ),
        (
            f"alerts: {{webhooks: [{HOOK}, {HOOK}]}}",
            "two rows",
        ),
        ("alerts: {email: {host: h, sender: me, to: x@y.test}}", "address"),
        ("alerts: {email: {host: h, sender: a@b.test, to: []}}", "to"),
        ("alerts: {email: {host: h, sender: a@b.test, to: 'x@y.test,z'}}", "address"),
        (
            MAIL + ", username: u, password: 'env:P', security: none}}",
            "not encrypted",
        ),
        (MAIL + ", username: u}}", "together"),
    ],
)
def test_what_would_let_strangers_in_or_secrets_out_is_refused(
    refused: Refused, write: Write, text: str, said: str
) -> None:
    write("federation.yaml", text + "\n")
    problems = refused()
    assert any(said in problem for problem in problems), problems
    assert not any("hunter2" in problem for problem in problems)


GUIDE = Path(__file__).parents[3] / "docs" / "guide"
BLOCKS = [
    (page, text)
    for page in ("sign-in.md", "alerts.md", "costs.md")
    for text in re.findall(
        r"^```yaml\n(.*?)^```", (GUIDE / page).read_text(), re.MULTILINE | re.DOTALL
    )
]


@pytest.mark.parametrize(("page", "text"), BLOCKS, ids=str)
def test_what_the_guide_says_to_write_can_be_written(
    loading: Load, write: Write, page: str, text: str
) -> None:
    write("federation.yaml", text)
    assert loading({"JWT_SECRET_KEY": "j" * 32}).warnings == () or "legacy" not in text


def test_the_guide_shows_every_way_in() -> None:
    assert len(BLOCKS) >= 5


def test_the_receiver_of_the_guide_knows_our_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = re.findall(
        r"^```python\n(.*?)^```", (GUIDE / "alerts.md").read_text(), re.MULTILINE | re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(text, names)
    monkeypatch.setattr("time.time", lambda: 1_000.0)
    said = signature("secret", b"alert_1", b"1000", b"{}").decode()
    headers = {"webhook-id": "alert_1", "webhook-timestamp": "1000", "webhook-signature": said}
    assert names["genuine"]("secret", headers, b"{}")
    assert not names["genuine"]("other", headers, b"{}")
    assert not names["genuine"]("secret", headers, b"{ }")
    assert not names["genuine"]("secret", headers | {"webhook-timestamp": "1"}, b"{}")
