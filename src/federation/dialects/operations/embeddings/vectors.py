"""Vectors between their forms: JSON numbers, and float32 in base64.

A vector that is not converted stays the text that it came as. Converting is exact in
value: float32 little-endian to the shortest decimal that reads back as the same double,
and a decimal to the nearest float32, which is the float32 that it was made from.

Reference: https://platform.openai.com/docs/api-reference/embeddings (`encoding_format`)
"""

from __future__ import annotations

import math
import struct
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.operations.fields import first_byte
from federation.errors import UpstreamGarbled
from federation.schema.operations import BASE64, FLOAT, EmbeddingRequest

_FLOATS: Final = msgspec.json.Decoder(list[float])
_TEXT: Final = msgspec.json.Decoder(str)
_QUOTE: Final = b'"'
_OF_NUMBERS: Final = b"0123456789+-.eE, \t\r\n"
"""What stands between the brackets of an array of numbers."""


def to_base64(vector: Raw) -> Raw:
    """An array of numbers as a JSON string of base64. Raises `UpstreamGarbled`."""
    try:
        numbers = _FLOATS.decode(vector)
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
    except (msgspec.DecodeError, OverflowError):
        raise _garbled("a vector that is not an array of numbers") from None
    return Raw(_QUOTE + b64encode(packed) + _QUOTE)


def to_numbers(vector: Raw) -> Raw:
    """A JSON string of base64 as an array of numbers. Raises `UpstreamGarbled`."""
    try:
        packed = b64decode(_TEXT.decode(vector), validate=True)
        numbers = struct.unpack(f"<{len(packed) // 4}f", packed)
    except (msgspec.DecodeError, ValueError, struct.error):
        raise _garbled("a vector that is not float32 in base64") from None
    # Doubles hold any sum of float32s, so the sum is finite exactly when all of them are.
    if not math.isfinite(sum(numbers)):
        raise _garbled("a vector with a number that is not finite")
    return Raw(msgspec.json.encode(numbers))


def is_text(vector: Raw) -> bool:
    """The vector is a string, so base64; some hosts send numbers whatever was asked for."""
    return first_byte(vector) == _QUOTE


def length(vector: Raw) -> int:
    """How many numbers a vector of form `float` or `base64` has, without reading them."""
    data = bytes(vector)
    if data[:1] == _QUOTE:
        return ((len(data) - 2) * 3 // 4 - data[-3:-1].count(b"=")) // 4
    return data.count(b",") + 1 if len(data) > 2 else 0


def by_form(vectors: Sequence[Raw]) -> dict[str, tuple[Raw, ...]]:
    """Vectors under the form that they are in. Raises `UpstreamGarbled` for a mixture."""
    texts = [is_text(vector) for vector in vectors]
    if any(texts) and not all(texts):
        raise _garbled("vectors in two forms")
    return {BASE64 if texts and texts[0] else FLOAT: tuple(vectors)}


def in_form(vectors: dict[str, tuple[Raw, ...]], form: str) -> tuple[Raw, ...]:
    """The vectors in a form, converted where that is exact. Raises `UpstreamGarbled` where the
    provider did not send it and it cannot be made."""
    found = vectors.get(form)
    if found is not None:
        return found
    if form == BASE64 and FLOAT in vectors:
        return tuple([to_base64(vector) for vector in vectors[FLOAT]])
    if form == FLOAT and BASE64 in vectors:
        return tuple([to_numbers(vector) for vector in vectors[BASE64]])
    raise _garbled(f"no vectors of the form {form!r}")


def settle(
    vectors: dict[str, tuple[Raw, ...]], request: EmbeddingRequest
) -> dict[str, tuple[Raw, ...]]:
    """The vectors in the forms that the caller asked for, so that writing them cannot fail.

    Raises `UpstreamGarbled` unless there is a vector for each input, as long as was asked: a
    host that ignores `dimensions` would fill an index with vectors that do not fit it.
    """
    for form, found in vectors.items():
        if len(found) != len(request.inputs):
            raise _garbled(f"{len(found)} vectors for {len(request.inputs)} inputs")
        check(found, request.dimensions if form in (FLOAT, BASE64) else None)
    return {form: in_form(vectors, form) for form in request.formats}


def check(found: Sequence[Raw], dimensions: int | None) -> None:
    """Raise `UpstreamGarbled` unless all are vectors of one length, that which was asked for:
    an index would take what does not fit it, and answer wrongly ever after."""
    wanted = dimensions
    for vector in found:
        if not is_text(vector) and bytes(vector).translate(None, _OF_NUMBERS) != b"[]":
            raise _garbled("something in place of a vector")
        size = length(vector)
        if not size:
            raise _garbled("an empty vector")
        wanted = wanted or size
        if size != wanted:
            said = "were asked for" if dimensions else "are in another"
            raise _garbled(f"a vector of {size} numbers where {wanted} {said}")


def _garbled(what: str) -> UpstreamGarbled:
    return UpstreamGarbled(f"The provider answered with {what}.")
