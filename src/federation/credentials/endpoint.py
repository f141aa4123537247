"""Requests to token endpoints, and what they answer (RFC 6749 sections 4.4, 5 and 6).

The trap: a refusal may repeat what was sent, so nothing of an answer stands in a message but
the error words that the standard lists. And hosts disagree on when a token ends: seconds from
now, a Unix time in seconds or milliseconds, or an RFC 3339 date.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from federation import __version__
from federation.credentials.plans import HeaderPairs, Token, unusable
from federation.errors import (
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamRateLimited,
)
from federation.schema.http import Origin, WireRequest

_PORTS: Final = {"http": 80, "https": 443}
_UNKNOWN_LIFETIME_S: Final = 300.0
_LONGEST_S: Final = 86_400.0
_MILLISECONDS: Final = 1e11
_LONGEST_TOKEN: Final = 64 * 1024
_WORDS: Final = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
        "access_denied",
    }
)
_COMMON: Final = (
    (b"accept", b"application/json"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", f"federation/{__version__}".encode()),
)


class _Answer(msgspec.Struct):
    access_token: Any = None
    accessToken: Any = None  # noqa: N815 - a vendor's member
    expires_in: Any = None
    expires_at: Any = None
    expiration: Any = None
    expireTime: Any = None  # noqa: N815 - a vendor's member


class _Refusal(msgspec.Struct):
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_REFUSAL: Final = msgspec.json.Decoder(_Refusal)


def locate(url: str, *, private: bool) -> tuple[Origin, str]:
    """An absolute address as origin and request-target.

    Raises `ConfigError` for anything else, and for plain http but where the operator named a
    private address: whoever listens on the way would read the secret.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise unusable("the address of the token endpoint cannot be read") from None
    odd = parts.username is not None or parts.fragment or "{" in url or not url.isprintable()
    if parts.scheme not in _PORTS or not parts.hostname or odd:
        raise unusable("the address of the token endpoint is not an absolute https URL")
    if parts.scheme == "http" and not private:
        raise unusable("the token endpoint is reached over plain http: use https")
    path = quote(parts.path or "/", safe="/:@!$&'()*+,;=~%")
    query = f"?{quote(parts.query, safe='/:@!$&()*+,;=~%?')}" if parts.query else ""
    origin = Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], private=private)
    return origin, path + query


def post_form(
    place: tuple[Origin, str], fields: Mapping[str, str], headers: HeaderPairs = ()
) -> WireRequest:
    """A form to a token endpoint; fields without a value are left out."""
    body = urlencode({name: value for name, value in fields.items() if value}).encode()
    kind = ((b"content-type", b"application/x-www-form-urlencoded"),)
    return WireRequest("POST", *place, (*_COMMON, *kind, *headers), body)


def post_json(place: tuple[Origin, str], value: object, headers: HeaderPairs = ()) -> WireRequest:
    """A JSON body to an endpoint that gives tokens."""
    kind = ((b"content-type", b"application/json"),)
    return WireRequest("POST", *place, (*_COMMON, *kind, *headers), msgspec.json.encode(value))


def get(place: tuple[Origin, str], headers: HeaderPairs = ()) -> WireRequest:
    """A plain question, for endpoints that hand out tokens to whom they see."""
    return WireRequest("GET", *place, (*_COMMON, *headers))


def spec_key(*texts: str) -> str:
    """A digest by which a token is kept; equal for equal texts only."""
    whole = hashlib.blake2b(digest_size=20, person=b"federation-token")
    for text in texts:
        data = text.encode()
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def is_visible(text: str) -> bool:
    """Whether a text can stand in a header: plain ASCII without control characters."""
    return bool(text) and text.isascii() and text.isprintable()


def read_token(status: int, body: bytes, at: datetime, lifetime_s: float | None = None) -> Token:
    """The token in an endpoint's answer. `lifetime_s` is believed where the answer says none.

    Raises as `TokenSpec.read` says.
    """
    check(status, body)
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _garbled() from None
    value = answer.access_token or answer.accessToken
    if not isinstance(value, str) or not is_visible(value) or len(value) > _LONGEST_TOKEN:
        raise _garbled()
    return Token(value, _expiry(answer, at, lifetime_s or _UNKNOWN_LIFETIME_S))


def check(status: int, body: bytes) -> None:
    """Raise what an endpoint's refusal means; nothing where it answered with success."""
    if 200 <= status < 300:
        return
    raise _refusal(status, body)


def _refusal(status: int, body: bytes) -> UpstreamError:
    if status == 429:
        said = "The token endpoint of this provider asks us to slow down."
        return UpstreamRateLimited(said, upstream_status=status)
    if status in (400, 401, 402, 403):
        try:
            word = _REFUSAL.decode(body).error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            word = None
        why = f" ({word})" if isinstance(word, str) and word in _WORDS else ""
        return UpstreamDenied(
            f"The token endpoint of this provider refuses our credential{why}.",
            upstream_status=status,
        )
    if status >= 500 or status == 408:
        return UpstreamFailed(
            "The token endpoint of this provider fails just now.", upstream_status=status
        )
    return UpstreamGarbled(
        f"The token endpoint of this provider answers with status {status}.",
        upstream_status=status,
    )


def _garbled() -> UpstreamGarbled:
    return UpstreamGarbled("The token endpoint of this provider gave an answer without a token.")


def _expiry(answer: _Answer, at: datetime, lifetime_s: float) -> float:
    """The Unix time of the end. Seconds from now come first: they need no clock of theirs."""
    now = at.timestamp()
    left = _number(answer.expires_in)
    if left is None:
        end = _number(answer.expires_at)
        if end is None:
            end = _number(answer.expiration)
        if end is not None:
            left = (end / 1000.0 if end > _MILLISECONDS else end) - now
        else:
            left = _until(answer.expireTime, now)
    if left is None:
        left = lifetime_s
    if left <= 0:
        raise _garbled()
    return now + min(left, _LONGEST_S)


def _number(value: object) -> float | None:
    """A finite number, also where it came as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e15 else None


def _until(value: object, now: float) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        end = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() - now
