"""What calls for pictures, speech, transcripts and checks say, and what their answers cost."""

from __future__ import annotations

import io
import json
import struct
import wave
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operations_world import prepared, request

from federation.dialects.operations import billing, sound, table, upstream
from federation.errors import CallerError, InvalidRequest, UpstreamError, UpstreamGarbled
from federation.schema.http import ClientRequest, WireReply
from federation.schema.operations import OperationGlance
from federation.schema.usage import Usage

Body = dict[str, Any]
NL = b"\r\n"
TYPE = {b"content-type": b"multipart/form-data; boundary=xyz"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}


def form(
    *fields: tuple[str, bytes | str], file: bytes | None = b"abc", name: str = "file"
) -> bytes:
    pieces = []
    for field, value in fields:
        data = value if isinstance(value, bytes) else value.encode()
        pieces.append(
            b'--xyz\r\nContent-Disposition: form-data; name="%b"\r\n\r\n' % field.encode()
        )
        pieces.append(data + NL)
    if file is not None:
        head = b'--xyz\r\nContent-Disposition: form-data; name="%b"; filename="f"\r\n\r\n'
        pieces += (head % name.encode(), file, NL)
    return b"".join([*pieces, b"--xyz--\r\n"])


def glance(path: str, body: Body | bytes) -> OperationGlance:
    face = table.find_client(path)
    assert face is not None
    return face.glance(request(path, body, TYPE if isinstance(body, bytes) else None))


def reply(body: Any, kind: bytes = b"application/json") -> WireReply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WireReply(200, {b"content-type": kind}, data)


def usage(seen: OperationGlance, answer: WireReply) -> Usage | None:
    return prepared(seen.operation).read_answer(seen, answer).usage


SPEECH, IMAGES, EDITS = "/v1/audio/speech", "/v1/images/generations", "/v1/images/edits"
TRANSCRIPTIONS, MODERATIONS = "/v1/audio/transcriptions", "/v1/moderations"


def test_a_call_for_pictures_says_how_many_and_how_large() -> None:
    body = {
        "model": "m",
        "prompt": "é",
        "n": 3,
        "size": "1024x1024",
        "quality": "high",
        "user": "u",
    }
    seen = glance(IMAGES, body)
    assert (seen.operation, seen.outputs, seen.size, seen.quality) == (
        "image",
        3,
        "1024x1024",
        "high",
    )
    assert (seen.text_bytes, seen.user, seen.stream) == (2, "u", False)
    assert billing.bound(seen).units == {"image": 3}
    assert billing.makes_tokens(seen)


def test_a_change_of_pictures_says_what_it_gives() -> None:
    body = form(
        ("model", "m"),
        ("prompt", "hat"),
        ("n", "2"),
        ("stream", "true"),
        file=b"x" * 9,
        name="image[]",
    )
    seen = glance(EDITS, body)
    assert (seen.operation, seen.model, seen.outputs, seen.stream) == ("image_edit", "m", 2, True)
    assert (seen.images, seen.media_bytes, seen.text_bytes) == (1, 9, 3)


def test_speech_says_its_characters() -> None:
    seen = glance(SPEECH, {"model": "m", "input": "Grüße", "voice": "alloy"})
    assert (seen.operation, seen.characters, seen.text_bytes, seen.stream) == ("speech", 5, 7, True)
    assert billing.estimate(seen) == Usage(input=2, units={"character": 5}, estimated=True)
    assert glance(SPEECH, {"input": "a", "voice": {"id": "v"}}).governed == ("voice.id",)
    assert glance(SPEECH, {"input": "a", "stream_format": "sse"}).variant == "sse"


def wav(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(int(seconds * 8000) * 4))
    return file.getvalue()


def test_a_transcript_says_its_length_where_the_file_does() -> None:
    seen = glance(TRANSCRIPTIONS, form(("model", "m"), file=wav(2.5)))
    assert (seen.operation, seen.model, seen.seconds) == ("transcription", "m", 2.5)
    assert billing.bound(seen).units == {"second": 3}
    assert billing.covers_units(seen)
    unknown = glance(TRANSCRIPTIONS, form(("model", "m"), ("stream", "true")))
    assert (unknown.seconds, unknown.stream, unknown.formats) == (None, True, ("json",))
    assert not billing.covers_units(unknown)
    other = glance("/v1/audio/translations", form())
    assert (other.operation, other.model) == ("audio_translation", None)


def flac(rate: int, samples: int) -> bytes:
    packed = rate << 44 | 1 << 41 | 15 << 36 | samples
    return b"fLaC\x00\x00\x00\x22" + bytes(10) + packed.to_bytes(8, "big") + bytes(40)


def ogg(samples: int) -> bytes:
    first = b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead" + bytes(80)
    return first + b"x" * 1000 + b"OggS\x00\x04" + struct.pack("<q", samples) + bytes(30)


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (wav(1.0), 1.0),
        (wav(1.0).replace(struct.pack("<I", 32000), b"\xff\xff\xff\xff"), 1.0),
        (wav(1.0)[:-16000], 0.5),
        (flac(44_100, 88_200), 2.0),
        (flac(44_100, 0), None),
        (ogg(96_000), 2.0),
        (b"ID3\x04" + bytes(100), None),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\xff", None),
        (b"fLaC", None),
        (b"OggS", None),
        (b"", None),
    ],
)
def test_the_length_of_a_sound_is_read_off_its_header(data: bytes, seconds: float | None) -> None:
    assert sound.seconds_of(b"??" + data + b"!!", 2, 2 + len(data)) == seconds


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([wav(0.01), flac(8000, 9), ogg(9)]), st.data())
def test_no_file_breaks_the_reader(data: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        damaged[draw.draw(st.integers(0, len(damaged) - 1))] = draw.draw(st.integers(0, 255))
    seconds = sound.seconds_of(bytes(damaged), 0, draw.draw(st.integers(0, len(damaged))))
    assert seconds is None or seconds > 0


def test_checks_say_what_they_look_at() -> None:
    seen = glance(MODERATIONS, {"input": ["a", "bc"], "model": "m"})
    assert (seen.operation, seen.items, seen.text_bytes, seen.images) == ("moderations", 2, 3, 0)
    seen = glance(MODERATIONS, {"input": [{"type": "text", "text": "é"}, PICTURE]})
    assert (seen.items, seen.text_bytes, seen.images) == (1, 2, 1)


BAD: list[tuple[str, Body | bytes, str]] = [
    (IMAGES, {"model": "m"}, "prompt"),
    (IMAGES, {"prompt": "a", "n": 0}, "n"),
    (IMAGES, {"prompt": "a", "n": 11}, "n"),
    (IMAGES, {"prompt": "a", "partial_images": 4}, "partial_images"),
    (IMAGES, {"prompt": "a", "stream": "yes"}, "stream"),
    (SPEECH, {"model": "m"}, "input"),
    (SPEECH, {"input": "a", "speed": "fast"}, "speed"),
    (MODERATIONS, {}, "input"),
    (MODERATIONS, {"input": []}, "input"),
    (MODERATIONS, {"input": [{"text": "a"}]}, "input[0]"),
    (MODERATIONS, {"input": ["a", {"type": "text"}]}, "input[0]"),
    (TRANSCRIPTIONS, form(("model", "m"), file=None), "file"),
    (TRANSCRIPTIONS, form(("model", "m"), ("model", "n")), "model"),
    (TRANSCRIPTIONS, form(("model[]", "m")), "model"),
    (TRANSCRIPTIONS, form(("model", "m" * 300)), "model"),
    (TRANSCRIPTIONS, form(("stream", "maybe")), "stream"),
    (TRANSCRIPTIONS, form(("response_format", "html")), "response_format"),
    (TRANSCRIPTIONS, form(("file", "x")), "file"),
    (TRANSCRIPTIONS, form(name="model"), "model"),
    (TRANSCRIPTIONS, form(name="file[a]"), "file[a]"),
    (TRANSCRIPTIONS, form(("prompt", b"\xff")), "prompt"),
    (TRANSCRIPTIONS, form(("federation", '{"tags":{"a":1}}')), "federation.tags[...]"),
    (TRANSCRIPTIONS, form(("federation", "{}"), ("federation", "{}")), "federation"),
    (EDITS, form(("prompt", "a"), file=None), "image"),
    (EDITS, form(("n", "11"), name="image"), "n"),
    (EDITS, form(("n", "1e1"), name="image"), "n"),
]


@pytest.mark.parametrize(("path", "body", "param"), BAD)
def test_a_wrong_call_names_its_field(path: str, body: Body | bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        glance(path, body)
    assert caught.value.param == param


def test_fields_that_rules_govern_are_named() -> None:
    body = {"prompt": "a", "svg": {"model": "x"}, "provider": {"only": []}, "odd": 1}
    seen = glance(IMAGES, body)
    assert (seen.governed, seen.unlisted) == (("svg", "provider"), ("odd",))
    seen = glance(EDITS, form(("svg[model]", "x"), ("odd[a]", "1"), ("api_key", "k"), name="image"))
    assert (seen.governed, seen.unlisted) == (("svg", "api_key"), ("odd",))
    fields = (("timestamp_granularities[]", "word"), ("include[]", "logprobs"), ("keywords[]", "a"))
    seen = glance(TRANSCRIPTIONS, form(*fields, ("keywords[]", "b")))
    assert (seen.governed, seen.unlisted) == ((), ())


def test_our_own_part_is_read_and_goes_no_further() -> None:
    body = form(("model", "m"), ("federation", '{"session":"s"}'))
    seen = glance(TRANSCRIPTIONS, body)
    assert seen.ask.session == "s"
    asked = ClientRequest("POST", TRANSCRIPTIONS, "", TYPE, body)
    assert prepared("transcription").forward(seen, asked).body == form(("model", "acme-1"))


def test_a_row_takes_parts_out_that_its_host_does_not_take() -> None:
    body = form(("model", "m"), ("keywords[]", "a"), ("prompt", "p"))
    seen = glance(TRANSCRIPTIONS, body)
    target = prepared("transcription", model_quirks={"drop": ["keywords"]})
    asked = ClientRequest("POST", TRANSCRIPTIONS, "", TYPE, body)
    assert target.forward(seen, asked).body == form(("model", "acme-1"), ("prompt", "p"))
    assert target.dropped_fields(seen) == ("keywords",)


# What answers cost

IMAGE_USAGE = {"input_tokens": 50, "output_tokens": 60, "total_tokens": 110}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"data": [{"url": "u"}]}, Usage(units={"image": 1})),
        ({"data": [{}, {}], "usage": None}, Usage(units={"image": 2})),
        ({"data": [{}], "usage": IMAGE_USAGE}, Usage(input=50, output=60, units={"image": 1})),
        ({"data": [{}], "usage": {"input_tokens": "x"}}, Usage(units={"image": 1})),
        (
            {
                "data": [{}],
                "usage": {**IMAGE_USAGE, "input_tokens_details": {"cached_tokens": 20}},
            },
            Usage(input=50, output=60, cached=20, units={"image": 1}),
        ),
    ],
)
def test_pictures_cost_pieces_and_tokens(body: Body, expected: Usage) -> None:
    assert usage(glance(IMAGES, {"prompt": "a"}), reply(body)) == expected


def test_a_sound_of_unknown_length_is_estimated_by_its_size_and_never_free() -> None:
    seen = glance(TRANSCRIPTIONS, form(file=b"ID3" + bytes(79_998)))
    guessed = Usage(units={"second": 11}, estimated=True)
    assert usage(seen, reply({"text": "a"})) == guessed
    assert usage(seen, reply(b"a", b"text/plain")) == guessed
    stated = Usage(units={"second": 3})
    assert usage(seen, reply({"text": "a", "usage": {"type": "duration", "seconds": 3}})) == stated
    assert billing.bound(seen).units == {}


TOKENS = {"input_tokens": 14, "output_tokens": 5, "input_token_details": {"audio_tokens": 10}}
OWN_COUNT = Usage(units={"second": 3}, estimated=True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"usage": {"type": "duration", "seconds": 2.2}}, Usage(units={"second": 3})),
        ({"duration": 8.47}, Usage(units={"second": 9})),
        ({"duration": "8.47"}, Usage(units={"second": 9})),
        ({"usage": TOKENS}, Usage(input=14, output=5, audio_input=10, units={"second": 3})),
        ({}, OWN_COUNT),
        ({"usage": 3, "duration": "?"}, OWN_COUNT),
        (b"1\n00:00 --> 00:01\na\n", OWN_COUNT),
    ],
)
def test_transcripts_cost_seconds_or_tokens(body: Any, expected: Usage) -> None:
    seen = glance(TRANSCRIPTIONS, form(file=wav(2.5)))
    answer = reply({"text": "a", **body}) if isinstance(body, dict) else reply(body, b"text/plain")
    assert usage(seen, answer) == expected


@pytest.mark.parametrize(
    ("path", "given", "body"),
    [
        (IMAGES, {"prompt": "a"}, {"data": []}),
        (IMAGES, {"prompt": "a"}, {"created": 1}),
        (IMAGES, {"prompt": "a"}, b"<html>"),
        (TRANSCRIPTIONS, form(), {"duration": 3}),
        (TRANSCRIPTIONS, form(), b"{"),
        (MODERATIONS, {"input": ["a", "b"]}, {"results": [{}]}),
        (MODERATIONS, {"input": "a"}, {"results": None}),
        (SPEECH, {"input": "a"}, b""),
    ],
)
def test_an_answer_without_what_was_asked_is_no_answer(path: str, given: Any, body: Any) -> None:
    seen = glance(path, given)
    with pytest.raises(UpstreamGarbled):
        prepared(seen.operation).read_answer(seen, reply(body))


def test_an_error_inside_an_answer_is_raised() -> None:
    error = {"error": {"message": "quota", "code": "insufficient_quota"}}
    calls: list[tuple[str, Body | bytes]] = [
        (IMAGES, {"prompt": "a"}),
        (SPEECH, {"input": "a"}),
        (TRANSCRIPTIONS, form()),
    ]
    for path, body in calls:
        seen = glance(path, body)
        with pytest.raises(UpstreamError):
            prepared(seen.operation).read_answer(seen, reply(error))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"audio/mpeg", b"audio/mpeg"),
        (b"text/plain; charset=utf-8", b"text/plain; charset=utf-8"),
        (b"text/html", b"application/octet-stream"),
        (b"image/svg+xml", b"application/octet-stream"),
        (b"", b"application/octet-stream"),
        (b"Application/JSON", b"Application/JSON"),
    ],
)
def test_nothing_comes_back_as_a_page(said: bytes, told: bytes) -> None:
    assert upstream.content_type({b"content-type": said} if said else {}) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.text("ab"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["text", "type", "image_url", "url", "data", "usage", "error"]),
        inner,
        max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([IMAGES, SPEECH, MODERATIONS]),
    st.dictionaries(
        st.sampled_from(["input", "prompt", "n", "voice", "model", "stream", "svg"]), JSON
    ),
    JSON,
)
def test_nothing_breaks_a_face(path: str, body: Body, answer: Any) -> None:
    try:
        seen = glance(path, body)
    except CallerError:
        return
    target = prepared(seen.operation)
    target.forward(seen, request(path, body))
    try:
        target.read_answer(seen, reply(answer))
    except UpstreamError:
        return
