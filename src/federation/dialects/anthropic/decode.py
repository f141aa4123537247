"""A provider's whole answer: read as far as forwarding needs, or into the canonical form.

Members of the answer that only this language knows (`container`, `context_management`) end up
in the choice's `extra`, because a stream gives them with the end and not at the beginning.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.blocks import read_block, rest
from federation.dialects.anthropic.errors import error_in_stream
from federation.dialects.anthropic.tables import FINISHES, NAME
from federation.dialects.anthropic.usage import read_counts, tier_of, to_usage
from federation.dialects.anthropic.wire import Wire
from federation.dialects.counts import read_counted
from federation.dialects.tokenizer import Members
from federation.dialects.whole import Few
from federation.errors import InvalidRequest, UpstreamGarbled
from federation.schema.chat import OTHER, STOP, TOOL_CALLS, ChatResponse, Choice
from federation.schema.glance import Answer
from federation.schema.parts import Fields, Part, ToolCall

_NULL: Final = Raw(b"null")


class _Short(msgspec.Struct):
    type: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    content: Raw = _NULL
    usage: Raw = _NULL
    error: Raw = _NULL


class _Counted(msgspec.Struct):
    input_tokens: int


_SHORT: Final = msgspec.json.Decoder(_Short)
_WHOLE: Final = msgspec.json.Decoder(dict[str, Raw])
_CONTENT: Final = msgspec.json.Decoder(Few[dict[str, Raw]] | None)
_TEXT: Final = msgspec.json.Decoder(str | None)
_COUNTED: Final = msgspec.json.Decoder(_Counted)
KNOWN: Final = frozenset(
    (
        "id",
        "type",
        "role",
        "model",
        "content",
        "stop_reason",
        "stop_sequence",
        "stop_details",
        "usage",
        "router_metadata",
    )
)
"""Members of an answer that have a place in the canonical form, or none anywhere."""


def read_answer(wire: Wire, body: bytes) -> Answer:
    """What matters of an answer that is forwarded. Raises `UpstreamGarbled` where it is none,
    and the error that the body holds where a host answers 200 with an error inside."""
    try:
        short = _SHORT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _garbled(wire) from None
    if short.error != _NULL:
        raise error_in_stream(wire, short.error)
    if bytes(memoryview(short.content)[:1]) != b"[":
        raise _garbled(wire)
    usage = to_usage(read_counts(short.usage)) if short.usage != _NULL else None
    return Answer(short.model or "", short.stop_reason or "", usage)


def decode(wire: Wire, body: bytes) -> ChatResponse:
    """Read a whole answer. Raises as `read_answer` does."""
    try:
        found = _WHOLE.decode(body)
        error = found.get("error", _NULL)
        if error != _NULL:
            raise error_in_stream(wire, error)
        blocks = _CONTENT.decode(found.get("content", _NULL))
        if blocks is None:
            raise _garbled(wire)
        parts = _read_parts(blocks)
        choice = _choice(found, parts)
        head = [_TEXT.decode(found.get(name, _NULL)) or "" for name in ("id", "model")]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidRequest):
        raise _garbled(wire) from None
    counts = read_counts(found["usage"]) if "usage" in found else None
    return ChatResponse(
        NAME,
        head[0],
        head[1],
        (choice,),
        usage=to_usage(counts),
        service_tier=tier_of(counts),
    )


def decode_count(wire: Wire, body: bytes) -> int:
    """The tokens of a count's answer. Raises `UpstreamGarbled` where it is none."""
    return read_counted(_COUNTED, body, wire.deployment).input_tokens


def finish_of(reason: str, parts: tuple[Part, ...] | list[Part]) -> str:
    """Our word for a stop reason. A host that says stop while tools are called means them; and
    where the only call was the one that carried an answer after a schema, none is left."""
    finish = FINISHES.get(reason, OTHER) if reason else ""
    called = any(isinstance(part, ToolCall) for part in parts)
    if finish == STOP and called:
        return TOOL_CALLS
    return STOP if finish == TOOL_CALLS and not called else finish


def _read_parts(blocks: list[Members]) -> tuple[Part, ...]:
    return tuple([read_block(block, f"content[{i}]") for i, block in enumerate(blocks)])


def _choice(found: Members, parts: tuple[Part, ...]) -> Choice:
    reason = _TEXT.decode(found.get("stop_reason", _NULL)) or ""
    detail = found.get("stop_details", _NULL)
    extra: Fields = rest(found, KNOWN)
    return Choice(
        0,
        parts,
        finish_of(reason, parts),
        reason,
        _TEXT.decode(found.get("stop_sequence", _NULL)),
        Raw(bytes(detail)) if detail != _NULL else None,
        extra=extra,
    )


def _garbled(wire: Wire) -> UpstreamGarbled:
    return UpstreamGarbled(f"{wire.deployment} answered with something unreadable.")
