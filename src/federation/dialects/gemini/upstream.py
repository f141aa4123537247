"""A deployment that speaks this dialect, ready to be asked: `faces.Upstream`."""

from __future__ import annotations

from typing import Final

from federation.dialects.faces import Encoded, HeaderPairs, Upstream
from federation.dialects.gemini import answers, count, decode, encode, errors, forward, streams, tap
from federation.dialects.gemini.tables import NAME
from federation.dialects.gemini.wire import Wire
from federation.dialects.gemini.wire import prepare as prepare_wire
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import UpstreamError
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.glance import Answer, Glance
from federation.schema.http import Headers, WireRequest

_STREAMS: Final = (b"text/event-stream", b"application/json")


class GeminiUpstream:
    """See `faces.Upstream` and `faces.Counter`."""

    __slots__ = ("_wire",)

    forwards: str = NAME

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __repr__(self) -> str:
        return f"GeminiUpstream({self._wire.deployment!r})"

    def needs_translation(self, glance: Glance, body: bytes) -> bool:
        """Where the row demands signatures and a call in the conversation has none, because
        another provider made it."""
        return self._wire.signed and forward.lacks_signature(glance, body)

    def forward(self, glance: Glance, body: bytes) -> WireRequest:
        """See `faces.Upstream.forward`."""
        return forward.forward(self._wire, glance, body)

    def dropped_fields(self, glance: Glance) -> tuple[str, ...]:
        """See `faces.Upstream.dropped_fields`."""
        return forward.dropped_fields(self._wire, glance)

    def encode(self, request: ChatRequest) -> Encoded:
        """See `faces.Upstream.encode`."""
        return encode.encode(self._wire, request)

    def decode(self, body: bytes) -> ChatResponse:
        """See `faces.Upstream.decode`."""
        return decode.decode(self._wire, body)

    def read_answer(self, body: bytes) -> Answer:
        """See `faces.Upstream.read_answer`."""
        return answers.read_answer(self._wire, body)

    def decode_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """See `faces.Upstream.decode_error`."""
        return errors.decode_error(self._wire, status, headers, body)

    def tap(self, *, withhold_usage: bool, choices: int) -> tap.StreamTap:
        """See `faces.Upstream.tap`. Usage cannot be withheld: it stands beside the text."""
        return tap.StreamTap(self._wire, choices=choices)

    def decoder(self) -> streams.StreamDecoder:
        """See `faces.Upstream.decoder`."""
        return streams.StreamDecoder(self._wire)

    def is_stream(self, headers: Headers) -> bool:
        """See `faces.Upstream.is_stream`. An array is a stream too, and looks like JSON."""
        return headers.get(b"content-type", _STREAMS[0]).lower().startswith(_STREAMS)

    def encode_count(self, request: ChatRequest) -> Encoded:
        """See `faces.Counter.encode_count`."""
        return count.encode_count(self._wire, request)

    def decode_count(self, body: bytes) -> int:
        """See `faces.Counter.decode_count`."""
        return count.decode_count(self._wire, body)


def prepare(
    deployment: Deployment,
    settings: Settings,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
) -> Upstream:
    """See `faces.Prepare`; for both forms of the interface, which the row's dialect tells."""
    return GeminiUpstream(
        prepare_wire(
            deployment, settings, headers=headers, query=query, secret=secret, private=private
        )
    )
