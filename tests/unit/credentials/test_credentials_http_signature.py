"""HTTP signatures, verified over the bytes that the transport really writes."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from sign_in import KeyPair

from federation.credentials.plans import PerRequest
from federation.credentials.signers import plan
from federation.domain.catalogue import Provider
from federation.errors import ConfigError
from federation.schema.http import Origin, WireRequest
from federation.transport.head import HeadWriter, authority

AT = datetime(2026, 11, 20, 12, 0, 5, 999, tzinfo=UTC)
HOST = "inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com"
MakeRow = Callable[..., Provider]


def secret(pem: str) -> str:
    return json.dumps(
        {
            "OCI_TENANCY": "ocid1.tenancy.oc1..aaa",
            "OCI_USER": "ocid1.user.oc1..bbb",
            "OCI_FINGERPRINT": "20:3b:97:13:55:1c",
            "OCI_KEY_FILE": pem,
            "OCI_REGION": "eu-frankfurt-1",
        }
    )


def signed(row: Provider, pem: str, request: WireRequest) -> dict[str, str]:
    """What goes out on the wire, read as a server reads it."""
    found = plan(row, secret(pem))
    assert isinstance(found, PerRequest)
    request = found.sign(request, AT)
    head = HeadWriter(authority(request.origin)).render(request).decode()
    start, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = start.split(" ")
    fields = dict(line.split(": ", 1) for line in lines)
    assert len(fields) == len(lines)
    return {"(request-target)": f"{method.lower()} {target}", **fields}


def verify(fields: dict[str, str], key_pair: KeyPair) -> list[str]:
    """Check a signature by the draft's rules; returns what was signed."""
    scheme, _, rest = fields["authorization"].partition(" ")
    assert scheme == "Signature"
    members = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    assert members["version"] == "1"
    assert members["algorithm"] == "rsa-sha256"
    assert members["keyId"] == "ocid1.tenancy.oc1..aaa/ocid1.user.oc1..bbb/20:3b:97:13:55:1c"
    names = str(members["headers"]).split(" ")
    text = "\n".join(f"{name}: {fields[name]}" for name in names)
    key_pair.public.verify(b64decode(members["signature"]), text.encode(), PKCS1v15(), SHA256())
    return names


def test_a_post_is_signed_with_its_body(make_row: MakeRow, key_pair: KeyPair) -> None:
    body = b'{"a": "\xc3\xa4"}'
    request = WireRequest(
        "POST",
        Origin("https", HOST, 443),
        "/20231130/actions/chat?x=a%20b",
        ((b"content-type", b"application/json"), (b"date", b"yesterday")),
        body,
    )
    fields = signed(make_row("http_signature"), key_pair.pem, request)
    assert verify(fields, key_pair) == [
        "date",
        "(request-target)",
        "host",
        "content-length",
        "content-type",
        "x-content-sha256",
    ]
    assert fields["date"] == "Fri, 20 Nov 2026 12:00:05 GMT"
    assert fields["host"] == HOST
    assert fields["content-length"] == str(len(body))
    assert fields["x-content-sha256"] == b64encode(hashlib.sha256(body).digest()).decode()
    for name in ("date", "content-length", "x-content-sha256", "(request-target)"):
        with pytest.raises(InvalidSignature):
            verify({**fields, name: fields[name] + "0"}, key_pair)


def test_a_get_is_signed_without_one(make_row: MakeRow, key_pair: KeyPair) -> None:
    request = WireRequest("GET", Origin("http", "::1", 81, private=True), "/models", ())
    fields = signed(make_row("http_signature"), key_pair.pem, request)
    assert verify(fields, key_pair) == ["date", "(request-target)", "host"]
    assert fields["host"] == "[::1]:81"


def test_a_post_without_a_type_gets_one(make_row: MakeRow, key_pair: KeyPair) -> None:
    request = WireRequest("POST", Origin("https", HOST, 443), "/", ())
    fields = signed(make_row("http_signature"), key_pair.pem, request)
    assert "content-type" in verify(fields, key_pair)


def test_signing_again_replaces_the_signature(make_row: MakeRow, key_pair: KeyPair) -> None:
    found = plan(make_row("http_signature"), secret(key_pair.pem))
    assert isinstance(found, PerRequest)
    request = WireRequest("POST", Origin("https", HOST, 443), "/", ())
    once = found.sign(request, AT)
    assert dict(found.sign(once, AT).headers) == dict(once.headers)
    assert len(found.sign(once, AT).headers) == len(once.headers)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-----BEGIN PRIVATE KEY-----", "should be a JSON object"),
        ('{"OCI_KEY": "very-secret"}', "tenancy"),
        ('{"tenancy": "a", "user": "b", "fingerprint": "c\\""}', "forbidden characters"),
        ('{"tenancy": "a", "user": "b", "fingerprint": "c"}', "private key"),
        ('{"tenancy": "a", "user": "b", "fingerprint": "c", "key": "very-secret"}', "PEM"),
    ],
)
def test_an_incomplete_credential_names_what_is_missing(
    make_row: MakeRow, text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        plan(make_row("http_signature"), text)
    assert "very-secret" not in str(caught.value)
