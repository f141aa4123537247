"""Token endpoints: where they are, and what they answer."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.credentials.endpoint import locate, post_form, read_token, spec_key
from federation.errors import (
    ConfigError,
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamRateLimited,
)
from federation.schema.http import Origin

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOW = AT.timestamp()


def answer(**members: Any) -> bytes:
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    ("members", "left_s"),
    [
        ({"access_token": "t", "token_type": "Bearer", "expires_in": 3599}, 3599),
        ({"access_token": "t", "expires_in": "3599"}, 3599),  # Entra's older endpoint
        ({"access_token": "t", "expires_in": 1799.5, "expiration": 1}, 1799.5),
        ({"access_token": "t", "expires_at": (NOW + 1800) * 1000}, 1800),  # GigaChat: milliseconds
        ({"access_token": "t", "expiration": NOW + 60}, 60),  # IBM: seconds
        ({"accessToken": "t", "expireTime": "2026-11-20T13:00:00Z"}, 3600),  # IAM credentials
        ({"access_token": "t"}, 300),
        ({"access_token": "t", "expires_in": None, "expires_at": "soon"}, 300),
        ({"access_token": "t", "expires_in": 1e9}, 86_400),
        ({"access_token": "t", "expires_in": True}, 300),
    ],
)
def test_every_way_of_saying_when_a_token_ends_is_read(
    members: dict[str, Any], left_s: float
) -> None:
    token = read_token(200, answer(**members), AT)
    assert token.value == "t"
    assert token.expires_at == pytest.approx(NOW + left_s)
    assert "'t'" not in repr(token)


def test_the_rows_lifetime_is_believed_where_the_answer_says_none() -> None:
    assert read_token(200, answer(access_token="t"), AT, 1800).expires_at == NOW + 1800


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"\xff",
        b'{"access_token": null}',
        b'{"access_token": 5}',
        b'{"access_token": ""}',
        b'{"access_token": "a\\nb"}',
        b'{"access_token": "\\u00e9"}',
        b'{"access_token": "t", "expires_in": 0}',
        b'{"access_token": "t", "expires_in": -5}',
        b'{"access_token": "' + b"t" * 70_000 + b'"}',
        b"[" * 100_000,
    ],
)
def test_an_answer_without_a_usable_token_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        read_token(200, body, AT)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UpstreamDenied),
        (401, UpstreamDenied),
        (403, UpstreamDenied),
        (404, UpstreamGarbled),
        (302, UpstreamGarbled),
        (408, UpstreamFailed),
        (429, UpstreamRateLimited),
        (500, UpstreamFailed),
        (503, UpstreamFailed),
    ],
)
def test_a_refusal_has_its_place_in_the_tree(status: int, kind: type[UpstreamError]) -> None:
    with pytest.raises(kind) as caught:
        read_token(status, b'{"error": "very-secret"}', AT)
    assert type(caught.value) is kind
    assert caught.value.upstream_status == status
    assert "very-secret" not in str(caught.value)


def test_a_refusal_repeats_the_standards_words_and_no_others() -> None:
    with pytest.raises(UpstreamDenied, match=r"\(invalid_client\)"):
        read_token(401, b'{"error": "invalid_client", "error_description": "s3cret"}', AT)
    for body in (b'{"error": ["invalid_client"]}', b"{", b"\xff", b'{"error": {"code": 1}}'):
        with pytest.raises(UpstreamDenied, match=r"our credential\.$"):
            read_token(400, body, AT)


@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_answer_is_a_surprise(status: int, body: bytes) -> None:
    with contextlib.suppress(UpstreamError):
        read_token(status, body, AT)


def test_an_address_becomes_origin_and_target() -> None:
    assert locate("https://login.test/a b/token?x=1&y=%20", private=False) == (
        Origin("https", "login.test", 443),
        "/a%20b/token?x=1&y=%20",
    )
    assert locate("http://127.0.0.1:9/t", private=True)[0] == Origin(
        "http", "127.0.0.1", 9, private=True
    )
    assert locate("https://h.test", private=False)[1] == "/"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "login.test/token",
        "ftp://h/t",
        "https:///t",
        "https://u:p@h.test/t",
        "https://h.test/{tenant}/t",
        "https://h.test/t#f",
        "https://h.test:99999/t",
        "https://[::1/t",
        "https://h.test/\r\nx",
        "http://h.test/t",
    ],
)
def test_an_address_that_a_secret_must_not_go_to_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="token endpoint"):
        locate(url, private=False)


def test_a_form_is_encoded_and_leaves_empty_fields_out() -> None:
    request = post_form(locate("https://h.test/t", private=False), {"a": "x y&=", "b": ""})
    assert request.body == b"a=x+y%26%3D"
    assert dict(request.headers)[b"content-type"] == b"application/x-www-form-urlencoded"


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_keys_are_equal_for_equal_texts_only(one: list[str], two: list[str]) -> None:
    assert (spec_key(*one) == spec_key(*two)) == (one == two)
