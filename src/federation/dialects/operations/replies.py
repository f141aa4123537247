"""What reading any provider's whole answer needs: its shape, its counts, an error inside it."""

from __future__ import annotations

import math
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Raw

from federation.dialects.counts import MOST_COUNTED
from federation.dialects.openai.errors import error_in_answer
from federation.dialects.operations.thinning import is_bulky, restore, thinned
from federation.dialects.operations.wire import OperationWire
from federation.dialects.tokenizer import layout
from federation.errors import InvalidRequest, PayloadTooLarge, UpstreamGarbled

Shape = TypeVar("Shape")

Number = Annotated[float, Meta(ge=0, le=MOST_COUNTED)] | None
"""A count; some providers write whole numbers with a point."""

NULL: Final = Raw(b"null")
METADATA: Final = "router_metadata"


def read(wire: OperationWire, decoder: msgspec.json.Decoder[Shape], body: bytes) -> Shape:
    """A reply's body in the decoder's shape. Raises `UpstreamGarbled`. The bulk of a big one is
    in raw values alone; texts that are read elsewhere are only there to be counted."""
    thin, pieces = thinned(body) if is_bulky(body) else (body, [])
    try:
        shape = decoder.decode(thin)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamGarbled(
            f"{wire.chat.deployment} answered with something unreadable."
        ) from None
    if pieces:
        restore(shape, pieces)
    return shape


def with_metadata(body: bytes, metadata: bytes) -> bytes:
    """A JSON answer with `router_metadata` as its last member, as rendered JSON; one that a
    gateway behind us put there stays. The body is one that `read` took, or that we wrote."""
    thin = thinned(body)[0] if is_bulky(body) else body
    try:
        found, _, _ = layout(thin)
    except (InvalidRequest, PayloadTooLarge):
        return body
    if not found or METADATA in found:
        return body
    last = body.rindex(b"}")
    return b'%b,"%b":%b%b' % (body[:last], METADATA.encode(), metadata, body[last:])


def refuse_error(wire: OperationWire, error: Raw, base_resp: Raw, body: bytes) -> None:
    """Raise the error that stands inside a successful answer, if there is one."""
    if error == NULL and base_resp == NULL:
        return
    found = error_in_answer(wire.chat, error, base_resp, body)
    if found is not None:
        raise found


def whole(number: float | None) -> int:
    """A count as an integer; what is begun counts."""
    return math.ceil(number) if number else 0


def garbled(wire: OperationWire, what: str) -> UpstreamGarbled:
    """The error for an answer that lacks what it must have."""
    return UpstreamGarbled(f"{wire.chat.deployment} answered {what}.")


class ErrorOnly(msgspec.Struct):
    """Where errors stand in an answer of JSON, whatever else it holds."""

    error: Raw = NULL
    base_resp: Raw = NULL


ERROR_ONLY: Final = msgspec.json.Decoder(ErrorOnly)
