"""Signed checkpoints in an S3-compatible bucket whose objects nobody can change for years.

Each checkpoint is an object of its own, written under an object lock: in compliance mode the
store itself refuses to delete or replace it before its day, whoever asks. The traps: a bucket
without object lock takes no such object and says so; and a name is encoded differently in the
signatures of S3 than in all others, so names here hold only what is never encoded.

Reference: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from federation.config.quantities import is_loopback
from federation.credentials.sigv4 import AwsCredentials, read_region, sign_sigv4
from federation.errors import ConfigError, Problem, Unavailable
from federation.schema.http import Origin, WireRequest
from federation.transport.tls import client_context

KIND: Final = "s3:"
TIMEOUT_S: Final = 5.0
REST_S: Final = 60.0
"""How long a store that failed is left alone: the next checkpoint vouches for those before it."""
_ANSWER: Final = 4096
_DAYS: Final = 3650
_MOST_DAYS: Final = 36_500
_PATH: Final = re.compile(r"/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9][A-Za-z0-9._~-]*)*\Z")
_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9.]{1,60})</Code>")
_MODES: Final = ("compliance", "governance")
_LOOKS: Final = "s3:https://HOST/BUCKET/PREFIX?days=3650&mode=compliance&region=REGION"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects go, and how long they are locked. `path` holds bucket and prefix."""

    origin: Origin
    path: str
    region: str
    mode: str
    days: int


class S3Anchor:
    """Not for several threads at once."""

    def __init__(
        self,
        bucket: Bucket,
        credentials: AwsCredentials,
        clock: Callable[[], float] = time.time,
        authorities: Callable[[], str] = str,
    ) -> None:
        """`authorities` says, as PEM, whom to trust beside the system's."""
        self.name = f"s3 {bucket.origin.host}{bucket.path}"
        self._bucket = bucket
        self._credentials = credentials
        self._clock = clock
        self._rests_until_s = 0.0
        self._failed = ""
        self._authorities = authorities
        self._trusted: tuple[str, ssl.SSLContext] | None = None

    def put(self, line: bytes, at_ms: int) -> None:
        """Write a checkpoint's short line as an object; one that is there stays. Raises
        `Unavailable`, without asking for a while after a failure."""
        now_s = self._clock()
        if 0 < self._rests_until_s - now_s <= REST_S:
            raise Unavailable(self._failed)
        try:
            status, answer = self._sent(self._request(line, at_ms, now_s))
        except (OSError, http.client.HTTPException) as error:
            raise self._resting(f"cannot be reached: {type(error).__name__}.", now_s) from error
        if status not in (200, 412):  # 412: it is there already
            code = _CODE.search(answer)
            said = f"{status} {code[1].decode()}" if code else str(status)
            raise self._resting(f"answers {said}.", now_s)

    def _resting(self, reason: str, now_s: float) -> Unavailable:
        self._rests_until_s = now_s + REST_S
        self._failed = f"The anchor {self.name} {reason}"
        return Unavailable(self._failed)

    def _request(self, line: bytes, at_ms: int, now_s: float) -> WireRequest:
        bucket, digest = self._bucket, hashlib.sha256(line)
        until = datetime.fromtimestamp(now_s, UTC) + timedelta(days=bucket.days)
        # S3 demands this digest of whatever it locks. It protects nothing here.
        md5 = hashlib.md5(line, usedforsecurity=False).digest()
        headers = (
            (b"content-type", b"application/json"),
            (b"content-md5", base64.b64encode(md5)),
            (b"if-none-match", b"*"),
            (b"x-amz-content-sha256", digest.hexdigest().encode()),
            (b"x-amz-object-lock-mode", bucket.mode.upper().encode()),
            (b"x-amz-object-lock-retain-until-date", f"{until:%Y-%m-%dT%H:%M:%SZ}".encode()),
        )
        # By time, so that a listing is in order; by digest, so that a fork shows as two objects.
        target = f"{bucket.path}/{at_ms:015d}-{digest.hexdigest()[:16]}.json"
        request = WireRequest("PUT", bucket.origin, target, headers, line)
        at = datetime.fromtimestamp(now_s, UTC)
        return sign_sigv4(request, self._credentials, bucket.region, "s3", at)

    def _sent(self, request: WireRequest) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            headers = {name.decode(): value.decode() for name, value in request.headers}
            connection.request(request.method, request.target, request.body, headers)
            response = connection.getresponse()
            return response.status, response.read(_ANSWER)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        origin = self._bucket.origin
        if origin.scheme != "https":
            return http.client.HTTPConnection(origin.host, origin.port, timeout=TIMEOUT_S)
        named = self._authorities()
        if self._trusted is None or self._trusted[0] != named:
            self._trusted = named, client_context(named)
        context = self._trusted[1]
        return http.client.HTTPSConnection(
            origin.host, origin.port, timeout=TIMEOUT_S, context=context
        )


def open_s3(url: str, environ: Mapping[str, str], authorities: Callable[[], str] = str) -> S3Anchor:
    """The anchor at this address, with the credentials that `AWS_ACCESS_KEY_ID` and its fellows
    hold. Raises `ConfigError` for what is none."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    access, secret, token = (environ.get(name, "").strip() for name in names)
    if not access or not secret:
        raise _wrong(f"an s3 anchor needs {names[0]} and {names[1]}")
    credentials = AwsCredentials(access, secret, token)
    return S3Anchor(read_bucket(url), credentials, authorities=authorities)


def read_bucket(url: str) -> Bucket:
    """What an anchor's address says. Raises `ConfigError`."""
    try:
        parts = urlsplit(url.removeprefix(KIND))
        asked = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
        days, mode = int(asked.pop("days", _DAYS)), asked.pop("mode", _MODES[0])
    except ValueError:
        raise _wrong(f"an s3 anchor should look like {_LOOKS}") from None
    region = asked.pop("region", "") or read_region(host) or "us-east-1"
    path = parts.path.rstrip("/")
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if asked or not host or not secure or parts.username or not _PATH.match(path):
        raise _wrong(f"an s3 anchor should look like {_LOOKS}")
    if mode not in _MODES or not 1 <= days <= _MOST_DAYS:
        raise _wrong(f"'mode' is one of {', '.join(_MODES)}; 'days' is 1 to {_MOST_DAYS}")
    return Bucket(Origin(parts.scheme, host, port), path, region, mode, days)


def _wrong(message: str) -> ConfigError:
    return ConfigError([Problem("evidence.anchors", None, message)])
