"""The upstream face of any dialect: its functions bound to one deployment's wire.

A dialect writes its functions down once, as a `Language`; what a deployment is asked goes to
them with the wire that was prepared for it. Counting is apart, because a caller finds out by
`faces.Counter` whether a dialect counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar, cast

from federation.dialects.address import Reach
from federation.dialects.broken_calls import with_objects
from federation.dialects.faces import Encoded, HeaderPairs, StreamDecoder
from federation.dialects.losses import check_addresses
from federation.dialects.origins import NotingTap, Origin
from federation.dialects.sse import MARK
from federation.dialects.tool_names import opened, with_aliases
from federation.dialects.whole import must_be_text
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import InvalidRequest, UpstreamError
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.glance import Answer, Glance
from federation.schema.http import Headers, WireRequest
from federation.schema.tap import StreamTap
from federation.schema.words import Words

U = TypeVar("U")
W = TypeVar("W")
W_co = TypeVar("W_co", covariant=True)


class PrepareWire(Protocol[W_co]):
    """Each dialect's `wire.prepare`."""

    def __call__(self, deployment: Deployment, settings: Settings, reach: Reach) -> W_co:
        """What a deployment's calls need. Raises `ValueError` as `address.split_address` does,
        and for a constant header that no request can carry."""
        ...


@dataclass(frozen=True, slots=True)
class Language(Generic[W]):
    """What a dialect does upstream; each function takes the wire first. The promises are those
    of `faces.Upstream`."""

    name: str
    needs_translation: Callable[[W, Glance, bytes], bool]
    forward: Callable[[W, Glance, bytes], WireRequest]
    dropped_fields: Callable[[W, Glance], tuple[str, ...]]
    encode: Callable[[W, ChatRequest], Encoded]
    decode: Callable[[W, bytes], ChatResponse]
    read_answer: Callable[[W, bytes], Answer]
    decode_error: Callable[[W, int, Headers, bytes], UpstreamError]
    tap: Callable[[W, bool, int], StreamTap]
    """Takes whether usage is withheld, and the number of choices."""
    decoder: Callable[[W], StreamDecoder]
    streams: bytes | tuple[bytes, ...]
    """How the content type of a stream begins."""
    untyped: bytes = b""
    """The content type of an answer that names none."""
    tool_names: re.Pattern[str] | None = None
    """What a tool's name may be; None: anything."""
    words: Callable[[W, bytes], Words | None] | None = None
    """Reads a plain answer for its words alone."""


@dataclass(frozen=True, slots=True)
class Count(Generic[W]):
    """How a dialect has the input tokens of a call counted."""

    encode: Callable[[W, ChatRequest], Encoded]
    decode: Callable[[W, bytes], int]


class BoundUpstream(Generic[W]):
    """See `faces.Upstream`. Holds a secret; its `repr` shows the deployment alone."""

    __slots__ = ("_language", "_noting", "forwards", "origin", "wire")

    def __init__(self, language: Language[W], wire: W) -> None:
        self._language = language
        self.forwards = language.name
        self.wire = wire
        self.origin: Origin | None = None
        self._noting: bool | None = None
        """Whether the taps of this language note states; to ask one takes some microseconds."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.forwards!r}, {self.wire!r})"

    def needs_translation(self, glance: Glance, body: bytes) -> bool:
        """Whether the row asks for a change inside of what this body holds."""
        return self._language.needs_translation(self.wire, glance, body)

    def forward(self, glance: Glance, body: bytes) -> WireRequest:
        """The client's body with no change but what the row demands."""
        return self._language.forward(self.wire, glance, body)

    def dropped_fields(self, glance: Glance) -> tuple[str, ...]:
        """Fields of a forwarded body that the row does not take."""
        return self._language.dropped_fields(self.wire, glance)

    def encode(self, request: ChatRequest) -> Encoded:
        """Write a canonical request. Raises `InvalidRequest` for what the loss table refuses."""
        return self._mended(self._language.encode, self._prepared(request))

    def _mended(self, encode: Callable[[W, ChatRequest], Encoded], request: ChatRequest) -> Encoded:
        """Write a call; once more where it was refused and holds broken arguments."""
        try:
            return encode(self.wire, request)
        except InvalidRequest:
            mended = with_objects(request)
            if mended is request:
                raise
        encoded = encode(self.wire, mended)
        return replace(encoded, losses=(*encoded.losses, "tool_arguments"))

    def _prepared(self, request: ChatRequest) -> ChatRequest:
        """A call of another dialect with what holds there alone put right, or refused."""
        if request.dialect == self.forwards:
            return request
        check_addresses(request)
        request = opened(request)
        rule = self._language.tool_names
        return request if rule is None else with_aliases(request, rule)

    def decode(self, body: bytes) -> ChatResponse:
        """Read a whole answer. Raises as `read_answer` does."""
        return self._language.decode(self.wire, body.removeprefix(MARK))

    def read_answer(self, body: bytes) -> Answer:
        """What matters of an answer that is forwarded. Raises `UpstreamGarbled` for none."""
        body = body.removeprefix(MARK)
        must_be_text(body)
        answer = self._language.read_answer(self.wire, body)
        if self.origin is not None:
            self.origin.note(body)
        return answer

    def words(self, body: bytes) -> Words | None:
        """The words of a whole answer that is plain; None where it must be read in full."""
        words = self._language.words
        return None if words is None else words(self.wire, body)

    def decode_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """A provider's refusal in our tree."""
        return self._language.decode_error(self.wire, status, headers, body)

    def tap(self, *, withhold_usage: bool, choices: int) -> StreamTap:
        """Read along with a stream that is forwarded."""
        tap = self._language.tap(self.wire, withhold_usage, choices)
        if self._noting is None:
            self._noting = isinstance(tap, NotingTap)
        if self._noting:
            cast("NotingTap", tap).origin = self.origin
        return tap

    def decoder(self) -> StreamDecoder:
        """Read a stream into chunks."""
        return self._language.decoder(self.wire)

    def is_stream(self, headers: Headers) -> bool:
        """Whether a successful response to a streamed request is framed as a stream."""
        language = self._language
        kind = headers.get(b"content-type", language.untyped)
        return kind.lstrip().lower().startswith(language.streams)


class CountingUpstream(BoundUpstream[W]):
    """See `faces.Upstream` and `faces.Counter`."""

    __slots__ = ("_count",)

    def __init__(self, language: Language[W], count: Count[W], wire: W) -> None:
        super().__init__(language, wire)
        self._count = count

    def encode_count(self, request: ChatRequest) -> Encoded:
        """Write the request that counts a canonical call's input."""
        return self._mended(self._count.encode, self._prepared(request))

    def decode_count(self, body: bytes) -> int:
        """Read the answer of a count. Raises `UpstreamGarbled`."""
        return self._count.decode(self.wire, body)


def bind(
    prepare: PrepareWire[W],
    upstream: Callable[[W], U],
    deployment: Deployment,
    settings: Settings,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
) -> U:
    """Make a deployment ready to be called; see `faces.Prepare`."""
    return upstream(prepare(deployment, settings, Reach(headers, query, secret, private)))
