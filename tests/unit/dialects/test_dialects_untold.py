"""What a client's language cannot say is exactly what its table of untold features names."""

from __future__ import annotations

import json
from itertools import product
from typing import Final

import pytest
from msgspec import Raw, structs

from federation.dialects.end_mark import MARK
from federation.dialects.faces import ClientFace
from federation.dialects.losses import DROP
from federation.dialects.openai.words import LEGACY
from federation.dialects.table import CLIENTS
from federation.dialects.untold import FEATURES, Untold
from federation.schema.chat import (
    STOP,
    USER,
    ChatRequest,
    ChatResponse,
    Choice,
    Message,
    TokenLogprob,
    Tool,
)
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    LeftOut,
    Logprobs,
    PartBegun,
    PartEnded,
)
from federation.schema.parts import (
    AUDIO,
    FILE,
    IMAGE,
    VIDEO,
    Citation,
    Foreign,
    Media,
    Part,
    Text,
    Thinking,
    ToolCall,
)

ODDS: Final = (TokenLogprob("words", -0.4242424),)
ADDRESS: Final = "https://marker.example/page"
CITED: Final = Text("words", citations=(Citation("title", ADDRESS, "quote", 0, 5),))
SOURCED: Final = Text("words", citations=(Citation("of-a-marker", quote="quote", start=0, end=5),))
PROBES: Final[dict[str, tuple[Part, str]]] = {
    "image": (Media(IMAGE, "image/png", data="bWFya2Vy"), "bWFya2Vy"),
    "image_url": (Media(IMAGE, url="https://marker.example/a.png"), "marker.example/a.png"),
    "image_form": (Media(IMAGE, "image/avif", data="bWFya2Vy"), "bWFya2Vy"),
    "audio": (Media(AUDIO, "audio/wav", data="bWFya2Vy"), "bWFya2Vy"),
    "video": (Media(VIDEO, "video/mp4", data="bWFya2Vy"), "bWFya2Vy"),
    "file": (Media(FILE, "application/pdf", data="bWFya2Vy"), "bWFya2Vy"),
    "citations": (CITED, ADDRESS),
    "citation_source": (SOURCED, "of-a-marker"),
    "thinking": (Thinking("of a marker"), "of a marker"),
    "tool_calls": (ToolCall("call_1", "marker", "{}"), "marker"),
    "foreign_part": (Foreign("another", Raw(b'{"type":"marker"}')), "marker"),
}
"""What an answer says, and a text by which it is known again."""


def _request(face: ClientFace, *, stream: bool = False) -> ChatRequest:
    return ChatRequest(face.name, "model", (Message(USER, (Text("hello"),)),), stream=stream)


def _response(part: Part, logprobs: tuple[TokenLogprob, ...] | None = None) -> ChatResponse:
    choice = Choice(0, (Text("before"), part), STOP, logprobs=logprobs)
    return ChatResponse("another", "answer", "model", (choice,))


def _untold(face: ClientFace, response: ChatResponse) -> tuple[str, ...]:
    untold = Untold(face.name, face.untold)
    untold.hear(response)
    return untold.found()


def _streamed(face: ClientFace, chunks: list[Chunk]) -> tuple[tuple[str, ...], str]:
    """What is left out of a stream, and its text."""
    untold = Untold(face.name, face.untold)
    for chunk in chunks:
        untold.note(chunk)
    renderer = face.renderer(_request(face, stream=True))
    text = renderer.render([Begun("answer", "model", dialect="another"), *chunks])
    text += renderer.render([Finished(0, STOP)]) + renderer.close()
    return untold.found(), text.decode("utf-8", "replace")


def _chunks(part: Part) -> list[Chunk]:
    return [
        PartBegun(0, 0, Text("")),
        Delta(0, 0, "before"),
        PartEnded(0, 0),
        PartBegun(0, 1, part),
        PartEnded(0, 1),
    ]


@pytest.mark.parametrize(("name", "feature"), list(product(CLIENTS, PROBES)))
def test_a_whole_answer_holds_a_feature_unless_it_is_named_as_left_out(
    name: str, feature: str
) -> None:
    face, (part, words) = CLIENTS[name], PROBES[feature]
    response = _response(part)
    told = words in face.render(response, _request(face)).decode()
    assert told == (not _untold(face, response))


@pytest.mark.parametrize(("name", "feature"), list(product(CLIENTS, PROBES)))
def test_a_stream_holds_a_feature_unless_it_is_named_as_left_out(name: str, feature: str) -> None:
    face, (part, words) = CLIENTS[name], PROBES[feature]
    left_out, text = _streamed(face, _chunks(part))
    assert (words in text) == (not left_out)
    assert left_out == _untold(face, _response(part)), "whole answers and streams differ"


@pytest.mark.parametrize("name", CLIENTS)
def test_probabilities_are_told_or_named_as_left_out(name: str) -> None:
    face = CLIENTS[name]
    response = _response(Text("words"), ODDS)
    whole = face.render(response, _request(face)).decode()
    assert ("0.4242424" in whole) == (not _untold(face, response))
    chunks: list[Chunk] = [PartBegun(0, 0, Text("")), Delta(0, 0, "words"), Logprobs(0, ODDS)]
    left_out, text = _streamed(face, [*chunks, PartEnded(0, 0)])
    assert ("0.4242424" in text) == (not left_out)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_citation_of_a_text_that_has_ended_is_told_or_named_as_left_out(name: str) -> None:
    face = CLIENTS[name]
    late = Delta(0, 0, citation=Citation("title", ADDRESS, "quote", 0, 6))
    call = ToolCall("call_1", "look", "{}")
    left_out, text = _streamed(face, [*_chunks(call), late])
    assert (ADDRESS in text) == (not {"citations", "late_citations"} & set(left_out))


@pytest.mark.parametrize("name", CLIENTS)
def test_the_end_of_a_stream_names_what_was_left_out(name: str) -> None:
    face = CLIENTS[name]
    renderer = face.renderer(_request(face, stream=True))
    renderer.render([Begun("answer", "model"), *_chunks(Text(""))])
    said = renderer.render([LeftOut(("image", "audio")), Finished(0, STOP)]) + renderer.close()
    member = f'"{MARK}":' + json.dumps({"left_out": ["image", "audio"]}, separators=(",", ":"))
    assert member in said.decode("utf-8", "replace")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_table_knows_only_features_that_are_explained_and_refuses_none(name: str) -> None:
    table = CLIENTS[name].untold
    assert table.keys() <= FEATURES.keys()
    assert {rule.action for rule in table.values()} <= {DROP}, "the answer is paid for"
    assert all(rule.why and rule.source for rule in table.values())


def test_a_part_of_the_clients_own_language_is_not_left_out() -> None:
    untold = Untold("anthropic", CLIENTS["anthropic"].untold)
    untold.note(PartBegun(0, 0, Foreign("anthropic", Raw(b"{}"))))
    assert untold.found() == ()


def test_a_copy_goes_on_alone() -> None:
    untold = Untold("anthropic", CLIENTS["anthropic"].untold)
    untold.note(PartBegun(0, 0, Media(IMAGE, data="bWFya2Vy")))
    copy = untold.copy()
    copy.note(Logprobs(0, ODDS))
    assert (untold.found(), copy.found()) == (("image",), ("image", "logprobs"))


def _legacy(*, stream: bool = False) -> tuple[ClientFace, ChatRequest]:
    """A call with the deprecated `functions`, whose answer has a place for one call."""
    tool = Tool("look", extra={LEGACY: Raw(b"true")})
    request = structs.replace(_request(CLIENTS["openai"], stream=stream), tools=(tool,))
    return CLIENTS["openai"], request


@pytest.mark.parametrize(("calls", "left_out"), [(1, ()), (2, ("parallel_calls",))])
def test_a_client_of_functions_is_told_that_it_gets_one_of_several_calls(
    calls: int, left_out: tuple[str, ...]
) -> None:
    face, request = _legacy()
    assert face.one_call(request)
    parts = tuple(ToolCall(f"call_{n}", f"marker-{n}", "{}") for n in range(calls))
    response = ChatResponse("another", "answer", "model", (Choice(0, parts, STOP),))
    untold = Untold(face.name, face.untold, one_call=face.one_call(request))
    untold.hear(response)
    assert untold.found() == left_out
    whole = face.render(response, request).decode()
    assert [f"marker-{n}" in whole for n in range(2)] == [True, False]

    streamed = Untold(face.name, face.untold, one_call=True)
    for place, part in enumerate(parts):
        streamed = streamed.copy()
        streamed.note(PartBegun(0, place, part))
        streamed.note(PartEnded(0, place))
    assert streamed.found() == left_out


def test_a_client_of_tools_has_a_place_for_every_call() -> None:
    face = CLIENTS["openai"]
    assert not face.one_call(_request(face))
    parts = (ToolCall("call_1", "look", "{}"), ToolCall("call_2", "look", "{}"))
    response = ChatResponse("another", "answer", "model", (Choice(0, parts, STOP),))
    assert _untold(face, response) == ()
