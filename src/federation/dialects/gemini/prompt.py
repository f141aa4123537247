"""The words of a call that a classifier looks at: what was asked last, and the setting.

Only `auto` calls need them, so they are read on demand and not by the glance.
"""

from __future__ import annotations

from typing import Final

import msgspec

from federation.dialects.gemini.contents import instruction_parts, read_role, read_turns
from federation.dialects.gemini.glance import unwrapped
from federation.dialects.gemini.names import tidy
from federation.dialects.gemini.tables import MODEL
from federation.dialects.tokenizer import Members, members
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_STRING: Final = msgspec.json.Decoder(str)
LIMIT: Final = 8192
_SETTING_SHARE: Final = 8
_SHORT: Final = 80


def prompt_text(request: ClientRequest, glance: Glance, limit: int = LIMIT) -> str:
    """The last user turn, then the head of the system instruction, within `limit` characters.

    A short last turn ("and in French?") says little, so the user turn before it is put in
    front. The request is one that was glanced at.
    """
    found = unwrapped(tidy(members(request.body), ""))
    turns = read_turns(found["contents"])
    asked = [turn for index, turn in enumerate(turns) if read_role(turn.role, index) != MODEL]
    words = _text((asked or turns)[-1].parts)
    if len(words) < _SHORT and len(asked) > 1:
        words = f"{_text(asked[-2].parts)}\n{words}"[-limit:]
    setting = found.get("systemInstruction")
    room = min(limit - len(words) - 2, limit // _SETTING_SHARE)
    if setting is None or room <= 0:
        return words[:limit]
    return f"{words}\n\n{_text(instruction_parts(setting))[:room]}"


def _text(parts: list[Members]) -> str:
    texts = (tidy(part, "").get("text") for part in parts)
    return "\n".join(_STRING.decode(text) for text in texts if text is not None)
