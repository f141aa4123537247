"""`sign_in` and `alerts` in federation.yaml: what may be written, and what it becomes.

The trap: an issuer that is written carelessly lets strangers in. So nothing that decides who
gets in has a guessing default: who is meant by a token (`audience`), and people that the tenant
does not have, are let in only where it is said.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from federation.config import quantities
from federation.config.document import Document
from federation.config.environment import Environment
from federation.config.provider_row import Listed, Name, Written
from federation.config.sign_in_settings import (
    AlertSettings,
    IssuerSettings,
    Mail,
    SignInSettings,
    Webhook,
)
from federation.domain.access import DEFAULT_TENANT, Role
from federation.domain.sign_in import ACCESS_S, AUDIENCE, ClaimRules, TrustedIssuer
from federation.errors import Problem

_DAY_S: Final = 86_400
_MAIL: Final = re.compile(r"[^\s@<>,;:()\[\]\\\"]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
_settings = SignInSettings()
_issuer = IssuerSettings(TrustedIssuer("", "", "", 1))


def _address(value: object) -> str:
    """A whole http or https address, as it is compared letter by letter."""
    quantities.base_url(value)
    assert isinstance(value, str)  # noqa: S101 - checked just now
    if "{" in value:
        raise ValueError("should be an address such as https://host/path")
    return value


def _mail(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not _MAIL.match(value):
        raise ValueError("should be an address such as ops@example.com")
    return value


Address = Annotated[str, BeforeValidator(_address)]
MailAddress = Annotated[str, BeforeValidator(_mail)]
Secret = Annotated[str, BeforeValidator(quantities.credential)]
Identifier = Annotated[str, BeforeValidator(quantities.identifier)]


class IssuerRow(Written):
    """Somebody else whose tokens, or whose people, are let in."""

    name: Identifier
    issuer: Name
    audience: Name | None = None
    secret: Secret | None = None
    jwks_url: Address | None = None
    private: bool = False
    longest_s: Annotated[int, Field(ge=60, le=_DAY_S)] = 3_600
    tenant: Name = DEFAULT_TENANT
    tenant_claim: Name | None = None
    user_claim: Name = "sub"
    team_claim: Name | None = None
    role_claim: Name | None = None
    roles: dict[str, Role] = Field(default_factory=dict)
    role: Role = Role.DEVELOPER
    people: Literal["known", "any"] = "known"
    client_id: Name | None = None
    client_secret: Secret | None = None
    client_auth: Literal["basic", "body"] = "basic"
    scopes: Annotated[tuple[Name, ...], Listed] = _issuer.scopes

    @model_validator(mode="after")
    def _whole(self) -> IssuerRow:
        if self.audience is None and self.client_id is None:
            raise ValueError(
                f"the issuer '{self.name}' needs an 'audience' (its tokens are let in) or a "
                "'client_id' (its people sign in), or both"
            )
        if self.secret is not None:
            if self.client_id is not None or self.jwks_url is not None:
                raise ValueError(
                    f"the issuer '{self.name}' has a 'secret' of its own, which goes with "
                    "neither 'client_id' nor 'jwks_url'"
                )
        else:
            _address(self.issuer)
        for url in (self.issuer, self.jwks_url or ""):
            if url.startswith("http:") and not self.private and self.secret is None:
                raise ValueError(
                    f"the issuer '{self.name}' is reached over plain http: use https, or say "
                    "'private: true' for one of your own"
                )
        return self


class SignInSection(Written):
    """Tokens in the place of keys, and people who sign in."""

    issuer: Name = AUDIENCE
    public_url: Address | None = None
    access_s: Annotated[int, Field(ge=60, le=_DAY_S)] = ACCESS_S
    refresh_days: Annotated[int, Field(ge=1, le=90)] = _settings.refresh_s // _DAY_S
    issuers: tuple[IssuerRow, ...] = ()


class WebhookRow(Written):
    """An address that is told of alerts."""

    name: Identifier
    url: Address
    secret: Secret
    private: bool = False
    tenants: Annotated[tuple[Name, ...], Listed] = ()

    @model_validator(mode="after")
    def _https(self) -> WebhookRow:
        if self.url.startswith("http:") and not self.private:
            raise ValueError(
                f"the webhook '{self.name}' is reached over plain http: use https, or say "
                "'private: true' for one of your own"
            )
        return self


class MailSection(Written):
    """How alerts are sent by e-mail, and to whom."""

    host: Name
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Name | None = None
    password: Secret | None = None
    sender: MailAddress
    to: Annotated[tuple[MailAddress, ...], Listed, Field(min_length=1, max_length=50)]
    tenants: Annotated[tuple[Name, ...], Listed] = ()

    @model_validator(mode="after")
    def _sealed(self) -> MailSection:
        if self.security == "none" and self.password is not None:
            raise ValueError("a password is not sent over a connection that is not encrypted")
        if (self.password is None) != (self.username is None):
            raise ValueError("'username' and 'password' go together")
        return self


class AlertsSection(Written):
    """Who is told of alerts, besides the log."""

    webhooks: tuple[WebhookRow, ...] = ()
    email: MailSection | None = None


def sign_in(section: SignInSection, where: Document, problems: list[Problem]) -> SignInSettings:
    """The settings; what does not hold together is added to `problems`."""
    _unique(where, problems, "sign_in", "issuers", [row.name for row in section.issuers])
    audiences = [row.issuer for row in section.issuers]
    for at, row in enumerate(section.issuers):
        path = ("sign_in", "issuers", at, "issuer")
        if row.issuer == section.issuer:
            problems.append(where.problem(path, "'issuer' is what our own tokens say"))
        elif audiences.index(row.issuer) != at:
            problems.append(where.problem(path, "'issuer' is that of another row"))
        if row.client_id is not None and section.public_url is None:
            message = (
                "'sign_in.public_url' is missing: people come back to "
                "<public_url>/auth/callback when they have signed in"
            )
            problems.append(where.problem(("sign_in", "issuers", at, "client_id"), message))
    return SignInSettings(
        issuer=section.issuer,
        public_url=(section.public_url or "").rstrip("/"),
        access_s=section.access_s,
        refresh_s=section.refresh_days * _DAY_S,
        issuers=tuple(map(_built, section.issuers)),
    )


def unused(found: Environment, settings: SignInSettings) -> list[Problem]:
    """A warning where a shared secret is set, and no issuer's tokens are checked with it."""
    name = "JWT_SECRET_KEY"
    if not found.values.get(name) or any(each.secret == f"env:{name}" for each in settings.issuers):
        return []
    message = f"has no effect: no issuer in 'sign_in.issuers' says 'secret: env:{name}'"
    return [found.problem(name, message)]


def alerts(section: AlertsSection, where: Document, problems: list[Problem]) -> AlertSettings:
    """The settings; what does not hold together is added to `problems`."""
    _unique(where, problems, "alerts", "webhooks", [row.name for row in section.webhooks])
    mail = section.email
    return AlertSettings(
        tuple(Webhook(**row.model_dump()) for row in section.webhooks),
        None if mail is None else Mail(**mail.model_dump() | {"username": mail.username or ""}),
    )


def _built(row: IssuerRow) -> IssuerSettings:
    rules = ClaimRules(
        tenant=row.tenant,
        tenant_claim=row.tenant_claim or "",
        user_claim=row.user_claim,
        team_claim=row.team_claim or "",
        role_claim=row.role_claim or "",
        role=row.role,
        roles=tuple(row.roles.items()),
        known=row.people == "known",
    )
    return IssuerSettings(
        trusted=TrustedIssuer(row.name, row.issuer, row.audience or "", row.longest_s, rules),
        bearer=row.audience is not None,
        secret=row.secret,
        jwks_url=row.jwks_url or "",
        private=row.private,
        client_id=row.client_id or "",
        client_secret=row.client_secret,
        in_body=row.client_auth == "body",
        scopes=tuple(dict.fromkeys(("openid", *row.scopes))),
    )


def _unique(
    where: Document, problems: list[Problem], section: str, key: str, names: list[str]
) -> None:
    for at, name in enumerate(names):
        if names.index(name) != at:
            message = f"there are two rows with the name '{name}'"
            problems.append(where.problem((section, key, at, "name"), message))
