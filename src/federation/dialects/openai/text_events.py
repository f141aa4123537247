"""Events of a stream that differ from the one before them in a piece of text alone.

Nearly all events of a stream do, so what stands around the text is compared as bytes and only the
text is decoded. The trap: the text must stand where it stood, as the whole of one JSON string, and
nothing else in the event may say anything: so a form is learned from an event that was read in
full, and one that is not told by its form is read in full again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from federation.dialects.sse import CR
from federation.schema.chunks import Delta

_MEMBER: Final = (b'"content":"', b'"content": "')
_PADDING: Final = re.compile(rb'"obfuscation": ?"(?=[A-Za-z0-9]*")')
"""Begins a text without meaning, as long as hides the length of what is said."""
_END: Final = b"}\n\n"
_BACKSLASH: Final = 0x5C
_STRING: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Form:
    """What stands before and behind the text; `padding`: its end may be padded anew each time."""

    choice: int
    part: int
    head: bytes
    """With the quote that begins the text."""
    tail: bytes
    """With the quote that ends it."""
    padded: bytes = b""

    def more(self, event: bytes) -> Delta | None:
        """The text of an event of this form; None for any other."""
        if not event.startswith(self.head) or not event.endswith(self.padded or self.tail):
            return None
        start = len(self.head) - 1
        if self.padded:
            end = event.find(self.tail, start + 1) + 1
            padding = event[end + len(self.tail) - 1 : -len(self.padded)]
            if end <= 0 or not (padding.isalnum() or not padding):
                return None
        else:
            end = len(event) - len(self.tail) + 1
        held = event[start:end]
        if b"\\u" in held:
            return None  # maybe half of a character
        try:
            text = _STRING.decode(held)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return Delta(self.choice, self.part, text) if text else None


def form_of(event: bytes, said: Delta) -> Form | None:
    """The form of an event that was read in full and said just this; None where it may not be
    learned."""
    if said.citation is not None or said.signature or said.sealed or CR in event:
        return None
    if event.count(b'"content":') != 1 or not event.endswith(_END) or b'"audio"' in event:
        return None
    member = next((name for name in _MEMBER if name in event), None)
    if member is None or event.count(b"\n") != len(b"\n\n"):
        return None
    start = event.index(member) + len(member)
    end = event.find(b'"', start)
    head, tail = event[:start], event[end:]
    if event[start:end].decode("utf-8", "replace") != said.text or _BACKSLASH in head + tail:
        return None
    padding = _PADDING.search(tail)
    if padding is None:
        return Form(said.choice, said.part, head, tail)
    at = padding.end()
    return Form(said.choice, said.part, head, tail[:at], tail[tail.index(b'"', at) :])
