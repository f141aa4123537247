"""What a wire language offers for an operation: a client face and an upstream codec.

Everything is pure. An operation that only one language has is forwarded and nothing else:
its client face has no `parse`, its codec no `encode`. A pair that is neither equal nor
translatable is not supported; `table.serves` says so before routing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from federation.dialects.operations.wire import OperationWire
from federation.errors import FederationError, UpstreamError
from federation.schema.glance import Answer
from federation.schema.http import ClientReply, ClientRequest, Headers, WireReply, WireRequest
from federation.schema.operations import OperationGlance
from federation.schema.tap import StreamTap

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

ReadError: TypeAlias = Callable[[int, Headers, bytes], UpstreamError]
"""A deployment's own `decode_error`: status, headers and body of a provider's refusal."""


@dataclass(frozen=True, slots=True)
class OperationClient(Generic[Asked, Answered]):
    """An operation as the clients of one dialect call it."""

    operation: str
    dialect: str
    glance: Callable[[ClientRequest], OperationGlance]
    """Look at a call without taking it apart. Raises `CallerError`s."""
    render_error: Callable[[FederationError, str], ClientReply]
    """Write an error in the client's words; the second argument is the call's id."""
    stream_error: Callable[[FederationError], bytes] | None = None
    """The in-band error for a stream that broke; None: the stream is cut instead."""
    parse: Callable[[ClientRequest, OperationGlance], Asked] | None = None
    """Read a glanced-at call into the canonical form. Raises `InvalidRequest`."""
    render: Callable[[Answered, Asked], bytes] | None = None
    """Write a canonical answer in the client's words, as JSON."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A canonical request in a provider's words.

    Usually one request. A provider that takes fewer inputs at a time than the client sent
    gets several; all must succeed, and `decode` takes their replies in the same order.
    """

    requests: tuple[WireRequest, ...]
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Codec(Generic[Asked, Answered]):
    """An operation as the providers of one dialect take it: functions over a prepared wire."""

    operation: str
    dialect: str
    path: str
    """What follows the base address. `{model}` and `{method}` are filled in."""
    read: Callable[[OperationWire, OperationGlance, WireReply], Answer]
    """What matters of an answer that is forwarded. Raises `UpstreamGarbled` where it is none,
    and the error that it holds where a host answers 200 with an error."""
    forwards: str = ""
    """The client dialect whose bytes go on as they are; empty: none."""
    forward: Callable[[OperationWire, OperationGlance, ClientRequest], WireRequest] | None = None
    encode: Callable[[OperationWire, Asked], Encoded] | None = None
    decode: Callable[[OperationWire, Asked, Sequence[WireReply]], Answered] | None = None
    tap: Callable[[OperationWire, OperationGlance, Headers], StreamTap] | None = None
    """Read along with an answer that is handed on as it arrives."""
    batch: int = 1_000_000
    """Most inputs of one request."""
