"""Vectors keep their numbers' text, and convert exactly where they must."""

from __future__ import annotations

import base64
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from federation.dialects.operations.embeddings import vectors
from federation.errors import UpstreamGarbled
from federation.schema.operations import BASE64, FLOAT

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=200)
@given(st.lists(FINITE, min_size=1, max_size=50))
def test_float32_survives_both_ways(numbers: list[float]) -> None:
    packed = struct.pack(f"<{len(numbers)}f", *numbers)
    text = Raw(b'"' + base64.b64encode(packed) + b'"')
    there = vectors.to_numbers(text)
    assert json.loads(bytes(there)) == numbers
    assert vectors.to_base64(there) == text
    assert vectors.length(there) == vectors.length(text) == len(numbers)


def test_a_decimal_becomes_the_float32_that_it_was_made_from() -> None:
    text = vectors.to_base64(Raw(b"[0.1,-0.0069292834,3]"))
    assert base64.b64decode(json.loads(bytes(text))) == struct.pack("<3f", 0.1, -0.0069292834, 3)


@pytest.mark.parametrize(
    "vector", [b'"AAA"', b'"AAAA"', b'"****"', b"null", b'[1,"2"]', b"[1e400]", b"[1e39]", b"{}"]
)
def test_what_is_no_vector_is_refused(vector: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        vectors.to_numbers(Raw(vector)) if vector[:1] == b'"' else vectors.to_base64(Raw(vector))


def test_a_vector_that_is_not_finite_is_refused() -> None:
    for odd in (float("nan"), float("inf")):
        text = base64.b64encode(struct.pack("<3f", 1.0, odd, -1.0))
        with pytest.raises(UpstreamGarbled, match="not finite"):
            vectors.to_numbers(Raw(b'"%b"' % text))


def test_vectors_in_one_form_keep_their_text() -> None:
    found = vectors.by_form([Raw(b"[0.10, 1e-5]")])
    assert vectors.in_form(found, FLOAT) == (Raw(b"[0.10, 1e-5]"),)
    assert list(found) == [FLOAT]


def test_a_mixture_of_forms_is_refused() -> None:
    with pytest.raises(UpstreamGarbled, match="two forms"):
        vectors.by_form([Raw(b"[1]"), Raw(b'"AACAPw=="')])


def test_a_form_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(UpstreamGarbled, match="int8"):
        vectors.in_form({BASE64: (Raw(b'"AACAPw=="'),)}, "int8")
