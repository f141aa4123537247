"""Signers, rings and tokens for the tests of signing in."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.credentials.bearers import Bearers
from federation.credentials.issuing import SigningKey, access_token
from federation.domain.access import Role, VirtualKey
from federation.domain.sign_in import ClaimRules, TokenRing, TrustedIssuer
from federation.domain.snapshot import KeyRing
from federation.domain.tenancy import Quota, User
from federation.storage.keyring import Keys, key_hash

NOW = 1_000_000
HASH_KEY = b"k" * 32
SIGNER = SigningKey(1, "tk_1", b"s" * 32, 0)
FOREIGN = "https://login.test"
SHARED = b"0123456789abcdef0123456789abcdef"


def b64(value: bytes | str) -> str:
    text = value.encode() if isinstance(value, str) else value
    return urlsafe_b64encode(text).rstrip(b"=").decode()


@dataclass
class Party:
    """Another issuer, with an Ed25519 key of its own."""

    name: str = FOREIGN
    kid: str = "f1"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def jwk(self) -> dict[str, Any]:
        x = b64(self.key.public_key().public_bytes_raw())
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x, "use": "sig"}

    def token(self, claims: Mapping[str, Any] | None = None, **head: Any) -> str:
        said = {"iss": self.name, "aud": "federation", "sub": "ada", "iat": NOW, "exp": NOW + 600}
        said |= claims or {}
        return self.signed(json.dumps(said), **head)

    def signed(self, payload: str, **head: Any) -> str:
        first = {"alg": "EdDSA", "kid": self.kid} | head
        message = f"{b64(json.dumps(first))}.{b64(payload)}"
        return f"{message}.{b64(self.key.sign(message.encode()))}"

    def trusted(
        self, rules: ClaimRules | None = None, audience: str = "federation"
    ) -> TrustedIssuer:
        found = TrustedIssuer("corp", self.name, audience, 3_600, rules or ClaimRules())
        return replace(found, keys=(json.dumps(self.jwk),))


def shared_token(claims: Mapping[str, Any], secret: bytes = SHARED) -> str:
    """One signed with a shared secret."""
    message = f"{b64(json.dumps({'alg': 'HS256'}))}.{b64(json.dumps(claims))}"
    return f"{message}.{b64(hmac.digest(secret, message.encode(), 'sha256'))}"


def a_key(name: str = "key_1", secret: str = "fed_secret", **more: Any) -> VirtualKey:
    role = more.pop("role", Role.OWNER)
    tenant = more.pop("tenant", "default")
    return VirtualKey(name, key_hash(HASH_KEY, secret), name, tenant, role, 0, **more)


ADA = User("ada", "default", "Ada", 0, Role.OWNER, "red")


@dataclass
class Door:
    """Bearers with rings that a test may change, and a clock that it moves."""

    keys: tuple[VirtualKey, ...] = field(default_factory=lambda: (a_key(),))
    people: tuple[User, ...] = (ADA,)
    tenants: frozenset[str] = frozenset({"default", "other"})
    quotas: dict[str, Quota] = field(default_factory=dict)
    tokens: TokenRing = field(
        default_factory=lambda: TokenRing(1, keys=((SIGNER.id, SIGNER.public),))
    )
    now: float = NOW

    def __post_init__(self) -> None:
        self.bearers = Bearers(lambda: self.now)
        self.put()

    def put(self) -> None:
        """Put the rings in force as they are now."""
        ring = KeyRing(1, HASH_KEY, self.keys, self.quotas, self.people, self.tenants)
        self.bearers.follow(ring, Keys(ring, lambda: self.now))
        self.bearers.trust(self.tokens)

    def believe(self, *issuers: TrustedIssuer) -> None:
        self.tokens = replace(self.tokens, issuers=issuers)
        self.put()

    def token(
        self, subject: str = "key:key_1", session: str = "ses_1", scopes: tuple[str, ...] = ()
    ) -> str:
        return access_token(SIGNER, self.tokens, subject, session, scopes, "jti", int(self.now))

    def find(self, secret: str) -> VirtualKey | None:
        return self.bearers.find(secret)
