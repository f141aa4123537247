"""Key files whose `type` says how they are used: application default credentials.

https://google.aip.dev/auth/4110 and the pages it leads to; RFC 7523 (service accounts),
RFC 6749 section 6 (users), RFC 8693 (identities of another cloud or of a build system).

The traps: a file may name addresses and commands. Addresses are used under the same rules
as any other, commands never are. And a token for somebody else (impersonation) takes two
steps, of which the first token is good for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec

from federation.credentials.endpoint import (
    check,
    get,
    is_visible,
    locate,
    post_form,
    post_json,
    read_token,
    spec_key,
)
from federation.credentials.plans import HeaderPairs, Token, TokenSpec, unusable
from federation.credentials.rsa import RsaKey, jwt
from federation.errors import UpstreamGarbled
from federation.schema.http import WireRequest

_JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a word
_LIFETIME_S: Final = 3600
_SUBJECT_S: Final = 60.0
"""How long a subject token is used again; its own end is not said where it is handed out."""


class _KeyFile(msgspec.Struct):
    type: str
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    token_uri: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    source_credentials: msgspec.Raw = msgspec.Raw(b"")
    service_account_impersonation_url: str | None = None
    delegates: list[str] | None = None
    audience: str = ""
    subject_token_type: str = ""
    token_url: str = ""
    credential_source: dict[str, Any] = {}


_KEY_FILE: Final = msgspec.json.Decoder(_KeyFile)


class _Place(msgspec.Struct, frozen=True):
    """What a row adds to a key file."""

    scope: str
    token_url: str
    private: bool


def key_file_token(secret: str, *, scope: str, token_url: str, private: bool) -> TokenSpec:
    """How a token is had with this file. `token_url` is used where the file names none.

    Raises `ConfigError` for a kind that is not supported and for a file that lacks a part.
    """
    return _by_type(secret, _Place(scope, token_url, private))


def _by_type(secret: str | bytes, place: _Place) -> TokenSpec:
    try:
        file = _KEY_FILE.decode(secret)
    except (msgspec.DecodeError, RecursionError):
        raise unusable("the key file lacks its 'type', or a part has the wrong type") from None
    maker = KINDS.get(file.type)
    if maker is None:
        raise unusable(
            "the key file is of a kind that is not supported; these are: " + ", ".join(KINDS)
        )
    return maker(file, place)


def _service_account(file: _KeyFile, place: _Place) -> TokenSpec:
    if not file.client_email or not file.private_key:
        raise unusable("the service account's key file lacks 'client_email' or 'private_key'")
    url = _url(file.token_uri, place)
    where = locate(url, private=place.private)
    key = RsaKey(file.private_key)

    def request(at: datetime, base: str) -> WireRequest:
        now = int(at.timestamp())
        claims = {
            "iss": file.client_email,
            "scope": place.scope,
            "aud": url,
            "iat": now,
            "exp": now + _LIFETIME_S,
        }
        assertion = jwt(key, claims, key_id=file.private_key_id)
        return post_form(where, {"grant_type": _JWT_GRANT, "assertion": assertion})

    name = spec_key(url, place.scope, file.client_email, file.private_key)
    return TokenSpec(name, request, read_token)


def _authorized_user(file: _KeyFile, place: _Place) -> TokenSpec:
    if not file.client_id or not file.client_secret or not file.refresh_token:
        raise unusable("the user's key file lacks 'client_id', 'client_secret' or 'refresh_token'")
    url = _url(file.token_uri, place)
    where = locate(url, private=place.private)
    fields = {
        "grant_type": "refresh_token",
        "client_id": file.client_id,
        "client_secret": file.client_secret,
        "refresh_token": file.refresh_token,
    }
    return TokenSpec(
        spec_key(url, *fields.values()), lambda at, base: post_form(where, fields), read_token
    )


def _impersonated(file: _KeyFile, place: _Place) -> TokenSpec:
    if not bytes(file.source_credentials) or not file.service_account_impersonation_url:
        raise unusable(
            "the key file lacks 'source_credentials' or 'service_account_impersonation_url'"
        )
    base = _by_type(bytes(file.source_credentials), place)
    return _as_service_account(base, file, place)


def _as_service_account(base: TokenSpec, file: _KeyFile, place: _Place) -> TokenSpec:
    """The second step: a service account's token, asked for with the first one."""
    url = file.service_account_impersonation_url or ""
    where = locate(url, private=place.private)
    delegates = file.delegates or []
    asked = {
        "delegates": delegates,
        "scope": place.scope.split(),
        "lifetime": f"{_LIFETIME_S}s",
    }

    def request(at: datetime, token: str) -> WireRequest:
        return post_json(where, asked, ((b"authorization", b"Bearer " + token.encode()),))

    return TokenSpec(spec_key(url, place.scope, base.key, *delegates), request, read_token, base)


def _external_account(file: _KeyFile, place: _Place) -> TokenSpec:
    if not file.audience or not file.subject_token_type or not file.token_url:
        raise unusable("the key file lacks 'audience', 'subject_token_type' or 'token_url'")
    where = locate(file.token_url, private=place.private)
    fields = {
        "grant_type": _EXCHANGE_GRANT,
        "audience": file.audience,
        "scope": place.scope,
        "requested_token_type": _ACCESS_TOKEN,
        "subject_token_type": file.subject_token_type,
    }
    subject = _subject(file.credential_source, place)
    if isinstance(subject, str):
        known, base = subject, None
    else:
        known, base = "", subject

    def request(at: datetime, token: str) -> WireRequest:
        return post_form(where, {**fields, "subject_token": token or known})

    name = spec_key(file.token_url, *fields.values(), known, base.key if base else "")
    spec = TokenSpec(name, request, read_token, base)
    return (
        _as_service_account(spec, file, place) if file.service_account_impersonation_url else spec
    )


def _subject(source: dict[str, Any], place: _Place) -> str | TokenSpec:
    """Who we are elsewhere: a text that the configuration has read from the file, or how it
    is asked for."""
    form = source.get("format")
    field = ""
    if isinstance(form, dict) and form.get("type") == "json":
        field = str(form.get("subject_token_field_name", ""))
    content, url = source.get("content"), source.get("url")
    if isinstance(content, str):
        token = _pick(content.encode(), field)
        if token is None:
            raise unusable("the file that 'credential_source' names holds no token")
        return token
    if isinstance(url, str) and "environment_id" not in source:
        where = locate(url, private=place.private)
        given = source.get("headers")
        headers = _headers(given if isinstance(given, dict) else {})
        return TokenSpec(
            spec_key(url, field, repr(given)),
            lambda at, base: get(where, headers),
            partial(_read_subject, field=field),
        )
    raise unusable(
        "'credential_source' should name a readable file or a url; commands are never run, and "
        "the metadata service of a cloud is not asked"
    )


def _headers(given: dict[str, Any]) -> HeaderPairs:
    pairs = [(str(name).lower(), str(value)) for name, value in given.items()]
    if not all(is_visible(name) and is_visible(value) for name, value in pairs):
        raise unusable("a header in 'credential_source' holds characters that HTTP forbids")
    return tuple((name.encode(), value.encode()) for name, value in pairs)


def _read_subject(status: int, body: bytes, at: datetime, *, field: str) -> Token:
    check(status, body)
    token = _pick(body, field)
    if token is None:
        raise UpstreamGarbled("The place that says who we are gave an answer without a token.")
    return Token(token, at.timestamp() + _SUBJECT_S)


def _pick(data: bytes, field: str) -> str | None:
    """The token in a plain text or in a member of a JSON object; None where there is none."""
    try:
        if field:
            value = msgspec.json.decode(data, type=dict[str, Any]).get(field)
        else:
            value = data.decode().strip()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, str) and is_visible(value) else None


def _url(named: str, place: _Place) -> str:
    url = named or place.token_url
    if not url:
        raise unusable(
            "nothing says where the token is fetched: neither the key file ('token_uri') nor "
            "the provider's row ('token_url')"
        )
    return url


KINDS: Final[dict[str, Callable[[_KeyFile, _Place], TokenSpec]]] = {
    "service_account": _service_account,
    "authorized_user": _authorized_user,
    "impersonated_service_account": _impersonated,
    "external_account": _external_account,
}
