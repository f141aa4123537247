"""A function call whose arguments a host streams is the call that it would have sent whole.

Source: `google.genai.types.PartialArg`, `FunctionCall` and `FunctionCallingConfig`
(`stream_function_call_arguments`), of Vertex AI only; RFC 9535 for the paths.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai.types import GenerateContentResponse
from native_dialects import make_upstream

from federation.dialects.gemini.upstream import prepare
from federation.errors import UpstreamGarbled
from federation.schema.chat import TOOL_CALLS, ChatResponse
from federation.schema.chunks import Collector, Finished
from federation.schema.parts import Text, ToolCall

Json = dict[str, Any]
PLACE = "https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/publishers/google"


def part(call: Json, **beside: Any) -> Json:
    return {"functionCall": call, **beside}


def piece(path: str, more: bool = True, goes_on: bool = False, **value: Any) -> Json:
    args = {"jsonPath": path, **value} | ({"willContinue": True} if goes_on else {})
    return part({"partialArgs": [args]} | ({"willContinue": True} if more else {}))


def streamed(*parts: Json, checked: bool = True) -> ChatResponse:
    """The answer to a call that streams these parts, an event for each."""
    decoder = make_upstream(prepare, "vertex", base_url=PLACE).decoder()
    collector = Collector("gemini")
    for number, one in enumerate(parts, 1):
        candidate: Json = {"content": {"role": "model", "parts": [one]}, "index": 0}
        if number == len(parts):
            candidate["finishReason"] = "STOP"
        event = {"candidates": [candidate], "responseId": "r", "modelVersion": "m"}
        if checked:
            GenerateContentResponse.model_validate(event)  # the vendor's own types know it
        collector.add(decoder.feed(b"data: %b\r\n\r\n" % json.dumps(event).encode()))
    collector.add(decoder.close())
    return collector.response()


def calls(response: ChatResponse) -> list[tuple[str, str, Any]]:
    (choice,) = response.choices
    found = [one for one in choice.parts if isinstance(one, ToolCall)]
    return [(call.id, call.name, json.loads(call.arguments)) for call in found]


BEGIN = part({"name": "look", "id": "c1", "willContinue": True}, thoughtSignature="c2ln")
END = part({})


def test_pieces_make_the_call() -> None:
    response = streamed(
        {"text": "I look."},
        BEGIN,
        piece("$.city", goes_on=True, stringValue="New "),
        piece("$.city", stringValue="Delhi"),
        piece("$.days", numberValue=3),
        piece("$.exact", boolValue=False),
        piece("$.note", nullValue="NULL_VALUE"),
        END,
    )
    arguments = {"city": "New Delhi", "days": 3, "exact": False, "note": None}
    assert calls(response) == [("c1", "look", arguments)]
    (choice,) = response.choices
    assert choice.finish == TOOL_CALLS
    assert isinstance(choice.parts[0], Text)
    call = choice.parts[1]
    assert isinstance(call, ToolCall)
    assert call.signature == "c2ln"


def test_places_may_be_deep_and_visited_in_any_order() -> None:
    response = streamed(
        BEGIN,
        piece("$.trip.stops[0].city", stringValue="Lima"),
        piece("$.trip['a.b']", numberValue=1.5),
        piece("$.trip.stops[1].city", stringValue="Oslo"),
        piece("$.trip.stops[0].days", numberValue=2),
        piece('$["it\\"s"][0]', stringValue="x", more=False),
    )
    stops = [{"city": "Lima", "days": 2}, {"city": "Oslo"}]
    arguments = {"trip": {"stops": stops, "a.b": 1.5}, 'it"s': ["x"]}
    assert calls(response) == [("c1", "look", arguments)]


def test_one_call_follows_another_and_a_whole_one() -> None:
    response = streamed(
        part({"name": "whole", "args": {"a": 1}, "id": "c0"}),
        BEGIN,
        piece("$.a", stringValue="b", more=False),
        part({"name": "look", "id": "c2", "willContinue": True}),
        END,
    )
    assert calls(response) == [
        ("c0", "whole", {"a": 1}),
        ("c1", "look", {"a": "b"}),
        ("c2", "look", {}),
    ]


@pytest.mark.parametrize(
    "path",
    ["city", "$", "$.", "$.a[x]", "$[0]", "$.a[5].b", "$..a", "$.a['b", "$" + ".a" * 70],
)
def test_a_piece_that_belongs_nowhere_spoils_the_answer(path: str) -> None:
    with pytest.raises(UpstreamGarbled):
        streamed(BEGIN, piece(path, stringValue="x", more=False))


def test_a_call_without_a_name_spoils_the_answer() -> None:
    with pytest.raises(UpstreamGarbled):
        streamed(part({"willContinue": True}), piece("$.a", stringValue="x", more=False))
    with pytest.raises(UpstreamGarbled):
        streamed(part({"name": "look", "partialArgs": 5}), checked=False)


def test_values_that_stand_in_each_others_way_spoil_the_answer() -> None:
    with pytest.raises(UpstreamGarbled):
        streamed(BEGIN, piece("$.a", stringValue="x"), piece("$.a.b", stringValue="y", more=False))


def test_a_call_that_never_ends_is_no_whole_answer() -> None:
    decoder = make_upstream(prepare, "vertex", base_url=PLACE).decoder()
    candidate = {"content": {"parts": [BEGIN]}, "index": 0, "finishReason": "STOP"}
    event = json.dumps({"candidates": [candidate], "responseId": "r"}).encode()
    chunks = decoder.feed(b"data: %b\r\n\r\n" % event) + decoder.close()
    assert not decoder.complete
    assert not any(isinstance(chunk, Finished) for chunk in chunks)


def test_a_long_text_in_many_pieces_takes_no_long_time() -> None:
    pieces = [piece("$.a", goes_on=True, stringValue="x" * 20) for _ in range(5000)]
    response = streamed(BEGIN, *pieces, END, checked=False)
    assert calls(response) == [("c1", "look", {"a": "x" * 100_000})]
