"""An event of this API: its data, and as much of it as a translation reads.

Every event is named in a line before its data. The general reader of events takes any form;
the one here takes the usual form without looking for lines.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai_responses.fields import NULL
from federation.dialects.sse import CR, LF, event_data
from federation.schema.parts import Fields

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a provider's bytes may raise."""


class Event(msgspec.Struct):
    """Any event; members that its type has not are empty."""

    type: str = ""
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | Fields | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    logprobs: Raw = NULL
    annotation: Raw = NULL
    item: Raw = NULL
    part: Raw = NULL
    response: Raw = NULL
    error: Raw = NULL

    @property
    def output(self) -> int:
        """The place of its item."""
        return self.output_index or 0

    @property
    def piece(self) -> str:
        """The text that it adds."""
        return self.delta if isinstance(self.delta, str) else ""

    @property
    def whole(self) -> str:
        """The text of a part that is complete."""
        return self.text or self.refusal or self.arguments or self.input or ""


def on_one_line(members: bytes) -> bytes:
    """JSON without line breaks, which would end an event's data. In valid JSON they stand
    between tokens only, as in a schema that a client has indented."""
    if LF in members or CR in members:
        return members.replace(b"\n", b" ").replace(b"\r", b" ")
    return members


def data_of(event: bytes) -> bytes | None:
    """The data of a whole event; None for a comment or a keep-alive."""
    if event.startswith(b"event: ") and event.endswith(b"\n\n"):
        at = event.index(b"\n") + 1
        if event.startswith(b"data: ", at):
            data = event[at + 6 : -2]
            if LF not in data and CR not in data:
                return data
    return event_data(event)
