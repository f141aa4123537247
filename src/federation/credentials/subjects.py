"""Who a token's bearer is to us: the claims of a person as a user, a user as somebody who asks.

Pure. The trap: two people must never become one. A claim is taken as an id letter by letter, an
e-mail address only where its issuer has verified it, and what cannot be an id by its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from federation.domain.access import Role, VirtualKey
from federation.domain.hands import USER_SUBJECT, person_id
from federation.domain.sign_in import ClaimRules, TrustedIssuer
from federation.domain.tenancy import NAME_LIMIT, Team, User, checked_id
from federation.errors import InvalidRequest, Unauthorized

KEY_SUBJECT: Final = "key:"
_CLAIM_LIMIT: Final = 512
_EMAIL: Final = "email"


def subject_of(key: VirtualKey) -> str:
    """How a session names whose it is; `Bearers.of_session` finds them again."""
    return key.id if key.id.startswith(USER_SUBJECT) else f"{KEY_SUBJECT}{key.id}"


def user_of(issuer: TrustedIssuer, more: Mapping[str, Any]) -> User:
    """The user whom a token's claims make, known to us or not. Raises `Unauthorized`."""
    rules = issuer.rules
    tenant = _named(more, rules.tenant_claim) if rules.tenant_claim else rules.tenant
    name, shown, email = _id(issuer, more), _text(more, "name"), _text(more, _EMAIL)
    return User(name, tenant, shown or name, 0, _role(rules, more), _team(rules, more), email)


def as_key(user: User, most_providers: int | None = None) -> VirtualKey:
    """A person as somebody who asks, without a key of theirs."""
    return VirtualKey(
        id=person_id(user.tenant, user.id),
        hash=b"",
        name=user.name,
        tenant=user.tenant,
        role=user.role,
        created_ms=user.created_ms,
        team=user.team,
        user=user.id,
        most_providers=most_providers,
    )


def narrowed(key: VirtualKey, scopes: tuple[str, ...]) -> VirtualKey:
    """A key with no more than these scopes; none of them leaves it all that it has. Raises
    `Unauthorized` where nothing is left: an empty list would mean everything."""
    if not scopes:
        return key
    left = tuple(each for each in scopes if key.allows(each))
    if not left:
        raise refused()
    return replace(key, scopes=left)


def refused() -> Unauthorized:
    """One answer to every fault of a token."""
    return Unauthorized("This token is not valid.", code="invalid_token")


def ended() -> Unauthorized:
    """What is said of a session that was good once."""
    return Unauthorized("This session has ended: sign in again.", code="token_revoked")


def _id(issuer: TrustedIssuer, more: Mapping[str, Any]) -> str:
    claim = issuer.rules.user_claim
    value = _named(more, claim)
    if claim == _EMAIL:
        # Anyone can call themselves anything before it was verified.
        if more.get("email_verified") is not True:
            raise refused()
        value = value.lower()
    try:
        return checked_id(User, value)
    except InvalidRequest:
        whole = f"{issuer.issuer}\0{value}".encode("utf-8", "surrogatepass")
        return f"u-{hashlib.sha256(whole).hexdigest()[:32]}"


def _role(rules: ClaimRules, more: Mapping[str, Any]) -> Role:
    found = more.get(rules.role_claim) if rules.role_claim else None
    values = found if isinstance(found, list) else [found]
    return next((role for value, role in rules.roles if value in values), rules.role)


def _team(rules: ClaimRules, more: Mapping[str, Any]) -> str:
    """The team that a claim names; none where that can be no team."""
    name = _text(more, rules.team_claim) if rules.team_claim else ""
    try:
        return checked_id(Team, name)
    except InvalidRequest:
        return ""


def _named(more: Mapping[str, Any], claim: str) -> str:
    value = more.get(claim)
    if not isinstance(value, str) or not 0 < len(value) <= _CLAIM_LIMIT:
        raise refused()
    return value


def _text(more: Mapping[str, Any], claim: str) -> str:
    value = more.get(claim)
    return (
        value if isinstance(value, str) and value.isprintable() and len(value) <= NAME_LIMIT else ""
    )
