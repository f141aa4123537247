"""SigV4: the official client's signer must agree on every request that we could send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from botocore import auth as vendor
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.credentials.sigv4 import (
    AwsCredentials,
    read_credentials,
    read_region,
    sign_sigv4,
)
from federation.errors import ConfigError
from federation.schema.http import Origin, WireRequest

KEYS = AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
ORIGIN = Origin("https", "example.amazonaws.com", 443)
Pairs = tuple[tuple[bytes, bytes], ...]


def vendor_signature(
    request: WireRequest, keys: AwsCredentials, region: str, service: str, at: datetime
) -> str:
    """What the official client signs for the same request at the same moment."""
    port = request.origin.port
    address = request.origin.host if port in (443, 80) else f"{request.origin.host}:{port}"
    made = AWSRequest(
        method=request.method,
        url=f"{request.origin.scheme}://{address}{request.target}",
        data=request.body,
    )
    for name, value in request.headers:
        made.headers.add_header(name.decode(), value.decode("latin-1"))
    signer = vendor.SigV4Auth(
        Credentials(keys.access_key, keys.secret, keys.token), service, region
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vendor, "get_current_datetime", lambda: at.astimezone(UTC))
        signer.add_auth(made)
    return str(made.headers["Authorization"])


def authorization(request: WireRequest) -> str:
    return dict(request.headers)[b"authorization"].decode()


def request_of(
    method: str = "GET", target: str = "/", headers: Pairs = (), body: bytes = b""
) -> WireRequest:
    return WireRequest(method, ORIGIN, target, headers, body)


TOKEN = "abcdefghijklmnopqrstuvwxyz0123456789-_.~"
SEGMENTS = st.text(TOKEN, max_size=8) | st.sampled_from(
    ["", ".", "..", "a%3Ab", "arn%3Aaws%2Fx", "%E1%88%B4", "a+b", "a;b", "a,b", "a@b", "x:y"]
)
TARGETS = st.builds(
    lambda segments, query: "/" + "/".join(segments) + ("?" + "&".join(query) if query else ""),
    st.lists(SEGMENTS, max_size=6),
    st.lists(
        st.builds(
            lambda name, value: name if value is None else f"{name}={value}",
            st.text(TOKEN + "%", min_size=1, max_size=5).filter(lambda text: "%" not in text),
            st.none() | st.sampled_from(["", "1", "a%20b", "z%3D", "%E1%88%B4", "~"]),
        ),
        max_size=5,
    ),
)
NAMES = st.sampled_from(
    ["content-type", "accept", "x-amz-meta", "x-other", "my-header1", "user-agent", "te",
     "traceparent", "x-amzn-trace-id", "accept-encoding", "connection"]
)  # fmt: skip
FIELDS = st.lists(
    st.tuples(NAMES, st.text(TOKEN + '  ,"=/', max_size=12)), max_size=6, unique_by=lambda p: p[0]
)


@settings(deadline=None, max_examples=250)
@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    target=TARGETS,
    fields=FIELDS,
    body=st.binary(max_size=200),
    token=st.sampled_from(["", "a/session+token=="]),
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
    port=st.sampled_from([443, 8443]),
    at=st.datetimes(datetime(2016, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - made aware
)
def test_the_official_signer_agrees(
    method: str,
    target: str,
    fields: list[tuple[str, str]],
    body: bytes,
    token: str,
    region: str,
    port: int,
    at: datetime,
) -> None:
    headers = tuple((name.encode(), value.encode()) for name, value in fields)
    request = WireRequest(method, Origin("https", "bedrock.test", port), target, headers, body)
    keys = AwsCredentials("AKID", "secret/+", token)
    at = at.replace(tzinfo=UTC)
    signed = sign_sigv4(request, keys, region, "bedrock", at)
    assert authorization(signed) == vendor_signature(request, keys, region, "bedrock", at)


def signed_by_vendor(**parts: Any) -> tuple[str, str]:
    request = request_of(**parts)
    return (
        authorization(sign_sigv4(request, KEYS, "us-east-1", "service", AT)),
        vendor_signature(request, KEYS, "us-east-1", "service", AT),
    )


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({}, id="vanilla"),
        pytest.param({"target": "/?Param2=value2&Param1=value1"}, id="query order"),
        pytest.param({"target": "/?Param1=value2&Param1=value1"}, id="query order by value"),
        pytest.param({"target": "/?Param1="}, id="empty value"),
        pytest.param({"target": "/?Param1"}, id="no value"),
        pytest.param({"target": "/?%E1%88%B4=bar"}, id="utf-8 query"),
        pytest.param({"target": "/example/.."}, id="relative"),
        pytest.param({"target": "/example1/example2/../.."}, id="relative twice"),
        pytest.param({"target": "/../../a"}, id="above the root"),
        pytest.param({"target": "/./"}, id="dot slash"),
        pytest.param({"target": "//example//"}, id="slashes"),
        pytest.param({"target": "/example%20space/"}, id="space"),
        pytest.param({"target": "/%E1%88%B4"}, id="utf-8 path"),
        pytest.param({"target": "/model/eu.acme.large-v1%3A0/converse"}, id="encoded colon"),
        pytest.param({"headers": ((b"my-header1", b" a   b   c "),)}, id="spaces trimmed"),
        pytest.param({"headers": ((b"My-Header2", b"x"), (b"my-header1", b"y"))}, id="case"),
        pytest.param({"method": "POST", "body": b"Param1=value1"}, id="body"),
    ],
)
def test_the_published_kinds_of_cases_agree(parts: dict[str, Any]) -> None:
    ours, theirs = signed_by_vendor(**parts)
    assert ours == theirs


def test_the_published_example_has_the_published_signature() -> None:
    """From AWS's test suite (`get-vanilla`), which every implementation is measured by."""
    signed = sign_sigv4(request_of(), KEYS, "us-east-1", "service", AT)
    assert authorization(signed).endswith(
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


def test_a_repeated_field_is_signed_as_one() -> None:
    headers = ((b"my-header1", b"value2"), (b"my-header1", b"value1"))
    ours, theirs = signed_by_vendor(headers=headers)
    assert ours == theirs


def test_signing_again_replaces_the_signature() -> None:
    first = sign_sigv4(request_of(), KEYS, "us-east-1", "service", AT)
    later = AT + timedelta(minutes=10)
    again = sign_sigv4(first, KEYS, "us-east-1", "service", later)
    assert again == sign_sigv4(request_of(), KEYS, "us-east-1", "service", later)
    assert len(again.headers) == 2


def test_any_time_zone_means_the_same_moment() -> None:
    local = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    one = sign_sigv4(request_of(), KEYS, "us-east-1", "service", local)
    assert one == sign_sigv4(request_of(), KEYS, "us-east-1", "service", AT)


def test_a_session_token_is_sent_and_signed() -> None:
    keys = AwsCredentials("AKID", "secret", "token")
    signed = sign_sigv4(request_of(), keys, "us-east-1", "service", AT)
    assert dict(signed.headers)[b"x-amz-security-token"] == b"token"
    assert "x-amz-security-token" in authorization(signed)


def test_no_repr_shows_a_secret() -> None:
    shown = repr(AwsCredentials("AKID", "the-secret", "the-token"))
    assert "the-secret" not in shown
    assert "the-token" not in shown


def test_credentials_are_read_from_one_text() -> None:
    assert read_credentials("AKID:s/e+c") == AwsCredentials("AKID", "s/e+c")
    assert read_credentials(" AKID:s:t== \n") == AwsCredentials("AKID", "s", "t==")


@pytest.mark.parametrize("text", ["", "AKID", "AKID:", ":s", "a:b:c:d", "a b:c", "a:b\nc", "ä:b"])
def test_credentials_of_another_form_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_credentials(text)
    assert "ACCESS_KEY:SECRET" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1"),
        ("Bedrock-Runtime.US-GOV-West-1.amazonaws.com.", "us-gov-west-1"),
        ("bedrock-runtime-fips.us-east-2.amazonaws.com", "us-east-2"),
        ("bedrock-runtime.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("bedrock-mantle.us-west-2.api.aws", "us-west-2"),
        ("vpce-0a1b-x.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("127.0.0.1", ""),
        ("gateway.example.com", ""),
        ("bedrock-runtime.eu-west-1.amazonaws.com.evil.test", ""),
    ],
)
def test_the_region_is_read_from_the_host(host: str, region: str) -> None:
    assert read_region(host) == region
