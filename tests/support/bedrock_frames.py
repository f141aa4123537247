"""Frames of a ConverseStream, and what our decoder makes of them."""

from __future__ import annotations

import json
from typing import Any

from bedrock_world import upstream

from federation.dialects.aws_eventstream import write_frame, write_headers
from federation.schema.chat import ChatRequest, ChatResponse, Message
from federation.schema.chunks import Chunk, Collector
from federation.schema.parts import Text

ASKED = ChatRequest("bedrock", "m", (Message("user", (Text("Hello"),)),))
METADATA = {
    "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 9, "cacheReadInputTokens": 4},
    "metrics": {"latencyMs": 12},
}


def event(name: str, payload: Any) -> bytes:
    """An event."""
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return write_frame(write_headers(headers), json.dumps(payload).encode())


def delta(index: int, **piece: Any) -> bytes:
    """A piece of a block."""
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": piece, "p": "abcd"})


def start(index: int, **head: Any) -> bytes:
    """The opening of a block."""
    return event("contentBlockStart", {"contentBlockIndex": index, "start": head})


def stop(index: int) -> bytes:
    """The end of a block."""
    return event("contentBlockStop", {"contentBlockIndex": index})


def ended(reason: str = "end_turn", **fields: Any) -> list[bytes]:
    """The end of a message."""
    return [event("messageStop", {"stopReason": reason, **fields}), event("metadata", METADATA)]


OPEN = event("messageStart", {"role": "assistant"})
CALL = {"toolUseId": "t1", "name": "weather"}
EXCEPTION = write_frame(
    write_headers({":message-type": "exception", ":exception-type": "modelStreamErrorException"}),
    b'{"message":"broke"}',
)


def chunks_of(pieces: list[bytes], **row: Any) -> list[Chunk]:
    """The chunks in a stream that came in these pieces."""
    decoder = upstream(**row).decoder()
    chunks: list[Chunk] = []
    for piece in pieces:
        chunks += decoder.feed(piece)
    return chunks + decoder.close()


def collected(chunks: list[Chunk]) -> ChatResponse:
    """The answer that chunks tell."""
    collector = Collector("bedrock")
    collector.add(chunks)
    return collector.response()
