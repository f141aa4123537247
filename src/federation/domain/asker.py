"""Who asks: the key that a request presents, and who it is where none is asked for.

Both doors (the worker's and the management API's) read a request through here, so that
neither takes a key that the other would refuse.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qs

from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.errors import Forbidden, Unauthorized

ANONYMOUS = VirtualKey(
    id="open", hash=b"", name="open", tenant=DEFAULT_TENANT, role=Role.DEVELOPER, created_ms=0
)
"""Who asks where the operator opened the gateway on loopback."""


_OTHERS: Final = (b"x-api-key", b"x-goog-api-key", b"api-key")
"""Where the official clients of the dialects put a key, if not behind `Bearer`."""
_SIGNED: Final = re.compile(rb"AWS4-HMAC-SHA256 +Credential=([^/, ]+)/")


def presented(headers: Mapping[bytes, bytes], query: str = "") -> str:
    """The secret in `Authorization: Bearer`, `X-API-Key`, `X-Goog-Api-Key`, `Api-Key`, or in
    the query's `key` where a query is given; empty where there is none.

    A signed request (AWS SigV4) names its access key; that is then the secret, because only a
    bearer of a key knows it. Names are in lower case. Two places that name different keys
    raise `Unauthorized`: which one counted would be a guess.
    """
    value = headers.get(b"authorization", b"")
    secret = value[7:].strip() if value[:7].lower() == b"bearer " else b""
    if value and not secret and (signed := _SIGNED.match(value)) is not None:
        secret = signed[1]
    for name in _OTHERS:
        if name in headers:
            secret = _same(secret, headers[name].strip())
    if query:
        try:
            terms = parse_qs(query, max_num_fields=100)
        except ValueError:
            raise Unauthorized("The query has too many terms to look for a key in.") from None
        for key in terms.get("key", []):
            secret = _same(secret, key.encode("utf-8", "replace"))
    return secret.decode("ascii", "replace")


def _same(secret: bytes, other: bytes) -> bytes:
    if secret and other and not hmac.compare_digest(secret, other):
        raise Unauthorized("Two different API keys were sent; send one.")
    return secret or other


def identify(
    headers: Mapping[bytes, bytes],
    find: Callable[[str], VirtualKey | None],
    *,
    is_open: bool,
    query: str = "",
) -> VirtualKey:
    """Who asks: the key presented or, at an open gateway, `ANONYMOUS`.

    Raises `Unauthorized`; `Forbidden` for a web page at an open gateway: a browser on this
    machine sends an origin, and would spend the operator's money.
    """
    secret = presented(headers, query)
    key = find(secret) if secret else None
    if key is not None:
        return key
    if is_open:
        if b"origin" in headers:
            raise Forbidden(
                "A web page may not use an open gateway without a key.", code="origin_refused"
            )
        # Official clients cannot be made to send no key, so any will do here.
        return ANONYMOUS
    if secret:
        raise Unauthorized("This API key is unknown, expired or revoked.")
    raise Unauthorized(
        "No API key was sent. Put one into the header 'Authorization: Bearer <key>'; "
        "`federation key create` makes one.",
        code="missing_api_key",
    )
