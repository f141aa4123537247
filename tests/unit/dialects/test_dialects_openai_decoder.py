"""Answers of hosts with habits of their own, whole and streamed, become the same chunks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.openai.decode import decode
from federation.dialects.openai.streams import StreamDecoder
from federation.dialects.openai.think_tags import ThinkSplitter, split_content
from federation.dialects.openai.wire import Wire
from federation.errors import UpstreamFailed, UpstreamGarbled, UpstreamRateLimited
from federation.schema.chat import ChatResponse
from federation.schema.chunks import Begun, Collector, Failed, Finished, PartBegun, PartEnded
from federation.schema.parts import Citation, Foreign, Media, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

MakeWire = Callable[..., Wire]
Delta = dict[str, Any]
DONE = b"data: [DONE]\n\n"


def event(delta: Delta | None, finish: str | None = None, index: int = 0, **others: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    choice |= others.pop("choice", {})
    body = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**body, 'choices': [choice], **others})}\n\n".encode()


def bare(**members: Any) -> bytes:
    body = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**body, 'choices': [], **members})}\n\n".encode()


def answer(message: dict[str, Any], finish: str | None = "stop", **others: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps({**body, "choices": [choice], **others}).encode()


def collected(wire: Wire, *events: bytes) -> ChatResponse:
    decoder, collector = StreamDecoder(wire), Collector("openai")
    for item in events:
        collector.add(decoder.feed(item))
    collector.add(decoder.close())
    return collector.response()


def function(name: str | None, arguments: Any, **others: Any) -> dict[str, Any]:
    inner = {"name": name, "arguments": arguments}
    return {
        **others,
        "function": {key: value for key, value in inner.items() if value is not None},
    }


WEATHER = ToolCall("call_1", "weather", '{"city":"Lima"}')
CLOCK = ToolCall("call_2", "clock", "{}")

STREAMED_CALLS = {
    "as the vendor does": [
        [function("weather", "", index=0, id="call_1", type="function")],
        [function(None, '{"city":', index=0)],
        [function(None, '"Lima"}', index=0)],
        [function("clock", "{}", index=1, id="call_2", type="function")],
    ],
    "whole calls without an index": [
        [function("weather", '{"city":"Lima"}', id="call_1")],
        [function("clock", "{}", id="call_2")],
    ],
    "two calls in one event without an index": [
        [
            function("weather", '{"city":"Lima"}', id="call_1"),
            function("clock", "{}", id="call_2"),
        ],
    ],
    "an index that stays 0": [
        [function("weather", '{"city":"Lima"}', index=0, id="call_1")],
        [function("clock", "{}", index=0, id="call_2")],
    ],
    "gaps between the indexes": [
        [function("weather", '{"city":"Lima"}', index=1, id="call_1")],
        [function("clock", "{}", index=4, id="call_2")],
    ],
    "the name again and again": [
        [function("weather", '{"city":', index=0, id="call_1")],
        [function("weather", '"Lima"}', index=0, id="call_1")],
        [function("clock", "{}", index=1, id="call_2")],
        [function("clock", "", index=1, id="call_2")],
    ],
    "the name again and again, no index": [
        [function("weather", '{"city":', id="call_1")],
        [function("weather", '"Lima"}', id="call_1")],
        [function("clock", "{}", id="call_2")],
    ],
    "an id before the name": [
        [{"index": 0, "id": "call_1"}],
        [function("weather", '{"city":"Lima"}', index=0)],
        [function("clock", "{}", index=1, id="call_2")],
    ],
    "an empty id with every later piece": [
        [function("weather", '{"city":', index=0, id="call_1")],
        [function("", '"Lima"}', index=0, id="")],
        [function("clock", "{}", index=1, id="call_2")],
    ],
    "another id with every piece": [
        [function("weather", '{"city":', index=0, id="call_1")],
        [function("weather", '"Lima"}', index=0, id="call_x")],
        [function("clock", "{}", index=1, id="call_2")],
    ],
    "arguments as objects": [
        [function("weather", {"city": "Lima"}, index=0, id="call_1")],
        [function("clock", {}, index=1, id="call_2")],
    ],
    "interleaved arguments": [
        [
            function("weather", "", index=0, id="call_1"),
            function("clock", "", index=1, id="call_2"),
        ],
        [function(None, '{"city":', index=0)],
        [function(None, "{", index=1)],
        [function(None, '"Lima"}', index=0)],
        [function(None, "}", index=1)],
    ],
}


@pytest.mark.parametrize("pieces", STREAMED_CALLS.values(), ids=STREAMED_CALLS)
def test_tool_calls_are_put_together_however_they_are_numbered(
    make_wire: MakeWire, pieces: list[Any]
) -> None:
    events = [event({"tool_calls": calls}) for calls in pieces]
    found = collected(make_wire(), *events, event({}, "tool_calls"), DONE)
    calls = [
        ToolCall(part.id, part.name, part.arguments.replace(": ", ":"))
        for part in found.choices[0].parts
        if isinstance(part, ToolCall)
    ]
    assert calls == [WEATHER, CLOCK]
    assert found.choices[0].finish == "tool_calls"


def test_calls_without_ids_get_the_same_ones_whole_and_streamed(make_wire: MakeWire) -> None:
    wire = make_wire()
    calls = [function("clock", "{}"), function("weather", '{"city":"Lima"}')]
    whole = decode(wire, answer({"content": None, "tool_calls": calls}, "stop"))
    streamed = collected(
        wire,
        event({"tool_calls": [calls[0]]}),
        event({"tool_calls": [calls[1]]}),
        event({}, "stop"),
        DONE,
    )
    assert streamed == whole
    first, second = whole.choices[0].parts
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert first.id != second.id
    assert len(first.id) <= 40
    assert whole.choices[0].finish == "tool_calls"


def test_a_call_ends_when_the_next_begins_and_the_last_at_the_finish(make_wire: MakeWire) -> None:
    decoder = StreamDecoder(make_wire())
    decoder.feed(event({"tool_calls": [function("clock", "{}", index=0, id="a")]}))
    chunks = decoder.feed(event({"tool_calls": [function("clock", "{", index=1, id="b")]}))
    assert chunks[0] == PartEnded(0, 0)
    assert isinstance(chunks[1], PartBegun)
    assert decoder.feed(event({"content": "And"}))[0] != PartEnded(0, 1)
    assert PartEnded(0, 1) in decoder.feed(event({}, "tool_calls"))


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_plain_reasoning_is_found_under_every_name(make_wire: MakeWire, field: str) -> None:
    wire = make_wire(quirks={"reasoning_field": field})
    whole = decode(wire, answer({"content": "Lima", field: "Rivers"}))
    streamed = collected(
        wire,
        event({"role": "assistant", "content": "", field: None}),
        event({field: "Riv"}),
        event({field: "ers", "content": ""}),
        event({"content": "Lima"}),
        event({}, "stop"),
        DONE,
    )
    assert whole.choices[0].parts == (Thinking("Rivers"), Text("Lima"))
    assert streamed == whole


def test_reasoning_with_states_keeps_its_entries_apart(make_wire: MakeWire) -> None:
    wire = make_wire(quirks={"reasoning_field": "reasoning"})
    entries = [
        {"type": "reasoning.text", "text": "Rivers", "signature": "sig", "index": 0},
        {"type": "reasoning.encrypted", "data": "sealed", "id": "rs_1", "index": 1},
    ]
    whole = decode(
        wire, answer({"content": "Lima", "reasoning": "Rivers", "reasoning_details": entries})
    )
    streamed = collected(
        wire,
        event(
            {
                "reasoning": "Riv",
                "reasoning_details": [{"type": "reasoning.text", "text": "Riv", "index": 0}],
            }
        ),
        event(
            {
                "reasoning": "ers",
                "reasoning_details": [{"type": "reasoning.text", "text": "ers", "index": 0}],
            }
        ),
        event({"reasoning_details": [{**entries[0], "text": None}]}),
        event({"reasoning_details": [entries[1]]}),
        event({"content": "Lima"}),
        event({}, "stop"),
        DONE,
    )
    assert whole.choices[0].parts == (
        Thinking("Rivers", signature="sig"),
        Thinking(sealed="sealed", id="rs_1"),
        Text("Lima"),
    )
    assert streamed == whole


BLOCKS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Rivers"}]},
    {"type": "text", "text": "Lima"},
]
SIGNED_BLOCKS = [
    {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Rivers", "signature": "sig"}],
    },
    {"type": "text", "text": "Lima"},
]


@pytest.mark.parametrize(
    ("blocks", "thought"),
    [(BLOCKS, Thinking("Rivers")), (SIGNED_BLOCKS, Thinking("Rivers", signature="sig"))],
)
def test_content_that_is_a_list_is_taken_apart(
    make_wire: MakeWire, blocks: list[Any], thought: Thinking
) -> None:
    wire = make_wire(quirks={"reasoning_field": "content_parts"})
    whole = decode(wire, answer({"content": blocks}))
    events = [event({"content": [block]}) for block in blocks]
    assert whole.choices[0].parts == (thought, Text("Lima"))
    assert collected(wire, *events, event({}, "stop"), DONE) == whole


def test_a_content_part_that_nobody_knows_is_kept(make_wire: MakeWire) -> None:
    blocks = [{"type": "text", "text": "Lima"}, {"type": "reference", "reference_ids": [1]}]
    text, foreign = decode(make_wire(), answer({"content": blocks})).choices[0].parts
    assert text == Text("Lima")
    assert isinstance(foreign, Foreign)
    assert json.loads(bytes(foreign.raw)) == blocks[1]


@pytest.mark.parametrize(
    ("content", "pieces"),
    [
        ("<think>a b</think>c", [(True, "a b"), (False, "c")]),
        ("\n<think>\na\n</think>\n\nc\n", [(True, "a"), (False, "c\n")]),
        ("<think></think>c", [(False, "c")]),
        ("c <think>a</think>", [(False, "c <think>a</think>")]),
        ("  c", [(False, "  c")]),
        ("<thin", [(False, "<thin")]),
        ("<think>a", [(True, "a")]),
        ("<think>a</thin", [(True, "a</thin")]),
        ("<think>a</think>\n<think>b</think>c", [(True, "ab"), (False, "c")]),
        ("", []),
    ],
)
def test_think_tags_are_taken_out_of_the_beginning(
    content: str, pieces: list[tuple[bool, str]]
) -> None:
    assert merged(split_content(content)) == pieces
    for cut in range(len(content) + 1):
        splitter = ThinkSplitter()
        found = splitter.feed(content[:cut]) + splitter.feed(content[cut:]) + splitter.rest()
        assert merged(found) == pieces


def merged(pieces: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    whole: list[tuple[bool, str]] = []
    for thinks, text in pieces:
        if whole and whole[-1][0] == thinks:
            whole[-1] = (thinks, whole[-1][1] + text)
        else:
            whole.append((thinks, text))
    return whole


@settings(deadline=None, max_examples=200)
@given(
    pieces=st.lists(
        st.sampled_from(["<think>", "</think>", "<", "think>", "</", " ", "\n", "a", "b"]),
        max_size=12,
    )
)
def test_think_tags_do_not_depend_on_the_cuts(pieces: list[str]) -> None:
    splitter = ThinkSplitter()
    found = [piece for text in pieces for piece in splitter.feed(text)] + splitter.rest()
    assert merged(found) == merged(split_content("".join(pieces)))


def test_think_tags_become_reasoning_whole_and_streamed(make_wire: MakeWire) -> None:
    wire = make_wire(quirks={"reasoning_field": "think_tags"})
    whole = decode(wire, answer({"content": "<think>\nRivers\n</think>\n\nLima"}))
    pieces = ["<th", "ink>\nRiv", "ers\n</", "think>", "\n\nLi", "ma"]
    events = [event({"content": piece}) for piece in pieces]
    assert whole.choices[0].parts == (Thinking("Rivers"), Text("Lima"))
    assert collected(wire, *events, event({}, "stop"), DONE) == whole


def test_think_tags_stay_text_where_the_row_does_not_speak_of_them(make_wire: MakeWire) -> None:
    found = decode(make_wire(), answer({"content": "<think>a</think>b"}))
    assert found.choices[0].parts == (Text("<think>a</think>b"),)


USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


@pytest.mark.parametrize(
    "events",
    [
        [event({"content": "Hi"}), event({}, "stop"), bare(usage=USAGE), DONE],
        [event({"content": "Hi"}), event({}, "stop", usage=USAGE), DONE],
        [event({"content": "Hi"}), event({}, "stop", x_groq={"id": "r", "usage": USAGE}), DONE],
        [event({"content": "Hi"}, usage=None), event({}, "stop"), bare(usage=USAGE)],
        [event({"content": "Hi"}), event({}, "stop"), bare(usage=USAGE)[:-2]],
    ],
)
def test_the_usage_is_found_wherever_it_stands(make_wire: MakeWire, events: list[bytes]) -> None:
    found = collected(make_wire(), *events)
    assert found.usage == Usage(9, 3)
    assert found.choices[0].finish == "stop"


def test_several_choices_are_kept_apart(make_wire: MakeWire) -> None:
    decoder = StreamDecoder(make_wire())
    decoder.feed(event({"content": "A"}, index=0) + event({"content": "B"}, index=1))
    assert decoder.feed(event({}, "stop", index=1)) == [
        PartEnded(1, 0),
        Finished(1, "stop", "stop"),
    ]
    assert not decoder.complete
    decoder.feed(event({}, "length", index=0))
    assert decoder.complete
    assert not decoder.done


def test_an_empty_finish_is_one_where_the_row_says_so(make_wire: MakeWire) -> None:
    wire = make_wire(quirks={"finish_reason_empty": True})
    assert decode(wire, answer({"content": "Hi"}, "")).choices[0].finish == "stop"
    events = (event({"content": "Hi"}), event({}, ""), bare(usage=USAGE))
    assert collected(wire, *events).choices[0].finish == "stop"
    assert collected(make_wire(), *events).choices[0].finish == ""
    assert collected(make_wire(), *events, DONE).choices[0].finish == "stop"


def test_a_stream_that_breaks_off_is_not_complete(make_wire: MakeWire) -> None:
    decoder = StreamDecoder(make_wire())
    chunks = decoder.feed(event({"content": "Hi"}))
    assert isinstance(chunks[0], Begun)
    assert decoder.started
    assert decoder.close() == []
    assert not decoder.complete


def test_keep_alives_and_empty_openings_are_no_beginning(make_wire: MakeWire) -> None:
    decoder = StreamDecoder(make_wire(quirks={"stream_preamble": "prompt_filter_results"}))
    preamble = bare(id="", model="", prompt_filter_results=[{"prompt_index": 0}])
    assert decoder.feed(b": keep-alive\n\n" + preamble) == []
    chunks = decoder.feed(event({"role": "assistant", "content": ""}))
    assert not decoder.started
    begun = chunks[0]
    assert isinstance(begun, Begun)
    assert (begun.id, begun.model) == ("c-1", "m")
    assert "prompt_filter_results" in begun.extra
    assert decoder.feed(b"data: {torn\n\n") == []
    decoder.feed(event({"content": "Hi"}))
    assert decoder.started


ERROR = {"error": {"message": "Slow down", "code": 429}}


def test_an_error_before_the_answer_is_raised(make_wire: MakeWire) -> None:
    with pytest.raises(UpstreamRateLimited):
        StreamDecoder(make_wire()).feed(bare(**ERROR))


def test_an_error_inside_the_answer_is_its_last_chunk(make_wire: MakeWire) -> None:
    decoder = StreamDecoder(make_wire())
    decoder.feed(event({"content": "Hi"}))
    chunks = decoder.feed(bare(**ERROR))
    assert isinstance(chunks[-1], Failed)
    assert decoder.feed(event({"content": "more"}, "stop")) == []
    assert decoder.close() == []
    assert not decoder.complete


def test_an_error_in_a_choice_counts_too(make_wire: MakeWire) -> None:
    decoder = StreamDecoder(make_wire())
    decoder.feed(event({"content": "Hi"}))
    failing = event({}, "error", choice={"error": {"message": "gone", "code": 502}})
    chunks = decoder.feed(failing)
    assert isinstance(chunks[-1], Failed)
    assert isinstance(chunks[-1].error, UpstreamFailed)


def test_an_error_in_an_answer_of_status_200_is_raised(make_wire: MakeWire) -> None:
    wire = make_wire(quirks={"error_in_200": "base_resp"})
    with pytest.raises(UpstreamRateLimited):
        decode(wire, b'{"choices":null,"base_resp":{"status_code":1002,"status_msg":"slow"}}')
    fine = answer({"content": "Hi"}, base_resp={"status_code": 0, "status_msg": ""})
    assert decode(wire, fine).choices[0].parts == (Text("Hi"),)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"choices":null}', b"\xff{}"])
def test_what_is_no_answer_is_garbled(make_wire: MakeWire, body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        decode(make_wire(), body)


@pytest.mark.parametrize(
    "message",
    [
        {"content": 5},
        {"content": None, "tool_calls": [{"function": None}]},
        {"content": None, "tool_calls": "x", "annotations": 1, "audio": "y", "images": {}},
        {"reasoning_details": [1], "function_call": []},
    ],
)
def test_a_slip_in_one_member_does_not_cost_the_answer(
    make_wire: MakeWire, message: dict[str, Any]
) -> None:
    found = decode(make_wire(), answer(message))
    assert found.choices[0].parts == ()
    assert found.choices[0].finish == "stop"


def test_refusals_pictures_sounds_and_citations_are_parts(make_wire: MakeWire) -> None:
    wire = make_wire()
    annotation = {
        "type": "url_citation",
        "url_citation": {"url": "https://a.test", "title": "A", "start_index": 0, "end_index": 4},
    }
    message = {
        "content": "Lima",
        "refusal": "No",
        "annotations": [annotation],
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}],
        "audio": {"id": "audio_1", "data": "aGk=", "transcript": "Hi", "expires_at": 9},
    }
    text, refusal, image, sound = decode(wire, answer(message)).choices[0].parts
    assert isinstance(text, Text)
    assert text.citations[0] == Citation("A", "https://a.test", "", 0, 4, text.citations[0].raw)
    assert refusal == Refusal("No")
    assert image == Media("image", "image/png", "aGk=")
    assert isinstance(sound, Media)
    assert sound.data == "aGk="
    assert bytes(sound.extra["transcript"]) == b'"Hi"'
    streamed = collected(
        wire,
        event({"content": "Lima"}),
        event({"annotations": [annotation]}),
        event({"refusal": "No"}),
        event({"images": message["images"]}),
        event({"audio": {"id": "audio_1"}}),
        event({"audio": {"data": "aA=="}}),
        event({"audio": {"data": "aQ==", "transcript": "Hi"}}),
        event({"audio": {"expires_at": 9}}),
        event({}, "stop"),
        DONE,
    )
    assert [type(part) for part in streamed.choices[0].parts] == [Text, Refusal, Media, Media]
    spoken = streamed.choices[0].parts[3]
    assert isinstance(spoken, Media)
    assert (spoken.data, spoken.extra.keys()) == (sound.data, sound.extra.keys())


def test_signatures_of_calls_and_texts_are_read(make_wire: MakeWire) -> None:
    wire = make_wire()
    signed = {"google": {"thought_signature": "sig"}}
    call = function("clock", "{}", id="call_2", index=0, extra_content=signed)
    whole = decode(wire, answer({"content": None, "tool_calls": [call]}))
    streamed = collected(wire, event({"tool_calls": [call]}), event({}, "stop"), DONE)
    assert whole.choices[0].parts == (ToolCall("call_2", "clock", "{}", signature="sig"),)
    assert streamed == whole
    whole = decode(wire, answer({"content": "Hi", "extra_content": signed}))
    streamed = collected(
        wire, event({"content": "Hi"}), event({"extra_content": signed}, "stop"), DONE
    )
    assert whole.choices[0].parts == (Text("Hi", signature="sig"),)
    assert streamed == whole


def test_the_deprecated_function_call_is_a_tool_call(make_wire: MakeWire) -> None:
    wire = make_wire()
    call = {"name": "clock", "arguments": "{}"}
    whole = decode(wire, answer({"content": None, "function_call": call}, "function_call"))
    streamed = collected(
        wire,
        event({"function_call": {"name": "clock", "arguments": ""}}),
        event({"function_call": {"arguments": "{}"}}),
        event({}, "function_call"),
        DONE,
    )
    assert streamed == whole
    assert whole.choices[0].finish == "tool_calls"


def test_what_a_host_says_besides_is_kept(make_wire: MakeWire) -> None:
    found = decode(
        make_wire(),
        answer(
            {"content": "Hi", "executed_tools": [1]},
            system_fingerprint="fp",
            service_tier="flex",
            citations=["https://a.test"],
            nothing=None,
        ),
    )
    assert found.service_tier == "flex"
    assert set(found.extra) == {"system_fingerprint", "citations"}
    assert json.loads(bytes(found.choices[0].extra["message"])) == {"executed_tools": [1]}


MEMBERS = """
    id index choices delta message content tool_calls function name arguments finish_reason
    logprobs usage error reasoning_details audio annotations images extra_content refusal role
    created model x_groq
"""


@settings(deadline=None, max_examples=300)
@given(
    value=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(MEMBERS.split()),
                inner,
                max_size=5,
            ),
        ),
        max_leaves=25,
    )
)
def test_no_answer_and_no_event_breaks_the_decoder(make_wire: MakeWire, value: Any) -> None:
    wire = make_wire(quirks={"reasoning_field": "think_tags"})
    data = json.dumps({"choices": [value], "id": "c"} if not isinstance(value, dict) else value)
    for read in (lambda: decode(wire, data.encode()), lambda: stream(wire, data)):
        try:
            read()
        except (UpstreamGarbled, UpstreamFailed, UpstreamRateLimited):
            continue


def stream(wire: Wire, data: str) -> None:
    decoder, collector = StreamDecoder(wire), Collector("openai")
    try:
        collector.add(decoder.feed(f"data: {data}\n\n".encode() + event({"content": "Hi"}, "stop")))
        collector.add(decoder.close())
    except UpstreamFailed:
        return
    collector.response()


@pytest.mark.parametrize(
    "odd",
    [
        {"delta": [], "finish_reason": "stop"},
        {"delta": "", "finish_reason": "stop"},
        {"delta": {"content": "", "refusal": False, "tool_calls": {}}, "finish_reason": "stop"},
        {"index": "0", "delta": {"function_call": ""}, "finish_reason": "stop"},
        {"index": 0, "delta": {}, "finish_reason": False},
    ],
)
def test_what_is_empty_in_an_odd_way_is_absent(make_wire: MakeWire, odd: dict[str, Any]) -> None:
    last = b"data: %b\n\n" % json.dumps({"choices": [odd]}).encode()
    decoder, collector = StreamDecoder(make_wire()), Collector("openai")
    for data in (event({"content": "Hello"}), last, DONE):
        collector.add(decoder.feed(data))
    assert (decoder.done, decoder.malformed) == (True, 0)
