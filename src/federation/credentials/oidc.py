"""Signing in people at an identity provider: OpenID Connect Core 1.0 with PKCE (RFC 7636). Pure.

What is sent and what an answer means; who fetches is `control.sign_in_people`. The trap: nothing
that a browser brings back is believed before it is bound to what was sent out with it: the state
to the browser, the code to the verifier, the token to the nonce.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from federation.credentials.claims import Claims, Expected, read_claims
from federation.credentials.endpoint import get, locate, post_form
from federation.credentials.jws import VerifyingKey, signed
from federation.errors import Unauthorized, UpstreamGarbled
from federation.schema.http import WireRequest

CONFIGURATION: Final = "/.well-known/openid-configuration"
ANSWER_BYTES: Final = 256 * 1024
KEYS_MOST: Final = 50
ID_TOKEN_LONGEST_S: Final = 86_400
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider answers."""

    authorization: str
    token: str
    jwks: str


def discovery(issuer: str, *, private: bool) -> WireRequest:
    """The question where an issuer's endpoints are. Raises `ConfigError`."""
    return get(locate(issuer.rstrip("/") + CONFIGURATION, private=private))


def fetch(url: str, *, private: bool) -> WireRequest:
    """The question for what lies at an address. Raises `ConfigError`."""
    return get(locate(url, private=private))


def read_discovery(body: bytes, issuer: str, *, private: bool) -> Endpoints:
    """An issuer's endpoints. Raises `UpstreamGarbled` for an answer that is about another
    issuer, and `ConfigError` for endpoints that we may not ask."""
    found = _object(body)
    if found.get("issuer") != issuer:
        # OpenID Connect Discovery 4.3: else one issuer could speak for another.
        raise UpstreamGarbled("The identity provider's configuration names another issuer.")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    places = [found.get(name) for name in names]
    if not all(isinstance(place, str) and place for place in places):
        raise UpstreamGarbled("The identity provider's configuration lacks an endpoint.")
    endpoints = Endpoints(*map(str, places))
    for place in places:
        locate(str(place), private=private)
    return endpoints


def read_jwks(body: bytes) -> tuple[str, ...]:
    """The keys of a set, each as JSON of its own. Raises `UpstreamGarbled`."""
    keys = _object(body).get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise UpstreamGarbled("The identity provider's key set cannot be read.")
    # A shared secret in a public place is none.
    asymmetric = [key for key in keys if key.get("kty") != "oct"]
    return tuple(msgspec.json.encode(key).decode() for key in asymmetric[:KEYS_MOST])


def authorization_url(
    endpoints: Endpoints, fields: Mapping[str, str], scopes: tuple[str, ...], challenge: str
) -> str:
    """Where to send a person's browser."""
    asked = {
        "response_type": "code",
        "scope": " ".join(scopes),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **fields,
    }
    mark = "&" if urlsplit(endpoints.authorization).query else "?"
    return f"{endpoints.authorization}{mark}{urlencode(asked)}"


def code_request(
    endpoints: Endpoints,
    fields: Mapping[str, str],
    client_id: str,
    secret: str | None,
    *,
    in_body: bool,
    private: bool,
) -> WireRequest:
    """The exchange of a code for tokens (RFC 6749 section 4.1.3). Raises `ConfigError`."""
    asked = {"grant_type": "authorization_code", **fields}
    place = locate(endpoints.token, private=private)
    if secret is None:
        return post_form(place, asked | {"client_id": client_id})
    if in_body:
        return post_form(place, asked | {"client_id": client_id, "client_secret": secret})
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    return post_form(place, asked, ((b"authorization", b"Basic " + b64encode(pair)),))


def read_id_token(body: bytes) -> str:
    """The identity token in the answer to `code_request`. Raises `UpstreamGarbled`."""
    token = _object(body).get("id_token")
    if not isinstance(token, str) or not token.isascii():
        raise UpstreamGarbled("The identity provider's answer has no id_token.")
    return token


def identity(
    token: str,
    keys: Mapping[str, VerifyingKey],
    issuer: str,
    client_id: str,
    nonce: str,
    now_s: float,
) -> Claims:
    """Who signed in (OpenID Connect Core 3.1.3.7). Raises `Unauthorized`."""
    claims = read_claims(
        signed(token, keys), Expected(issuer, client_id, ID_TOKEN_LONGEST_S), now_s
    )
    said, audience = claims.more.get("nonce"), claims.more.get("aud")
    party = claims.more.get("azp")
    several = isinstance(audience, list) and len(audience) > 1
    bound = isinstance(said, str) and hmac.compare_digest(said.encode(), nonce.encode())
    if not bound or (party is not None and party != client_id) or (several and party is None):
        raise Unauthorized("This token is not valid.", code="invalid_token")
    return claims


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_challenge(text: str) -> bool:
    """Whether a text can be an S256 challenge."""
    return _CHALLENGE.match(text) is not None


def answers(verifier: str, challenge: str) -> bool:
    """Whether a verifier is the one behind a challenge."""
    if _VERIFIER.match(verifier) is None:
        return False
    return hmac.compare_digest(challenge_of(verifier).encode(), challenge.encode())


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamGarbled("The identity provider's answer cannot be read.") from None
