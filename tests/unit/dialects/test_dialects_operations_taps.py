"""Streams of pictures, transcripts and sound are handed on unchanged and read along."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import ImageGenCompletedEvent, ImageGenPartialImageEvent
from openai.types.audio import TranscriptionTextDoneEvent
from operations_world import prepared

from federation.dialects.operations import taps
from federation.errors import UpstreamError, UpstreamGarbled
from federation.schema.glance import Ask
from federation.schema.operations import (
    IMAGE,
    MODERATIONS,
    SPEECH,
    TRANSCRIPTION,
    OperationGlance,
)
from federation.schema.tap import StreamTap
from federation.schema.usage import Usage

SSE = {b"content-type": b"text/event-stream"}
USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 60,
    "total_tokens": 110,
}
PICTURE: dict[str, Any] = {
    "b64_json": "QUJD" * 50,
    "background": "opaque",
    "created_at": 1,
    "output_format": "png",
    "quality": "low",
    "size": "1024x1024",
}
PARTIAL = {**PICTURE, "type": "image_generation.partial_image", "partial_image_index": 0}
WHOLE = {**PICTURE, "type": "image_generation.completed", "usage": USAGE}
COUNTS = {
    "type": "tokens",
    "input_tokens": 14,
    "output_tokens": 5,
    "total_tokens": 19,
    "input_token_details": {"audio_tokens": 14, "text_tokens": 0},
}
DONE = {"type": "transcript.text.done", "text": "Hello", "usage": COUNTS}
DELTA = {"type": "transcript.text.delta", "delta": "Hel"}


def written(*bodies: dict[str, Any], end: str = "\n") -> bytes:
    lines = [f"event: {body['type']}{end}data: {json.dumps(body)}{end}{end}" for body in bodies]
    return "".join(lines).encode()


def tap(operation: str, headers: dict[bytes, bytes] | None = None, **facts: Any) -> StreamTap:
    glance = OperationGlance(operation, "openai", "m", Ask(), stream=True, **facts)
    return prepared(operation).tap(glance, SSE if headers is None else headers)


def test_the_events_are_the_vendors() -> None:
    ImageGenPartialImageEvent.model_validate(PARTIAL, strict=True)
    ImageGenCompletedEvent.model_validate(WHOLE, strict=True)
    TranscriptionTextDoneEvent.model_validate(DONE, strict=True)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@settings(deadline=None, max_examples=60)
@given(cuts=st.lists(st.integers(0, 1500), max_size=12))
def test_every_split_of_the_bytes_gives_the_same(end: str, cuts: list[int]) -> None:
    data = b": keep-alive" + 2 * end.encode() + written(PARTIAL, WHOLE, end=end)
    places = sorted({0, len(data), *[cut for cut in cuts if cut < len(data)]})
    reader = tap(IMAGE)
    passed = b"".join([reader.feed(data[a:b]) for a, b in itertools.pairwise(places)])
    passed += reader.close()
    assert passed.rstrip(b"\r\n") == data.rstrip(b"\r\n")
    assert (reader.started, reader.complete, reader.events) == (True, True, 2)
    assert reader.answer().usage == Usage(input=50, output=60, units={"image": 1})


def test_each_picture_has_its_own_end_and_usage() -> None:
    reader = tap(IMAGE, outputs=2)
    reader.feed(written(PARTIAL, WHOLE))
    assert not reader.complete
    reader.feed(written(WHOLE))
    assert reader.complete
    assert reader.answer().usage == Usage(input=100, output=120, units={"image": 2})


def test_a_transcript_ends_with_its_usage() -> None:
    reader = tap(TRANSCRIPTION, seconds=2.5)
    assert reader.feed(written(DELTA)) == written(DELTA)
    assert (reader.started, reader.complete) == (True, False)
    reader.feed(written(DONE))
    assert reader.complete
    assert reader.answer().usage == Usage(input=14, output=5, audio_input=14, units={"second": 3})


def test_speech_as_events_ends_with_its_usage() -> None:
    done = {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 4, "output_tokens": 30, "total_tokens": 34},
    }
    reader = tap(SPEECH, characters=9)
    reader.feed(written({"type": "speech.audio.delta", "audio": "QUJD"}, done))
    assert reader.complete
    assert reader.answer().usage == Usage(
        input=4, output=30, audio_output=30, units={"character": 9}
    )


def test_sound_goes_on_as_it_comes() -> None:
    reader = tap(SPEECH, {b"content-type": b"audio/mpeg"}, characters=9, text_bytes=9)
    assert not reader.complete
    assert reader.feed(b"\xff\n\n\x00") == b"\xff\n\n\x00"
    assert reader.close() == b""
    assert (reader.started, reader.complete, reader.done) == (True, True, True)
    assert reader.answer().usage == Usage(input=3, units={"character": 9}, estimated=True)


def test_a_torn_event_is_not_handed_on() -> None:
    data = written(WHOLE)
    reader = tap(IMAGE)
    assert reader.feed(data[:-30]) == b""
    assert reader.close() == b""
    assert not reader.complete


def test_an_event_that_lacks_only_its_blank_line_is() -> None:
    data = written(DONE)
    reader = tap(TRANSCRIPTION)
    assert reader.feed(data[:-2]) + reader.close() == data
    assert reader.complete


def test_an_error_before_the_answer_is_raised_and_a_later_one_kept() -> None:
    failure = {"type": "error", "error": {"message": "overloaded", "code": "server_error"}}
    with pytest.raises(UpstreamError):
        tap(IMAGE).feed(written(failure))
    reader = tap(IMAGE)
    reader.feed(written(PARTIAL))
    assert reader.feed(written(failure)) == written(failure)
    assert isinstance(reader.error, UpstreamError)
    reader.feed(written(WHOLE))
    assert not reader.complete


def test_what_is_not_understood_is_handed_on() -> None:
    data = b"data: {broken\n\ndata: [DONE]\n\n"
    reader = tap(TRANSCRIPTION)
    assert reader.feed(data) == data
    assert reader.complete


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taps, "LONGEST_EVENT", 1000)
    reader = tap(IMAGE)
    assert reader.feed(b"data: " + b"A" * 900) == b""
    with pytest.raises(UpstreamGarbled, match="1000 bytes"):
        reader.feed(b"A" * 100)


def test_large_events_take_linear_time() -> None:
    data = written({**WHOLE, "b64_json": "QUJD" * 1_000_000})
    reader = tap(IMAGE)
    out = 0
    for place in range(0, len(data), 65_536):
        out += len(reader.feed(data[place : place + 65_536]))
    assert out == len(data)
    assert reader.complete


def test_only_operations_with_streams_have_taps() -> None:
    glance = OperationGlance(MODERATIONS, "openai", "m", Ask(), stream=True)
    assert not prepared(MODERATIONS).is_stream(glance, SSE)
    seen = OperationGlance(IMAGE, "openai", "m", Ask(), stream=True)
    assert prepared(IMAGE).is_stream(seen, SSE)
    assert not prepared(IMAGE).is_stream(seen, {b"content-type": b"application/json"})
