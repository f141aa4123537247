"""What a signed token must say to let somebody in (RFC 7519 section 4.1, RFC 8725). Pure.

The trap: a claim that is missing is not a claim that holds. All five of `iss`, `sub`, `aud`,
`exp` and `iat` have to be there, of the right type and for us, before any is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from federation.credentials.jws import read_object
from federation.errors import Unauthorized

SKEW_S: Final = 30
"""How far an issuer's clock may be ahead of ours. An end is never later than it says."""
_NAME_LIMIT: Final = 512
_LATEST_S: Final = 1 << 40
"""Further off than any date: an infinity, or a number of a thousand digits, is no time."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Who may have issued a token, for whom, and for how long at most."""

    issuer: str
    audience: str
    longest_s: int


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says that holds; `more` is everything in it."""

    subject: str
    issued_s: float
    expires_s: float
    more: Mapping[str, Any]


def read_claims(text: bytes, expected: Expected, now_s: float) -> Claims:
    """The claims of a token whose signature was checked. Raises `Unauthorized`: with the code
    `token_expired` where only its time is over, so that a client knows to refresh it."""
    found = read_object(text)
    subject, issued_s, expires_s = found.get("sub"), _time(found, "iat"), _time(found, "exp")
    audience = found.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    holds = (
        isinstance(subject, str)
        and 0 < len(subject) <= _NAME_LIMIT
        and found.get("iss") == expected.issuer
        and all(isinstance(each, str) for each in named)
        and expected.audience in named
        and issued_s <= now_s + SKEW_S
        and ("nbf" not in found or _time(found, "nbf") <= now_s + SKEW_S)
        and 0 < expires_s - issued_s <= expected.longest_s
    )
    if not holds or not isinstance(subject, str):
        raise Unauthorized("This token is not valid.", code="invalid_token")
    if expires_s <= now_s:
        raise Unauthorized("This token has expired: get a new one.", code="token_expired")
    return Claims(subject, issued_s, expires_s, found)


def _time(found: Mapping[str, Any], name: str) -> float:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthorized("This token is not valid.", code="invalid_token")
    if not 0 <= value <= _LATEST_S:
        raise Unauthorized("This token is not valid.", code="invalid_token")
    return value
