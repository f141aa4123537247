from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.access import Role
from federation.domain.asker import ANONYMOUS, presented
from federation.errors import Unauthorized


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ({}, ""),
        ({b"authorization": b"Bearer  abc "}, "abc"),
        ({b"authorization": b"bearer abc"}, "abc"),
        ({b"authorization": b"Basic abc"}, ""),
        ({b"authorization": b"Bearer "}, ""),
        ({b"x-api-key": b" abc "}, "abc"),
        ({b"authorization": b"Bearer abc", b"x-api-key": b"abc"}, "abc"),
        ({b"authorization": b"Basic x", b"x-api-key": b"abc"}, "abc"),
        ({b"x-api-key": b"\xff"}, "�"),
        ({b"x-goog-api-key": b"abc"}, "abc"),
        ({b"api-key": b"abc"}, "abc"),
        (
            {
                b"authorization": b"AWS4-HMAC-SHA256 Credential=abc/20260101/us-east-1/bedrock/"
                b"aws4_request, SignedHeaders=host, Signature=00"
            },
            "abc",
        ),
        ({b"authorization": b"AWS4-HMAC-SHA256 Credential="}, ""),
        ({b"authorization": b"AWS4-HMAC-SHA256 Credential=nothing"}, ""),
        ({b"authorization": b"AWS4-HMAC-SHA256 " + b" a, " * 10_000}, ""),
    ],
)
def test_a_key_stands_in_either_header(headers: dict[bytes, bytes], secret: str) -> None:
    assert presented(headers) == secret


@settings(deadline=None, max_examples=150)
@given(value=st.binary(max_size=80))
def test_no_signature_makes_it_stumble(value: bytes) -> None:
    assert isinstance(presented({b"authorization": b"AWS4-HMAC-SHA256 " + value}), str)


def test_two_different_keys_are_refused() -> None:
    with pytest.raises(Unauthorized, match="Two different"):
        presented({b"authorization": b"Bearer abc", b"x-api-key": b"abd"})


def test_strangers_are_developers_of_the_operators_tenant() -> None:
    assert (ANONYMOUS.tenant, ANONYMOUS.role) == ("default", Role.DEVELOPER)


@pytest.mark.parametrize(
    ("query", "secret"),
    [("key=abc", "abc"), ("alt=sse&key=a%2Bc", "a+c"), ("alt=sse", ""), ("key=", "")],
)
def test_a_key_may_stand_in_the_query_where_that_is_read(query: str, secret: str) -> None:
    assert presented({}, query) == secret


def test_a_query_and_a_header_that_differ_are_refused() -> None:
    with pytest.raises(Unauthorized, match="Two different"):
        presented({b"x-goog-api-key": b"abd"}, "key=abc")


def test_a_query_of_a_thousand_terms_is_not_searched() -> None:
    with pytest.raises(Unauthorized, match="too many"):
        presented({}, "&".join(["a=b"] * 1000))
