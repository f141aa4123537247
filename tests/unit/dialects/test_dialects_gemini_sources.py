"""A whole answer and its stream name the same sources, and fail alike over a part without sense.

Source: https://ai.google.dev/gemini-api/docs/google-search (groundingMetadata of an answer) and
`google.genai.types.GroundingMetadata`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from native_dialects import make_upstream

from federation.dialects.faces import Upstream
from federation.dialects.gemini.upstream import prepare
from federation.errors import UpstreamGarbled
from federation.schema.chat import ChatResponse
from federation.schema.chunks import Collector
from federation.schema.parts import Citation, Text

THOUGHT = {"text": "I should search.", "thought": True}
FIRST, SECOND = {"text": "Zürich is big. "}, {"text": "Bern is not."}
CALL = {"functionCall": {"name": "look", "args": {}, "id": "c1"}}
RAN = {"executableCode": {"code": "1+1", "language": "PYTHON"}}
WEB = {"web": {"uri": "https://cities.example", "title": "Cities"}}
BIG = {"startIndex": 0, "endIndex": 15, "text": "Zürich is big."}
SMALL = {"startIndex": 0, "endIndex": 12, "text": "Bern is not."}


def grounded(*segments: dict[str, Any]) -> dict[str, Any]:
    supports = [{"segment": segment, "groundingChunkIndices": [0]} for segment in segments]
    return {"groundingChunks": [WEB], "groundingSupports": supports}


def upstream() -> Upstream:
    return make_upstream(prepare, "gemini", base_url="https://api.acme.test/v1beta")


def answer(parts: list[Any], grounding: dict[str, Any] | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    candidate["finishReason"] = "STOP"
    if grounding is not None:
        candidate["groundingMetadata"] = grounding
    return {"candidates": [candidate], "modelVersion": "m", "responseId": "r"}


def whole(parts: list[Any], grounding: dict[str, Any] | None = None) -> ChatResponse:
    return upstream().decode(json.dumps(answer(parts, grounding)).encode())


def streamed(parts: list[Any], grounding: dict[str, Any] | None = None) -> ChatResponse:
    """Each part in an event of its own, and the sources at the end, as the vendor sends them."""
    events = [answer([part]) for part in parts] + [answer([{"text": ""}], grounding)]
    for event in events[:-1]:
        del event["candidates"][0]["finishReason"]
    decoder = upstream().decoder()
    collector = Collector("gemini")
    for event in events:
        collector.add(decoder.feed(b"data: %b\r\n\r\n" % json.dumps(event).encode()))
    collector.add(decoder.close())
    return collector.response()


def cited(response: ChatResponse) -> list[tuple[str, tuple[Citation, ...]]]:
    (choice,) = response.choices
    return [(part.text, part.citations) for part in choice.parts if isinstance(part, Text)]


@pytest.mark.parametrize(
    ("parts", "segments", "quotes"),
    [
        ([FIRST], [BIG], [["Zürich is big."]]),
        ([THOUGHT, FIRST], [BIG], [["Zürich is big."]]),
        ([THOUGHT, FIRST], [BIG | {"partIndex": 1}], [["Zürich is big."]]),
        ([FIRST, CALL], [BIG], [["Zürich is big."]]),
        (
            [FIRST, RAN, SECOND],
            [BIG, SMALL | {"partIndex": 2}],
            [["Zürich is big."], ["Bern is not."]],
        ),
        ([FIRST, RAN, SECOND], [SMALL], [[], ["Bern is not."]]),
        ([FIRST, RAN, SECOND], [BIG | {"partIndex": 7}], [["Zürich is big."], []]),
        ([THOUGHT, CALL], [BIG], []),
    ],
    ids=("plain", "thought", "counted", "call", "code", "words", "astray", "no_text"),
)  # fmt: skip
def test_a_stream_names_the_sources_that_the_whole_answer_names(
    parts: list[Any], segments: list[Any], quotes: list[list[str]]
) -> None:
    grounding = grounded(*segments)
    assert cited(streamed(parts, grounding)) == cited(whole(parts, grounding))
    found = [[citation.quote for citation in some] for _, some in cited(whole(parts, grounding))]
    assert found == quotes


def test_places_are_characters_whichever_way_it_came() -> None:
    for response in (whole([FIRST], grounded(BIG)), streamed([FIRST], grounded(BIG))):
        ((text, (citation,)),) = cited(response)
        assert text[citation.start : citation.end] == "Zürich is big."


@pytest.mark.parametrize(
    "part",
    [
        {"text": 5},
        {"text": ["a"], "thought": True},
        {"inlineData": {"mimeType": "image/png"}},
        {"functionCall": {"args": {}}},
        {"functionCall": 7},
    ],
    ids=("number", "list", "picture", "nameless", "no_object"),
)
def test_a_part_that_cannot_be_read_spoils_a_whole_answer_and_a_stream_alike(part: Any) -> None:
    with pytest.raises(UpstreamGarbled):
        whole([FIRST, part])
    with pytest.raises(UpstreamGarbled):
        streamed([FIRST, part])
