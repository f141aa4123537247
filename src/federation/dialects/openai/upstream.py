"""The upstream face of this language: one deployment, ready to be asked.

What hosts do differently is in their rows; see `wire` and `row`.
"""

from __future__ import annotations

from federation.dialects.faces import Encoded, HeaderPairs
from federation.dialects.openai import answers, errors, wire
from federation.dialects.openai.decode import decode
from federation.dialects.openai.encode import encode
from federation.dialects.openai.forward import dropped_fields, forward
from federation.dialects.openai.row import asks_for_translation
from federation.dialects.openai.streams import StreamDecoder
from federation.dialects.openai.tap import StreamTap
from federation.dialects.openai.wire import Wire
from federation.dialects.openai.words import NAME
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import UpstreamError
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.glance import Answer, Glance
from federation.schema.http import Headers, WireRequest

_EVENTS = b"text/event-stream"


class OpenAIUpstream:
    """See `faces.Upstream`. Holds a secret; its `repr` shows the deployment alone."""

    __slots__ = ("_wire", "forwards")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.forwards = NAME

    def __repr__(self) -> str:
        return f"OpenAIUpstream({self._wire.deployment!r})"

    def forward(self, glance: Glance, body: bytes) -> WireRequest:
        """The client's body with no change but what the row demands."""
        return forward(self._wire, glance, body)

    def needs_translation(self, glance: Glance, body: bytes) -> bool:
        """Whether the row asks for a change inside of what this body holds. A row without
        such quirks answers without looking."""
        wire = self._wire
        return not wire.plain and asks_for_translation(wire.row, glance, body)

    def dropped_fields(self, glance: Glance) -> tuple[str, ...]:
        """Fields of a forwarded body that the row does not take."""
        return dropped_fields(self._wire, glance)

    def encode(self, request: ChatRequest) -> Encoded:
        """Write a canonical request. Raises `InvalidRequest` for what the loss table refuses."""
        return encode(self._wire, request)

    def decode(self, body: bytes) -> ChatResponse:
        """Read a whole answer. Raises as `read_answer` does."""
        return decode(self._wire, body)

    def read_answer(self, body: bytes) -> Answer:
        """What matters of an answer that is forwarded."""
        return answers.read_answer(self._wire, body)

    def decode_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """A provider's refusal in our tree."""
        return errors.decode_error(self._wire, status, headers, body)

    def tap(self, *, withhold_usage: bool, choices: int) -> StreamTap:
        """Read along with a stream that is forwarded."""
        return StreamTap(self._wire, withhold_usage=withhold_usage, choices=choices)

    def decoder(self) -> StreamDecoder:
        """Read a stream into chunks."""
        return StreamDecoder(self._wire)

    def is_stream(self, headers: Headers) -> bool:
        """Whether a successful response to a streamed request is a stream of events."""
        return headers.get(b"content-type", _EVENTS).lower().startswith(_EVENTS)


def prepare(
    deployment: Deployment,
    settings: Settings,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
) -> OpenAIUpstream:
    """Prepare a deployment for calls; see `wire.prepare`. Raises `ValueError` for an address
    or a constant header that cannot be used."""
    ready = wire.prepare(
        deployment, settings, headers=headers, query=query, secret=secret, private=private
    )
    return OpenAIUpstream(ready)
