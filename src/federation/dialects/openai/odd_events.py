"""Habits of hosts that write an event's empty members in an odd way.

An empty object is a list where PHP wrote it, and what is absent may be `false` or an empty text.
None of it says anything, so an event is not worth less for it. What does say something and cannot
be read stays as it is, and the event with it unreadable.
"""

from __future__ import annotations

from typing import Any

import msgspec

from federation.dialects.whole import UNREADABLE


def usual(data: bytes) -> bytes | None:
    """The event as most hosts would write it; None where it is no JSON object with choices."""
    try:
        event = msgspec.json.decode(data)
    except UNREADABLE:
        return None
    choices = event.get("choices") if isinstance(event, dict) else None
    if not isinstance(choices, list) or not all(isinstance(each, dict) for each in choices):
        return None
    return msgspec.json.encode(event | {"choices": [_choice(each) for each in choices]})


def _choice(given: dict[str, Any]) -> dict[str, Any]:
    choice = {name: value for name, value in given.items() if _says(value)}
    delta, index = choice.get("delta"), choice.get("index")
    if isinstance(delta, dict):
        choice["delta"] = {name: value for name, value in delta.items() if _says(value)}
    if isinstance(index, str) and index.isdecimal():
        choice["index"] = int(index)
    return choice


def _says(value: Any) -> bool:
    return value is not False and value not in ("", [], {})
