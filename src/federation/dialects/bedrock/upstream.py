"""The upstream face: one deployment, ready to be asked in this dialect."""

from __future__ import annotations

from federation.dialects.aws_eventstream import CONTENT_TYPE
from federation.dialects.bedrock import decode as answers
from federation.dialects.bedrock import encode as requests
from federation.dialects.bedrock import errors, forward, wire
from federation.dialects.bedrock.streams import StreamDecoder
from federation.dialects.bedrock.tables import NAME
from federation.dialects.bedrock.tap import StreamTap
from federation.dialects.bedrock.wire import HeaderPairs, Wire
from federation.dialects.faces import Encoded
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import UpstreamError
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.glance import Answer, Glance
from federation.schema.http import Headers, WireRequest


class BedrockUpstream:
    """See `faces.Upstream` for the promises. Holds a secret."""

    __slots__ = ("forwards", "wire")

    def __init__(self, prepared: Wire) -> None:
        self.wire = prepared
        self.forwards = NAME

    def __repr__(self) -> str:
        """Without headers: they may hold a credential."""
        return f"BedrockUpstream({self.wire.deployment!r})"

    def needs_translation(self, glance: Glance, body: bytes) -> bool:
        """Never: what rows ask of this dialect can be spliced."""
        return False

    def forward(self, glance: Glance, body: bytes) -> WireRequest:
        """The client's body with no change but what the row demands."""
        return forward.forward(self.wire, glance, body)

    def dropped_fields(self, glance: Glance) -> tuple[str, ...]:
        """Fields of a forwarded body that the row does not take."""
        return forward.dropped_fields(self.wire, glance)

    def encode(self, request: ChatRequest) -> Encoded:
        """Write a canonical request; see `encode.encode`."""
        return requests.encode(self.wire, request)

    def decode(self, body: bytes) -> ChatResponse:
        """Read a whole answer; see `decode.decode`."""
        return answers.decode(self.wire, body)

    def read_answer(self, body: bytes) -> Answer:
        """What matters of an answer that is forwarded."""
        return answers.read_answer(self.wire, body)

    def decode_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """A provider's refusal in our tree."""
        return errors.decode_error(self.wire, status, headers, body)

    def tap(self, *, withhold_usage: bool, choices: int) -> StreamTap:
        """Read along with a stream that is forwarded. Its usage is never withheld: every
        client of this dialect expects it."""
        return StreamTap(self.wire)

    def decoder(self) -> StreamDecoder:
        """Read a stream into chunks."""
        return StreamDecoder(self.wire)

    def is_stream(self, headers: Headers) -> bool:
        """Whether a successful response is framed as a stream."""
        return headers.get(b"content-type", b"").lower().startswith(CONTENT_TYPE)


def prepare(
    deployment: Deployment,
    settings: Settings,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
) -> BedrockUpstream:
    """Prepare a deployment for calls; see `wire.prepare`."""
    return BedrockUpstream(
        wire.prepare(
            deployment, settings, headers=headers, query=query, secret=secret, private=private
        )
    )
