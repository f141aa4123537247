"""What an operator decided about signing in and about alerts: frozen, and without any secret.

A secret stands here as the reference to it. Who needs it resolves it when it is needed, so that
one that was replaced in its file counts from the next use on.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.domain.sign_in import ACCESS_S, AUDIENCE, REFRESH_S, TrustedIssuer

OPENID = ("openid", "email", "profile")


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """One issuer of tokens, or provider of identities, and how it is reached."""

    trusted: TrustedIssuer
    """Its keys are not in it: they are fetched."""
    bearer: bool = False
    """Its tokens are let in as they are."""
    secret: str | None = None
    """A reference to the secret that signs its tokens, in the place of public keys."""
    jwks_url: str = ""
    """Empty: its configuration says where they are."""
    private: bool = False
    client_id: str = ""
    """Empty: people do not sign in by way of it."""
    client_secret: str | None = None
    in_body: bool = False
    """The client's secret goes in the body, not in `Authorization`."""
    scopes: tuple[str, ...] = OPENID


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Our own tokens, and whose else are believed."""

    issuer: str = AUDIENCE
    public_url: str = ""
    access_s: int = ACCESS_S
    refresh_s: int = REFRESH_S
    issuers: tuple[IssuerSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told of alerts."""

    name: str
    url: str
    secret: str
    """A reference to what its messages are signed with."""
    private: bool = False
    tenants: tuple[str, ...] = ()
    """Whose alerts; empty is everyone's."""


@dataclass(frozen=True, slots=True)
class Mail:
    """How alerts are sent by e-mail, and to whom."""

    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    security: str = "starttls"
    """`starttls`, `tls` from the first byte, or `none`."""
    username: str = ""
    password: str | None = None
    """A reference."""
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Who is told when a budget passes a threshold, besides the log."""

    webhooks: tuple[Webhook, ...] = ()
    email: Mail | None = None
