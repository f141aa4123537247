"""Pictures, speech, transcripts and checks: the official client over a make-believe provider."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from operations_world import Miniature, loopback, prepared

from federation.dialects.operations import forms
from federation.schema.http import WireReply, WireRequest
from federation.schema.operations import (
    AUDIO_TRANSLATION,
    IMAGE,
    IMAGE_EDIT,
    MODERATIONS,
    SPEECH,
    TRANSCRIPTION,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 60,
    "total_tokens": 110,
}
PICTURE = {
    "b64_json": "iVBORw0KGgo=",
    "background": "opaque",
    "created_at": 1,
    "output_format": "png",
    "quality": "low",
    "size": "1024x1024",
}


def sound() -> bytes:
    """Two and a half seconds of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(2 * 20_000))
    return file.getvalue()


def reply(body: Any, kind: bytes = b"application/json") -> WireReply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WireReply(200, {b"content-type": kind}, data)


def events(*bodies: dict[str, Any]) -> WireReply:
    lines = [f"event: {body['type']}\ndata: {json.dumps(body)}\n\n" for body in bodies]
    return reply("".join(lines).encode(), b"text/event-stream; charset=utf-8")


@contextmanager
def gateway(
    operation: str, answer: WireReply | Callable[[WireRequest], WireReply]
) -> Iterator[tuple[openai.OpenAI, Miniature]]:
    made = Miniature(
        operation,
        prepared(operation),
        (lambda _: answer) if isinstance(answer, WireReply) else answer,
    )
    with (
        loopback(made) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="k", max_retries=0) as client,
    ):
        yield client, made


def parts_of(sent: WireRequest) -> dict[str, bytes]:
    """The form that the provider gets, by name."""
    kind = dict(sent.headers)[b"content-type"]
    form = forms.read_form(kind, sent.body)
    return {part.name: sent.body[part.value : part.end] for part in form.parts}


def test_pictures_are_made() -> None:
    answer = reply({"created": 1, "data": [{"b64_json": "aGk="}], "usage": USAGE})
    with gateway(IMAGE, answer) as (client, made):
        got = client.images.generate(model="route", prompt="a cat", n=1, size="1024x1024")
    assert got.data is not None
    assert got.data[0].b64_json == "aGk="
    assert got.usage is not None
    sent = made.sent[0]
    assert json.loads(sent.body) == {
        "model": "acme-1", "prompt": "a cat", "n": 1, "size": "1024x1024"
    }  # fmt: skip
    assert sent.target == "/v1/images/generations"


def test_pictures_are_streamed() -> None:
    partial = {**PICTURE, "type": "image_generation.partial_image", "partial_image_index": 0}
    whole = {**PICTURE, "type": "image_generation.completed", "usage": USAGE}
    with gateway(IMAGE, events(partial, whole)) as (client, made):
        stream = client.images.generate(
            model="route", prompt="a cat", stream=True, partial_images=1
        )
        kinds = [event.type for event in stream]
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    assert (b"accept", b"text/event-stream") in made.sent[0].headers


def test_pictures_are_changed() -> None:
    answer = reply({"created": 1, "data": [{"b64_json": "aGk="}]})
    with gateway(IMAGE_EDIT, answer) as (client, made):
        client.images.edit(
            model="route", prompt="a hat", image=[PNG, PNG[::-1]], mask=PNG, n=2, size="auto"
        )
    sent = made.sent[0]
    kind = dict(sent.headers)[b"content-type"]
    form = forms.read_form(kind, sent.body)
    found = [(part.name, sent.body[part.value : part.end]) for part in form.parts]
    assert sorted(found) == sorted(
        [
            ("model", b"acme-1"),
            ("prompt", b"a hat"),
            ("n", b"2"),
            ("size", b"auto"),
            ("image[]", PNG),
            ("image[]", PNG[::-1]),
            ("mask", PNG),
        ]
    )
    assert sent.body.replace(b"acme-1", b"route") == made.received[0].body


def test_speech_is_handed_on_as_it_comes() -> None:
    noise = bytes(range(256)) * 100
    with gateway(SPEECH, reply(noise, b"audio/mpeg")) as (client, made):
        got = client.audio.speech.create(model="route", input="Hello", voice="alloy")
        assert got.content == noise
        assert got.response.headers["content-type"] == "audio/mpeg"
    assert json.loads(made.sent[0].body)["model"] == "acme-1"
    assert dict(made.sent[0].headers)[b"accept"] == b"*/*"


def test_transcripts_are_made_and_the_file_is_untouched() -> None:
    answer = reply({"text": "Hello.", "usage": {"type": "duration", "seconds": 3}})
    with gateway(TRANSCRIPTION, answer) as (client, made):
        got = client.audio.transcriptions.create(
            model="route",
            file=("a.wav", sound(), "audio/wav"),
            language="en",
            timestamp_granularities=["word", "segment"],
            response_format="json",
        )
    assert got.text == "Hello."
    sent = made.sent[0]
    found = parts_of(sent)
    assert found["file"] == sound()
    assert found["model"] == b"acme-1"
    assert sent.body.replace(b"acme-1", b"route") == made.received[0].body
    assert sent.target == "/v1/audio/transcriptions"


@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
def test_transcripts_come_as_text(form: Any) -> None:
    said = b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"
    with gateway(TRANSCRIPTION, reply(said, b"text/plain; charset=utf-8")) as (client, _):
        got: Any = client.audio.transcriptions.create(
            model="route", file=("a.wav", sound()), response_format=form
        )
    assert got == said.decode()


def test_transcripts_are_streamed() -> None:
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}
    answer = events(
        {"type": "transcript.text.delta", "delta": "Hel"},
        {"type": "transcript.text.done", "text": "Hello", "usage": usage},
    )
    with gateway(TRANSCRIPTION, answer) as (client, _):
        stream = client.audio.transcriptions.create(
            model="route", file=("a.wav", sound()), stream=True
        )
        kinds = [event.type for event in stream]
    assert kinds == ["transcript.text.delta", "transcript.text.done"]


def test_translations_are_made() -> None:
    with (
        gateway(AUDIO_TRANSLATION, reply({"text": "Hello."})) as (client, made),
        pytest.warns(DeprecationWarning, match="deprecated"),
    ):
        got = client.audio.translations.create(model="route", file=("a.wav", sound()))
    assert got.text == "Hello."
    assert made.sent[0].target == "/v1/audio/translations"


def test_texts_and_pictures_are_checked() -> None:
    answer = reply({"id": "modr-1", "model": "acme-1", "results": []})
    body = json.loads(answer.body)
    body["results"] = [{"flagged": False, "categories": {}, "category_scores": {}}]
    with gateway(MODERATIONS, reply(body)) as (client, made):
        given: Any = [
            {"type": "text", "text": "hi"},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        ]
        got = client.moderations.create(model="route", input=given)
        client.moderations.create(input="hi")
    assert got.results[0].flagged is False
    assert [json.loads(sent.body)["model"] for sent in made.sent] == ["acme-1", "acme-1"]


def test_a_refusal_of_the_provider_is_told() -> None:
    error = {
        "message": "Bad voice",
        "type": "invalid_request_error",
        "param": "voice",
        "code": None,
    }
    refusal = WireReply(
        400, {b"content-type": b"application/json"}, json.dumps({"error": error}).encode()
    )
    with (
        gateway(SPEECH, refusal) as (client, _),
        pytest.raises(openai.BadRequestError, match="Bad voice") as caught,
    ):
        client.audio.speech.create(model="route", input="Hello", voice="alloy")
    assert caught.value.param == "voice"
