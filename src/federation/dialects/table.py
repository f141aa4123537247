"""The wire languages that this build speaks upstream, written out by name.

A name that is missing here is not supported: routing removes its deployments by the rule
`dialect`. What a language's functions promise is said where they live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from federation.dialects.openai import answers, encode, errors, streams, wire
from federation.dialects.openai.wire import HeaderPairs, Wire
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import FederationError, UpstreamError
from federation.schema.glance import Answer, Glance
from federation.schema.http import Headers, WireRequest
from federation.schema.tap import StreamTap


class Prepare(Protocol):
    """Makes a deployment ready to be called; see `openai.wire.prepare`."""

    def __call__(
        self,
        deployment: Deployment,
        settings: Settings,
        *,
        headers: HeaderPairs,
        query: str,
        secret: str,
        private: bool,
    ) -> Wire:
        """Raise `ValueError` for an address that cannot be used."""
        ...


class OpenTap(Protocol):
    """Begins to read along with a stream; see `openai.streams.StreamTap`."""

    def __call__(self, wire: Wire, *, withhold_usage: bool, choices: int) -> StreamTap:
        """A tap for one stream."""
        ...


@dataclass(frozen=True, slots=True)
class Face:
    """One dialect towards providers: functions over a prepared `Wire`."""

    prepare: Prepare
    encode: Callable[[Wire, Glance, bytes], WireRequest]
    dropped_fields: Callable[[Wire, Glance], tuple[str, ...]]
    read_answer: Callable[[Wire, bytes], Answer]
    with_metadata: Callable[[bytes, bytes], bytes]
    tap: OpenTap
    decode_error: Callable[[Wire, int, Headers, bytes], UpstreamError]
    render_stream_error: Callable[[FederationError], bytes]


DIALECTS: Final[dict[str, Face]] = {
    "openai": Face(
        prepare=wire.prepare,
        encode=encode.encode,
        dropped_fields=encode.dropped_fields,
        read_answer=answers.read_answer,
        with_metadata=answers.with_metadata,
        tap=streams.StreamTap,
        decode_error=errors.decode_error,
        render_stream_error=errors.render_stream_error,
    ),
}
