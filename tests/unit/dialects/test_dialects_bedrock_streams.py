"""ConverseStream, both ways: any cut gives the same chunks, and a stream adds up to its answer."""

from __future__ import annotations

import itertools

import pytest
from bedrock_frames import (
    CALL,
    EXCEPTION,
    METADATA,
    OPEN,
    chunks_of,
    collected,
    delta,
    ended,
    event,
    start,
    stop,
)
from bedrock_world import upstream
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from federation.dialects.aws_eventstream import write_frame, write_headers
from federation.dialects.bedrock.tables import JSON_ANSWER
from federation.errors import UpstreamError, UpstreamFailed, UpstreamGarbled
from federation.schema.chunks import (
    Failed,
    Finished,
)
from federation.schema.parts import Citation, Foreign, Media, Part, Text, Thinking, ToolCall
from federation.schema.usage import Usage

STREAM = [
    OPEN,
    delta(0, reasoningContent={"text": "Let me "}),
    delta(0, reasoningContent={"text": "see"}),
    delta(0, reasoningContent={"signature": "c2ln"}),
    stop(0),
    delta(1, reasoningContent={"redactedContent": "aGk="}),
    stop(1),
    delta(2, text="I will "),
    delta(2, text="look."),
    delta(2, citation={"title": "t", "sourceContent": [{"text": "q"}]}),
    stop(2),
    start(3, toolUse=CALL),
    delta(3, toolUse={"input": ""}),
    delta(3, toolUse={"input": '{"city": '}),
    delta(3, toolUse={"input": '"Lima"}'}),
    stop(3),
    start(4, toolUse={"toolUseId": "t2", "name": "now"}),
    stop(4),
    *ended("tool_use", additionalModelResponseFields={"stop_sequence": None}),
]


def parts_of(*pieces: bytes) -> tuple[Part, ...]:
    return collected(chunks_of([OPEN, *pieces, *ended()])).choices[0].parts


def test_a_stream_is_read_into_chunks() -> None:
    response = collected(chunks_of(STREAM))
    (choice,) = response.choices
    assert choice.parts == (
        Thinking("Let me see", signature="c2ln"),
        Thinking(sealed="aGk="),
        Text(
            "I will look.",
            (
                Citation(
                    "t", quote="q", raw=Raw(b'{"title": "t", "sourceContent": [{"text": "q"}]}')
                ),
            ),
        ),
        ToolCall("t1", "weather", '{"city": "Lima"}'),
        ToolCall("t2", "now", "{}"),
    )
    assert (choice.finish, choice.reason) == ("tool_calls", "tool_use")
    assert response.usage == Usage(7, 2, 4)


@settings(deadline=None, max_examples=60)
@given(cuts=st.lists(st.integers(0, sum(map(len, STREAM))), max_size=8))
def test_any_cut_gives_the_same_chunks_and_forwards_the_same_bytes(cuts: list[int]) -> None:
    data = b"".join(STREAM)
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert chunks_of(pieces) == chunks_of(STREAM)
    tap = upstream().tap(withhold_usage=True, choices=1)
    assert b"".join(tap.feed(piece) for piece in pieces) + tap.close() == data
    assert tap.complete
    assert tap.done
    assert tap.answer().usage == Usage(7, 2, 4)
    assert tap.answer().finish == "tool_use"


def test_one_byte_at_a_time_is_the_same() -> None:
    data = b"".join(STREAM)
    assert chunks_of([data[i : i + 1] for i in range(len(data))]) == chunks_of([data])


def test_the_answer_has_started_when_there_is_content() -> None:
    for reader in (upstream().decoder(), upstream().tap(withhold_usage=False, choices=1)):
        for quiet in (OPEN, delta(0, text="")):
            reader.feed(quiet)
            assert not reader.started
        reader.feed(delta(0, text="x"))
        assert reader.started
        assert not reader.complete
        reader.feed(event("messageStop", {"stopReason": "end_turn"}))
        assert reader.complete
        assert not reader.done
        reader.feed(event("metadata", METADATA))
        assert reader.done


def test_an_end_without_metadata_is_told_at_the_end_of_the_bytes() -> None:
    decoder = upstream().decoder()
    decoder.feed(OPEN + delta(0, text="x") + event("messageStop", {"stopReason": "max_tokens"}))
    assert decoder.close() == [Finished(0, "length", "max_tokens")]
    assert decoder.complete


def test_a_stream_that_breaks_off_is_not_complete() -> None:
    decoder = upstream().decoder()
    decoder.feed(OPEN + delta(0, text="x") + stop(0)[:-1])
    assert decoder.close() == []
    assert not decoder.complete


def test_missing_stops_and_starts_are_borne() -> None:
    parts = parts_of(
        delta(0, text="a"),
        delta(1, reasoningContent={"text": "b"}),
        start(2, toolUse=CALL),
        delta(2, toolUse={"input": "{}"}),
        delta(3, toolUse={"input": "lost"}),
        delta(3, text="c"),
    )
    assert parts == (Text("a"), Thinking("b"), ToolCall("t1", "weather", "{}"), Text("c"))


def odd(name: str, payload: bytes) -> bytes:
    headers = {":event-type": name, ":message-type": "event"}
    return write_frame(write_headers(headers), payload)


@pytest.mark.parametrize(
    "event",
    [
        odd("contentBlockDelta", b'{"delta":1}'),
        odd("contentBlockDelta", b'{"contentBlockIndex":"0","delta":{"text":"x"}}'),
        odd("contentBlockStart", b'{"start":{"toolUse":{"name":1}}}'),
        odd("messageStop", b'{"stopReason":5}'),
    ],
)
def test_a_piece_of_the_answer_that_cannot_be_read_is_no_piece_to_leave_out(event: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        upstream().decoder().feed(OPEN + event)


def test_what_cannot_be_read_is_skipped() -> None:
    assert parts_of(
        odd("contentBlockDelta", b'{"delta":null}'),
        odd("contentBlockStart", b'{"start":null}'),
        odd("somethingNew", b"{}"),
        odd("contentBlockDelta", b'{"delta":{"citation":[1]}}'),
        write_frame(b"", b""),
        delta(0, text="x"),
        delta(0, image={"source": None}),
        delta(0, toolResult=[1]),
    ) == (Text("x"),)


@pytest.mark.parametrize("name", ["contentBlockDelta", "contentBlockStart", "messageStop"])
@pytest.mark.parametrize("payload", [b"{", b'{"broken', b""])
def test_a_piece_of_the_answer_that_is_no_json_is_garbled(name: str, payload: bytes) -> None:
    begun = OPEN + delta(0, text="x")
    decoder, tap = upstream().decoder(), upstream().tap(withhold_usage=False, choices=1)
    decoder.feed(begun)
    assert tap.feed(begun) == begun
    with pytest.raises(UpstreamGarbled):
        decoder.feed(odd(name, payload))
    with pytest.raises(UpstreamGarbled):
        tap.feed(odd(name, payload))


def test_half_a_character_is_json_to_the_tap() -> None:
    tap = upstream().tap(withhold_usage=False, choices=1)
    half = odd("contentBlockDelta", rb'{"delta":{"text":"a\ud83d"}}')
    assert tap.feed(half) == half


def test_our_json_tool_streams_as_text() -> None:
    chunks = chunks_of(
        [
            OPEN,
            start(0, toolUse={"toolUseId": "t", "name": JSON_ANSWER}),
            delta(0, toolUse={"input": '{"a"'}),
            delta(0, toolUse={"input": ":1}"}),
            stop(0),
            *ended("tool_use"),
        ]
    )
    (choice,) = collected(chunks).choices
    assert choice.parts == (Text('{"a":1}'),)
    assert choice.finish == "stop"


def test_pictures_and_the_providers_own_tools_are_gathered() -> None:
    assert parts_of(
        start(0, image={"format": "png"}),
        delta(0, image={"source": {"bytes": "aGk="}}),
        delta(0, image={"source": {"bytes": "aA=="}}),
        stop(0),
        start(1, toolUse={**CALL, "type": "server_tool_use"}),
        delta(1, toolUse={"input": '{"q":1}'}),
        stop(1),
        start(2, toolResult={"toolUseId": "t1", "status": "success"}),
        delta(2, toolResult=[{"text": "found"}]),
        stop(2),
        delta(3, reasoningContent={"redactedContent": "aGk="}),
        delta(3, reasoningContent={"redactedContent": "aA=="}),
    ) == (
        Media("image", "image/png", "aGlo"),
        Foreign(
            "bedrock",
            Raw(
                b'{"toolUse":{"toolUseId":"t1","name":"weather","input":{"q":1},'
                b'"type":"server_tool_use"}}'
            ),
        ),
        Foreign(
            "bedrock",
            Raw(
                b'{"toolResult":{"toolUseId":"t1","status":"success",'
                b'"content":[{"text": "found"}]}}'
            ),
        ),
        Thinking(sealed="aGlo"),
    )


def test_a_providers_tool_with_broken_input_is_left_out() -> None:
    hosted = {**CALL, "type": "server_tool_use"}
    assert parts_of(start(0, toolUse=hosted), delta(0, toolUse={"input": "{"}), stop(0)) == ()


def test_an_exception_after_the_start_is_told_and_forwarded() -> None:
    decoder = upstream().decoder()
    chunks = decoder.feed(OPEN + delta(0, text="x") + EXCEPTION + delta(0, text="late"))
    assert isinstance(chunks[-1], Failed)
    assert isinstance(chunks[-1].error, UpstreamFailed)
    assert not decoder.complete
    with pytest.raises(UpstreamError):
        collected(chunks)
    tap = upstream().tap(withhold_usage=False, choices=1)
    assert tap.feed(OPEN + delta(0, text="x") + EXCEPTION).endswith(EXCEPTION)
    assert isinstance(tap.error, UpstreamFailed)
    assert not tap.complete


def test_damaged_frames_are_garbled() -> None:
    data = bytearray(delta(0, text="Hello"))
    data[-10] ^= 1
    for reader in (upstream().decoder(), upstream().tap(withhold_usage=False, choices=1)):
        with pytest.raises(UpstreamGarbled):
            reader.feed(bytes(data))


def test_a_stream_is_known_by_its_content_type() -> None:
    made = upstream()
    assert made.is_stream({b"content-type": b"application/vnd.amazon.eventstream"})
    assert not made.is_stream({b"content-type": b"application/json"})
