"""The words of a call that a classifier looks at: what was asked last, and the setting.

Only `auto` calls need them, so they are read on demand and not by the glance.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.schema.glance import Glance
from federation.schema.http import ClientRequest


class _Message(msgspec.Struct):
    role: str
    content: list[Raw] = []


class _Block(msgspec.Struct):
    text: str | None = None


_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_SYSTEM: Final = msgspec.json.Decoder(list[Raw] | None)
_BLOCK: Final = msgspec.json.Decoder(_Block)
_SETTING_SHARE: Final = 8
_SHORT: Final = 80


def prompt_text(request: ClientRequest, glance: Glance, limit: int = 8192) -> str:
    """The last question, then the head of the system text, within `limit` characters.

    A question is a user turn with text: one that only holds tool results asks nothing. A
    short one ("and in French?") says little, so the question before it is put in front. The
    request is one that was glanced at.
    """
    body = request.body
    span = glance.spans["messages"]
    messages = _MESSAGES.decode(body[span.value : span.end])
    asked: list[str] = []
    for message in reversed(messages):
        if message.role == "user" and (words := _text(message.content)):
            asked.append(words)
            if len(asked) == 2 or len(words) >= _SHORT:
                break
    words = "\n".join(reversed(asked)) if asked else _text(messages[-1].content)
    words = words[-limit:] if len(asked) == 2 else words[:limit]
    room = min(limit - len(words) - 2, limit // _SETTING_SHARE)
    place = glance.spans.get("system")
    if place is None or room <= 0:
        return words
    setting = _text(_SYSTEM.decode(body[place.value : place.end]) or [])
    return f"{words}\n\n{setting[:room]}" if setting else words


def _text(blocks: list[Raw]) -> str:
    pieces: list[str] = []
    for raw in blocks:
        try:
            text = _BLOCK.decode(raw).text
        except msgspec.ValidationError:
            continue
        if text:
            pieces.append(text)
    return "\n".join(pieces)
