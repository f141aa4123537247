"""The upstream face of this dialect: one deployment, ready to be asked."""

from __future__ import annotations

from typing import Final

from federation.dialects.faces import Encoded, HeaderPairs, StreamDecoder
from federation.dialects.openai_responses import decode as decoding
from federation.dialects.openai_responses import encode as encoding
from federation.dialects.openai_responses import errors, forward, streams, tap, wire
from federation.dialects.openai_responses.tables import NAME
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import UpstreamError
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.glance import Answer, Glance
from federation.schema.http import Headers, WireRequest
from federation.schema.tap import StreamTap

_STREAM: Final = b"text/event-stream"


def prepare(
    deployment: Deployment,
    settings: Settings,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
) -> ResponsesUpstream:
    """Make a deployment ready; see `faces.Prepare`."""
    return ResponsesUpstream(
        wire.prepare(
            deployment, settings, headers=headers, query=query, secret=secret, private=private
        )
    )


class ResponsesUpstream:
    """See `faces.Upstream` for what each of these promises."""

    forwards = NAME

    def __init__(self, prepared: wire.Wire) -> None:
        self.wire = prepared

    def __repr__(self) -> str:
        return f"ResponsesUpstream({self.wire!r})"

    def forward(self, glance: Glance, body: bytes) -> WireRequest:
        """The client's body with no change but what the row demands, and `store` said."""
        return forward.forward(self.wire, glance, body)

    def needs_translation(self, glance: Glance, body: bytes) -> bool:
        """Whether the row asks for a change inside of what this body holds."""
        return forward.needs_translation(self.wire, glance, body)

    def dropped_fields(self, glance: Glance) -> tuple[str, ...]:
        """Fields of a forwarded body that the row does not take."""
        return forward.dropped_fields(self.wire, glance)

    def encode(self, request: ChatRequest) -> Encoded:
        """Write a canonical request."""
        return encoding.encode(self.wire, request)

    def decode(self, body: bytes) -> ChatResponse:
        """Read a whole answer."""
        return decoding.decode(self.wire, body)

    def read_answer(self, body: bytes) -> Answer:
        """What matters of an answer that is forwarded."""
        return decoding.read_answer(self.wire, body)

    def decode_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """A provider's refusal in our tree."""
        return errors.decode_error(self.wire, status, headers, body)

    def tap(self, *, withhold_usage: bool, choices: int) -> StreamTap:
        """Read along with a stream that is forwarded. Its usage is part of its last event,
        and its answer is one."""
        return tap.StreamTap(self.wire)

    def decoder(self) -> StreamDecoder:
        """Read a stream into chunks."""
        return streams.StreamDecoder(self.wire)

    def is_stream(self, headers: Headers) -> bool:
        """Whether a successful response to a streamed request is framed as a stream."""
        kind = headers.get(b"content-type", _STREAM)
        return kind.partition(b";")[0].strip().lower() == _STREAM
