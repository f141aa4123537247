from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.evidence.sealing import (
    Row,
    SealingKey,
    Unsealable,
    commitment,
    key_named,
    pseudonym,
    pseudonym_now,
    seal,
    unseal,
)

KEY = SealingKey("seal_1", bytes(range(32)))
ROW = Row("acme", "payloads", "call_1")
NONCE = b"n" * 12


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=2_000), st.text(max_size=20), st.text(min_size=1, max_size=60))
def test_what_is_sealed_opens_to_what_it_was(content: bytes, tenant: str, row: str) -> None:
    bound = Row(tenant, "payloads", row)

    sealed = seal(KEY, bound, content, NONCE)

    assert unseal(KEY, bound, sealed) == content
    assert key_named(sealed) == "seal_1"
    assert content not in sealed or len(content) < 8


@pytest.mark.parametrize(
    "row",
    [
        Row("other", "payloads", "call_1"),
        Row("acme", "responses", "call_1"),
        Row("acme", "payloads", "call_2"),
        Row("acmep", "ayloads", "call_1"),
        Row("", "acmepayloads", "call_1"),
    ],
)
def test_a_sealed_content_opens_for_no_other_row(row: Row) -> None:
    with pytest.raises(Unsealable):
        unseal(KEY, row, seal(KEY, ROW, b"secret", NONCE))


def test_a_sealed_content_opens_under_no_other_key_and_no_other_name_of_the_key() -> None:
    sealed = seal(KEY, ROW, b"secret", NONCE)

    for key in (SealingKey("seal_1", bytes(32)), SealingKey("seal_2", KEY.key)):
        with pytest.raises(Unsealable):
            unseal(key, ROW, sealed)
    renamed = sealed.replace(b"seal_1", b"seal_2")
    with pytest.raises(Unsealable):
        unseal(SealingKey("seal_2", KEY.key), ROW, renamed)


def test_every_changed_byte_is_noticed() -> None:
    sealed = seal(KEY, ROW, b"secret", NONCE)

    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(Unsealable):
            unseal(KEY, ROW, changed)
    for cut in range(len(sealed)):
        with pytest.raises(Unsealable):
            unseal(KEY, ROW, sealed[:cut])


def test_bytes_that_name_no_key_are_refused() -> None:
    for sealed in (b"", b"\x02", b"\x01abc", b"\x02\xff" + b"x" * 20, b"\x02\x02\xff\xfe" + NONCE):
        with pytest.raises(Unsealable):
            key_named(sealed)


@pytest.mark.parametrize("nonce", [b"", b"n" * 11, b"n" * 16])
def test_a_nonce_of_another_length_is_a_mistake_of_ours(nonce: bytes) -> None:
    with pytest.raises(ValueError, match="nonce"):
        seal(KEY, ROW, b"secret", nonce)


def test_a_commitment_depends_on_salt_and_content() -> None:
    said = commitment(b"s" * 32, b"yes")

    assert said == commitment(b"s" * 32, b"yes")
    assert len({said, commitment(b"t" * 32, b"yes"), commitment(b"s" * 32, b"no")}) == 3
    with pytest.raises(ValueError, match="salt"):
        commitment(b"", b"yes")


def test_a_pseudonym_says_nothing_and_is_the_same_again() -> None:
    name = pseudonym(b"k" * 32, "anna@example.org")

    assert name == pseudonym(b"k" * 32, "anna@example.org")
    assert name != pseudonym(b"l" * 32, "anna@example.org")
    assert "anna" not in name


def test_no_repr_shows_a_key() -> None:
    assert "seal_1" in repr(KEY)
    assert str(KEY.key) not in repr(KEY)


def test_who_was_erased_is_somebody_else_each_time() -> None:
    key = b"k" * 32
    first = pseudonym_now(key, "anna", ())
    second = pseudonym_now(key, "anna", {first})
    third = pseudonym_now(key, "anna", {first, second})

    assert first == pseudonym(key, "anna")
    assert len({first, second, third}) == 3
    assert pseudonym_now(key, "ben", {first}) == pseudonym(key, "ben")
