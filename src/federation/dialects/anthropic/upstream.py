"""The upstream face: one deployment that is asked in this language."""

from __future__ import annotations

from federation.dialects.anthropic import decode as decoding
from federation.dialects.anthropic import encode as encoding
from federation.dialects.anthropic import errors, forward
from federation.dialects.anthropic.streams import StreamDecoder
from federation.dialects.anthropic.tables import NAME
from federation.dialects.anthropic.tap import StreamTap
from federation.dialects.anthropic.wire import Wire, prepare_wire
from federation.dialects.faces import Encoded, HeaderPairs
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import UpstreamError
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.glance import Answer, Glance
from federation.schema.http import Headers, WireRequest


def prepare(
    deployment: Deployment,
    settings: Settings,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
) -> AnthropicUpstream:
    """Make a deployment ready to be called; see `faces.Prepare`."""
    wire = prepare_wire(
        deployment, settings, headers=headers, query=query, secret=secret, private=private
    )
    return AnthropicUpstream(wire)


class AnthropicUpstream:
    """A deployment that speaks the Messages language; see `faces.Upstream`."""

    __slots__ = ("wire",)

    forwards = NAME

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def __repr__(self) -> str:
        return f"AnthropicUpstream({self.wire.deployment!r})"

    def needs_translation(self, glance: Glance, body: bytes) -> bool:
        """Whether the row asks for a change inside of a body of this dialect: a remote address
        of a picture is then refused before anything is spent."""
        return not self.wire.image_urls and glance.images > 0

    def forward(self, glance: Glance, body: bytes) -> WireRequest:
        """The client's body with no change but what the row demands."""
        return forward.forward(self.wire, glance, body)

    def forward_count(self, glance: Glance, body: bytes) -> WireRequest:
        """The same for a body of `/v1/messages/count_tokens`."""
        return forward.forward_count(self.wire, glance, body)

    def dropped_fields(self, glance: Glance) -> tuple[str, ...]:
        """Fields of a forwarded body that the row does not take."""
        return forward.dropped_fields(self.wire, glance)

    def encode(self, request: ChatRequest) -> Encoded:
        """Write a canonical request. Raises `InvalidRequest` for what the loss table refuses."""
        return encoding.encode(self.wire, request)

    def encode_count(self, request: ChatRequest) -> Encoded:
        """Write the request that counts a canonical call's input."""
        return encoding.encode_count(self.wire, request)

    def decode(self, body: bytes) -> ChatResponse:
        """Read a whole answer. Raises as `read_answer` does."""
        return decoding.decode(self.wire, body)

    def decode_count(self, body: bytes) -> int:
        """Read the answer of a count. Raises `UpstreamGarbled`."""
        return decoding.decode_count(self.wire, body)

    def read_answer(self, body: bytes) -> Answer:
        """What matters of an answer that is forwarded."""
        return decoding.read_answer(self.wire, body)

    def decode_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """A provider's refusal in our tree."""
        return errors.decode_error(self.wire, status, headers, body)

    def tap(self, *, withhold_usage: bool, choices: int) -> StreamTap:
        """Read along with a stream that is forwarded. The usage belongs to every stream of this
        language, so none is withheld, and there is one choice."""
        return StreamTap(self.wire)

    def decoder(self) -> StreamDecoder:
        """Read a stream into chunks."""
        return StreamDecoder(self.wire)

    def is_stream(self, headers: Headers) -> bool:
        """Whether a successful response to a streamed request is framed as a stream."""
        return headers.get(b"content-type", b"").lower().startswith(b"text/event-stream")
