"""Counting a prompt's tokens: the words of CountTokens, both ways.

Reference: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, structs

from federation.dialects.bedrock.encode import write_body
from federation.dialects.bedrock.paths import CONVERSE
from federation.dialects.bedrock.tables import LOSSES
from federation.dialects.bedrock.wire import Wire
from federation.dialects.counts import read_counted
from federation.dialects.faces import Encoded
from federation.dialects.losses import Losses
from federation.dialects.tokenizer import members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest
from federation.schema.http import ClientRequest, WireRequest

_TAKEN: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")


class _Input(msgspec.Struct):
    converse: dict[str, Raw] | None = None


class _Body(msgspec.Struct):
    input: _Input


class _Count(msgspec.Struct, rename="camel"):
    input_tokens: Annotated[int, Meta(ge=0)]


_BODY: Final = msgspec.json.Decoder(_Body)
_COUNT: Final = msgspec.json.Decoder(_Count)


def converse_of(request: ClientRequest) -> ClientRequest:
    """The Converse call whose tokens a client asks to be counted, to be glanced at and parsed.

    Raises `InvalidRequest` for a body that counts anything else.
    """
    found = members(request.body)
    try:
        asked = _BODY.decode(request.body).input.converse
    except msgspec.ValidationError as error:
        raise wrong_type(error, "") from None
    if asked is None or "messages" not in asked:
        raise InvalidRequest(
            "'input.converse.messages' is missing: only Converse calls are counted here.",
            code="missing_field",
            param="input.converse",
        )
    outer = members(bytes(found["input"]), "input")
    body = bytes(outer["converse"])
    path = request.path.rpartition("/")[0]
    return structs.replace(request, path=f"{path}/{CONVERSE}", body=body)


def encode_count(wire: Wire, request: ChatRequest) -> Encoded:
    """Ask a deployment to count a call. Raises `InvalidRequest` as `encode` does."""
    losses = Losses(LOSSES)
    body = write_body(wire, request, losses)
    asked: dict[str, Any] = {name: body[name] for name in _TAKEN if name in body}
    sent = WireRequest(
        "POST",
        wire.origin,
        wire.count_target,
        wire.whole,
        msgspec.json.encode({"input": {"converse": asked}}),
    )
    return Encoded(sent, losses.found())


def decode_count(wire: Wire, body: bytes) -> int:
    """The count in an answer. Raises `UpstreamGarbled` where it has none."""
    return read_counted(_COUNT, body, wire.deployment).input_tokens


def render_count(tokens: int) -> bytes:
    """A count in the client's words."""
    return msgspec.json.encode({"inputTokens": tokens})
