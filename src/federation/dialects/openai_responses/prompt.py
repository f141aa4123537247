"""The words of a call that a classifier looks at: what was asked last, and the setting.

Only `auto` calls need them, so they are read on demand and not by the glance.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai_responses.fields import NULL, written
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest


class _Item(msgspec.Struct):
    role: str | None = None
    content: Raw = NULL


class _Part(msgspec.Struct):
    text: str | None = None


_INPUT: Final = msgspec.json.Decoder(str | list[_Item] | None)
_CONTENT: Final = msgspec.json.Decoder(str | list[_Part] | None)
_TEXT: Final = msgspec.json.Decoder(str | None)
_LIMIT: Final = 8192
_SETTING_SHARE: Final = 8
_SHORT: Final = 80


def prompt(request: ClientRequest, glance: Glance) -> str:
    """The last words of the user, then the head of the instructions, within a limit.

    Short last words ("and in French?") say little, so those before them are put in front.
    The request is one that was glanced at.
    """
    try:
        found = _INPUT.decode(written(request.body, glance, "input"))
        setting = _TEXT.decode(written(request.body, glance, "instructions")) or ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    if isinstance(found, str):
        words = found
    else:
        items = [item for item in found or () if item.role]
        asked = [item for item in items if item.role == "user"] or items[-1:]
        words = _words(asked[-1]) if asked else ""
        if len(words) < _SHORT and len(asked) > 1:
            words = f"{_words(asked[-2])}\n{words}"[-_LIMIT:]
        if not setting:
            settings = [item for item in items if item.role in ("system", "developer")]
            setting = _words(settings[0]) if settings else ""
    room = min(_LIMIT - len(words) - 2, _LIMIT // _SETTING_SHARE)
    return f"{words}\n\n{setting[:room]}" if setting and room > 0 else words[:_LIMIT]


def _words(item: _Item) -> str:
    try:
        content = _CONTENT.decode(item.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content or () if part.text)
