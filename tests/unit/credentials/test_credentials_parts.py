"""Credentials made of several parts."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.credentials.parts import Parts, read_parts, secret_texts
from federation.errors import ConfigError


@pytest.mark.parametrize("name", ["client_id", "clientId", "clientid", "AICORE_CLIENT_ID"])
def test_a_part_is_known_by_the_end_of_its_name(name: str) -> None:
    assert Parts({"other": "o", name: "c"}).find("client_id") == "c"


def test_a_part_is_not_found_by_an_end_that_begins_inside_a_word() -> None:
    assert Parts({"AICORE_AUTH_URL": "u", "MYCLIENT_ID": "x"}).find("url_x", "client_id") == ""


def test_an_exact_name_wins_over_an_ending() -> None:
    assert Parts({"TOKEN_URL": "1", "url": "2"}).find("url") == "2"


def test_the_first_word_that_is_there_wins_and_what_is_no_text_is_passed_over() -> None:
    parts = Parts({"a": 1, "b": "", "c": "x", "d": "y"})
    assert parts.find("a", "b", "d", "c") == "y"
    with pytest.raises(ConfigError, match="lacks its key"):
        parts.need("key", "a")


@pytest.mark.parametrize("text", ["sk-1", "", "[1]", '"{"', "AK:{x}"])
def test_a_text_that_is_no_object_has_no_parts(text: str) -> None:
    assert read_parts(text) is None


@pytest.mark.parametrize("text", ["{", '{"a": }', "{" * 100_000, '{"a":' * 5_000, '{"\\ud800": 1}'])
def test_a_broken_object_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError, match="begins like a JSON object"):
        read_parts(text)


def test_every_secret_of_a_bundle_is_searched_for_in_errors() -> None:
    secret = (
        '{"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI", "AWS_REGION": "eu-central-1", "n": 5,'
        ' "auth_url": "https://long.test/", "nested": {"keys": ["deep-secret-1"]}, "x": "short"}'
    )
    assert secret_texts(secret) == (secret, "wJalrXUtnFEMI", "deep-secret-1")
    assert secret_texts("sk-12345678") == ("sk-12345678",)
    assert secret_texts("short") == ()
    assert secret_texts("{broken json") == ("{broken json",)


@given(st.text())
def test_any_text_is_a_credential_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        read_parts(text)
    secret_texts(text)
