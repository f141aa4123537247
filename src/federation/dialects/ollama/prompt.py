"""The words of a call that a classifier looks at: what was asked last, and the setting."""

from __future__ import annotations

from typing import Final

import msgspec

from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

LIMIT: Final = 8192
_SETTING_SHARE = 8
_SHORT = 80


class _Message(msgspec.Struct):
    role: str = ""
    content: str | None = None


class _Generate(msgspec.Struct):
    prompt: str | None = None
    system: str | None = None


_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_GENERATE: Final = msgspec.json.Decoder(_Generate)


def prompt(request: ClientRequest, glance: Glance) -> str:
    """The last user message, then the head of the system message, within `LIMIT` characters.

    A short last message says little, so the one before it is put in front.
    """
    span = glance.spans["messages"]
    messages = _MESSAGES.decode(request.body[span.value : span.end])
    asked = [item for item in messages if item.role == "user"] or messages[-1:]
    words = asked[-1].content or ""
    if len(words) < _SHORT and len(asked) > 1:
        words = f"{asked[-2].content or ''}\n{words}"[-LIMIT:]
    setting = next((item for item in messages if item.role == "system"), None)
    return _joined(words, (setting.content or "") if setting is not None else "")


def prompt_generate(request: ClientRequest, glance: Glance) -> str:
    """The prompt of a generate call, then the head of its system text."""
    del glance
    found = _GENERATE.decode(request.body)
    return _joined(found.prompt or "", found.system or "")


def _joined(words: str, setting: str) -> str:
    room = min(LIMIT - len(words) - 2, LIMIT // _SETTING_SHARE)
    return f"{words}\n\n{setting[:room]}" if setting and room > 0 else words[:LIMIT]
