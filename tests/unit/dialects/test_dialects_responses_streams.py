"""Streams of the Responses dialect: any cut, any host's habits, any order of parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from responses_world import Body, encoded, events_of, parsed, upstream

from federation.dialects.openai_responses.client import CLIENT
from federation.dialects.openai_responses.tables import NAME
from federation.dialects.sse import EVENT_LIMIT
from federation.errors import (
    InvalidRequest,
    Unavailable,
    UpstreamCut,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamRateLimited,
)
from federation.schema.chat import LENGTH, STOP, TOOL_CALLS, ChatResponse, TokenLogprob
from federation.schema.chunks import (
    Begun,
    Chunk,
    Collector,
    Delta,
    Failed,
    Finished,
    Logprobs,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import (
    CUSTOM,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from federation.schema.usage import Usage

FOLDER = Path(__file__).parents[2] / "golden" / "openai_responses"
STREAMS = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("stream_*.json"))]
REQUEST = parsed({"model": "chat", "input": "a", "reasoning": {"summary": "auto"}})


SEARCH = Raw(
    b'{"type":"web_search_call","id":"ws","status":"completed",\n'
    b'"action":{"type":"search","query":"q"}}'
)


def sse(*events: Body, line: bytes = b"\n") -> bytes:
    return b"".join(
        b"event: %b%bdata: %b%b%b" % (event["type"].encode(), line, encoded(event), line, line)
        for event in events
    )


def decoded(*events: Body) -> ChatResponse:
    decoder = upstream().decoder()
    collector = Collector(NAME)
    collector.add([*decoder.feed(sse(*events)), *decoder.close()])
    return collector.response()


def ended(**response: Any) -> Body:
    return {
        "type": "response.completed",
        "response": {"id": "resp_1", "status": "completed", "model": "m", "output": [], **response},
    }


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case["source"][-40:])
@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r"])
def test_every_cut_gives_the_same_chunks(case: Body, line: bytes) -> None:
    stream = b": a comment" + line + line + sse(*case["events"], line=line)
    whole = upstream().decoder()
    expected = [*whole.feed(stream), *whole.close()]
    step = max(len(stream) // 300, 1)
    for cut in range(0, len(stream), step):
        decoder = upstream().decoder()
        chunks = [*decoder.feed(stream[:cut]), *decoder.feed(stream[cut:]), *decoder.close()]
        assert chunks == expected
        tap = upstream().tap(withhold_usage=False, choices=1)
        passed = tap.feed(stream[:cut]) + tap.feed(stream[cut:]) + tap.close()
        assert passed.rstrip() == stream.rstrip()
        assert tap.complete


@given(st.data())
def test_any_number_of_cuts_gives_the_same_chunks(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(STREAMS))
    stream = sse(*case["events"])
    sizes = data.draw(st.lists(st.integers(1, 400), min_size=1, max_size=60))
    whole = upstream().decoder()
    expected = [*whole.feed(stream), *whole.close()]
    decoder = upstream().decoder()
    chunks: list[Chunk] = []
    at = 0
    for size in [*sizes, len(stream)]:
        chunks += decoder.feed(stream[at : at + size])
        at += size
    assert [*chunks, *decoder.close()] == expected


def test_data_over_several_lines_is_one_event() -> None:
    event = b'data: {"type":"response.output_text.delta",\ndata: "output_index":0,"delta":"hi"}\n\n'
    decoder = upstream().decoder()
    chunks = decoder.feed(event)
    assert [chunk.text for chunk in chunks if isinstance(chunk, Delta)] == ["hi"]


def test_a_host_that_opens_nothing_is_understood() -> None:
    response = decoded(
        {"type": "response.output_text.delta", "output_index": 0, "delta": "hel"},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "lo"},
        ended(usage={"input_tokens": 1, "output_tokens": 2}),
    )
    choice = response.choices[0]
    assert (choice.parts, choice.finish) == ((Text("hello"),), STOP)
    assert response.usage == Usage(1, 2)


def test_a_host_that_sends_wholes_only_is_understood() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
    response = decoded(
        {"type": "response.reasoning_summary_text.done", "output_index": 0, "text": "hm"},
        {"type": "response.output_text.done", "output_index": 1, "text": "hello"},
        {"type": "response.output_item.done", "output_index": 2, "item": call},
        ended(),
    )
    choice = response.choices[0]
    assert choice.parts == (
        Thinking("hm", summary=True),
        Text("hello"),
        ToolCall("c", "f", '{"a":1}'),
    )
    assert choice.finish == TOOL_CALLS


def test_a_host_that_sends_arguments_at_the_end_only_is_understood() -> None:
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": ""}
    done = {**call, "arguments": '{"a":1}'}
    for last in (
        {
            "type": "response.function_call_arguments.done",
            "output_index": 0,
            "arguments": '{"a":1}',
        },
        {"type": "response.output_item.done", "output_index": 0, "item": done},
    ):
        opened = {"type": "response.output_item.added", "output_index": 0, "item": call}
        parts = decoded(opened, last, ended()).choices[0].parts
        assert [part.arguments for part in parts if isinstance(part, ToolCall)] == ['{"a":1}']


def test_a_stream_of_only_its_last_event_is_read_from_it() -> None:
    item = {
        "type": "message",
        "content": [{"type": "output_text", "text": "all", "annotations": []}],
    }
    decoder = upstream().decoder()
    assert not decoder.started
    collector = Collector(NAME)
    collector.add(decoder.feed(sse(ended(output=[item]))))
    assert collector.response().choices[0].parts == (Text("all"),)
    assert decoder.started
    assert decoder.complete


def test_interleaved_calls_keep_their_arguments() -> None:
    def call(index: int) -> Body:
        item = {"type": "function_call", "call_id": f"c{index}", "name": "f", "arguments": ""}
        return {"type": "response.output_item.added", "output_index": index, "item": item}

    def piece(index: int, text: str) -> Body:
        kind = "response.function_call_arguments.delta"
        return {"type": kind, "output_index": index, "delta": text}

    response = decoded(
        call(0), call(1), piece(1, "{"), piece(0, "["), piece(1, "}"), piece(0, "]"), ended()
    )
    parts = response.choices[0].parts
    assert parts == (ToolCall("c0", "f", "[]"), ToolCall("c1", "f", "{}"))


@pytest.mark.parametrize(
    "event",
    [
        b"data: {\n\n",
        b'data: "text"\n\n',
        b'data: {"type":5}\n\n',
        b'data: {"type":"response.output_item.added","item":null}\n\n',
        b'data: {"type":"response.output_item.done","item":{"type":null}}\n\n',
        b'data: {"type":"response.output_item.added","item":{"type":"function_call"}}\n\n',
        b'data: {"type":"response.content_part.done"}\n\n',
        b'data: {"type":"response.brand_new.event","delta":{"a":1}}\n\n',
        b'data: {"type":"response.output_text.annotation.added","annotation":null}\n\n',
        b"data: " + b"[" * 5000 + b"\n\n",
        b"\xff\xfe\n\n",
        b": keep-alive\n\n",
        b"data: [DONE]\n\n",
    ],
)
def test_an_event_that_cannot_be_read_is_skipped(event: bytes) -> None:
    decoder = upstream().decoder()
    collector = Collector(NAME)
    hello = {"type": "response.output_text.delta", "output_index": 1, "delta": "hi"}
    collector.add(decoder.feed(event))
    collector.add(decoder.feed(sse(hello)))
    collector.add(decoder.feed(event + sse(ended())))
    texts = [part.text for part in collector.response().choices[0].parts if isinstance(part, Text)]
    assert "hi" in texts
    assert decoder.complete


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow"}, UpstreamRateLimited),
        ({"type": "error", "error": {"code": "server_error", "message": "x"}}, UpstreamFailed),
        (
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "server_error", "message": "x"}},
            },
            UpstreamFailed,
        ),
        ({"type": "response.failed", "response": {"status": "failed"}}, UpstreamFailed),
    ],
)
def test_an_error_before_the_answer_is_raised_and_a_later_one_is_a_chunk(
    event: Body, kind: type[UpstreamError]
) -> None:
    opened = {"type": "response.created", "response": {"id": "resp_1"}}
    hello = {"type": "response.output_text.delta", "output_index": 0, "delta": "hi"}
    for reader in (upstream().decoder(), upstream().tap(withhold_usage=False, choices=1)):
        reader.feed(sse(opened))
        assert not reader.started
        with pytest.raises(kind):
            reader.feed(sse(event))
    decoder = upstream().decoder()
    decoder.feed(sse(opened, hello))
    last = decoder.feed(sse(event, hello))[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, kind)
    assert (decoder.done, decoder.complete) == (True, False)
    tap = upstream().tap(withhold_usage=False, choices=1)
    tap.feed(sse(opened, hello))
    assert tap.feed(sse(event)) == sse(event)
    assert isinstance(tap.error, kind)
    assert not tap.complete


def test_a_torn_event_at_the_end_is_dropped_and_a_whole_one_completed() -> None:
    hello = sse({"type": "response.output_text.delta", "output_index": 0, "delta": "hi"})
    tap = upstream().tap(withhold_usage=False, choices=1)
    tap.feed(hello)
    assert tap.feed(hello[:-20]) == b""
    assert tap.close() == b""
    tap = upstream().tap(withhold_usage=False, choices=1)
    assert tap.feed(sse(ended())[:-2]) == b""
    assert tap.close() == sse(ended())
    assert tap.complete


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"type":"response.output_text.delta","delta":5}\n\n',
        b'data: {"type":"response.output_text.delta","output_index":"0","delta":"x"}\n\n',
    ],
)
def test_a_piece_of_the_answer_that_cannot_be_read_is_no_piece_to_leave_out(event: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        upstream().decoder().feed(event)


def test_an_event_without_end_is_refused() -> None:
    with pytest.raises(UpstreamGarbled):
        upstream().decoder().feed(b"data: " + b"x" * EVENT_LIMIT)


def written(*batches: list[Chunk]) -> list[Body]:
    renderer = CLIENT.renderer(REQUEST)
    return events_of(b"".join([renderer.render(batch) for batch in batches]) + renderer.close())


def part(number: int, head: Part, *texts: str) -> list[Chunk]:
    return [PartBegun(0, number, head), *[Delta(0, number, t) for t in texts], PartEnded(0, number)]


def test_a_stream_ends_with_what_the_whole_answer_says() -> None:
    parts: tuple[Part, ...] = (
        Thinking("think", sealed="seal"),
        Text("a"),
        Text("b", signature="sig"),
        Text("c"),
        ToolCall("c1", "f", "{}", signature="sig2"),
        ToolCall("c2", "g", "x y", CUSTOM),
        Refusal("no"),
        Media("image", "image/webp", data="AAAA"),
        Foreign("gemini", Raw(b"{}")),
        Foreign(NAME, SEARCH),
    )
    chunks: list[Chunk] = [Begun("x1", "m", 7)]
    for number, held in enumerate(parts):
        chunks += [PartBegun(0, number, held), PartEnded(0, number)]
    usage = Usage(5, 6, 1, 0, 2)
    events = written([*chunks, UsageSeen(usage), Finished(0, TOOL_CALLS)])
    collector = Collector("gemini")
    collector.add([*chunks, UsageSeen(usage), Finished(0, TOOL_CALLS)])
    whole = json.loads(CLIENT.render(collector.response(), REQUEST))
    assert events[-1] == {
        "type": "response.completed",
        "sequence_number": len(events) - 1,
        "response": whole,
    }
    kinds = [item["type"] for item in whole["output"]]
    assert kinds == [
        "reasoning",
        "message",
        "reasoning",
        "message",
        "reasoning",
        "function_call",
        "custom_tool_call",
        "message",
        "image_generation_call",
        "web_search_call",
    ]
    assert len({item["id"] for item in whole["output"]}) == len(kinds)


def test_parts_that_interleave_are_written_one_after_the_other() -> None:
    events = written(
        [Begun("x", "m")],
        [PartBegun(0, 0, ToolCall("a", "f", "")), Delta(0, 0, "{")],
        [PartBegun(0, 1, ToolCall("b", "f", "")), Delta(0, 1, "[")],
        [PartBegun(0, 2, ToolCall("c", "f", ""))],
        [Delta(0, 1, "]"), PartEnded(0, 1), Delta(0, 0, "}")],
        [PartEnded(0, 0), Delta(0, 2, "{}"), PartEnded(0, 2)],
        [Finished(0, TOOL_CALLS)],
    )
    order = [event["output_index"] for event in events if "output_index" in event]
    assert order == sorted(order)
    output = events[-1]["response"]["output"]
    assert [item["arguments"] for item in output] == ["{}", "[]", "{}"]


def test_a_text_streams_at_once() -> None:
    renderer = CLIENT.renderer(REQUEST)
    renderer.render([Begun("x", "m"), PartBegun(0, 0, Text(""))])
    assert b'"delta":"hi"' in renderer.render([Delta(0, 0, "hi")])


def test_a_cut_answer_is_incomplete() -> None:
    events = written([Begun("x", "m"), *part(0, Text(""), "a"), Finished(0, LENGTH)])
    last = events[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][0]["status"] == "incomplete"


def test_probabilities_go_along_with_their_text() -> None:
    tokens = (TokenLogprob("hi", -0.5),)
    orders: list[list[Chunk]] = [
        [Delta(0, 0, "hi"), Logprobs(0, tokens)],
        [Logprobs(0, tokens), Delta(0, 0, "hi")],
    ]
    for chunks in orders:
        events = written(
            [Begun("x", "m"), PartBegun(0, 0, Text(""))],
            chunks,
            [PartEnded(0, 0), Finished(0, STOP)],
        )
        delta = next(event for event in events if event["type"].endswith("text.delta"))
        assert delta["logprobs"] == [
            {"token": "hi", "logprob": -0.5, "bytes": [104, 105], "top_logprobs": []}
        ]
        content = events[-1]["response"]["output"][0]["content"][0]
        assert content["logprobs"] == delta["logprobs"]


def test_thoughts_show_where_the_client_looks_for_them() -> None:
    chunks: list[Chunk] = [Begun("x", "m"), *part(0, Thinking(), "hm"), Finished(0, STOP)]
    assert written(chunks)[-1]["response"]["output"][0]["summary"][0]["text"] == "hm"
    renderer = CLIENT.renderer(parsed({"input": "a"}))
    events = events_of(renderer.render(chunks) + renderer.close())
    item = events[-1]["response"]["output"][0]
    assert (item["summary"], item["content"][0]["text"]) == ([], "hm")


def test_a_schema_with_line_breaks_does_not_break_an_event() -> None:
    tool = b'{"type":"function","name":"f","parameters":{\n"type":\r\n"object"}}'
    body = b'{"input":"a","tools":[%b]}' % tool
    renderer = CLIENT.renderer(parsed(body))
    events = events_of(renderer.render([Begun("x", "m"), Finished(0, STOP)]) + renderer.close())
    assert events[-1]["response"]["tools"][0]["parameters"] == {"type": "object"}


def test_only_the_first_choice_is_written() -> None:
    other: list[Chunk] = [PartBegun(1, 0, Text("b")), PartEnded(1, 0), Finished(1, LENGTH)]
    events = written([Begun("x", "m"), *part(0, Text(""), "a"), *other, Finished(0, STOP)])
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "a"
    assert events[-1]["type"] == "response.completed"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamCut("It broke off."), "server_error"),
        (UpstreamRateLimited("Slow down."), "rate_limit_exceeded"),
        (InvalidRequest("Not so."), "invalid_prompt"),
    ],
)
def test_a_broken_stream_ends_with_a_failed_response(error: UpstreamError, code: str) -> None:
    renderer = CLIENT.renderer(REQUEST)
    head = renderer.render([Begun("x", "m"), *part(0, Text(""), "a"), PartBegun(0, 1, Text("b"))])
    events = events_of(head + renderer.fail(error))
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert (events[-2]["code"], events[-2]["message"]) == (error.code, error.message)
    assert events[-1]["response"]["error"] == {"code": code, "message": error.message}
    assert renderer.close() == b""
    assert renderer.fail(error) == b""


def test_nothing_follows_a_failure() -> None:
    renderer = CLIENT.renderer(REQUEST)
    stream = renderer.render([Begun("x", "m")]) + renderer.fail(UpstreamFailed("Oops."))
    assert events_of(stream)[-1]["type"] == "response.failed"
    assert renderer.render([Begun("y", "m")]) == b""


def test_a_stream_that_never_began_ends_with_an_error_that_clients_raise() -> None:
    for data in (
        CLIENT.renderer(REQUEST).fail(Unavailable("Later.")),
        CLIENT.stream_error(Unavailable("Later.")),
    ):
        event = json.loads(data.split(b"data: ")[1])
        assert (event["type"], event["message"]) == ("error", "Later.")
        assert event["error"]["code"] == "unavailable"


def test_an_answer_without_any_part_is_complete() -> None:
    assert written([Begun("x", "m"), Finished(0, STOP)])[-1]["response"]["output"] == []
