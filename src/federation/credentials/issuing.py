"""Access tokens of our own, and the keys that sign them: a JWT with Ed25519 (RFC 8037, RFC 9068).

Pure. The trap is a change of keys: whoever checks tokens hears of a key before it signs, and
forgets it only after the last token that it signed is over. `schedule` keeps both distances.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.credentials.bearers import SCOPE_CLAIM, SESSION_CLAIM
from federation.domain.sign_in import TokenRing

SEED_BYTES: Final = 32
SIGNS_S: Final = 30 * 86_400
"""How long a key signs."""
AHEAD_S: Final = 86_400
"""How long before it signs a key is told: others fetch our keys about once a day."""
SPARE_S: Final = 300


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of ours. `n` counts up, and no two keys have the same."""

    n: int
    id: str
    seed: bytes = field(repr=False)
    from_s: int
    """When it begins to sign, in Unix seconds."""

    @property
    def public(self) -> bytes:
        """Its 32 public bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 64 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What keys are good for at a moment."""

    signs: SigningKey | None
    tells: tuple[SigningKey, ...]
    """Those to check tokens with: the one that signs, the next, and those just before."""
    next_from_s: int | None
    """When another one should begin to sign, where it is time to make it."""
    spent: tuple[SigningKey, ...]
    """Those that no token in force was signed with."""


def schedule(keys: Iterable[SigningKey], now_s: float, access_s: int) -> Schedule:
    """Which key signs now, which are told, and whether the next is due."""
    row = sorted(keys, key=lambda key: key.from_s)
    begun = [key for key in row if key.from_s <= now_s]
    signs = begun[-1] if begun else None
    tells: list[SigningKey] = []
    spent: list[SigningKey] = []
    for key, after in zip_longest(row, row[1:]):
        over = after is not None and after.from_s + access_s + SPARE_S < now_s
        (spent if over else tells).append(key)
    if signs is None:
        due: int | None = int(now_s)
    elif row[-1].from_s + SIGNS_S - AHEAD_S <= now_s:
        due = max(row[-1].from_s + SIGNS_S, int(now_s) + AHEAD_S)
    else:
        due = None
    return Schedule(signs, tuple(tells), due, tuple(spent))


def access_token(
    key: SigningKey,
    ring: TokenRing,
    subject: str,
    session: str,
    scopes: tuple[str, ...],
    token_id: str,
    now_s: int,
) -> str:
    """A signed token for a subject, good for the ring's time from now on."""
    claims: dict[str, object] = {
        "iss": ring.issuer,
        "aud": ring.audience,
        "sub": subject,
        "iat": now_s,
        "exp": now_s + ring.access_s,
        "jti": token_id,
        SESSION_CLAIM: session,
    }
    if scopes:
        claims[SCOPE_CLAIM] = " ".join(scopes)
    head = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.id}
    message = f"{_part(head)}.{_part(claims)}"
    return f"{message}.{_text(key.sign(message.encode()))}"


def jwks(ring: TokenRing) -> dict[str, object]:
    """Our public keys, for anyone who wants to check our tokens (RFC 7517)."""
    return {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "EdDSA",
                "use": "sig",
                "kid": name,
                "x": _text(public),
            }
            for name, public in ring.keys
        ]
    }


def _part(value: Mapping[str, object]) -> str:
    return _text(msgspec.json.encode(value))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
