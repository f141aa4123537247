"""How a request proves to a provider who sends it: a table of schemes.

A signer is a pure function from a provider's row and its resolved secret to a plan. Nothing
here repeats a secret: not in a message, and not in a `repr`.

The trap: a credential in JSON (a key file, client credentials) is never sent as a key, also
where the row takes keys: it then stands for a token, and a row that knows no way to one is
refused. So nobody's private key ends up in a header.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlsplit

from federation.credentials.endpoint import is_visible
from federation.credentials.grants import token_spec, word
from federation.credentials.http_signature import http_signer
from federation.credentials.parts import Parts, read_parts
from federation.credentials.plans import (
    ByToken,
    HeaderPairs,
    PerRequest,
    Signature,
    SignPlan,
    unusable,
)
from federation.credentials.sigv4 import (
    AwsCredentials,
    read_credentials,
    read_region,
    sign_sigv4,
)
from federation.domain.catalogue import Auth, Provider

_BEARER: Final = Auth()


def plan(provider: Provider, secret: str | None) -> SignPlan:
    """What signing in to this provider asks of every request.

    Costs a millisecond at most; the plan is good for every deployment of the provider.
    Without a secret nothing is added: whether one is needed was decided when the deployment
    was found usable (local servers often take any key or none). Raises `ConfigError` where
    the scheme is unknown, the secret lacks a part or is of a kind that is not supported, or
    holds characters that a header cannot: a line break would add a header.
    """
    signer = SIGNERS.get(provider.auth.scheme)
    if signer is None:
        raise unusable(f"the sign-in scheme {provider.auth.scheme!r} is not known")
    return signer(provider, secret) if secret else Signature()


def _nothing(auth: Auth, secret: str) -> Signature:
    return Signature()


def _header(auth: Auth, secret: str) -> Signature:
    return Signature(headers=_named(auth, secret))


def _query(auth: Auth, secret: str) -> Signature:
    value = quote(auth.prefix + secret, safe="")
    return Signature(query=f"{quote(auth.name, safe='')}={value}")


_CONSTANT: Final[dict[str, Callable[[Auth, str], Signature]]] = {
    "none": _nothing,
    "bearer": _header,
    "header": _header,
    "query": _query,
}


def _sign_constant(provider: Provider, secret: str) -> SignPlan:
    auth = provider.auth
    if auth.scheme != "none" and read_parts(secret) is not None:
        return _by_token(provider, secret, auth if auth.scheme == "bearer" else _BEARER)
    return _CONSTANT[auth.scheme](auth, secret)


def _sign_oauth(provider: Provider, secret: str) -> SignPlan:
    return _by_token(provider, secret, provider.auth)


def _sign_http(provider: Provider, secret: str) -> SignPlan:
    parts = read_parts(secret)
    if parts is None:
        raise unusable(
            "the credential should be a JSON object with tenancy, user, fingerprint and key_file"
        )
    return PerRequest(http_signer(parts))


def _sign_sigv4(provider: Provider, secret: str) -> SignPlan:
    """Keys sign; a text that is no pair is a bearer token, where the row says that one does."""
    parts = read_parts(secret)
    if parts is None and ":" not in secret and word(provider, "auth_bearer_env"):
        return _header(_BEARER, secret)
    keys = read_credentials(secret) if parts is None else _aws_keys(parts)
    service = word(provider, "auth_service")
    if not service:
        raise unusable("the provider's row names no service to sign for ('auth_service')")
    try:
        host = urlsplit(provider.base_url).hostname or ""
    except ValueError:
        raise unusable("the provider's address cannot be read") from None
    region = (parts.find("region") if parts is not None else "") or read_region(host)
    if not region:
        raise unusable("nothing says for which region to sign: set the region's variable")
    return PerRequest(lambda request, at: sign_sigv4(request, keys, region, service, at))


def _aws_keys(parts: Parts) -> AwsCredentials:
    keys = AwsCredentials(
        parts.need("access key's id", "access_key_id"),
        parts.need("secret access key", "secret_access_key"),
        parts.find("session_token"),
    )
    if not all(is_visible(text) for text in (keys.access_key, keys.secret, keys.token or "-")):
        raise unusable("the credential holds a line break or a character that is not ASCII")
    return keys


def _by_token(provider: Provider, secret: str, auth: Auth) -> ByToken:
    _named(auth, "x")
    return ByToken(token_spec(provider, secret), lambda token: _named(auth, token))


def _named(auth: Auth, secret: str) -> HeaderPairs:
    value = auth.prefix + secret
    if not is_visible(auth.name) or " " in auth.name:
        raise unusable("the name of the sign-in header is not a header name")
    if not is_visible(value):
        raise unusable("the credential holds a line break or a character that is not ASCII")
    return ((auth.name.lower().encode(), value.encode()),)


SIGNERS: Final[dict[str, Callable[[Provider, str], SignPlan]]] = {
    "none": _sign_constant,
    "bearer": _sign_constant,
    "header": _sign_constant,
    "query": _sign_constant,
    "oauth": _sign_oauth,
    "sigv4": _sign_sigv4,
    "http_signature": _sign_http,
}
