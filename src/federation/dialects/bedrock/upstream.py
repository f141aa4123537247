"""The upstream face: one deployment, ready to be asked in this dialect."""

from __future__ import annotations

from functools import partial
from typing import Final

from federation.dialects.aws_eventstream import CONTENT_TYPE
from federation.dialects.bedrock import count, decode, encode, errors, forward, wire
from federation.dialects.bedrock.streams import StreamDecoder
from federation.dialects.bedrock.tables import NAME
from federation.dialects.bedrock.tap import StreamTap
from federation.dialects.bedrock.wire import Wire
from federation.dialects.bound import Count, CountingUpstream, Language, bind
from federation.dialects.tool_names import PLAIN
from federation.schema.glance import Glance


def _needs_translation(wire: Wire, glance: Glance, body: bytes) -> bool:
    """Never: what rows ask of this dialect can be spliced."""
    return False


def _tap(wire: Wire, withhold_usage: bool, choices: int) -> StreamTap:
    """Its usage is never withheld: every client of this dialect expects it."""
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
    streams=CONTENT_TYPE,
    tool_names=PLAIN,
)

COUNT: Final = Count(count.encode_count, count.decode_count)

BedrockUpstream = CountingUpstream[Wire]
prepare = partial(bind, wire.prepare, partial(CountingUpstream, LANGUAGE, COUNT))
"""See `faces.Prepare`, and `wire` for the quirks that are read."""
