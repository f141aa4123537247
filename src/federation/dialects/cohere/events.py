"""The stream's events, as far as they are read, and how one is taken out of its frame.

Every event is parsed, because a search for words would also find them in what the model says.
`tool_calls` is an object in the vendor's streams and a list at some hosts; `content` is a
list in the opening event and an object in the others.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.cohere.decode import Call
from federation.dialects.sse import CR, event_data
from federation.dialects.whole import Few

NULL: Final = Raw(b"null")


class Content(msgspec.Struct):
    """A block, or a piece of one."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class Message(msgspec.Struct):
    """What an event adds to the message."""

    content: Content | Few[Raw] | None = None
    tool_plan: str | None = None
    tool_calls: Call | Few[Call] | None = None
    citations: Raw = NULL


class Delta(msgspec.Struct):
    """What an event says."""

    message: Message | None = None
    finish_reason: str | None = None
    usage: Raw = NULL
    error: str | None = None


class Event(msgspec.Struct):
    """One event of a stream."""

    type: str = ""
    id: str | None = None
    index: int | None = None
    delta: Delta | None = None
    logprobs: Raw = NULL
    message: str | None = None
    """Of an error that stands in the place of an event."""


class End(msgspec.Struct):
    """`Delta` for a tap: only what ends a stream."""

    finish_reason: str | None = None
    usage: Raw = NULL
    error: str | None = None


class Passing(msgspec.Struct):
    """`Event` for a tap."""

    type: str = ""
    delta: End | None = None
    message: str | None = None


EVENT: Final = msgspec.json.Decoder(Event)
PASSING: Final = msgspec.json.Decoder(Passing)
TELLING: Final = frozenset(
    ("content-start", "content-delta", "tool-plan-delta", "tool-call-start", "tool-call-delta",
     "message-end")
)  # fmt: skip
"""Events that hold a piece of the answer."""
DONE: Final = b"[DONE]"
_LINE: Final = b"\ndata: "


def data_of(event: bytes) -> bytes | None:
    """The data of an event; None where it has none. Nearly all are a name and one data line."""
    if event.startswith(b"event: ") and event.count(b"\n") == 3 and event.endswith(b"\n\n"):
        at = event.find(_LINE)
        if at > 0 and CR not in event:
            return event[at + len(_LINE) : -2]
    return event_data(event)
