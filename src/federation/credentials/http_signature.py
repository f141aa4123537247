"""HTTP signatures with an RSA key over a request's head and its body's digest.

draft-cavage-http-signatures-10 in the form that
https://docs.oracle.com/iaas/Content/API/Concepts/signingrequests.htm demands: `date`,
`(request-target)` and `host` always, the body's length, type and SHA-256 where there may be
one. The trap: every signed field must go out as it was signed, so `host` and `date` are
written here and not left to the transport.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from msgspec import structs

from federation.credentials.endpoint import is_visible
from federation.credentials.parts import Parts
from federation.credentials.plans import unusable
from federation.credentials.rsa import RsaKey
from federation.schema.http import Origin, WireRequest

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_WITH_BODY: Final = frozenset(("POST", "PUT", "PATCH"))
_OURS: Final = frozenset((b"date", b"host", b"x-content-sha256", b"authorization"))


def http_signer(parts: Parts) -> Callable[[WireRequest, datetime], WireRequest]:
    """A signer with this credential: tenancy, user, fingerprint and private key.

    Raises `ConfigError` where one of them is missing or cannot be used.
    """
    name = "/".join(
        (
            parts.need("tenancy", "tenancy"),
            parts.need("user", "user"),
            parts.need("key's fingerprint", "fingerprint"),
        )
    )
    if not is_visible(name) or '"' in name:
        raise unusable("the credential's tenancy, user or fingerprint holds forbidden characters")
    key = RsaKey(parts.need("private key", "key_file", "key", "key_content"))

    def sign(request: WireRequest, at: datetime) -> WireRequest:
        headers = tuple(pair for pair in request.headers if pair[0] not in _OURS)
        added = [
            (b"date", format_datetime(at, usegmt=True).encode()),
            (b"host", _authority(request.origin).encode()),
        ]
        target = f"{request.method.lower()} {request.target}".encode()
        signed = [added[0], (b"(request-target)", target), added[1]]
        if request.method in _WITH_BODY:
            digest = b64encode(hashlib.sha256(request.body).digest())
            added.append((b"x-content-sha256", digest))
            kind = dict(headers).get(b"content-type", b"")
            if not kind:
                kind = b"application/json"
                added.append((b"content-type", kind))
            signed += [
                (b"content-length", b"%d" % len(request.body)),
                (b"content-type", kind),
                (b"x-content-sha256", digest),
            ]
        words = b" ".join([word for word, _ in signed]).decode()
        proof = b64encode(key.sign(b"\n".join(map(b": ".join, signed)))).decode()
        value = (
            f'Signature version="1",keyId="{name}",algorithm="rsa-sha256",'
            f'headers="{words}",signature="{proof}"'
        )
        return structs.replace(
            request, headers=(*headers, *added, (b"authorization", value.encode()))
        )

    return sign


def _authority(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if _DEFAULT_PORTS.get(origin.scheme) == origin.port else f"{host}:{origin.port}"
