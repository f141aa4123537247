"""The upstream face of this dialect: one deployment, ready to be asked."""

from __future__ import annotations

from functools import partial
from typing import Final

from federation.dialects.bound import Count, CountingUpstream, Language, bind
from federation.dialects.openai_responses import count, decode, encode, errors, forward, wire
from federation.dialects.openai_responses.streams import StreamDecoder
from federation.dialects.openai_responses.tables import NAME
from federation.dialects.openai_responses.tap import StreamTap
from federation.dialects.openai_responses.wire import Wire
from federation.dialects.tool_names import PLAIN

_EVENTS: Final = b"text/event-stream"


def _tap(wire: Wire, withhold_usage: bool, choices: int) -> StreamTap:
    """Its usage is part of its last event, and its answer is one."""
    return StreamTap(wire)


LANGUAGE: Final = Language(
    name=NAME,
    needs_translation=forward.needs_translation,
    forward=forward.forward,
    dropped_fields=forward.dropped_fields,
    encode=encode.encode,
    decode=decode.decode,
    read_answer=decode.read_answer,
    decode_error=errors.decode_error,
    tap=_tap,
    decoder=StreamDecoder,
    streams=_EVENTS,
    untyped=_EVENTS,
    tool_names=PLAIN,
)

COUNT: Final = Count(count.encode_count, count.decode_count)

ResponsesUpstream = CountingUpstream[Wire]
prepare = partial(bind, wire.prepare, partial(CountingUpstream, LANGUAGE, COUNT))
"""See `faces.Prepare`."""
