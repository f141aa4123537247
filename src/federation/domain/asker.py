"""Who asks: the key that a request presents, and who it is where none is asked for.

Both doors (the worker's and the management API's) read a request through here, so that
neither takes a key that the other would refuse.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.errors import Forbidden, Unauthorized

ANONYMOUS = VirtualKey(
    id="open", hash=b"", name="open", tenant=DEFAULT_TENANT, role=Role.DEVELOPER, created_ms=0
)
"""Who asks where the operator opened the gateway on loopback."""


def presented(headers: Mapping[bytes, bytes]) -> str:
    """The secret in `Authorization: Bearer` or `X-API-Key`; empty where there is none.

    Names are in lower case. Two headers that name different keys raise `Unauthorized`: which
    one counted would be a guess.
    """
    value = headers.get(b"authorization", b"")
    other = headers.get(b"x-api-key", b"").strip()
    secret = value[7:].strip() if value[:7].lower() == b"bearer " else b""
    if secret and other and not hmac.compare_digest(secret, other):
        raise Unauthorized("Two different API keys were sent; send one.")
    return (secret or other).decode("ascii", "replace")


def identify(
    headers: Mapping[bytes, bytes],
    find: Callable[[str], VirtualKey | None],
    *,
    is_open: bool,
) -> VirtualKey:
    """Who asks: the key presented or, at an open gateway, `ANONYMOUS`.

    Raises `Unauthorized`; `Forbidden` for a web page at an open gateway: a browser on this
    machine sends an origin, and would spend the operator's money.
    """
    secret = presented(headers)
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
