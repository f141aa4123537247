"""Providers that send nonsense: an answer, a refusal or a skipped event, and never a fault."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from bedrock_frames import OPEN, event
from bedrock_world import upstream
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.bedrock.client import CLIENT
from federation.errors import UpstreamError, UpstreamGarbled
from federation.schema.chat import ChatRequest, Message
from federation.schema.chunks import Chunk, Collector
from federation.schema.parts import Text

ASKED = ChatRequest("bedrock", "m", (Message("user", (Text("Hello"),)),))
WORDS = st.sampled_from(
    ["text", "image", "toolUse", "toolResult", "reasoningContent", "citationsContent", "source",
     "bytes", "format", "content", "citations", "toolUseId", "name", "input", "type", "delta",
     "reasoningText", "redactedContent", "signature", "start", "contentBlockIndex", "citation",
     "stopReason", "usage", "inputTokens", "outputTokens", "trace", "promptRouter", "role",
     "additionalModelResponseFields", "stop_sequence", "serviceTier", "metrics", "cacheDetails"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "{}", "aGk="])
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=14,
)
EVENTS = st.tuples(
    st.sampled_from(
        ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop",
         "messageStop", "metadata", "other"]
    ),
    JSON,
)  # fmt: skip


@settings(deadline=None, max_examples=250)
@given(blocks=st.lists(JSON, max_size=3) | JSON, rest=st.dictionaries(WORDS, JSON, max_size=4))
def test_any_whole_answer_is_read_or_garbled(blocks: Any, rest: dict[str, Any]) -> None:
    body = json.dumps({"output": {"message": {"content": blocks}}, **rest}).encode()
    with contextlib.suppress(UpstreamGarbled):
        upstream().read_answer(body)
        CLIENT.render(upstream().decode(body), ASKED)


@settings(deadline=None, max_examples=250)
@given(events=st.lists(EVENTS, max_size=8))
def test_any_stream_of_events_is_read_and_can_be_written(events: list[tuple[str, Any]]) -> None:
    data = OPEN + b"".join(event(name, payload) for name, payload in events)
    decoder, tap = upstream().decoder(), upstream().tap(withhold_usage=True, choices=1)
    renderer, collector = CLIENT.renderer(ASKED), Collector("bedrock")
    assert tap.feed(data) == data
    chunks: list[Chunk] = []
    with contextlib.suppress(UpstreamGarbled):
        chunks += decoder.feed(OPEN)
        for name, payload in events:
            chunks += decoder.feed(event(name, payload))
        chunks += decoder.close()
    collector.add(chunks)
    renderer.render(chunks)
    renderer.close()


@pytest.mark.parametrize(
    "body",
    [
        b'{"output":{"message":{"content":[{"toolUse":{"toolUseId":"a","name":"b","input":"\xff"}}]}}}',
        b'{"output":{"message":{"content":[{"toolUse":{"toolUseId":"a","name":"b","input":{"x":"\xff"}}}]}}}',
        b'{"output":{"message":{"content":[{"text":"\xff"}]}}}',
        b'{"output":{"message":{"content":[{"text":"\\ud800"}]}}}',
        b'{"output":{"message":{"content":' + b"[" * 5000 + b"]" * 5000 + b"}}}",
    ],
)
def test_broken_texts_are_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        upstream().decode(body)


@settings(deadline=None, max_examples=100)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_stream_or_garbled(data: bytes) -> None:
    with contextlib.suppress(UpstreamError):
        upstream().decoder().feed(data)
    with contextlib.suppress(UpstreamError):
        upstream().tap(withhold_usage=True, choices=1).feed(data)
