"""Writing a ConverseStream: the official client reads it, and so do we."""

from __future__ import annotations

import json

from bedrock_frames import (
    ASKED,
    CALL,
    OPEN,
    chunks_of,
    collected,
    delta,
    ended,
    start,
    stop,
)
from bedrock_vendor import parse_stream
from bedrock_world import upstream
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from federation.dialects.aws_eventstream import FrameCutter
from federation.dialects.bedrock.client import CLIENT
from federation.errors import UpstreamFailed
from federation.schema.chat import ChatResponse
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import Citation, Foreign, Media, Part, Text, Thinking, ToolCall
from federation.schema.usage import Usage

ARGUMENTS = st.sampled_from(["{}", '{"a":1}', '{"city":"Lima","n":[1,2]}'])
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, WORDS),
    st.builds(lambda t, s: Thinking(t, signature=s), WORDS, st.sampled_from(["", "c2ln"])),
    st.just(Thinking(sealed="aGk=")),
    st.builds(lambda a, i: ToolCall(f"t{i}", "w", a), ARGUMENTS, st.integers(0, 9)),
    st.just(Media("image", "image/png", "aGk=")),
    st.just(Text("cited", (Citation("t", raw=Raw(b'{"title":"t"}')),))),
)


def streamed(parts: list[Part], finish: Finished, usage: Usage, split: int) -> list[Chunk]:
    """A stream of these parts whose text comes in pieces of `split` characters."""
    chunks: list[Chunk] = [Begun("", "m")]
    for place, part in enumerate(parts):
        match part:
            case Text(text=text) | Thinking(text=text):
                head: Part = structs.replace(part, text="")
            case ToolCall(arguments=text):
                head = structs.replace(part, arguments="")
            case _:
                head, text = part, ""
        chunks.append(PartBegun(0, place, head))
        chunks += [Delta(0, place, text[i : i + split]) for i in range(0, len(text), split)]
        chunks.append(PartEnded(0, place))
    return [*chunks, UsageSeen(usage), finish]


@settings(deadline=None, max_examples=120)
@given(
    parts=st.lists(PARTS, max_size=6),
    split=st.integers(1, 6),
    at_once=st.booleans(),
    cached=st.integers(0, 5),
)
def test_what_is_rendered_is_read_by_the_official_client_and_by_us(
    parts: list[Part], split: int, at_once: bool, cached: int
) -> None:
    called = any(isinstance(part, ToolCall) for part in parts)
    finish = (
        Finished(0, "tool_calls", "tool_use") if called else Finished(0, "length", "max_tokens")
    )
    usage = Usage(10, 4, cached)
    chunks = streamed(parts, finish, usage, split)
    renderer = CLIENT.renderer(ASKED)
    pieces = [renderer.render(chunks)] if at_once else [renderer.render([c]) for c in chunks]
    pieces.append(renderer.close())
    parse_stream(pieces)
    response = collected(chunks_of(pieces))
    assert list(response.choices[0].parts) == parts
    assert response.choices[0].finish == finish.finish
    assert response.usage == usage
    whole = ChatResponse("bedrock", "", "m", response.choices, usage=usage)
    again = upstream().decode(CLIENT.render(whole, ASKED))
    assert again.choices[0].parts == response.choices[0].parts
    assert again.usage == usage


def test_calls_that_overlap_are_written_one_after_the_other() -> None:
    chunks: list[Chunk] = [
        Begun("", "m"),
        PartBegun(0, 0, ToolCall("a", "w", "")),
        PartBegun(0, 1, ToolCall("b", "w", "")),
        PartBegun(0, 2, ToolCall("c", "w", "")),
        Delta(0, 2, "{3}"),
        Delta(0, 1, "{2"),
        Delta(0, 0, "{1}"),
        PartEnded(0, 2),
        PartEnded(0, 0),
        Delta(0, 1, "}"),
        PartEnded(0, 1),
        Finished(0, "tool_calls"),
    ]
    renderer = CLIENT.renderer(ASKED)
    pieces = [renderer.render([chunk]) for chunk in chunks]
    assert pieces[2] == pieces[3] == pieces[4] == pieces[5] == b""
    events = parse_stream([*pieces, renderer.close()])
    inputs = [
        e["contentBlockDelta"]["delta"]["toolUse"]["input"]
        for e in events
        if "contentBlockDelta" in e
    ]
    assert inputs == ["{1}", "{2", "}", "{3}"]


def test_a_part_that_nobody_ended_is_ended_with_the_message() -> None:
    renderer = CLIENT.renderer(ASKED)
    out = renderer.render(
        [
            Begun("", "m"),
            PartBegun(0, 0, Text("")),
            Delta(0, 0, "x"),
            PartBegun(0, 1, ToolCall("a", "w", "{}")),
            Delta(0, 7, "stray"),
            PartBegun(1, 0, Text("other choice")),
            Finished(1, "stop"),
            Finished(0, "tool_calls"),
        ]
    )
    names = [next(iter(e)) for e in parse_stream([out, renderer.close()])]
    assert names.count("contentBlockStop") == 2
    assert names[-2:] == ["messageStop", "metadata"]


def test_states_in_pieces_are_written_whole() -> None:
    renderer = CLIENT.renderer(ASKED)
    out = renderer.render(
        [
            PartBegun(0, 0, Thinking(signature="c2")),
            Delta(0, 0, signature="ln"),
            PartEnded(0, 0),
            PartBegun(0, 1, Thinking("text")),
            Delta(0, 1, sealed="aG"),
            Delta(0, 1, sealed="k="),
            PartEnded(0, 1),
        ]
    )
    deltas = [
        e["contentBlockDelta"]["delta"]["reasoningContent"]
        for e in parse_stream([out])
        if "contentBlockDelta" in e
    ]
    assert deltas == [{"signature": "c2ln"}, {"text": "text"}, {"redactedContent": b"hi"}]


def test_an_empty_part_is_never_seen() -> None:
    renderer = CLIENT.renderer(ASKED)
    out = renderer.render(
        [PartBegun(0, 0, Text("")), PartEnded(0, 0), PartBegun(0, 1, Text("x")), PartEnded(0, 1)]
    )
    events = parse_stream([out])
    assert events[0] == {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "x"}}}


def test_the_providers_own_tools_reach_clients_of_the_same_dialect() -> None:
    hosted = chunks_of(
        [
            OPEN,
            start(0, toolUse={**CALL, "type": "server_tool_use"}),
            delta(0, toolUse={"input": '{"q":1}'}),
            stop(0),
            start(1, toolResult={"toolUseId": "t1"}),
            delta(1, toolResult=[{"text": "found"}]),
            stop(1),
            *ended(),
        ]
    )
    renderer = CLIENT.renderer(ASKED)
    out = renderer.render(hosted) + renderer.close()
    parse_stream([out])
    first, again = (
        [
            json.loads(bytes(part.raw))
            for part in collected(chunks).choices[0].parts
            if isinstance(part, Foreign)
        ]
        for chunks in (hosted, chunks_of([out]))
    )
    assert first == again
    assert len(first) == 2


def test_a_failure_is_an_exception_frame() -> None:
    renderer = CLIENT.renderer(ASKED)
    (frame,) = FrameCutter().feed(renderer.fail(UpstreamFailed("It broke.")))
    assert frame.text(":message-type") == "exception"
    assert frame.text(":exception-type") == "internalServerException"
    assert json.loads(frame.payload)["message"] == "It broke."
