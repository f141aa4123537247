"""One deployment, ready to be asked for one operation: a codec and its prepared wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic

from federation.dialects.address import Reach
from federation.dialects.faces import HeaderPairs
from federation.dialects.openai import errors as openai_errors
from federation.dialects.operations import wire
from federation.dialects.operations.faces import Answered, Asked, Codec, Encoded, ReadError
from federation.domain.catalogue import Deployment
from federation.errors import InvalidRequest, UpstreamError
from federation.schema.glance import Answer
from federation.schema.http import ClientRequest, Headers, WireReply, WireRequest
from federation.schema.operations import OperationGlance
from federation.schema.tap import StreamTap

_STREAM: Final = b"text/event-stream"
_JSON: Final = b"application/json"
_OPAQUE: Final = b"application/octet-stream"
_HANDED_ON: Final = frozenset(
    (_JSON, _STREAM, _OPAQUE, b"text/plain", b"text/vtt", b"application/x-subrip")
)
_HANDED_ON_KINDS: Final = (b"audio/", b"image/", b"video/")
_SCRIPTABLE: Final = frozenset((b"image/svg+xml",))


class OperationUpstream(Generic[Asked, Answered]):
    """Asks a deployment in its dialect. Holds a secret: no `repr` shows it."""

    __slots__ = ("_codec", "_read_error", "_wire")

    def __init__(
        self,
        codec: Codec[Asked, Answered],
        prepared: wire.OperationWire,
        read_error: ReadError | None,
    ) -> None:
        self._codec = codec
        self._wire = prepared
        self._read_error = read_error

    def __repr__(self) -> str:
        return f"OperationUpstream({self._codec.operation!r}, {self._wire.chat.deployment!r})"

    @property
    def forwards(self) -> str:
        """The client dialect whose bytes it takes as they are; empty: none."""
        return self._codec.forwards

    def forward(self, glance: OperationGlance, request: ClientRequest) -> WireRequest:
        """The client's body with no change but what the row demands."""
        if self._codec.forward is None:
            raise _unsupported(self._codec.operation)
        return self._codec.forward(self._wire, glance, request)

    def dropped_fields(self, glance: OperationGlance) -> tuple[str, ...]:
        """Fields of a forwarded body that the row does not take."""
        return wire.dropped_fields(self._wire, glance)

    def encode(self, request: Asked) -> Encoded:
        """Write a canonical request. Raises `InvalidRequest` for what the loss table refuses."""
        if self._codec.encode is None:
            raise _unsupported(self._codec.operation)
        return self._codec.encode(self._wire, request)

    def decode(self, request: Asked, replies: Sequence[WireReply]) -> Answered:
        """Read the replies to `encode`'s requests, in their order. Raises as `read` does."""
        if self._codec.decode is None:
            raise _unsupported(self._codec.operation)
        return self._codec.decode(self._wire, request, replies)

    def read_answer(self, glance: OperationGlance, reply: WireReply) -> Answer:
        """What matters of a whole answer that is forwarded."""
        return self._codec.read(self._wire, glance, reply)

    def decode_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """A provider's refusal in our tree."""
        if self._read_error is not None:
            return self._read_error(status, headers, body)
        return openai_errors.decode_error(self._wire.chat, status, headers, body)

    def is_stream(self, glance: OperationGlance, headers: Headers) -> bool:
        """Whether a successful response is to be handed on as it arrives."""
        if self._codec.tap is None or not glance.stream:
            return False
        return media_type(headers) != _JSON

    def tap(self, glance: OperationGlance, headers: Headers) -> StreamTap:
        """Read along with an answer that is handed on as it arrives."""
        if self._codec.tap is None:
            raise _unsupported(self._codec.operation)
        return self._codec.tap(self._wire, glance, headers)


def prepare(
    codec: Codec[Any, Any],
    deployment: Deployment,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
    read_error: ReadError | None = None,
) -> OperationUpstream[Any, Any]:
    """Make a deployment ready to be asked.

    `headers`, `query` and `secret` are what its signer made and used. `read_error` is its chat
    face's, where its dialect has one; without it errors are read as most hosts write them (an
    `error` object or text, a `message`, a `detail`). Raises `ValueError` for an address or a
    constant header that cannot be used.
    """
    prepared = wire.prepare(
        codec.operation,
        codec.path,
        codec.batch,
        deployment,
        Reach(headers, query, secret, private),
    )
    return OperationUpstream(codec, prepared, read_error)


def media_type(headers: Headers) -> bytes:
    """The media type of a response, without parameters."""
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def content_type(headers: Headers) -> bytes:
    """The content type to hand on to the client. Anything that a browser could run as a page
    of ours is called an octet stream."""
    kind = media_type(headers)
    safe = kind in _HANDED_ON or kind.startswith(_HANDED_ON_KINDS)
    if not safe or kind in _SCRIPTABLE:
        return _OPAQUE
    whole = headers[b"content-type"].strip()
    return whole if whole.isascii() and b"\r" not in whole and b"\n" not in whole else kind


def _unsupported(operation: str) -> InvalidRequest:
    return InvalidRequest(
        f"The deployment that would serve this call cannot take {operation} in this form. "
        "Name another model.",
        code="not_expressible",
    )
