"""Checkpoints in a bucket under object lock, over real sockets against a store that checks."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tls_front import tls_front

from federation.bootstrap.anchoring import open_anchors
from federation.control.anchors_s3 import REST_S, S3Anchor, read_bucket
from federation.credentials.sigv4 import AwsCredentials
from federation.errors import ConfigError, Unavailable
from federation.storage.anchors import Anchor, FileAnchor

SECRET = "canary-secret-of-a-bucket"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
LINE = b'{"checkpoint":1}\n'
AT_MS = 1_764_000_000_123


class Store(ThreadingHTTPServer):
    """Keeps what is put, never anything twice; `answer` is what it says instead."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.objects: dict[str, bytes] = {}
        self.heads: list[dict[str, str]] = []
        self.answer: tuple[int, bytes] | None = None


class Taking(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        head = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(head["content-length"]))
        self.server.heads.append(head)
        status, said = self.server.answer or (412 if self.path in self.server.objects else 200, b"")
        if status == 200:
            self.server.objects[self.path] = body
        self.send_response(status)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store() -> Iterator[Store]:
    server = Store()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def opened(url: str, data: Path) -> Anchor:
    (anchor,) = open_anchors([url], data, KEYS)
    return anchor


def url(store: Store, more: str = "?region=eu-central-1&days=30") -> str:
    return f"s3:http://127.0.0.1:{store.server_port}/audit-bucket/federation/a{more}"


def test_a_checkpoint_is_an_object_that_is_locked_and_signed(store: Store) -> None:
    now_s = 1_764_000_001.0
    bucket = read_bucket(url(store))
    anchor = S3Anchor(bucket, AwsCredentials("AKIDEXAMPLE", SECRET, "token"), lambda: now_s)

    anchor.put(LINE, AT_MS)
    anchor.put(LINE, AT_MS)

    ((path, body),) = store.objects.items()
    assert path == f"{bucket.path}/001764000000123-{hashlib.sha256(LINE).hexdigest()[:16]}.json"
    assert body == LINE
    head = store.heads[0]
    assert head["x-amz-object-lock-mode"] == "COMPLIANCE"
    assert head["x-amz-object-lock-retain-until-date"] == "2025-12-24T16:00:01Z"
    assert base64.b64decode(head["content-md5"]) == hashlib.md5(LINE).digest()
    assert head["if-none-match"] == "*"
    assert SECRET not in str(head)
    assert head["authorization"] == official(store, path, head)


def official(store: Store, path: str, head: dict[str, str]) -> str:
    """The signature of the vendor's own library for the same request."""
    names = head["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    written = {"x-amz-date", "x-amz-security-token", "x-amz-content-sha256"}
    kept = {name: head[name] for name in names if name not in written}
    address = f"http://127.0.0.1:{store.server_port}{path}"
    request = AWSRequest("PUT", address, kept, LINE)
    request.context["timestamp"] = head["x-amz-date"]
    request.context["client_config"] = None
    signer = S3SigV4Auth(Credentials("AKIDEXAMPLE", SECRET, "token"), "s3", "eu-central-1")
    request.headers["X-Amz-Date"] = head["x-amz-date"]
    request.headers["X-Amz-Security-Token"] = "token"
    request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(LINE).hexdigest()
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert datetime.strptime(head["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    scope = signer.credential_scope(request)
    return (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders="
        f"{signer.signed_headers(signer.headers_to_sign(request))}, Signature={signature}"
    )


def test_a_store_that_refuses_is_named_with_its_reason_and_left_alone_for_a_while(
    store: Store,
) -> None:
    now = [AT_MS / 1000]
    anchor = S3Anchor(read_bucket(url(store)), AwsCredentials("A", SECRET), lambda: now[0])
    store.answer = (
        400,
        b"<Error><Code>InvalidRequest</Code><Message>no object lock</Message></Error>",
    )
    with pytest.raises(Unavailable, match="400 InvalidRequest") as refused:
        anchor.put(LINE, AT_MS)
    assert SECRET not in str(refused.value)
    store.answer = None
    with pytest.raises(Unavailable, match="400 InvalidRequest"):
        anchor.put(LINE, AT_MS)
    assert len(store.heads) == 1
    now[0] += REST_S
    anchor.put(LINE, AT_MS)
    assert len(store.objects) == 1
    store.answer = 503, b"busy"
    with pytest.raises(Unavailable, match="answers 503"):
        anchor.put(b"another", AT_MS + 1)
    store.answer = None
    now[0] -= 3600
    anchor.put(b"another", AT_MS + 1)
    assert len(store.objects) == 2, "a clock that was set back makes it rest for no longer"


def test_a_store_that_is_not_there_is_unavailable(store: Store) -> None:
    store.shutdown()
    store.server_close()
    anchor = S3Anchor(read_bucket(url(store)), AwsCredentials("A", SECRET))
    with pytest.raises(Unavailable, match="cannot be reached"):
        anchor.put(LINE, AT_MS)


def test_an_address_says_where_and_for_how_long(tmp_path: Path) -> None:
    bucket = read_bucket("s3:https://s3.eu-west-3.amazonaws.com/audit-bucket?mode=governance")
    assert (bucket.region, bucket.mode, bucket.days) == ("eu-west-3", "governance", 3650)
    assert (bucket.path, bucket.origin.port) == ("/audit-bucket", 443)
    assert isinstance(opened("s3:https://h.test/abc", tmp_path), S3Anchor)
    assert isinstance(opened(f"file:{tmp_path}/x", tmp_path / "data"), FileAnchor)
    assert SECRET not in repr(opened("s3:https://h.test/abc", tmp_path).__dict__)


@pytest.mark.parametrize(
    "bad",
    ["s3:x", "s3:http://h.test/abc", "s3:https://h.test", "s3:https://h.test/Abc",
     "s3:https://h.test/abc/a%20b", "s3:https://h.test/abc/../x", "s3:https://h.test/abc?day=1",
     "s3:https://h.test/abc?days=0", "s3:https://h.test/abc?days=x", "s3:https://h.test/abc?mode=x",
     "s3:https://me:pw@h.test/abc", "s3:https://h.test:x/abc", "s3:ftp://h.test/abc"],
)  # fmt: skip
def test_what_is_no_such_address_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(ConfigError):
        opened(bad, tmp_path)


def test_without_a_key_there_is_no_anchor(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY"):
        open_anchors(["s3:https://h.test/abc"], tmp_path, {"AWS_ACCESS_KEY_ID": "A"})


def test_a_store_with_a_certificate_of_ones_own_is_reached_where_its_authority_is_named(
    store: Store, tmp_path: Path
) -> None:
    named = [""]
    with tls_front(store.server_port, tmp_path) as (address, certificate):
        (anchor,) = open_anchors([f"s3:{address}/audit-bucket"], tmp_path, KEYS, lambda: named[0])
        with pytest.raises(Unavailable, match="SSLCertVerificationError"):
            anchor.put(LINE, AT_MS)
        named[0] = certificate.read_text()
        assert isinstance(anchor, S3Anchor)
        anchor._rests_until_s = 0.0
        anchor.put(LINE, AT_MS)
        anchor.put(LINE, AT_MS + 1)
    assert list(store.objects.values()) == [LINE, LINE]
