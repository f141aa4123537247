"""AWS Signature Version 4: a request is signed with a key that never travels.

What a newcomer gets wrong: outside of S3 the path is percent-encoded once more for the
signature than it is on the wire, and dot segments and double slashes are taken out of it;
the query is sorted by its encoded form; and whatever is signed must not change afterwards,
so a request is signed last, when its body and target are settled. Header fields that a hop
may touch are not signed.

A day's signing key and a target's canonical path are the same for call after call, and half of
the work; both are remembered.

Reference: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import functools
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from msgspec import structs

from federation.errors import ConfigError, Problem
from federation.schema.http import Origin, WireRequest

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_PORTS: Final = {"http": 80, "https": 443}
_UNSIGNED: Final = frozenset(
    (
        b"baggage",
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"traceparent",
        b"tracestate",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"user-agent",
        b"x-amzn-trace-id",
    )
)
"""Fields that belong to a hop or are written by whoever traces."""
_OURS: Final = frozenset((b"authorization", b"x-amz-date", b"x-amz-security-token", b"date"))
"""Fields that signing writes itself."""

_HOST: Final = re.compile(
    r"(?:^|\.)[a-z0-9-]+\.(?P<region>[a-z]{2,4}(?:-[a-z]+){1,3}-\d{1,2})"
    r"\.(?:vpce\.)?(?:amazonaws\.(?:com|com\.cn|eu)|api\.aws|api\.amazonwebservices\.com\.cn)$"
)


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """An access key with its secret, and the token of a temporary one."""

    access_key: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def read_credentials(secret: str) -> AwsCredentials:
    """The credentials in one text: `ACCESS_KEY:SECRET` or `ACCESS_KEY:SECRET:TOKEN`.

    None of the three can hold a colon. Raises `ConfigError` for anything else.
    """
    parts = secret.strip().split(":")
    good = len(parts) in (2, 3) and all(
        part.isascii() and part.isprintable() and part and " " not in part for part in parts
    )
    if not good:
        problem = "not an AWS credential: write ACCESS_KEY:SECRET or ACCESS_KEY:SECRET:TOKEN"
        raise ConfigError([Problem("credential", None, problem)])
    return AwsCredentials(*parts)


def read_region(host: str) -> str:
    """The region in the name of a service's host; empty where the name has none."""
    found = _HOST.search(host.lower().rstrip("."))
    return found["region"] if found else ""


def sign_sigv4(
    request: WireRequest, credentials: AwsCredentials, region: str, service: str, at: datetime
) -> WireRequest:
    """The request with its signature, good for some minutes around `at` (aware).

    The target must be percent-encoded as it goes on the wire. Fields that an earlier signature
    wrote are replaced, so signing again is safe.
    """
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = [pair for pair in request.headers if pair[0].lower() not in _OURS]
    headers.append((b"x-amz-date", stamp.encode()))
    if credentials.token:
        headers.append((b"x-amz-security-token", credentials.token.encode()))
    names, fields = _canonical_fields(headers, request.origin)
    path, _, query = request.target.partition("?")
    canonical = "\n".join(
        (
            request.method.upper(),
            _canonical_path(path),
            "&".join(["=".join(pair) for pair in _pairs(query)]),
            fields,
            names,
            sha256(request.body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    digest = sha256(canonical.encode()).hexdigest()
    signature = hmac.digest(
        _key(credentials.secret, stamp[:8], region, service),
        f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(),
        "sha256",
    ).hex()
    value = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    headers.append((b"authorization", value.encode()))
    return structs.replace(request, headers=tuple(headers))


@functools.lru_cache(maxsize=64)
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _canonical_fields(headers: list[tuple[bytes, bytes]], origin: Origin) -> tuple[str, str]:
    """The names that are signed, and the fields in their canonical form."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        name = name.lower()
        if name not in _UNSIGNED:
            text = " ".join(value.decode("latin-1").split())
            found.setdefault(name.decode("latin-1"), []).append(text)
    found.setdefault("host", [_authority(origin)])
    names = sorted(found)
    return ";".join(names), "".join([f"{name}:{','.join(found[name])}\n" for name in names])


def _authority(origin: Origin) -> str:
    """What the transport writes into the `host` field."""
    host = origin.host
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return host if _PORTS.get(origin.scheme) == origin.port else f"{host}:{origin.port}"


@functools.lru_cache(maxsize=512)
def _canonical_path(path: str) -> str:
    """The path without dot segments and empty ones, encoded once more."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    plain = "/" + "/".join(kept)
    if kept and path.endswith("/"):
        plain += "/"
    return quote(plain, safe="/~")


def _pairs(query: str) -> list[tuple[str, str]]:
    if not query:
        return []
    pairs = [pair.partition("=") for pair in query.split("&")]
    return sorted((name, value) for name, _, value in pairs)
