"""Golden exchanges with hosts of odd habits: call, answer and stream, both directions.

A file holds what a client sends, what the host then gets, what it answers whole and as a
stream, and what the client is told. The stream must tell the same as the whole answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from federation.dialects.openai.client import CLIENT
from federation.dialects.openai.decode import decode
from federation.dialects.openai.encode import encode
from federation.dialects.openai.streams import StreamDecoder
from federation.dialects.openai.wire import Wire
from federation.schema.chunks import Collector
from federation.schema.http import ClientRequest

FOLDER = Path(__file__).parents[2] / "golden" / "openai"
MakeWire = Callable[..., Wire]
Case = dict[str, Any]


def cases() -> list[Any]:
    paths = sorted(FOLDER.glob("exchange_*.json"))
    assert paths
    return [pytest.param(json.loads(path.read_text("utf-8")), id=path.stem) for path in paths]


@pytest.mark.parametrize("case", cases())
def test_an_exchange_is_translated_both_ways(case: Case, make_wire: MakeWire) -> None:
    wire = make_wire(quirks=case["quirks"])
    data = json.dumps(case["request"], ensure_ascii=False).encode()
    request = ClientRequest("POST", "/v1/chat/completions", "", {}, data)
    asked = CLIENT.parse(request, CLIENT.glance(request))
    encoded = encode(wire, asked)
    assert json.loads(encoded.request.body) == case["sent"]
    assert list(encoded.losses) == case["losses"]
    answer = decode(wire, json.dumps(case["answer"]).encode())
    told = CLIENT.render(answer, asked)
    assert json.loads(told) == case["told"]
    ChatCompletion.model_validate_json(told, strict=True)
    assert told_by_stream(case, wire) == case["told"]["choices"]


def told_by_stream(case: Case, wire: Wire) -> list[Any]:
    """The choices of the whole answer that the stream's events add up to."""
    data = json.dumps({**case["request"], "stream": True}).encode()
    request = ClientRequest("POST", "/v1/chat/completions", "", {}, data)
    asked = CLIENT.parse(request, CLIENT.glance(request))
    decoder, collector, renderer = StreamDecoder(wire), Collector("openai"), CLIENT.renderer(asked)
    written = b""
    for event in case["events"]:
        chunks = decoder.feed(event.encode())
        collector.add(chunks)
        written += renderer.render(chunks)
    chunks = decoder.close()
    collector.add(chunks)
    written += renderer.render(chunks) + renderer.close()
    assert decoder.complete
    for event in written.decode().split("\n\n")[:-2]:
        ChatCompletionChunk.model_validate_json(event.removeprefix("data: "), strict=True)
    choices: list[Any] = json.loads(CLIENT.render(collector.response(), asked))["choices"]
    return choices
