"""The words of a call that a classifier looks at: what was asked last, and the setting.

Only `auto` calls need them, so they are read on demand and not by the glance.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.schema.glance import Glance


class _Message(msgspec.Struct):
    role: str
    content: Raw = Raw(b"null")


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None


_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_CONTENT: Final = msgspec.json.Decoder(str | list[_Part] | None)
_SETTING_SHARE = 8
_SHORT = 80


def prompt_text(body: bytes, glance: Glance, limit: int = 8192) -> str:
    """The last user message, then the head of the system message, within `limit` characters.

    A short last message ("and in French?") says little, so the user message before it is put
    in front. The body is one that was glanced at.
    """
    span = glance.spans["messages"]
    messages = _MESSAGES.decode(body[span.value : span.end])
    asked = [item for item in messages if item.role == "user"]
    words = _text(asked[-1]) if asked else _text(messages[-1])
    if len(words) < _SHORT and len(asked) > 1:
        words = f"{_text(asked[-2])}\n{words}"[-limit:]
    setting = next((item for item in messages if item.role in ("system", "developer")), None)
    room = min(limit - len(words) - 2, limit // _SETTING_SHARE)
    if setting is None or room <= 0:
        return words[:limit]
    return f"{words}\n\n{_text(setting)[:room]}"


def _text(message: _Message) -> str:
    content = _CONTENT.decode(message.content)
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if part.text)
