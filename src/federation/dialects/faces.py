"""What a wire language offers: a client face, an upstream face, and their streams.

A dialect's package has one `ClientFace` and one `prepare` for its upstream face; both are
written out in `table`. Everything here is pure: no socket, clock, randomness or logger. An
`Upstream` is made once per deployment and configuration and then only read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from federation.dialects.losses import Table
from federation.dialects.origins import Origin
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import FederationError, UpstreamError
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.chunks import Chunk
from federation.schema.glance import Answer, Glance
from federation.schema.http import ClientReply, ClientRequest, Headers, WireRequest
from federation.schema.tap import StreamTap
from federation.schema.words import Words

HeaderPairs: TypeAlias = tuple[tuple[bytes, bytes], ...]


class StreamDecoder(Protocol):
    """Reads a provider's stream into chunks; one for each stream."""

    started: bool
    """Content was seen, or the end; keep-alives and empty openings do not count."""
    done: bool
    """The provider said that the stream is over."""
    malformed: int
    """Events that could not be read and were skipped: what they said is lost."""

    @property
    def complete(self) -> bool:
        """The answer is whole: every choice finished, and no error."""
        ...

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks in what has arrived, whatever the cuts between two calls.

        Raises `UpstreamGarbled` for bytes that are not the protocol's framing, and an error
        that the provider reports before `started` (another deployment can still answer).
        A later one is a `Failed` chunk. An event that cannot be read is skipped.
        """
        ...

    def close(self) -> list[Chunk]:
        """The chunks of what was held back, when the bytes have ended."""
        ...


class StreamRenderer(Protocol):
    """Writes chunks as a client's stream; one for each stream."""

    def render(self, chunks: list[Chunk]) -> bytes:
        """The events for these chunks, of which none is a `Failed` (see `fail`); may be empty where
        something is held back."""
        ...

    def close(self) -> bytes:
        """What ends the stream of a whole answer, end marker and held-back usage included."""
        ...

    def fail(self, error: FederationError) -> bytes:
        """The in-band error that ends a broken stream; never an end marker of success."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """A canonical request in a provider's words."""

    request: WireRequest
    losses: tuple[str, ...] = ()
    """Features (`losses.FEATURES`) that the target cannot express and that were left out."""


class Upstream(Protocol):
    """One deployment, ready to be asked in its dialect. Holds a secret: no `repr` shows it."""

    forwards: str
    """The client dialect whose bytes it takes as they are."""
    origin: Origin | None
    """Remembers the states of answers that are forwarded. None, as it is prepared: nobody
    asks, or every host of the dialect opens every state."""

    def needs_translation(self, glance: Glance, body: bytes) -> bool:
        """Whether a body of the dialect that it takes must be read and written anew, because
        the row asks for a change inside of its content."""
        ...

    def forward(self, glance: Glance, body: bytes) -> WireRequest:
        """The client's body with no change but what the row demands."""
        ...

    def dropped_fields(self, glance: Glance) -> tuple[str, ...]:
        """Fields of a forwarded body that the row does not take."""
        ...

    def encode(self, request: ChatRequest) -> Encoded:
        """Write a canonical request. Raises `InvalidRequest` for what the loss table refuses."""
        ...

    def decode(self, body: bytes) -> ChatResponse:
        """Read a whole answer. Raises as `read_answer` does."""
        ...

    def read_answer(self, body: bytes) -> Answer:
        """What matters of an answer that is forwarded. Raises `UpstreamGarbled` where it is
        none, and the error that the body holds where a host answers 200 with an error."""
        ...

    def words(self, body: bytes) -> Words | None:
        """The words of a whole answer that holds nothing else; None where `decode` must tell."""
        ...

    def decode_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """A provider's refusal in our tree, with what it says about when to come back."""
        ...

    def tap(self, *, withhold_usage: bool, choices: int) -> StreamTap:
        """Read along with a stream that is forwarded."""
        ...

    def decoder(self) -> StreamDecoder:
        """Read a stream into chunks."""
        ...

    def is_stream(self, headers: Headers) -> bool:
        """Whether a successful response to a streamed request is framed as a stream."""
        ...


@runtime_checkable
class Counter(Protocol):
    """What an `Upstream` also is where its dialect counts a call's input tokens."""

    def encode_count(self, request: ChatRequest) -> Encoded:
        """The request that has a canonical call counted. Raises as `encode` does."""
        ...

    def decode_count(self, body: bytes) -> int:
        """The count in an answer. Raises `UpstreamGarbled` where it has none."""
        ...


class Prepare(Protocol):
    """Makes a deployment ready to be called: each dialect's `upstream.prepare`."""

    def __call__(
        self,
        deployment: Deployment,
        settings: Settings,
        *,
        headers: HeaderPairs,
        query: str,
        secret: str,
        private: bool,
    ) -> Upstream:
        """Raise `ValueError` for an address or a constant header that cannot be used."""
        ...


@dataclass(frozen=True, slots=True)
class ClientFace:
    """A dialect towards clients. All functions are pure."""

    name: str
    glance: Callable[[ClientRequest], Glance]
    """Look at a call without taking it apart. Raises `InvalidRequest`, `PayloadTooLarge`."""
    prompt: Callable[[ClientRequest, Glance], str]
    """The words that a classifier looks at: the last question, then the setting."""
    parse: Callable[[ClientRequest, Glance], ChatRequest]
    """Read a glanced-at call into the canonical form. Raises `InvalidRequest` with the field."""
    render: Callable[[ChatResponse, ChatRequest], bytes]
    """Write a whole answer in the client's words."""
    render_error: Callable[[FederationError, str], ClientReply]
    """Write an error in the client's words; the second argument is the call's id."""
    renderer: Callable[[ChatRequest], StreamRenderer]
    """Begin to write a stream for this call."""
    stream_error: Callable[[FederationError], bytes]
    """The in-band error for a stream that was forwarded and then broke."""
    with_metadata: Callable[[bytes, bytes], bytes]
    """A whole answer's body with `router_metadata` (rendered JSON) put into it."""
    stream_type: Callable[[ClientRequest], bytes]
    """The content type of the stream that this call gets."""
    untold: Table
    """What an answer to a client cannot say (`untold.FEATURES`)."""
    one_call: Callable[[ChatRequest], bool] = lambda _: False
    """Whether the answer to this call has a place for one call of a tool only."""
    limits: tuple[str, ...] = ()
    """Members of a body that limit the output, the usual one first; none: it stands deeper."""
    words: Callable[[ClientRequest, Glance], Words | None] = lambda _request, _glance: None
    """The words of a glanced-at call that holds nothing else; None where `parse` must tell."""
    id_header: bytes = b""
    """Where its clients look for the id of an answer; empty: in `x-request-id`."""
    error_ends: bool = False
    """The in-band error is itself an end that nobody takes for success: what follows it is a
    regular end. In other languages the body is cut, so that it cannot look whole."""


@dataclass(frozen=True, slots=True)
class CountFace:
    """How the clients of a dialect have a call's input tokens counted."""

    chat: Callable[[ClientRequest], ClientRequest]
    """The chat call that is to be counted, as a request of the chat endpoint. Raises
    `InvalidRequest`."""
    render: Callable[[int], bytes]
    """A count in the client's words."""
