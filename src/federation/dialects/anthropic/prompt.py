"""The words of a call that a classifier looks at: what was asked last, and the setting."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.schema.glance import Glance
from federation.schema.http import ClientRequest


class _Message(msgspec.Struct):
    role: str
    content: Raw = Raw(b'""')


class _Part(msgspec.Struct):
    text: object = None


_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_CONTENT: Final = msgspec.json.Decoder(str | list[_Part] | None)
_LIMIT: Final = 8192
_SETTING_SHARE: Final = 8
_SHORT: Final = 80


def prompt(request: ClientRequest, glance: Glance) -> str:
    """The last user turn that has words, then the head of the system text, within 8192
    characters. A tool's result is no question, so a turn of results only is passed over. A
    short one ("and in French?") says little, so the turn before it is put in front."""
    body = request.body
    span = glance.spans["messages"]
    asked = [
        text
        for item in _MESSAGES.decode(body[span.value : span.end])
        if item.role == "user" and (text := _text(item.content))
    ]
    words = asked[-1] if asked else ""
    if len(words) < _SHORT and len(asked) > 1:
        words = f"{asked[-2]}\n{words}"[-_LIMIT:]
    system = glance.spans.get("system")
    room = min(_LIMIT - len(words) - 2, _LIMIT // _SETTING_SHARE)
    if system is None or room <= 0:
        return words[:_LIMIT]
    setting = _text(Raw(body[system.value : system.end]))
    return f"{words}\n\n{setting[:room]}" if setting else words[:_LIMIT]


def _text(content: Raw) -> str:
    found = _CONTENT.decode(content)
    if isinstance(found, list):
        return "\n".join(part.text for part in found if isinstance(part.text, str))
    return found or ""
