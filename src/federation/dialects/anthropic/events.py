"""The events of a stream of this language, as far as anyone reads them.

Each event says twice what it is, in its `event` line and in a member `type`; the member
counts. What is unknown is skipped: the vendor reserves the right to add kinds of events.

Reference: https://platform.claude.com/docs/en/build-with-claude/streaming,
types.raw_message_stream_event of the official SDK 2.11
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.sse import CR, LF, event_data
from federation.dialects.whole import salvaged

NULL: Final = Raw(b"null")


class EventDelta(msgspec.Struct):
    """What an event adds: to a block, or to the message at its end."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    content: str | None = None
    encrypted_content: str | None = None
    citation: Raw = NULL
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw = NULL
    container: Raw = NULL


class EventMessage(msgspec.Struct):
    """The message of `message_start`."""

    id: str | None = None
    model: str | None = None
    usage: Raw = NULL


class Event(msgspec.Struct):
    """Any event."""

    type: str = ""
    index: int = 0
    delta: EventDelta | None = None
    content_block: dict[str, Raw] | None = None
    message: EventMessage | None = None
    usage: Raw = NULL
    error: Raw = NULL
    context_management: Raw = NULL
    input_transformations: Raw = NULL


class EventHead(msgspec.Struct):
    """The same without what a block holds, for whoever only reads along."""

    type: str = ""
    delta: EventDelta | None = None
    message: EventMessage | None = None
    usage: Raw = NULL
    error: Raw = NULL


_EVENT: Final = msgspec.json.Decoder(Event)
_HEAD: Final = msgspec.json.Decoder(EventHead)


def data_of(event: bytes) -> bytes | None:
    """The JSON of an event; None for a comment or a keep-alive."""
    if event.startswith(b"event: ") and event.endswith(b"\n\n"):
        name, _, data = event[:-2].partition(b"\ndata: ")
        if data and LF not in data and LF not in name and CR not in event:
            return data
    return event_data(event)


def read_event(data: bytes) -> Event | None:
    """An event's data; None where it cannot be read."""
    try:
        return _EVENT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_head(event: bytes) -> EventHead | None:
    """An event without its blocks; None for one that cannot be read."""
    data = data_of(event)
    if data is None:
        return None
    try:
        return _HEAD.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return salvaged(_HEAD, data)
