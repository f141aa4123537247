"""The upstream face: one deployment, ready to be asked."""

from __future__ import annotations

from functools import partial
from typing import Final

from federation.dialects.bound import BoundUpstream, Language, bind
from federation.dialects.ollama import decode, encode, errors, wire
from federation.dialects.ollama.streams import StreamDecoder
from federation.dialects.ollama.tables import NAME
from federation.dialects.ollama.tap import StreamTap
from federation.dialects.ollama.wire import Wire
from federation.schema.glance import Glance

_LINES: Final = (b"application/x-ndjson", b"application/ndjson", b"application/jsonl")


def _needs_translation(wire: Wire, glance: Glance, body: bytes) -> bool:
    """A temperature that the host may cut off stands inside of `options`."""
    return wire.temperature_max is not None and "options" in glance.spans


def _tap(wire: Wire, withhold_usage: bool, choices: int) -> StreamTap:
    """Its usage is part of what ends a stream, so none is withheld, and there is one choice."""
    return StreamTap(wire)


LANGUAGE: Final = Language(
    name=NAME,
    needs_translation=_needs_translation,
    forward=encode.forward,
    dropped_fields=encode.dropped_fields,
    encode=encode.encode,
    decode=decode.decode,
    read_answer=decode.read_answer,
    decode_error=errors.decode_error,
    tap=_tap,
    decoder=StreamDecoder,
    streams=_LINES,
)

prepare = partial(bind, wire.prepare, partial(BoundUpstream, LANGUAGE))
"""Make a deployment ready to be called; see `faces.Prepare`."""
