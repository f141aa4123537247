"""The words of a call that a classifier looks at: what was asked last, and the setting.

Only `auto` calls need them, so they are read on demand and not by the glance.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

LIMIT: Final = 8192
_SETTING_SHARE = 8
_SHORT = 80


class _Message(msgspec.Struct):
    role: str = ""
    content: Raw = Raw(b"null")


class _Part(msgspec.Struct):
    text: str | None = None


_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_CONTENT: Final = msgspec.json.Decoder(str | list[_Part] | None)


def prompt(request: ClientRequest, glance: Glance) -> str:
    """The last user message, then the head of the system message, within `LIMIT` characters.

    A short last message says little, so the one before it is put in front. A part that
    cannot be read is no reason to fail here: `parse` says what is wrong with it.
    """
    span = glance.spans["messages"]
    messages = _MESSAGES.decode(request.body[span.value : span.end])
    asked = [item for item in messages if item.role == "user"] or messages[-1:]
    words = _text(asked[-1])
    if len(words) < _SHORT and len(asked) > 1:
        words = f"{_text(asked[-2])}\n{words}"[-LIMIT:]
    setting = next((item for item in messages if item.role == "system"), None)
    room = min(LIMIT - len(words) - 2, LIMIT // _SETTING_SHARE)
    if setting is None or room <= 0:
        return words[:LIMIT]
    return f"{words}\n\n{_text(setting)[:room]}"


def _text(message: _Message) -> str:
    try:
        content = _CONTENT.decode(message.content)
    except msgspec.ValidationError:
        return ""
    if isinstance(content, list):
        return "\n".join(part.text for part in content if part.text)
    return content or ""
