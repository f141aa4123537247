"""Counting tokens: the method beside the two that answer, both ways.

A request to count is a call's contents, or a whole call wrapped in one member that names its
model again. The second form counts instructions and tools too, so that is what a provider
gets.

Reference: https://ai.google.dev/api/tokens
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from federation.dialects.counts import read_counted
from federation.dialects.faces import Encoded
from federation.dialects.gemini.encode import write_body
from federation.dialects.gemini.encode_parts import Job
from federation.dialects.gemini.losses import LOSSES
from federation.dialects.gemini.tables import NAME
from federation.dialects.gemini.wire import Wire
from federation.dialects.losses import Losses
from federation.schema.chat import ChatRequest
from federation.schema.http import WireRequest

_LONG_FORM: Final = ("contents", "systemInstruction", "tools", "generationConfig")


class _Counted(msgspec.Struct, rename="camel"):
    total_tokens: Annotated[int, Meta(ge=0)]


_COUNTED: Final = msgspec.json.Decoder(_Counted, strict=False)


def encode_count(wire: Wire, request: ChatRequest) -> Encoded:
    """The request that counts the tokens of a call. Raises `InvalidRequest` as `encode` does."""
    job = Job(wire, request, Losses(LOSSES), request.dialect == NAME)
    body = write_body(job)
    asked: dict[str, Any]
    if wire.long_form:
        asked = {name: body[name] for name in _LONG_FORM if name in body}
    else:
        asked = {"generateContentRequest": {"model": wire.model, **body}}
    text = msgspec.json.encode(asked)
    return Encoded(
        WireRequest("POST", wire.origin, wire.count, wire.whole_headers, text),
        job.losses.found(),
    )


def decode_count(wire: Wire, body: bytes) -> int:
    """The tokens that a provider counted. Raises `UpstreamGarbled`."""
    return read_counted(_COUNTED, body, wire.deployment).total_tokens


def render_count(tokens: int) -> bytes:
    """The answer to a client that asked for a count."""
    return msgspec.json.encode({"totalTokens": tokens})
