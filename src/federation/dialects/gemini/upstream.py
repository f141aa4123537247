"""A deployment that speaks this dialect, ready to be asked: `faces.Upstream`."""

from __future__ import annotations

from functools import partial
from typing import Final

from federation.dialects.bound import Count, CountingUpstream, Language, bind
from federation.dialects.gemini import answers, count, decode, encode, errors, forward, wire
from federation.dialects.gemini.streams import StreamDecoder
from federation.dialects.gemini.tables import NAME, TOOL_NAMES
from federation.dialects.gemini.tap import StreamTap
from federation.dialects.gemini.wire import Wire
from federation.schema.glance import Glance

_STREAMS: Final = (b"text/event-stream", b"application/json")
"""An array is a stream too, and looks like JSON."""


def _needs_translation(wire: Wire, glance: Glance, body: bytes) -> bool:
    """Where the row demands signatures and a call in the conversation has none, because
    another provider made it."""
    return wire.signed and forward.lacks_signature(glance, body)


def _tap(wire: Wire, withhold_usage: bool, choices: int) -> StreamTap:
    """Usage cannot be withheld: it stands beside the text."""
    return StreamTap(wire, choices=choices)


LANGUAGE: Final = Language(
    name=NAME,
    needs_translation=_needs_translation,
    forward=forward.forward,
    dropped_fields=forward.dropped_fields,
    encode=encode.encode,
    decode=decode.decode,
    read_answer=answers.read_answer,
    decode_error=errors.decode_error,
    tap=_tap,
    decoder=StreamDecoder,
    streams=_STREAMS,
    untyped=_STREAMS[0],
    tool_names=TOOL_NAMES,
)
COUNT: Final = Count(count.encode_count, count.decode_count)

GeminiUpstream = CountingUpstream[Wire]
prepare = partial(bind, wire.prepare, partial(CountingUpstream, LANGUAGE, COUNT))
"""See `faces.Prepare`; for both forms of the interface, which the row's dialect tells."""
