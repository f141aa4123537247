"""The upstream face: one deployment, ready to be asked in this language."""

from __future__ import annotations

from functools import partial
from typing import Final

from federation.dialects.anthropic import decode, encode, errors, forward
from federation.dialects.anthropic.streams import StreamDecoder
from federation.dialects.anthropic.tables import NAME, TOOL_NAME
from federation.dialects.anthropic.tap import StreamTap
from federation.dialects.anthropic.wire import Wire, prepare_wire
from federation.dialects.bound import Count, CountingUpstream, Language, bind
from federation.schema.glance import Glance


def _needs_translation(wire: Wire, glance: Glance, body: bytes) -> bool:
    """A remote address of a picture is then refused before anything is spent."""
    return not wire.image_urls and glance.images > 0


def _tap(wire: Wire, withhold_usage: bool, choices: int) -> StreamTap:
    """The usage belongs to every stream of this language, so none is withheld, and there is
    one choice."""
    return StreamTap(wire)


LANGUAGE: Final = Language(
    name=NAME,
    needs_translation=_needs_translation,
    forward=forward.forward,
    dropped_fields=forward.dropped_fields,
    encode=encode.encode,
    decode=decode.decode,
    read_answer=decode.read_answer,
    decode_error=errors.decode_error,
    tap=_tap,
    decoder=StreamDecoder,
    streams=b"text/event-stream",
    tool_names=TOOL_NAME,
)
COUNT: Final = Count(encode.encode_count, decode.decode_count)

AnthropicUpstream = CountingUpstream[Wire]
prepare = partial(bind, prepare_wire, partial(CountingUpstream, LANGUAGE, COUNT))
"""Make a deployment ready to be called; see `faces.Prepare`."""
