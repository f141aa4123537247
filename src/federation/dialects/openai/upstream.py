"""The upstream face of this language: one deployment, ready to be asked.

What hosts do differently is in their rows; see `wire` and `row`.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from federation.dialects.bound import BoundUpstream, Language, bind
from federation.dialects.openai import answers, decode, encode, errors, forward, wire
from federation.dialects.openai.plain import words_of_answer
from federation.dialects.openai.row import asks_for_translation
from federation.dialects.openai.streams import StreamDecoder
from federation.dialects.openai.tap import StreamTap
from federation.dialects.openai.wire import Wire
from federation.dialects.openai.words import NAME
from federation.dialects.tool_names import PLAIN
from federation.schema.glance import Glance

_EVENTS: Final = b"text/event-stream"


def _needs_translation(wire: Wire, glance: Glance, body: bytes) -> bool:
    """A row without quirks that ask for a change of content answers without looking."""
    return not wire.plain and asks_for_translation(wire.row, glance, body)


def _tap(wire: Wire, withhold_usage: bool, choices: int) -> StreamTap:
    return StreamTap(wire, withhold_usage=withhold_usage, choices=choices)


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
    streams=_EVENTS,
    untyped=_EVENTS,
    tool_names=PLAIN,
    words=words_of_answer,
)

OpenAIUpstream = BoundUpstream[Wire]
prepare = partial(bind, wire.prepare, partial(BoundUpstream, LANGUAGE))
"""See `faces.Prepare`, and `wire` for the quirks that are read."""
