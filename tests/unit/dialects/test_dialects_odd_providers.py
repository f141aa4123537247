"""What providers send beside their documents, the same for every dialect that can meet it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from cross_world import WIRES
from native_dialects import client_request

from federation.dialects.surrogates import Halves
from federation.dialects.table import CLIENTS
from federation.dialects.tokenizer import members
from federation.errors import InvalidRequest, UpstreamGarbled, UpstreamMissing
from federation.schema.chat import ChatResponse
from federation.schema.chunks import Collector
from federation.schema.parts import Text, ToolCall

MARK = b"\xef\xbb\xbf"
EVENTS = ("openai", "openai_responses", "anthropic", "gemini", "cohere")
ALL = (*EVENTS, "ollama")


def whole(dialect: str, text: str) -> dict[str, Any]:
    """An answer as the vendor's reference shows it."""
    message: dict[str, Any]
    match dialect:
        case "openai":
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}
        case "openai_responses":
            part = {"type": "output_text", "text": text, "annotations": []}
            item: Any = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
            return {"id": "r", "object": "response", "status": "completed", "output": [item]}
        case "anthropic":
            return {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
        case "gemini":
            content = {"role": "model", "parts": [{"text": text}]}
            return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}
        case "cohere":
            message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
            return {"id": "c", "finish_reason": "COMPLETE", "message": message}
        case _:
            message = {"role": "assistant", "content": text}
            return {"model": "m", "message": message, "done": True, "done_reason": "stop"}


def pieces(dialect: str, *texts: str) -> list[tuple[str, dict[str, Any]]]:
    """A stream's events by name; the last says that the answer is over."""
    body: list[dict[str, Any]]
    match dialect:
        case "openai":
            deltas = [{"index": 0, "delta": {"content": text}} for text in texts]
            end = {"index": 0, "delta": {}, "finish_reason": "stop"}
            return [("", {"id": "c", "choices": [one]}) for one in (*deltas, end)]
        case "openai_responses":
            place = {"item_id": "m", "output_index": 0, "content_index": 0}
            part = {"type": "output_text", "text": "", "annotations": []}
            item = {"type": "message", "id": "m", "role": "assistant", "content": []}
            body = [
                {"type": "response.output_item.added", "output_index": 0, "item": item},
                {"type": "response.content_part.added", **place, "part": part},
                *({"type": "response.output_text.delta", **place, "delta": t} for t in texts),
                {"type": "response.completed", "response": whole(dialect, "".join(texts))},
            ]
            return [(str(one["type"]), one) for one in body]
        case "anthropic":
            start = {**whole(dialect, ""), "content": [], "stop_reason": None}
            block = {"type": "text", "text": ""}
            stop = {"stop_reason": "end_turn"}
            body = [
                {"type": "message_start", "message": start},
                {"type": "content_block_start", "index": 0, "content_block": block},
                *(
                    {
                        "type": "content_block_delta",
                        "index": 0,
                        "delta": {"type": "text_delta", "text": text},
                    }
                    for text in texts
                ),
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 1}},
                {"type": "message_stop"},
            ]
            return [(str(one["type"]), one) for one in body]
        case "gemini":
            answers = [whole(dialect, text) for text in texts]
            for answer in answers[:-1]:
                del answer["candidates"][0]["finishReason"]
            return [("", answer) for answer in answers]
        case "cohere":
            deltas = [{"message": {"content": {"type": "text", "text": text}}} for text in texts]
            body = [
                {"type": "message-start", "id": "c", "delta": {"message": {}}},
                *({"type": "content-delta", "index": 0, "delta": delta} for delta in deltas),
                {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
            ]
            return [(str(one["type"]), one) for one in body]
        case _:
            told = [whole(dialect, text) | {"done": False} for text in texts]
            return [("", one) for one in (*told, whole(dialect, ""))]


def framed(dialect: str, events: Sequence[tuple[str, dict[str, Any]]]) -> list[bytes]:
    """Each event in the dialect's framing."""
    bodies = [(name, json.dumps(body, separators=(",", ":")).encode()) for name, body in events]
    if dialect == "ollama":
        return [body + b"\n" for _, body in bodies]
    return [
        (b"event: %b\n" % name.encode() if name else b"") + b"data: %b\n\n" % body
        for name, body in bodies
    ]


def decoded(dialect: str, data: bytes, size: int = 37) -> tuple[ChatResponse, Any]:
    """The answer that a stream tells, and its decoder."""
    decoder, collector = WIRES[dialect].upstream.decoder(), Collector(dialect)
    for at in range(0, len(data), size):
        collector.add(decoder.feed(data[at : at + size]))
    collector.add(decoder.close())
    assert decoder.complete
    return collector.response(), decoder


def text_of(response: ChatResponse) -> str:
    return "".join(part.text for part in response.choices[0].parts if isinstance(part, Text))


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("size", [1, 2, 10_000])
def test_a_stream_may_begin_with_a_byte_order_mark(dialect: str, size: int) -> None:
    events = framed(dialect, pieces(dialect, "Hel", "lo"))
    found, decoder = decoded(dialect, MARK + b"".join(events), size)
    assert text_of(found) == "Hello"
    assert decoder.malformed == 0
    tap = WIRES[dialect].upstream.tap(withhold_usage=False, choices=1)
    data = MARK + b"".join(events)
    out = b"".join(tap.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert (out + tap.close()).startswith(b"".join(events))


def test_an_array_may_begin_with_a_byte_order_mark() -> None:
    data = MARK + json.dumps([body for _, body in pieces("gemini", "Hel", "lo")]).encode()
    assert text_of(decoded("gemini", data, 1)[0]) == "Hello"


@pytest.mark.parametrize("dialect", ALL)
def test_a_whole_answer_may_begin_with_a_byte_order_mark(dialect: str) -> None:
    body = MARK + json.dumps(whole(dialect, "Hello")).encode()
    wire = WIRES[dialect]
    assert text_of(wire.upstream.decode(body)) == "Hello"
    assert wire.upstream.read_answer(body).finish
    json.loads(wire.face.with_metadata(body, b"{}"))


@pytest.mark.parametrize("dialect", ALL)
def test_a_character_cut_in_two_comes_whole(dialect: str) -> None:
    events = framed(dialect, pieces(dialect, "a\ud83d", "\ude00b \\ud83d"))
    found, decoder = decoded(dialect, b"".join(events))
    assert text_of(found) == "a😀b \\ud83d"
    assert decoder.malformed == 0


@pytest.mark.parametrize("dialect", ALL)
def test_a_half_of_a_character_alone_loses_nothing_but_itself(dialect: str) -> None:
    events = framed(dialect, pieces(dialect, "a\ude00b\ud83dc", "d\ud83d"))
    assert text_of(decoded(dialect, b"".join(events))[0]) == "a\ufffdb\ufffdcd"


def test_halves_of_parts_that_are_told_in_turns_come_together_in_their_order() -> None:
    halves = Halves()
    first = [halves.mend(rb'{"t":"\ud83d"}'), halves.mend(rb'{"t":"x\ud83e"}')]
    assert first == [b'{"t":""}', b'{"t":"x"}']
    second = [halves.mend(rb'{"t":"\ude00"}'), halves.mend(rb'{"t":"\udd21"}')]
    assert [json.loads(data)["t"] for data in second] == ["😀", "🤡"]


@pytest.mark.parametrize(
    ("dialect", "text"),
    [(each, b"{not json") for each in EVENTS if each != "gemini"] + [("gemini", b"[DONE]")],
)
def test_an_event_that_is_no_json_is_skipped_and_counted(dialect: str, text: bytes) -> None:
    events = framed(dialect, pieces(dialect, "Hel", "lo"))
    odd = b"data: %b\n\n" % text
    _, decoder = decoded(dialect, b"".join([*events[:-1], odd, events[-1]]))
    assert decoder.malformed == 1
    tap = WIRES[dialect].upstream.tap(withhold_usage=False, choices=1)
    out = b"".join(tap.feed(event) for event in (*events[:-1], odd, events[-1]))
    assert out == b"".join(events)
    assert getattr(tap, "malformed") == 1  # noqa: B009 - not part of every tap's protocol


@pytest.mark.parametrize("dialect", ALL)
def test_a_piece_that_is_forwarded_and_cannot_be_read_is_garbled(dialect: str) -> None:
    events = framed(dialect, pieces(dialect, "Hel", "lo", "!"))
    told = next(event for event in events if b"lo" in event and b"Hello" not in event)
    names = {"openai": b'"index":', "gemini": b'"index":', "ollama": b'"content":'}
    name = names.get(dialect, b'"output_index":' if dialect == "openai_responses" else b'"index":')
    odd = told.replace(name, name + b'{"not":"so"},"was":', 1)
    assert odd != told
    tap = WIRES[dialect].upstream.tap(withhold_usage=False, choices=1)
    at = events.index(told)
    out = b"".join([tap.feed(event) for event in (*events[:at], odd)])
    assert out.endswith(odd)
    decoder = WIRES[dialect].upstream.decoder()
    decoder.feed(b"".join(events[:at]))
    with pytest.raises(UpstreamGarbled):
        decoder.feed(odd)


@pytest.mark.parametrize("dialect", EVENTS)
@pytest.mark.parametrize("odd", [b'"ping"', b"[]", b"7", b"null", b'{"type":"news","index":"a"}'])
def test_what_holds_no_piece_of_the_answer_is_borne(dialect: str, odd: bytes) -> None:
    events = framed(dialect, pieces(dialect, "Hel", "lo"))
    found, _ = decoded(dialect, b"data: %b\n\n" % odd + b"".join(events))
    assert text_of(found) == "Hello"


def test_a_line_that_is_no_json_is_skipped_and_counted() -> None:
    lines = framed("ollama", pieces("ollama", "Hel", "lo"))
    _, decoder = decoded("ollama", b"".join([*lines[:-1], b": ping\n", lines[-1]]))
    assert decoder.malformed == 1


@pytest.mark.parametrize("dialect", ALL)
def test_an_address_that_has_moved_says_so(dialect: str) -> None:
    error = WIRES[dialect].upstream.decode_error(302, {b"location": b"https://x"}, b"")
    assert isinstance(error, UpstreamMissing)
    assert error.code == "upstream_moved"
    assert "acme/acme-large answers that its address has moved (status 302)" in error.message


def calling(args: Any, tokens: int) -> dict[str, Any]:
    """An answer of `gemini` that calls a function, without an id of its own."""
    parts = [{"functionCall": {"name": "f", "args": args}}]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": tokens}}


def calls_of(dialect: str, body: dict[str, Any], *, stream: bool) -> list[ToolCall]:
    """The calls in an answer, asked for whole or as the only event of a stream."""
    if stream:
        found, _ = decoded(dialect, b"".join(framed(dialect, [("", body)])))
    else:
        found = WIRES[dialect].upstream.decode(json.dumps(body).encode())
    return [part for part in found.choices[0].parts if isinstance(part, ToolCall)]


@pytest.mark.parametrize("stream", [True, False])
def test_arguments_that_are_text_are_read_as_the_object_in_it(stream: bool) -> None:
    (call,) = calls_of("gemini", calling(' {"city": "Zürich"}', 1), stream=stream)
    assert json.loads(call.arguments) == {"city": "Zürich"}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("args", ["[1]", "{oops", "", 5])
def test_a_call_that_cannot_be_read_is_no_answer(args: Any, stream: bool) -> None:
    with pytest.raises(UpstreamGarbled):
        calls_of("gemini", calling(args, 1), stream=stream)


@pytest.mark.parametrize("stream", [True, False])
def test_calls_without_ids_have_others_in_every_turn(stream: bool) -> None:
    turns = [calls_of("gemini", calling({"a": 1}, tokens), stream=stream) for tokens in (5, 9)]
    assert len({call.id for (call,) in turns}) == 2
    message = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    answers: list[dict[str, Any]] = [
        {
            "model": "m",
            "message": message,
            "done": True,
            "done_reason": "stop",
            "created_at": "2026-01-01T00:00:00Z",
            "prompt_eval_count": tokens,
        }
        for tokens in (5, 9)
    ]
    ids = [calls_of("ollama", answer, stream=stream)[0].id for answer in answers]
    assert len(set(ids)) == 2
    assert all(len(one) <= 40 for one in ids)


def test_only_languages_with_an_end_that_says_failure_end_regularly_after_an_error() -> None:
    ends = {name for name, face in CLIENTS.items() if face.error_ends}
    assert ends == {"cohere", "openai_responses"}
    assert b'"finish_reason":"ERROR"' in CLIENTS["cohere"].stream_error(UpstreamGarbled("x"))
    assert b'"type":"error"' in CLIENTS["openai_responses"].stream_error(UpstreamGarbled("x"))


IMAGE_URL = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
INPUT_IMAGE = {"type": "input_image", "image_url": "https://x.test/a.png"}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}


@pytest.mark.parametrize(
    ("dialect", "path", "part"),
    [
        ("anthropic", "/v1/messages", IMAGE_URL),
        ("anthropic", "/v1/messages", INPUT_IMAGE),
        ("openai", "/v1/chat/completions", IMAGE),
        ("openai_responses", "/v1/responses", IMAGE_URL),
        ("openai_responses", "/v1/responses", IMAGE),
        ("cohere", "/v2/chat", IMAGE),
        ("cohere", "/v2/chat", INPUT_IMAGE),
        ("gemini", "/v1beta/models/m:generateContent", IMAGE_URL),
        ("bedrock", "/model/m/converse", IMAGE_URL),
    ],
)
def test_a_part_of_another_language_is_refused_with_its_place(
    dialect: str, path: str, part: dict[str, Any]
) -> None:
    kept = "parts" if dialect == "gemini" else "content"
    turns = [{"role": "user", kept: [part]}]
    name = {"gemini": "contents", "openai_responses": "input"}.get(dialect, "messages")
    body = {"model": "m", "max_tokens": 5, name: turns}
    if dialect in ("gemini", "bedrock", "openai_responses"):
        del body["max_tokens"]
    face = WIRES[dialect].face
    asked = client_request(body, path)
    with pytest.raises(InvalidRequest) as caught:
        face.parse(asked, face.glance(asked))
    assert str(caught.value.param).startswith(f"{name}[0].{kept}[0]")


@pytest.mark.parametrize("half", [r"\ud83d", r"\uDE00"])
def test_half_a_character_in_a_call_is_refused_with_its_place(half: str) -> None:
    body = f'{{"a":"\\\\ud83d \\ud83d\\ude00","b":"{half}x"}}'.encode()
    with pytest.raises(InvalidRequest) as caught:
        members(body)
    said = f"the escape at byte {body.index(half.encode() + b'x')} is half of a surrogate pair"
    assert said in caught.value.message


@pytest.mark.parametrize("dialect", ALL)
def test_a_forwarded_stream_with_halves_of_characters_is_whole(dialect: str) -> None:
    events = framed(dialect, pieces(dialect, "a\ud83d", "\ude00b", "\ud83d"))
    tap = WIRES[dialect].upstream.tap(withhold_usage=False, choices=1)
    out = b"".join(tap.feed(event) for event in events) + tap.close()
    assert out.startswith(b"".join(events))
    assert tap.complete
