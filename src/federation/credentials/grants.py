"""How a token is asked for: by client credentials, an API key, or a ready-made key.

Which way is taken follows from the form of the credential and from the row's words
(`token_url`, `token_path`, `token_grant`, `auth_scope`, `token_lifetime_s`), never from whose
row it is:

    {"type": ...}                       a key file, see `key_files`
    {"client_id": ..., ...}             client credentials (RFC 6749 4.4), with a secret or with
                                        an assertion that somebody else signed (RFC 7523 2.2)
    text, row with an apikey grant      the grant that the row names, with the text as `apikey`
    id:secret                           client credentials
    text                                an authorization key: the pair as it stands in `Basic`

The trap is `Basic`: RFC 6749 2.3.1 wants id and secret form-encoded in it, and half of the
servers do not decode them. So a pair that encoding would change goes in the body, which has
one reading only, unless the credential names its `token_endpoint_auth_method` (RFC 7591).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import quote_plus, urlsplit
from uuid import UUID

from federation.credentials.endpoint import (
    is_visible,
    locate,
    post_form,
    read_token,
    spec_key,
)
from federation.credentials.key_files import key_file_token
from federation.credentials.parts import Parts, read_parts
from federation.credentials.plans import HeaderPairs, Token, TokenSpec, unusable
from federation.domain.catalogue import Provider
from federation.schema.http import WireRequest

_BASIC: Final = "client_secret_basic"
_POST: Final = "client_secret_post"
_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_UAA_PATH: Final = "/oauth/token"


def token_spec(provider: Provider, secret: str) -> TokenSpec:
    """How the token for this provider's credential is had.

    Raises `ConfigError` that says what is missing, or that the kind is not supported.
    """
    parts = read_parts(secret)
    if parts is None:
        return _from_text(provider, secret, word(provider, "auth_scope"))
    if isinstance(parts.named.get("type"), str):
        return key_file_token(
            secret,
            scope=word(provider, "auth_scope"),
            token_url=word(provider, "token_url"),
            private=is_private(provider),
        )
    if parts.find("client_id", "client_secret"):
        return _client_credentials(provider, parts)
    text = parts.find("credentials", "secret", "api_key")
    if text:
        return _from_text(provider, text, parts.find("scope") or word(provider, "auth_scope"))
    raise unusable(
        "the credential is neither a key file (with its 'type') nor client credentials "
        "(with 'client_id' and 'client_secret')"
    )


def word(provider: Provider, name: str) -> str:
    """A quirk of the row that is text; empty where it is none."""
    value = provider.quirks.get(name)
    return value if isinstance(value, str) else ""


def is_private(provider: Provider) -> bool:
    """Whether the operator named this address: it may then lie inside and be plain http."""
    return provider.private or provider.local


def _from_text(provider: Provider, text: str, scope: str) -> TokenSpec:
    url = _row_url(provider)
    if not url:
        raise unusable(
            "the credential should be a key file or client credentials in JSON: this provider "
            "takes tokens, and its row names no place to exchange a plain key"
        )
    place = locate(url, private=is_private(provider))
    grant = word(provider, "token_grant")
    key = spec_key(url, grant, scope, text)
    if grant.endswith(":apikey"):
        fields = {"grant_type": grant, "apikey": text, "scope": scope}
        return _form_spec(provider, key, lambda at: post_form(place, fields))
    if grant:
        raise unusable(f"the row's token_grant {grant!r} is not one that a plain key can use")
    identity, colon, password = text.partition(":")
    if colon:
        pair = Parts({"client_id": identity, "client_secret": password, "scope": scope})
        return _client_credentials(provider, pair)
    if not is_visible(text):
        raise unusable("the credential holds a line break or a character that is not ASCII")

    def request(at: datetime) -> WireRequest:
        """The key goes as it is; each request carries an id of its own, as such hosts demand."""
        headers = ((b"authorization", b"Basic " + text.encode()), (b"rquid", _request_id(key, at)))
        return post_form(place, {"scope": scope}, headers)

    return _form_spec(provider, key, request)


def _request_id(key: str, at: datetime) -> bytes:
    """A UUID that differs for every key and moment, without a source of randomness."""
    digest = hashlib.blake2b(f"{key} {at.isoformat()}".encode(), digest_size=16).digest()
    return str(UUID(bytes=digest, version=4)).encode()


def _client_credentials(provider: Provider, parts: Parts) -> TokenSpec:
    identity = parts.need("client's id", "client_id")
    url = _client_url(provider, parts)
    place = locate(url, private=is_private(provider))
    fields = {
        "grant_type": "client_credentials",
        "scope": parts.find("scope") or word(provider, "auth_scope"),
        "audience": parts.find("audience"),
        "resource": parts.find("resource"),
    }
    assertion = parts.find("federated_token_file", "federated_token", "client_assertion")
    password = parts.find("client_secret")
    headers: HeaderPairs = ()
    if password:
        headers, proof = _proof(identity, password, parts.find("token_endpoint_auth_method"))
    elif assertion:
        proof = {
            "client_id": identity,
            "client_assertion_type": _JWT_BEARER,
            "client_assertion": assertion.strip(),
        }
    else:
        raise unusable(
            "the credential has a client_id, and neither a client_secret nor a federated token"
        )
    fields |= proof
    key = spec_key(url, *fields.values(), identity, password)
    return _form_spec(provider, key, lambda at: post_form(place, fields, headers))


def _proof(identity: str, password: str, method: str) -> tuple[HeaderPairs, dict[str, str]]:
    """Headers and fields by which the client shows its secret."""
    encoded = quote_plus(identity), quote_plus(password)
    if not method:
        method = _BASIC if encoded == (identity, password) else _POST
    if method == _BASIC:
        pair = b64encode(":".join(encoded).encode())
        return ((b"authorization", b"Basic " + pair),), {}
    if method == _POST:
        return (), {"client_id": identity, "client_secret": password}
    raise unusable(f"the credential's token_endpoint_auth_method should be {_BASIC} or {_POST}")


def _client_url(provider: Provider, parts: Parts) -> str:
    """Where the credential says, else where the row says, else beside the issuer it names."""
    url = parts.find("token_url") or _row_url(provider)
    if url:
        return _filled(url, parts)
    issuer = parts.find("auth_url", "url").rstrip("/")
    if not issuer:
        raise unusable("nothing says where the token is fetched: add 'token_url' to the credential")
    return issuer if issuer.endswith(_UAA_PATH) else issuer + _UAA_PATH


def _filled(url: str, parts: Parts) -> str:
    """A row's address may hold the name of the directory that the client belongs to."""
    if "{tenant_id}" not in url:
        return url
    return url.replace("{tenant_id}", quote_plus(parts.need("tenant's id", "tenant_id")))


def _row_url(provider: Provider) -> str:
    url, path = word(provider, "token_url"), word(provider, "token_path")
    if url or not path:
        return url
    base = urlsplit(provider.base_url)
    return f"{base.scheme}://{base.netloc}{path}"


def _form_spec(
    provider: Provider, key: str, request: Callable[[datetime], WireRequest]
) -> TokenSpec:
    lifetime = provider.quirks.get("token_lifetime_s")
    lifetime_s = float(lifetime) if isinstance(lifetime, int | float) else None
    read: Callable[[int, bytes, datetime], Token] = partial(read_token, lifetime_s=lifetime_s)
    return TokenSpec(key, lambda at, base: request(at), read)
