"""A canonical response as the body of a Converse answer.

Arguments that are no JSON stand as a string where their object would: the client sees what
the model wrote, and can hand it back. States of other makers come in envelopes (see
`dialects.carriage`), for which a reasoning's signature has room.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.bedrock.citations import write_citation
from federation.dialects.bedrock.media import format_of
from federation.dialects.bedrock.tables import FINISHES, NAME, STOP_REASONS
from federation.dialects.bedrock.usage import write_usage
from federation.schema.chat import ChatRequest, ChatResponse, Choice
from federation.schema.parts import (
    IMAGE,
    Citation,
    Fields,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_NO_METRICS: Final = {"latencyMs": 0}
_STOP_PATH: Final = "/stop_sequence"
_PATHS: Final = msgspec.json.Decoder(list[str] | None)
_EMPTY: Final = Choice(0, ())


def render(response: ChatResponse, request: ChatRequest) -> bytes:
    """Write a whole answer. Only the first choice has a place."""
    choice = response.choices[0] if response.choices else _EMPTY
    own = response.dialect == NAME
    content: list[Any] = []
    for part in choice.parts:
        content += write_part(part)
    body: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(choice.finish, choice.reason, choice.stop_sequence),
        "usage": write_usage(response.usage),
        "metrics": _NO_METRICS,
    }
    fields = response_fields(choice.stop_sequence, choice.extra if own else {}, request)
    if fields is not None:
        body["additionalModelResponseFields"] = fields
    if response.service_tier:
        body["serviceTier"] = {"type": response.service_tier}
    if own:
        body.update(choice.extra)
    return msgspec.json.encode(body)


def write_part(part: Part) -> list[Any]:
    """The blocks of an answer's part: none where it has no place."""
    match part:
        case Text():
            return _write_text(part.text, part.citations)
        case ToolCall():
            return [{"toolUse": call_head(part) | {"input": input_of(part)}}]
        case Thinking():
            return _write_thinking(part)
        case Refusal():
            return _write_text(part.text, ())
        case Media():
            image = image_of(part)
            return [{"image": image}] if image is not None else []
        case Foreign() if part.dialect == NAME:
            return [part.raw]
    return []


def call_head(part: ToolCall) -> dict[str, Any]:
    """What a call is before its input."""
    return {"toolUseId": part.id, "name": part.name}


def input_of(part: ToolCall) -> Any:
    """A call's input: its JSON, or a string where the arguments are none."""
    if not part.arguments or part.arguments.isspace():
        return {}
    try:
        _OBJECT.decode(part.arguments)
    except (msgspec.DecodeError, RecursionError):
        return part.arguments
    return Raw(part.arguments.encode())


def image_of(part: Media) -> dict[str, Any] | None:
    """The picture in a part; None for one that is not inline, and for anything else."""
    word = format_of(part) if part.kind == IMAGE and part.data else ""
    return {"format": word, "source": {"bytes": part.data}} if word else None


def is_base64(text: str) -> bool:
    """Whether a text is standard base64 with padding, as a blob must be."""
    return len(text) % 4 == 0 and _BASE64.fullmatch(text) is not None


def stop_reason(finish: str, reason: str, stop_sequence: str | None) -> str:
    """The vendor's word for an end; the provider's own word where it is one of them."""
    if reason and STOP_REASONS.get(reason) == finish:
        return reason
    if stop_sequence is not None and finish == "stop":
        return "stop_sequence"
    return FINISHES.get(finish, "end_turn")


def response_fields(
    stop_sequence: str | None, extra: Fields, request: ChatRequest
) -> dict[str, Any] | Raw | None:
    """The model's own fields that the client asked for, as far as they are known."""
    if "additionalModelResponseFields" in extra:
        return extra["additionalModelResponseFields"]
    raw = request.extra.get("additionalModelResponseFieldPaths")
    if raw is None or not stop_sequence or request.dialect != NAME:
        return None
    return {"stop_sequence": stop_sequence} if _STOP_PATH in (_PATHS.decode(raw) or ()) else None


def _write_text(text: str, citations: tuple[Citation, ...]) -> list[Any]:
    if not citations:
        return [{"text": text}] if text else []
    written = [write_citation(citation) for citation in citations]
    return [{"citationsContent": {"content": [{"text": text}], "citations": written}}]


def _write_thinking(part: Thinking) -> list[Any]:
    blocks: list[Any] = []
    if part.text or part.signature:
        inner = {"text": part.text}
        if part.signature:
            inner["signature"] = part.signature
        blocks.append({"reasoningContent": {"reasoningText": inner}})
    if part.sealed and is_base64(part.sealed):
        blocks.append({"reasoningContent": {"redactedContent": part.sealed}})
    return blocks
