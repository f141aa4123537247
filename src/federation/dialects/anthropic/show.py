"""Canonical parts as the blocks of an answer.

A part of another provider is shown as nearly as the language can: a refusal as text, and a
citation as one of a web page. States have their places: a signature with the thinking, sealed
reasoning as a redacted block. The state of a tool call has none, so it is put into a member
`signature` of the block, which the official clients hand back with the rest; our own parser
reads it there and the forwarding takes it out.

Reference: types.content_block of the official SDK 2.11
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.tables import FINISHES, NAME, STOP_REASONS
from federation.schema.chat import STOP
from federation.schema.parts import (
    CUSTOM,
    Citation,
    Foreign,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)

Block = dict[str, Any]

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


def show(part: Part, *, own: bool) -> list[Block | Raw]:
    """The blocks of a part; none where the language has no place for it."""
    match part:
        case Text():
            block: Block = {"type": "text", "text": part.text}
            if part.citations:
                block["citations"] = [show_citation(one, own=own) for one in part.citations]
            if part.signature:
                block["signature"] = part.signature
            return [_extended(block, part, own=own)]
        case ToolCall():
            return [_extended(call_head(part) | {"input": arguments(part)}, part, own=own)]
        case Thinking():
            return _thinking(part, own=own)
        case Refusal():
            return [{"type": "text", "text": part.text}]
        case Foreign():
            return [part.raw] if part.dialect == NAME else []
        case _:
            return []


def call_head(part: ToolCall) -> Block:
    """A tool call without its input."""
    block: Block = {"type": "tool_use", "id": part.id, "name": part.name}
    if part.signature:
        block["signature"] = part.signature
    return block


def arguments(part: ToolCall) -> Raw:
    """The input of a call as an object. What a model wrote that is none is not lost: it stands
    in `_raw`, because a client of this language cannot read anything but an object."""
    if part.kind == CUSTOM:
        return Raw(msgspec.json.encode({"input": part.arguments}))
    if not part.arguments.strip():
        return Raw(b"{}")
    raw = Raw(part.arguments.encode())
    try:
        _OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Raw(msgspec.json.encode({"_raw": part.arguments}))
    return raw


def show_citation(citation: Citation, *, own: bool) -> Raw | Block:
    """A citation in the vendor's words, or as that of a web page."""
    if own and citation.raw is not None:
        return citation.raw
    return {
        "type": "web_search_result_location",
        "cited_text": citation.quote,
        "encrypted_index": "",
        "title": citation.title or None,
        "url": citation.url,
    }


def stop_reason(finish: str, reason: str, stop_sequence: str | None, *, refused: bool) -> str:
    """The vendor's word for an end: the provider's own where it is one of the vendor's."""
    if FINISHES.get(reason) == finish:
        return reason
    if finish == STOP and refused:
        return "refusal"
    if finish == STOP and stop_sequence is not None:
        return "stop_sequence"
    return STOP_REASONS.get(finish, "end_turn")


def stop_details(detail: Raw | None) -> Raw | None:
    """What the provider said of a refusal, where it said it in this language."""
    if detail is None:
        return None
    try:
        found = _OBJECT.decode(detail)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return detail if found.get("type") == _REFUSAL else None


_REFUSAL: Final = Raw(b'"refusal"')


def _thinking(part: Thinking, *, own: bool) -> list[Block | Raw]:
    blocks: list[Block | Raw] = []
    if part.text or part.signature or not part.sealed:
        block = {"type": "thinking", "thinking": part.text, "signature": part.signature}
        blocks.append(_extended(block, part, own=own))
    if part.sealed:
        blocks.append({"type": "redacted_thinking", "data": part.sealed})
    return blocks


def _extended(block: Block, part: Text | ToolCall | Thinking, *, own: bool) -> Block:
    if own and part.extra:
        block.update(part.extra)
    return block
