"""Answers that are hard on a worker, or that lost a piece on their way."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cross_world import WIRES
from hypothesis import given
from hypothesis import strategies as st

from federation.dialects import whole
from federation.dialects.gemini import streams as gemini_streams
from federation.dialects.ollama import moments
from federation.dialects.openai import call_stream, choice_stream, details
from federation.dialects.openai.call_stream import MOST_CALLS
from federation.dialects.openai_responses import assembly
from federation.dialects.sse import event_name
from federation.dialects.whole import MOST_PARTS, too_many
from federation.errors import UpstreamGarbled
from federation.schema.chunks import PartBegun, PartEnded
from federation.schema.parts import Media, ToolCall

CALLS = 5_000
TOO_MANY = MOST_PARTS + 1


def packed(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def answered(dialect: str, count: int) -> bytes:
    """A whole answer of so many parts."""
    match dialect:
        case "ollama":
            call = {"function": {"name": "f", "arguments": {}}}
            message = {"role": "assistant", "content": "", "tool_calls": [call] * count}
            return packed({"model": "m", "message": message, "done": True, "done_reason": "stop"})
        case "gemini":
            content = {"role": "model", "parts": [{"text": "a"}] * count}
            return packed({"candidates": [{"content": content, "finishReason": "STOP"}]})
        case "bedrock":
            message = {"role": "assistant", "content": [{"text": "a"}] * count}
            return packed({"output": {"message": message}, "stopReason": "end_turn"})
        case "cohere":
            message = {"role": "assistant", "content": [{"type": "text", "text": "a"}] * count}
            return packed({"id": "c", "finish_reason": "COMPLETE", "message": message})
        case "anthropic":
            blocks = [{"type": "text", "text": "a"}] * count
            return packed({"id": "m", "content": blocks, "stop_reason": "end_turn"})
        case "openai":
            called = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
            said: dict[str, Any] = {"role": "assistant", "tool_calls": [called] * count}
            return packed({"choices": [{"message": said, "finish_reason": "tool_calls"}]})
        case _:
            return packed(response([message_item(1)] * count))


def response(output: list[Any]) -> dict[str, Any]:
    return {"id": "r", "object": "response", "status": "completed", "output": output}


def message_item(texts: int) -> dict[str, Any]:
    part = {"type": "output_text", "text": "a", "annotations": []}
    return {"type": "message", "id": "m", "role": "assistant", "content": [part] * texts}


@pytest.mark.parametrize(
    ("dialect", "where"), [("ollama", moments), ("gemini", gemini_streams)], ids=str
)
def test_an_event_of_many_calls_is_hashed_once(
    dialect: str, where: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []

    def digest(data: bytes) -> str:
        hashed.append(len(data))
        return whole.digest(data)

    monkeypatch.setattr(where, "digest", digest)
    call: dict[str, Any] = {"name": "f", "args": {}}
    event = (
        answered("ollama", CALLS) + b"\n"
        if dialect == "ollama"
        else b"data: %b\n\n"
        % packed({"candidates": [{"content": {"parts": [{"functionCall": call}] * CALLS}}]})
    )
    decoder = WIRES[dialect].upstream.decoder()
    chunks = decoder.feed(event)
    heads = [chunk.head for chunk in chunks if isinstance(chunk, PartBegun)]
    assert len({head.id for head in heads if isinstance(head, ToolCall)}) == CALLS
    assert len(hashed) == 1


def test_each_event_without_an_id_names_its_calls_anew() -> None:
    decoder = WIRES["gemini"].upstream.decoder()
    ids = []
    for name in ("f", "g"):
        part: dict[str, Any] = {"functionCall": {"name": name, "args": {}}}
        event = packed({"candidates": [{"content": {"parts": [part]}}]})
        heads = [c.head for c in decoder.feed(b"data: %b\n\n" % event) if isinstance(c, PartBegun)]
        ids += [head.id.rsplit("_", 2)[0] for head in heads if isinstance(head, ToolCall)]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("dialect", sorted(WIRES))
def test_an_answer_of_too_many_parts_is_garbled(dialect: str) -> None:
    upstream = WIRES[dialect].upstream
    assert len(upstream.decode(answered(dialect, MOST_PARTS)).choices[0].parts) == MOST_PARTS
    with pytest.raises(UpstreamGarbled):
        upstream.decode(answered(dialect, TOO_MANY))


def test_parts_are_counted_over_all_candidates_and_items() -> None:
    half = {"content": {"parts": [{"text": "a"}] * (TOO_MANY // 2 + 1)}, "finishReason": "STOP"}
    with pytest.raises(UpstreamGarbled):
        WIRES["gemini"].upstream.decode(packed({"candidates": [half, half | {"index": 1}]}))
    for items in ([message_item(TOO_MANY)], [message_item(TOO_MANY // 2 + 1)] * 2):
        with pytest.raises(UpstreamGarbled):
            WIRES["openai_responses"].upstream.decode(packed(response(items)))


def test_an_event_of_too_many_parts_is_garbled() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    started = {"type": "tool-call-start", "delta": {"message": {"tool_calls": [call] * TOO_MANY}}}
    last = {"type": "response.completed", "response": response([message_item(1)] * TOO_MANY)}
    events = {
        "ollama": answered("ollama", TOO_MANY) + b"\n",
        "gemini": b"data: %b\n\n" % answered("gemini", TOO_MANY),
        "cohere": b"event: tool-call-start\ndata: %b\n\n" % packed(started),
        "openai_responses": b"event: response.completed\ndata: %b\n\n" % packed(last),
    }
    for dialect, event in events.items():
        with pytest.raises(UpstreamGarbled):
            WIRES[dialect].upstream.decoder().feed(event)


def test_an_array_is_counted_whatever_it_holds() -> None:
    assert too_many(b"[%b1]" % (b"1," * MOST_PARTS))
    assert not too_many(b"[%b1]" % (b"1," * (MOST_PARTS - 1)))
    assert not too_many(b'"%b"' % (b"," * TOO_MANY))
    assert not too_many(b"[" * TOO_MANY)


TORN = [
    ("cohere", "content-delta"),
    ("cohere", "tool-call-delta"),
    ("cohere", "message-end"),
    ("openai_responses", "response.output_text.delta"),
    ("openai_responses", "response.function_call_arguments.done"),
    ("openai_responses", "response.completed"),
]


@pytest.mark.parametrize(("dialect", "name"), TORN)
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_a_named_piece_that_is_no_json_is_garbled(dialect: str, name: str, end: bytes) -> None:
    event = b'event: %b%bdata: {"broken%b' % (name.encode(), end[: len(end) // 2], end)
    upstream = WIRES[dialect].upstream
    for reader in (upstream.decoder(), upstream.tap(withhold_usage=False, choices=1)):
        feed: Callable[[bytes], Any] = reader.feed
        with pytest.raises(UpstreamGarbled):
            feed(event)


@pytest.mark.parametrize(("dialect", "name"), TORN)
def test_the_torn_end_of_a_stream_is_a_cut_one(dialect: str, name: str) -> None:
    upstream = WIRES[dialect].upstream
    decoder, tap = upstream.decoder(), upstream.tap(withhold_usage=False, choices=1)
    torn = b'event: %b\ndata: {"broken' % name.encode()
    assert (decoder.feed(torn), decoder.close(), decoder.complete) == ([], [], False)
    assert (tap.feed(torn), tap.close(), tap.complete) == (b"", b"", False)


@pytest.mark.parametrize("dialect", ["cohere", "openai_responses"])
def test_a_named_event_of_no_piece_may_be_no_json(dialect: str) -> None:
    upstream = WIRES[dialect].upstream
    decoder, tap = upstream.decoder(), upstream.tap(withhold_usage=False, choices=1)
    event = b'event: ping\ndata: {"broken\n\n'
    assert (decoder.feed(event), decoder.malformed) == ([], 1)
    assert tap.feed(event) == b""


_MESSAGE = packed({"model": "m", "message": {"content": "a"}, "done": False}) + b"\n"
_CANDIDATES = b"data: %b\n\n" % packed({"candidates": [{"content": {"parts": [{"text": "a"}]}}]})


@pytest.mark.parametrize(
    ("dialect", "begun", "torn"),
    [
        ("ollama", _MESSAGE, b'{"model":"m","message":{"content":"b\n'),
        ("gemini", _CANDIDATES, b'data: {"candidates":[{"content":{"parts":[{"te\n\n'),
        ("ollama", _MESSAGE, b'{"mod\n'),
        ("ollama", _MESSAGE, b'nt":"b"},"done":false}\n'),
        ("ollama", b"", b'{"model":"m","mess\n'),
        ("gemini", _CANDIDATES, b'data: {"cand\n\n'),
        ("gemini", _CANDIDATES, b'data: xt":"b"}]}}]}\n\n'),
        ("gemini", b"", b'data: {"candi\n\n'),
    ],
)
def test_what_may_be_a_torn_piece_is_garbled(dialect: str, begun: bytes, torn: bytes) -> None:
    upstream = WIRES[dialect].upstream
    decoder, tap = upstream.decoder(), upstream.tap(withhold_usage=False, choices=1)
    decoder.feed(begun)
    assert tap.feed(begun) == begun
    for reader in (decoder, tap):
        feed: Callable[[bytes], Any] = reader.feed
        with pytest.raises(UpstreamGarbled):
            feed(torn)


def told(*pieces: str, whole_text: str) -> list[bytes]:
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    deltas = [("response.output_text.delta", {**place, "delta": piece}) for piece in pieces]
    done = ("response.output_text.done", {**place, "text": whole_text})
    return [
        b"event: %b\ndata: %b\n\n" % (name.encode(), packed({"type": name, **members}))
        for name, members in (*deltas, done)
    ]


@pytest.mark.parametrize("whole_text", ["Hello", "", "Hel\ufffd!!!", " Hello\n", "hello", "lo"])
def test_a_text_that_says_no_more_than_its_pieces_is_read(whole_text: str) -> None:
    decoder = WIRES["openai_responses"].upstream.decoder()
    decoder.feed(b"".join(told("Hel", "lo", whole_text=whole_text)))
    assert decoder.started


@pytest.mark.parametrize("whole_text", ["Hello!", "Hel-a piece that was lost-lo"])
def test_a_text_that_says_more_than_its_pieces_is_garbled(whole_text: str) -> None:
    decoder = WIRES["openai_responses"].upstream.decoder()
    *deltas, done = told("Hel", "lo", whole_text=whole_text)
    decoder.feed(b"".join(deltas))
    with pytest.raises(UpstreamGarbled):
        decoder.feed(done)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (b"event: a\ndata: x\n\n", "a"),
        (b"event:a \r\ndata: x\r\n\r\n", "a"),
        (b"data: x\revent: a\r\r", "a"),
        (b"event: a\ndata: x\n", ""),
        (b"event: a\r\ndata: x\r\n", ""),
        (b"data: event: a\n\n", ""),
    ],
)
def test_an_event_is_named_in_a_line_of_its_own(event: bytes, name: str) -> None:
    assert event_name(event) == name


@pytest.mark.parametrize("rest", [b"{", b"[", b"{\n", b"5"])
def test_a_torn_beginning_is_no_line(rest: bytes) -> None:
    begun = packed({"model": "m", "message": {"content": "a"}, "done": False}) + b"\n"
    tap = WIRES["ollama"].upstream.tap(withhold_usage=False, choices=1)
    assert tap.feed(begun + rest) + tap.close() == begun


def test_an_end_without_a_reason_is_a_stop() -> None:
    body = packed({"model": "m", "message": {"content": "a"}, "done": True})
    upstream = WIRES["ollama"].upstream
    assert upstream.decode(body).choices[0].finish == "stop"
    *_, finished = upstream.decoder().feed(body + b"\n")
    assert getattr(finished, "finish") == "stop"  # noqa: B009 - the last chunk of any kind


def test_a_model_that_is_not_named_is_the_one_that_was_asked() -> None:
    upstream = WIRES["cohere"].upstream
    found = upstream.decode(answered("cohere", 1))
    begun, *_ = upstream.decoder().feed(b'data: {"type":"message-start","id":"c"}\n\n')
    assert found.model
    assert getattr(begun, "model") == found.model  # noqa: B009 - the first chunk of any kind


@given(st.lists(st.text("a \n\u2003\ufffd", max_size=4)))
def test_how_long_a_text_is_without_blanks_around_it_is_known_without_its_pieces(
    pieces: list[str],
) -> None:
    item = assembly._Item("message", {})
    item.begin(0, ("text", 0))
    for piece in pieces:
        item.tell(piece)
    whole_text = "".join(pieces)
    assert item.length == len(whole_text.strip())
    assert item.lost == ("\ufffd" in whole_text)


def calling(*tool_calls: dict[str, Any]) -> bytes:
    return saying(tool_calls=tool_calls)


def saying(**delta: Any) -> bytes:
    return b"data: %b\n\n" % packed({"id": "c", "choices": [{"index": 0, "delta": delta}]})


def written(number: int, arguments: str) -> dict[str, Any]:
    return {"index": number, "id": f"c{number}", "function": {"name": "f", "arguments": arguments}}


def test_calls_without_end_are_no_answer() -> None:
    decoder = WIRES["openai"].upstream.decoder()
    chunks = decoder.feed(calling(*(written(n, "{}") for n in range(MOST_CALLS))))
    assert sum(isinstance(chunk, PartBegun) for chunk in chunks) == MOST_CALLS
    with pytest.raises(UpstreamGarbled, match="too many calls"):
        decoder.feed(calling({"index": MOST_CALLS, "function": {"name": "f"}}))


@pytest.fixture
def read_characters(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much of arguments was read to see whether they are whole, each time."""
    read: list[int] = []
    decode = call_stream._ANY.decode

    class Counting:
        def decode(self, text: str) -> Any:
            read.append(len(text))
            return decode(text)

    monkeypatch.setattr(call_stream, "_ANY", Counting())
    return read


def test_long_arguments_are_not_read_again_for_whatever_begins(read_characters: list[int]) -> None:
    decoder = WIRES["openai"].upstream.decoder()
    size = 200_000
    decoder.feed(calling(written(0, '{"a":"' + "x" * size)))
    for n in range(1, 300):
        decoder.feed(calling(written(n, "{")) + saying(content="a") + saying(reasoning="b"))
        decoder.feed(calling({"index": 0, "function": {"arguments": "x"}}))
    assert sum(read_characters) < 3 * size


def test_a_call_that_became_whole_is_ended_by_what_begins_next() -> None:
    decoder = WIRES["openai"].upstream.decoder()
    decoder.feed(calling(written(0, '{"a":'), written(1, "{}")))
    decoder.feed(saying(content="a"))
    decoder.feed(calling({"index": 0, "function": {"arguments": "1}"}}))
    ended, *_ = decoder.feed(saying(reasoning="b"))
    first, *_ = decoder.feed(saying(content="c"))
    assert isinstance(ended, PartEnded)
    assert isinstance(first, PartEnded)


def test_sound_is_put_together_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def decode(text: str) -> bytes:
        decoded.append(text)
        return base64.b64decode(text)

    monkeypatch.setattr(choice_stream, "b64decode", decode)
    decoder = WIRES["openai"].upstream.decoder()
    for _ in range(100):
        decoder.feed(saying(audio={"id": "a", "data": "AA=="}))
    done = packed({"choices": [{"index": 0, "finish_reason": "stop"}]})
    chunks = decoder.feed(b"data: %b\n\n" % done)
    heads = [chunk.head for chunk in chunks if isinstance(chunk, PartBegun)]
    assert [head.data for head in heads if isinstance(head, Media)] == [
        base64.b64encode(bytes(100)).decode()
    ]
    assert len(decoded) == 100


def test_reasoning_in_many_entries_is_put_together_once() -> None:
    class Uncopied(str):
        __slots__ = ()

        def __radd__(self, other: str) -> str:
            raise AssertionError(f"{len(other)} characters were copied for one more entry")

    entries = [details.Detail(index=0, text=Uncopied("ab"), signature=Uncopied("c"))] * 3
    [(_, thought)] = details.read_details(entries, "")
    assert (thought.text, thought.signature) == ("ababab", "ccc")
