"""The upstream face: one deployment, ready to be asked."""

from __future__ import annotations

from typing import Final

from federation.dialects.cohere import decode as answers
from federation.dialects.cohere import encode as bodies
from federation.dialects.cohere import errors
from federation.dialects.cohere.streams import StreamDecoder
from federation.dialects.cohere.tables import NAME
from federation.dialects.cohere.tap import StreamTap
from federation.dialects.cohere.wire import Wire
from federation.dialects.cohere.wire import prepare as prepare_wire
from federation.dialects.faces import Encoded, HeaderPairs
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import UpstreamError
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.glance import Answer, Glance
from federation.schema.http import Headers, WireRequest

_EVENTS: Final = b"text/event-stream"


class Upstream:
    """See `faces.Upstream`."""

    __slots__ = ("wire",)

    forwards: str = NAME

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def __repr__(self) -> str:
        return f"Upstream({self.wire.deployment!r})"

    def needs_translation(self, glance: Glance, body: bytes) -> bool:
        """Whether the row asks for a change inside of a body of this dialect."""
        del body
        wire = self.wire
        if not wire.image_urls and glance.images:
            return True
        return wire.temperature_max is not None and "temperature" in glance.spans

    def forward(self, glance: Glance, body: bytes) -> WireRequest:
        """The client's body with no change but what the row demands."""
        return bodies.forward(self.wire, glance, body)

    def dropped_fields(self, glance: Glance) -> tuple[str, ...]:
        """Fields of a forwarded body that the row does not take."""
        return bodies.dropped_fields(self.wire, glance)

    def encode(self, request: ChatRequest) -> Encoded:
        """Write a canonical request. Raises `InvalidRequest` for what the loss table refuses."""
        return bodies.encode(self.wire, request)

    def decode(self, body: bytes) -> ChatResponse:
        """Read a whole answer. Raises as `read_answer` does."""
        return answers.decode(self.wire, body)

    def read_answer(self, body: bytes) -> Answer:
        """What matters of an answer that is forwarded."""
        return answers.read_answer(self.wire, body)

    def decode_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """A provider's refusal in our tree, with what it says about when to come back."""
        return errors.decode_error(self.wire, status, headers, body)

    def tap(self, *, withhold_usage: bool, choices: int) -> StreamTap:
        """Read along with a stream that is forwarded."""
        del withhold_usage, choices
        return StreamTap(self.wire)

    def decoder(self) -> StreamDecoder:
        """Read a stream into chunks."""
        return StreamDecoder(self.wire)

    def is_stream(self, headers: Headers) -> bool:
        """Whether a successful response to a streamed request is framed as a stream."""
        return headers.get(b"content-type", b"").lstrip().lower().startswith(_EVENTS)


def prepare(
    deployment: Deployment,
    settings: Settings,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
) -> Upstream:
    """Make a deployment ready to be called; see `faces.Prepare`."""
    return Upstream(
        prepare_wire(
            deployment, settings, headers=headers, query=query, secret=secret, private=private
        )
    )
