"""Counting the tokens of a call's input: the path below the one that answers, both ways.

Reference: https://platform.openai.com/docs/api-reference/responses/input-tokens
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from federation.dialects.counts import read_counted
from federation.dialects.faces import Encoded
from federation.dialects.losses import Losses
from federation.dialects.openai_responses.encode import write_body
from federation.dialects.openai_responses.tables import LOSSES
from federation.dialects.openai_responses.wire import Wire
from federation.schema.chat import ChatRequest
from federation.schema.http import WireRequest

_PATH: Final = "/input_tokens"
_COUNTED: Final = frozenset(
    (
        "conversation",
        "input",
        "instructions",
        "model",
        "parallel_tool_calls",
        "personality",
        "previous_response_id",
        "reasoning",
        "text",
        "tool_choice",
        "tools",
        "truncation",
    )
)
"""Fields of a count (types.responses.input_token_count_params)."""


class _Counted(msgspec.Struct):
    input_tokens: Annotated[int, Meta(ge=0)]


_COUNT: Final = msgspec.json.Decoder(_Counted)


def encode_count(wire: Wire, request: ChatRequest) -> Encoded:
    """The request that counts a canonical call's input. Raises `InvalidRequest` as `encode`."""
    losses, host = Losses(LOSSES), wire.host
    body = write_body(wire, request, losses)
    asked = {name: value for name, value in body.items() if name in _COUNTED}
    path, mark, query = host.target.partition("?")
    sent = WireRequest(
        "POST", host.origin, path + _PATH + mark + query, host.whole, msgspec.json.encode(asked)
    )
    return Encoded(sent, losses.found())


def decode_count(wire: Wire, body: bytes) -> int:
    """The count in an answer. Raises `UpstreamGarbled` where it has none."""
    return read_counted(_COUNT, body, wire.host.deployment).input_tokens


def render_count(tokens: int) -> bytes:
    """A count in the client's words."""
    return b'{"object":"response.input_tokens","input_tokens":%d}' % tokens
