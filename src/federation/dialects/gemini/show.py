"""Writes parts of an answer for a client: what `render` and the stream renderer share.

Arguments that are no JSON object cannot be said in this dialect. The vendor has a word for a
model that wrote such a call, MALFORMED_FUNCTION_CALL, and so the answer ends with it.

Reference: https://ai.google.dev/api/generate-content#candidate
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.answers import FEEDBACK
from federation.dialects.gemini.tables import NAME, REASONS
from federation.dialects.gemini.write_parts import Json, arguments_object, call_part, media_part
from federation.schema.chat import FILTER
from federation.schema.parts import (
    Fields,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)

EMPTY: Final[Json] = {"text": ""}
"""Official clients drop a turn from a chat's history if one of its events has no part."""


def shown_text(part: Text | Thinking | Refusal, text: str, signature: str, *, own: bool) -> Json:
    """Words of an answer, or a piece of them."""
    item: Json = {"text": text}
    if isinstance(part, Thinking):
        item["thought"] = True
    if signature:
        item["thoughtSignature"] = signature
    if own and not isinstance(part, Refusal) and part.extra:
        item.update(part.extra)
    return item


def shown_call(part: ToolCall, call_id: str, *, own: bool) -> Json | None:
    """A function call; None where its arguments are no object."""
    args = arguments_object(part.arguments)
    if args is None:
        return None
    item = call_part(call_id, part.name, args, part.signature)
    if own:
        item.update(part.extra)
    return item


def shown_whole(part: Part, *, own: bool) -> Json | None:
    """A part that comes in one piece; None for what this dialect cannot say."""
    if isinstance(part, Media):
        return media_part(part, own=own)
    if isinstance(part, Foreign) and part.dialect == NAME:
        found: Json = msgspec.json.decode(part.raw, type=dict[str, Raw])
        return found
    return None


def shown_reason(finish: str, reason: str, *, own: bool) -> str:
    """The finish reason: the provider's own word where it spoke this dialect."""
    return reason if own and reason else REASONS.get(finish, "OTHER")


def is_blocked(finish: str, extra: Fields, *, empty: bool, own: bool) -> bool:
    """Whether an answer is none, because the prompt was refused."""
    return own and empty and finish == FILTER and FEEDBACK in extra


def end_members(extra: Fields, detail: Raw | None, *, own: bool) -> dict[str, Any]:
    """What else is said about the end of an answer, in this dialect only."""
    if not own:
        return {}
    members: dict[str, Any] = {k: v for k, v in extra.items() if k != FEEDBACK}
    if detail is not None:
        members["safetyRatings"] = detail
    return members
