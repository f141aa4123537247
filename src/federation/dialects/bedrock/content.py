"""Writes canonical parts as the content blocks of a request.

What the vendor refuses is mended here: blank texts go, ids get the letters that are allowed,
a cache mark becomes a block of its own, and reasoning that its maker could not verify stays
at home.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.bedrock.blocks import is_blank
from federation.dialects.bedrock.citations import write_citation
from federation.dialects.bedrock.media import write_media
from federation.dialects.bedrock.render import is_base64
from federation.dialects.bedrock.tables import NAME, TTLS
from federation.dialects.bedrock.wire import Wire
from federation.dialects.losses import Losses
from federation.errors import InvalidRequest
from federation.schema.chat import Message
from federation.schema.parts import (
    CUSTOM,
    FILE,
    IMAGE,
    VIDEO,
    CacheMark,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_IN_RESULTS: Final = frozenset((IMAGE, FILE, VIDEO))
_NOTHING: Final[dict[str, Any]] = {"json": {}}
"""What stands for a result without content, which the vendor does not take."""


@dataclass(slots=True)
class Writing:
    """One request while it is written."""

    wire: Wire
    own: bool
    """The client spoke this dialect too."""
    losses: Losses
    skip: int = 0
    """Cache marks that are too many; the first ones go, for each holds those before it."""
    names: dict[str, int] = field(default_factory=dict)
    called: dict[str, None] = field(default_factory=dict)
    """Names of the tools that the history called."""
    tools_used: bool = False

    def mark(self, blocks: list[Any], cache: CacheMark | None) -> None:
        """Put a cache point behind the last block, where the model has a cache."""
        if cache is None or not blocks:
            return
        if self.skip > 0 or not (self.own or self.wire.caches):
            self.skip -= 1
            self.losses.note("cache_marks")
            return
        point = {"type": "default"}
        if cache.ttl in TTLS:
            point["ttl"] = cache.ttl
        blocks.append({"cachePoint": point})


def write_content(message: Message, index: int, writing: Writing) -> list[Any]:
    """The blocks of a message; none where nothing is left of it."""
    blocks: list[Any] = []
    if message.name:
        writing.losses.note("message_name", f"messages[{index}].name")
    for part in message.parts:
        if isinstance(part, Text) and not part.citations:
            if not is_blank(part.text):
                blocks.append({"text": part.text})
        else:
            _write_part(part, message, index, blocks, writing)
        if not isinstance(part, Foreign | Refusal) and part.cache is not None:
            writing.mark(blocks, part.cache)
    return blocks


def _write_part(
    part: Part, message: Message, index: int, blocks: list[Any], writing: Writing
) -> None:
    field = f"messages[{index}]"
    match part:
        case ToolCall():
            blocks.append(_write_call(part, field, writing))
        case ToolResult():
            blocks.append(_write_result(part, field, writing))
        case Thinking():
            _write_thinking(part, message, blocks, writing)
        case Media():
            blocks.append(write_media(part, writing.losses, field, writing.names, writing.own))
        case Text():
            blocks += _write_cited(part, writing)
        case Refusal():
            if not is_blank(part.text):
                blocks.append({"text": part.text})
        case Foreign():
            if part.dialect == NAME:
                blocks.append(part.raw)
            else:
                writing.losses.note("foreign_part", field)


def _write_cited(part: Text, writing: Writing) -> list[Any]:
    if is_blank(part.text):
        return []
    if not writing.own:
        writing.losses.note("citations")
        return [{"text": part.text}]
    citations = [write_citation(citation) for citation in part.citations]
    return [{"citationsContent": {"content": [{"text": part.text}], "citations": citations}}]


def _write_call(part: ToolCall, field: str, writing: Writing) -> dict[str, Any]:
    writing.called[part.name] = None
    writing.tools_used = True
    return {
        "toolUse": {
            "toolUseId": fit_id(part.id),
            "name": checked_name(part.name, field),
            "input": _input_of(part, field),
        }
    }


def _input_of(part: ToolCall, field: str) -> Any:
    if part.kind == CUSTOM:
        return {"input": part.arguments}
    if is_blank(part.arguments):
        return {}
    try:
        _OBJECT.decode(part.arguments)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest(
            f"The arguments of the call {part.id!r} in '{field}' must be a JSON object for the "
            "deployment that would serve this call.",
            code="invalid_value",
            param=field,
        ) from None
    return Raw(part.arguments.encode())


def _write_result(part: ToolResult, field: str, writing: Writing) -> dict[str, Any]:
    writing.tools_used = True
    content: list[Any] = []
    for inner in part.parts:
        match inner:
            case Text():
                if writing.own and "json" in inner.extra:
                    content.append({"json": Raw(inner.text.encode())})
                elif not is_blank(inner.text):
                    content.append({"text": inner.text})
            case Media():
                if inner.kind not in _IN_RESULTS:
                    writing.losses.note("tool_result_media", field)
                content.append(
                    write_media(inner, writing.losses, field, writing.names, writing.own)
                )
            case Foreign():
                if inner.dialect == NAME:
                    content.append(inner.raw)
                else:
                    writing.losses.note("foreign_part", field)
    result: dict[str, Any] = {
        "toolUseId": fit_id(part.call_id),
        "content": content or [_NOTHING],
    }
    if part.error:
        result["status"] = "error"
    if writing.own and "type" in part.extra:
        result["type"] = part.extra["type"]
    return {"toolResult": result}


def _write_thinking(part: Thinking, message: Message, blocks: list[Any], writing: Writing) -> None:
    losses, replay = writing.losses, writing.wire.thinks.replay
    if part.signature:
        inner = {"text": part.text, "signature": part.signature}
        blocks.append({"reasoningContent": {"reasoningText": inner}})
    elif part.text:
        in_turn = replay == "tool_turns" and any(
            isinstance(other, ToolCall) for other in message.parts
        )
        if replay == "always" or in_turn:
            blocks.append({"reasoningContent": {"reasoningText": {"text": part.text}}})
        else:
            losses.note("thinking_history")
    if part.sealed:
        if is_base64(part.sealed):
            blocks.append({"reasoningContent": {"redactedContent": part.sealed}})
        else:
            losses.note("thinking_state")


def fit_id(call_id: str) -> str:
    """An id in the letters and length that are allowed: itself, or always the same other one."""
    if _ID.fullmatch(call_id):
        return call_id
    return "call_" + sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def checked_name(name: str, field: str) -> str:
    """A tool's name. Raises `InvalidRequest` for one that the vendor does not take: an answer
    could not be led back from another name."""
    if _TOOL_NAME.fullmatch(name):
        return name
    raise InvalidRequest(
        f"The tool's name {name[:80]!r} cannot be used with the deployment that would serve this "
        "call: it takes 1 to 64 letters, digits, underscores and hyphens.",
        code="not_expressible",
        param=field,
    )
