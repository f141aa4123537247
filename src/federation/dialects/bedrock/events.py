"""The members of stream events that are read, and how one is decoded.

Events carry padding and members that later versions add; all that is skipped.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

_NULL: Final = Raw(b"null")


class Input(msgspec.Struct, gc=False):
    """A piece of a call's input."""

    input: str | None = None


class Reasoned(msgspec.Struct, rename="camel", gc=False):
    """A piece of reasoning."""

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class Blob(msgspec.Struct, gc=False):
    """Bytes as base64."""

    bytes: str | None = None


class Picture(msgspec.Struct):
    """A piece of a picture."""

    source: Blob | None = None


class Pieces(msgspec.Struct, rename="camel"):
    """`delta`: one of these."""

    text: str | None = None
    tool_use: Input | None = None
    reasoning_content: Reasoned | None = None
    citation: Raw = _NULL
    image: Picture | None = None
    tool_result: Raw = _NULL


class BlockDelta(msgspec.Struct, rename="camel"):
    """`contentBlockDelta`."""

    content_block_index: int = 0
    delta: Pieces | None = None


class CallStart(msgspec.Struct, rename="camel"):
    """The head of a call."""

    tool_use_id: str
    name: str
    type: str | None = None


class PictureStart(msgspec.Struct):
    """The head of a picture."""

    format: str | None = None


class Start(msgspec.Struct, rename="camel"):
    """`start`: one of these."""

    tool_use: CallStart | None = None
    image: PictureStart | None = None
    tool_result: Raw = _NULL


class BlockStart(msgspec.Struct, rename="camel"):
    """`contentBlockStart`."""

    content_block_index: int = 0
    start: Start | None = None


class Stop(msgspec.Struct, rename="camel"):
    """`messageStop`."""

    stop_reason: str | None = None
    additional_model_response_fields: Raw = _NULL


class Metadata(msgspec.Struct, rename="camel"):
    """`metadata`."""

    usage: Raw = _NULL
    metrics: Raw = _NULL
    trace: Raw = _NULL
    performance_config: Raw = _NULL
    service_tier: Raw = _NULL


BLOCK_DELTA: Final = msgspec.json.Decoder(BlockDelta)
BLOCK_START: Final = msgspec.json.Decoder(BlockStart)
STOP: Final = msgspec.json.Decoder(Stop)
METADATA: Final = msgspec.json.Decoder(Metadata)
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding an event can raise; such an event is skipped."""
