"""Streams: read into chunks, written from chunks, and read along with."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from anthropic.types import RawMessageStreamEvent
from anthropic_samples import (
    ERROR,
    ODD,
    PING,
    STOP,
    STREAM,
    STREAMED,
    adds,
    ends,
    event,
    finish,
    opens,
    start,
)
from anthropic_vendor import make_upstream
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from pydantic import TypeAdapter

from federation.dialects.anthropic.stream_render import StreamRenderer
from federation.dialects.sse import EVENT_LIMIT
from federation.errors import (
    UpstreamCut,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamRateLimited,
)
from federation.schema.chat import ChatResponse
from federation.schema.chunks import (
    Begun,
    Chunk,
    Collector,
    Delta,
    Failed,
    Finished,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import (
    Citation,
    Foreign,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from federation.schema.usage import Usage

UPSTREAM = make_upstream()
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def read(*pieces: bytes) -> list[Chunk]:
    decoder = UPSTREAM.decoder()
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.close()


def collected(chunks: list[Chunk]) -> ChatResponse:
    collector = Collector("anthropic")
    collector.add(chunks)
    return collector.response()


def comparable(response: ChatResponse) -> Any:
    """Without the white space of raw JSON, which is the sender's business."""
    text = json.loads(msgspec.json.encode(response))
    for choice in text["choices"]:
        for part in choice["parts"]:
            if "arguments" in part:
                part["arguments"] = json.loads(part["arguments"])
    return text


def test_the_chunks_of_a_stream_add_up_to_the_whole_answer() -> None:
    response = collected(read(*STREAM))
    assert comparable(response) == comparable(UPSTREAM.decode(json.dumps(STREAMED).encode()))


def test_the_grammar_of_chunks_is_kept() -> None:
    chunks = read(*STREAM)
    assert isinstance(chunks[0], Begun)
    assert chunks[0].service_tier == "standard"
    opened: list[int] = []
    closed: list[int] = []
    for chunk in chunks:
        if isinstance(chunk, PartBegun):
            assert len(opened) == len(closed)
            opened.append(chunk.part)
        elif isinstance(chunk, PartEnded):
            closed.append(chunk.part)
    assert opened == closed == list(range(7))
    assert sum(isinstance(chunk, Finished) for chunk in chunks) == 1
    usages = [chunk.usage for chunk in chunks if isinstance(chunk, UsageSeen)]
    assert usages == [Usage(240, 1, 200, 30), Usage(240, 40, 200, 30, 9)]


@given(st.data())
@settings(deadline=None, max_examples=80)
def test_any_split_of_the_bytes_gives_the_same_chunks(data: st.DataObject) -> None:
    eol = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    raw = b"".join(STREAM).replace(b"\n", eol.encode())
    comment = data.draw(st.sampled_from([b"", b": keep-alive" + eol.encode() * 2]))
    raw = comment + raw
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=30)))
    pieces = [raw[i:j] for i, j in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert read(*pieces) == read(*STREAM)


def test_every_single_byte_alone_gives_the_same_chunks() -> None:
    raw = b"".join(STREAM)
    assert read(*(raw[i : i + 1] for i in range(len(raw)))) == read(*STREAM)


def test_content_starts_a_stream_and_openings_do_not() -> None:
    decoder = UPSTREAM.decoder()
    for piece in (PING, start(), opens(0, type="text", text="")):
        decoder.feed(piece)
        assert not decoder.started
    decoder.feed(adds(0, type="text_delta", text="x"))
    assert decoder.started
    assert not decoder.complete
    decoder.feed(ends(0) + finish())
    assert decoder.complete
    assert not decoder.done
    decoder.feed(STOP)
    assert decoder.done


def test_a_call_of_a_tool_starts_a_stream() -> None:
    decoder = UPSTREAM.decoder()
    decoder.feed(start() + opens(0, type="tool_use", id="a", name="b", input={}))
    assert decoder.started


def test_an_error_before_the_answer_is_raised_and_after_it_told() -> None:
    decoder = UPSTREAM.decoder()
    decoder.feed(start())
    with pytest.raises(UpstreamRateLimited):
        decoder.feed(ERROR)
    chunks = read(
        start(), opens(0, type="text", text=""), adds(0, type="text_delta", text="x"), ERROR, STOP
    )
    last = chunks[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, UpstreamRateLimited)
    assert last.error.upstream_status == 529


def test_a_failed_stream_is_not_complete() -> None:
    decoder = UPSTREAM.decoder()
    decoder.feed(start() + opens(0, type="text", text="") + adds(0, type="text_delta", text="x"))
    decoder.feed(ERROR + finish() + STOP)
    assert not decoder.complete


def test_the_last_event_may_lack_its_blank_line() -> None:
    events = [*STREAM[:-1], STOP.rstrip(b"\n")]
    assert read(*events) == read(*STREAM)


@pytest.mark.parametrize("odd", ODD)
def test_an_event_that_cannot_be_read_is_skipped(odd: bytes) -> None:
    plain = [start(), opens(0, type="text", text=""), adds(0, type="text_delta", text="x")]
    rest = [ends(0), finish(), STOP]
    assert read(*plain, odd, *rest) == read(*plain, *rest)


@pytest.mark.parametrize(
    "odd",
    [
        event("content_block_delta", index="0", delta={"type": "text_delta", "text": "x"}),
        event("content_block_start", index="1", content_block={"type": "text", "text": ""}),
        event("message_delta", delta={"stop_reason": 5}),
    ],
)
def test_a_piece_of_the_answer_that_cannot_be_read_is_no_piece_to_leave_out(odd: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        read(start(), opens(0, type="text", text=""), odd, ends(0), finish(), STOP)


def test_words_of_a_block_that_nobody_opened_are_counted() -> None:
    decoder = UPSTREAM.decoder()
    decoder.feed(start() + adds(9, type="text_delta", text="lost"))
    assert decoder.malformed == 1


def test_an_endless_event_is_refused() -> None:
    with pytest.raises(UpstreamGarbled):
        read(b"data: " + b"x" * EVENT_LIMIT)


def test_a_second_finish_changes_nothing() -> None:
    chunks = read(start(), finish(), finish("max_tokens"), STOP)
    assert [chunk.reason for chunk in chunks if isinstance(chunk, Finished)] == ["end_turn"]


def test_an_answer_by_the_stand_in_tool_is_text() -> None:
    chunks = read(
        start(),
        opens(0, type="tool_use", id="a", name="federation_answer", input={}),
        adds(0, type="input_json_delta", partial_json='{"a":'),
        adds(0, type="input_json_delta", partial_json="1}"),
        ends(0),
        finish("tool_use"),
        STOP,
    )
    choice = collected(chunks).choices[0]
    assert choice.parts == (Text('{"a":1}'),)
    assert choice.finish == "stop"


def test_a_summary_of_the_conversation_comes_in_pieces() -> None:
    chunks = read(
        start(),
        opens(0, type="compaction", content=""),
        adds(0, type="compaction_delta", content="So "),
        adds(0, type="compaction_delta", content="far.", encrypted_content="E"),
        ends(0),
        finish("compaction"),
        STOP,
    )
    part = collected(chunks).choices[0].parts[0]
    assert isinstance(part, Foreign)
    assert json.loads(bytes(part.raw)) == {
        "type": "compaction",
        "content": "So far.",
        "encrypted_content": "E",
    }


# Writing


def written(chunks: list[Chunk], *, each: bool = True) -> bytes:
    renderer = StreamRenderer()
    if each:
        return b"".join([renderer.render([chunk]) for chunk in chunks]) + renderer.close()
    return renderer.render(chunks) + renderer.close()


def events_of(raw: bytes) -> list[dict[str, Any]]:
    """The events, each checked against the official client's types."""
    found = []
    for piece in raw.decode().split("\n\n")[:-1]:
        name, data = piece.split("\n")
        body = json.loads(data.removeprefix("data: "))
        assert name == f"event: {body['type']}"
        EVENT.validate_python(body)
        found.append(body)
    return found


@pytest.mark.parametrize("each", [True, False])
def test_what_is_read_is_written_again(each: bool) -> None:
    chunks = read(*STREAM)
    again = written(chunks, each=each)
    assert collected(read(again)) == collected(chunks)
    events = events_of(again)
    assert events[0]["type"] == "message_start"
    assert events[-1] == {"type": "message_stop"}
    if not each:
        assert events[0]["message"]["usage"]["cache_read_input_tokens"] == 200


def test_interleaved_calls_are_written_one_after_the_other() -> None:
    chunks: list[Chunk] = [
        Begun("c-1", "gpt-x"),
        PartBegun(0, 0, Text("")),
        Delta(0, 0, "I look."),
        PartEnded(0, 0),
        PartBegun(0, 1, ToolCall("a", "look", "")),
        PartBegun(0, 2, ToolCall("b", "look", "")),
        Delta(0, 1, '{"n":'),
        PartBegun(0, 3, ToolCall("c", "look", "")),
        Delta(0, 2, '{"n":2}'),
        Delta(0, 1, "1}"),
        PartEnded(0, 2),
        Delta(0, 3, '{"n":'),
        PartEnded(0, 1),
        Delta(0, 3, "3}"),
        PartEnded(0, 3),
        Finished(0, "tool_calls", "tool_calls"),
        UsageSeen(Usage(50, 7, cached=20)),
    ]
    raw = written(chunks)
    events = events_of(raw)
    open_blocks = 0
    for item in events:
        open_blocks += item["type"] == "content_block_start"
        open_blocks -= item["type"] == "content_block_stop"
        assert open_blocks in (0, 1)
    response = collected(read(raw))
    calls = [part for part in response.choices[0].parts if isinstance(part, ToolCall)]
    assert [(call.id, call.arguments) for call in calls] == [
        ("a", '{"n":1}'),
        ("b", '{"n":2}'),
        ("c", '{"n":3}'),
    ]
    assert response.usage == Usage(50, 7, cached=20)
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_each_part_of_another_provider_has_its_events() -> None:
    chunks: list[Chunk] = [
        Begun("c-1", "x"),
        PartBegun(0, 0, Thinking(id="rs_1")),
        Delta(0, 0, "Hm."),
        Delta(0, 0, sealed="se"),
        Delta(0, 0, sealed="aled"),
        PartEnded(0, 0),
        PartBegun(0, 1, Thinking(sealed="only")),
        PartEnded(0, 1),
        PartBegun(0, 2, Text("Now")),
        Delta(0, 2, " this."),
        Delta(0, 2, citation=Citation("T", "https://a.test", raw=Raw(b'{"type":"url_citation"}'))),
        PartEnded(0, 2),
        PartBegun(0, 3, ToolCall("a", "free", "", kind="custom")),
        Delta(0, 3, 'say "hi"'),
        PartEnded(0, 3),
        PartBegun(0, 4, ToolCall("b", "look", "{}", signature="state", extra={"index": Raw(b"0")})),
        PartEnded(0, 4),
        PartBegun(0, 5, Foreign("openai", Raw(b"{}"))),
        PartEnded(0, 5),
        PartBegun(0, 6, Refusal("")),
        Delta(0, 6, "No."),
        PartEnded(0, 6),
        PartBegun(1, 0, Text("other choice")),
        Delta(1, 0, "!"),
        PartEnded(1, 0),
        Finished(1, "stop"),
        Finished(0, "stop", "stop", detail=Raw(b"[]"), extra={"logit": Raw(b"1")}),
    ]
    raw = written(chunks)
    events_of(raw)
    response = collected(read(raw))
    assert response.choices[0].parts == (
        Thinking("Hm."),
        Thinking(sealed="sealed"),
        Thinking(sealed="only"),
        Text("Now this.", citations=response.choices[0].parts[3].citations),  # type: ignore[union-attr]
        ToolCall("a", "free", '{"input":"say \\"hi\\""}'),
        ToolCall("b", "look", "{}", signature="state"),
        Text("No."),
    )
    assert response.choices[0].reason == "refusal"
    assert len(response.choices) == 1


def test_a_stream_that_says_nothing_is_still_a_message() -> None:
    events = events_of(written([Begun("a", "b"), Finished(0, "stop", "stop")]))
    assert [item["type"] for item in events] == ["message_start", "message_delta", "message_stop"]
    assert StreamRenderer().close().startswith(b"event: message_start")


def test_what_was_still_held_back_is_written_at_the_end() -> None:
    chunks: list[Chunk] = [
        Begun("a", "b"),
        PartBegun(0, 0, ToolCall("a", "x", "")),
        PartBegun(0, 1, ToolCall("b", "x", "")),
        Delta(0, 1, "{}"),
        Delta(0, 0, "{}"),
        Finished(0, "tool_calls"),
    ]
    parts = collected(read(written(chunks))).choices[0].parts
    assert [part.id for part in parts if isinstance(part, ToolCall)] == ["a", "b"]


def test_a_broken_stream_ends_with_an_error_and_no_end() -> None:
    renderer = StreamRenderer()
    out = renderer.render([Begun("a", "b"), PartBegun(0, 0, Text("x"))])
    out += renderer.fail(UpstreamCut("The stream broke off."))
    assert out.endswith(b"\n\n")
    last = out.rstrip().split(b"\n\n")[-1]
    assert last.startswith(b"event: error\ndata: ")
    told = json.loads(last.split(b"data: ", 1)[1])
    assert told["error"]["type"] == "api_error"
    assert renderer.close() == renderer.fail(UpstreamFailed("again")) == b""
