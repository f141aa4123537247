"""Whose signed tokens are believed, and as whom: what a door needs beside the key ring.

The trap: a token says who somebody is, never what they may do. What they may do stands in the
key ring (keys, people, tenants), so a token that was issued before a change obeys the change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from federation.domain.access import DEFAULT_TENANT, Role

AUDIENCE = "federation"
ACCESS_S = 1_800
REFRESH_S = 7 * 86_400


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Who a person of another issuer is to us, by the claims of their token."""

    tenant: str = DEFAULT_TENANT
    """Where they belong if no claim says it."""
    tenant_claim: str = ""
    user_claim: str = "sub"
    team_claim: str = ""
    role_claim: str = ""
    role: Role = Role.DEVELOPER
    """Of somebody whom no row of `roles` names."""
    roles: tuple[tuple[str, Role], ...] = ()
    """Values of the role claim, and what they mean; the first that is found counts."""
    known: bool = True
    """Only people whom the tenant has. Others come with the role that the claims say."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """Somebody else whose tokens let people in."""

    name: str
    """What the operator calls it."""
    issuer: str
    audience: str
    longest_s: int
    rules: ClaimRules = ClaimRules()
    keys: tuple[str, ...] = field(default=(), repr=False)
    """JWKs as JSON: public ones, or a shared secret."""


@dataclass(frozen=True, slots=True)
class TokenRing:
    """Every signer that is believed, and the sessions that have ended since."""

    version: int = 0
    issuer: str = AUDIENCE
    audience: str = AUDIENCE
    access_s: int = ACCESS_S
    keys: tuple[tuple[str, bytes], ...] = ()
    """Our own: the id and the 32 bytes of each public key."""
    issuers: tuple[TrustedIssuer, ...] = ()
    ended: frozenset[str] = frozenset()
    """Sessions that were revoked, while an access token of theirs may still run."""
    not_before_s: int = 0
    """Our own tokens from before are refused: in place of a list that would be too long."""
