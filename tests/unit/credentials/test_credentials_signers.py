"""Signers: what a request carries, and what never shows."""

from __future__ import annotations

import pytest

from federation.credentials.signers import SIGNERS, Signature, sign
from federation.domain.catalogue import Auth
from federation.errors import ConfigError

SECRET = "sk-very-secret-0123456789"


def test_a_bearer_secret_becomes_the_authorization_header() -> None:
    signature = sign(Auth(), SECRET)
    assert signature == Signature(headers=((b"authorization", f"Bearer {SECRET}".encode()),))


def test_a_header_scheme_uses_the_rows_name_in_lower_case_and_its_prefix() -> None:
    signature = sign(Auth(scheme="header", name="X-API-Key", prefix=""), SECRET)
    assert signature.headers == ((b"x-api-key", SECRET.encode()),)


def test_a_query_secret_is_percent_encoded() -> None:
    signature = sign(Auth(scheme="query", name="key", prefix=""), "a&b=c d/é")
    assert signature.query == "key=a%26b%3Dc%20d%2F%C3%A9"
    assert signature.headers == ()


@pytest.mark.parametrize("scheme", sorted(SIGNERS))
@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_nothing_is_added(scheme: str, secret: str | None) -> None:
    assert sign(Auth(scheme=scheme), secret) == Signature()


def test_the_scheme_none_ignores_a_secret() -> None:
    assert sign(Auth(scheme="none"), SECRET) == Signature()


def test_an_unknown_scheme_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'sigv9' is not known"):
        sign(Auth(scheme="sigv9"), SECRET)


@pytest.mark.parametrize("tail", ["\r\nx-evil: 1", "\n", "\r", "\x00", "é", "\t"])
def test_a_secret_that_would_break_the_header_is_refused_and_not_repeated(tail: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sign(Auth(), SECRET + tail)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("name", ["x key", "x\r\nkey", "", "schlüssel"])
def test_a_header_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="not a header name"):
        sign(Auth(scheme="header", name=name, prefix=""), SECRET)


def test_a_signature_never_shows_the_secret() -> None:
    assert SECRET not in repr(sign(Auth(), SECRET))
    assert SECRET not in repr(sign(Auth(scheme="query", name="key", prefix=""), SECRET))
