"""Pictures and sound through the whole gateway: forms, streams, breaks, hang-ups, big bodies."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from typing import Any

import httpx
import pytest
from gateway_rig import at_rest, error_body, eventually, hung_up, silent, status
from operations_rig import Place, offers, places
from scripted import Behave, Talk

from federation.domain.catalogue import Price
from federation.domain.routes import Deadlines, ListenerLimits
from federation.gateway import stream as stream_module

PICTURE = {"model": "work", "prompt": "a lighthouse", "n": 2}
SPEECH = {"model": "work", "input": "Good morning.", "voice": "alloy"}
BY_PICTURE = Price(units={"image": 40_000_000})
BY_CHARACTER = Price(units={"character": 15_000})
BY_SECOND = Price(units={"second": 100_000})


def says(body: dict[str, Any]) -> Behave:
    async def behave(talk: Talk) -> None:
        await talk.answer(json.dumps(body).encode())

    return behave


def sounds(*pieces: bytes, gap_s: float = 0.0, end: bool = True) -> Behave:
    """Streams sound in these pieces; without an end it falls off the line."""

    async def behave(talk: Talk) -> None:
        await talk.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for piece in pieces:
            await talk.event(piece)
            await asyncio.sleep(gap_s)
        if end:
            await talk.end_stream()
        else:
            talk.reset()

    return behave


async def heard(
    client: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> tuple[list[bytes], Exception | None]:
    """What arrived of an answer, and how it broke off."""
    pieces: list[bytes] = []
    try:
        async with client.stream("POST", path, json=body) as reply:
            async for piece in reply.aiter_raw():
                pieces.append(piece)  # noqa: PERF401 - what came before a break counts
    except httpx.HTTPError as error:
        return pieces, error
    return pieces, None


def event(kind: str, **members: Any) -> bytes:
    body = json.dumps({"type": kind, **members})
    return f"event: {kind}\ndata: {body}\n\n".encode()


def wave(seconds: int) -> bytes:
    rate = 8_000
    data = bytes(rate * seconds)
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1,
                       rate, rate, 1, 8)  # fmt: skip
    return head + struct.pack("<4sI", b"data", len(data)) + data


async def test_pictures_are_counted_and_priced_by_the_piece() -> None:
    drawn = {"created": 1, "data": [{"b64_json": "QUJD"}, {"b64_json": "REVG"}]}
    place = Place(says(drawn), offers("image", price=BY_PICTURE))
    async with places(place) as (gateway, client, (upstream,)):
        reply = await client.post("/v1/images/generations", json=PICTURE)
        assert reply.json() == drawn
        assert upstream.seen[0].json == PICTURE | {"model": "acme-1"}
        (ended,) = gateway.books.ended
        assert (ended.operation, ended.usage.units) == ("image", {"image": 2})
        assert ended.cost_nano == 80_000_000
        assert reply.headers["x-federation-estimated-cost"] == "0.080000000"


async def test_a_picture_that_arrives_in_parts_is_streamed_with_its_usage() -> None:
    usage = {"input_tokens": 10, "output_tokens": 4_000}
    parts = [
        event("image_generation.partial_image", b64_json="A" * 2_000_000),
        event("image_generation.completed", b64_json="B" * 2_000_000, usage=usage),
    ]

    async def draws(talk: Talk) -> None:
        await talk.begin_stream()
        for part in parts:
            await talk.event(part)
        await talk.end_stream()

    async with places(Place(draws, offers("image"))) as (gateway, client, _):
        asked = PICTURE | {"n": 1, "stream": True, "partial_images": 1}
        reply = await client.post("/v1/images/generations", json=asked)
        assert reply.headers["content-type"] == "text/event-stream"
        assert reply.content == b"".join(parts)
        (ended,) = gateway.books.ended
        assert (ended.outcome, ended.stream) == ("ok", True)
        assert (ended.usage.input, ended.usage.output) == (10, 4_000)
        assert ended.usage.units == {"image": 1}


async def test_a_stream_of_pictures_that_breaks_ends_in_the_clients_words() -> None:
    async def breaks(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(event("image_generation.partial_image", b64_json="AAAA"))
        await asyncio.sleep(0.05)
        talk.reset()

    async with places(Place(breaks, offers("image"))) as (gateway, client, _):
        pieces, error = await heard(client, "/v1/images/generations", PICTURE | {"stream": True})
        assert isinstance(error, httpx.RemoteProtocolError)
        seen = b"".join(pieces)
        assert b'"error"' in seen
        assert gateway.books.ended[0].outcome == "cut"
        at_rest(gateway)


async def test_an_edit_is_a_form_whose_files_go_on_untouched() -> None:
    drawn = {"created": 1, "data": [{"b64_json": "QUJD"}]}
    picture = bytes(range(256)) * 4_000
    place = Place(says(drawn), offers("image_edit", price=BY_PICTURE))
    async with places(place) as (gateway, client, (upstream,)):
        reply = await client.post(
            "/v1/images/edits",
            data={"model": "work", "prompt": "more light"},
            files={"image": ("a.png", picture, "image/png")},
        )
        assert reply.status_code == 200, reply.text
        sent = upstream.seen[0]
        assert picture in sent.body
        assert b"\r\n\r\nacme-1\r\n" in sent.body
        assert b"work" not in sent.body.replace(picture, b"")
        assert gateway.books.ended[0].operation == "image_edit"
        assert gateway.books.ended[0].cost_nano == 40_000_000


async def test_sound_goes_on_as_it_arrives_and_silence_does_not_cut_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "_PATIENCE_S", 0.05)
    place = Place(sounds(b"one", b"two", b"three", gap_s=0.2), offers("speech", price=BY_CHARACTER))
    async with places(place) as (gateway, client, (upstream,)):
        async with client.stream("POST", "/v1/audio/speech", json=SPEECH) as reply:
            assert reply.headers["content-type"] == "audio/mpeg"
            arrived = [(piece, time.monotonic()) async for piece in reply.aiter_raw()]
        assert [piece for piece, _ in arrived] == [b"one", b"two", b"three"]
        assert arrived[-1][1] - arrived[0][1] > 0.3
        assert upstream.seen[0].headers["accept"] == "*/*"
        (ended,) = gateway.books.ended
        assert (ended.operation, ended.outcome, ended.stream) == ("speech", "ok", True)
        assert ended.usage.units == {"character": 13}
        assert ended.usage.estimated
        assert ended.cost_nano == 13 * 15_000
        at_rest(gateway)


async def test_sound_that_breaks_off_is_never_taken_for_whole() -> None:
    async with places(Place(sounds(b"half", gap_s=0.05, end=False), offers("speech"))) as (
        gateway,
        client,
        _,
    ):
        pieces, error = await heard(client, "/v1/audio/speech", SPEECH)
        assert isinstance(error, httpx.RemoteProtocolError)
        assert pieces == [b"half"]
        (ended,) = gateway.books.ended
        assert (ended.outcome, ended.error) == ("cut", "upstream_stream_cut")
        at_rest(gateway)


async def test_sound_that_never_begins_falls_back() -> None:
    empty, good = Place(sounds(), offers("speech")), Place(sounds(b"ok"), offers("speech"))
    async with places(empty, good) as (gateway, client, _):
        reply = await client.post("/v1/audio/speech", json=SPEECH)
        assert reply.content == b"ok"
        assert [row.error for row in gateway.books.ended[0].attempts] == ["upstream_garbled", ""]


async def test_an_error_in_place_of_sound_is_one() -> None:
    refused = {"error": {"message": "no such voice", "code": "voice"}}
    ill, good = Place(says(refused), offers("speech")), Place(sounds(b"ok"), offers("speech"))
    async with places(ill, good) as (gateway, client, _):
        reply = await client.post("/v1/audio/speech", json=SPEECH)
        assert (reply.status_code, reply.content) == (200, b"ok") or reply.status_code >= 400
        assert gateway.books.ended[0].attempts[0].error


@pytest.mark.parametrize("after", [0, 1])
async def test_a_client_that_hangs_up_ends_the_work_and_is_charged_once(after: int) -> None:
    behave = silent if after == 0 else sounds(b"one", gap_s=60.0)
    async with places(Place(behave, offers("speech", price=BY_CHARACTER))) as (
        gateway,
        client,
        (upstream,),
    ):

        async def listen() -> None:
            async with client.stream("POST", "/v1/audio/speech", json=SPEECH) as reply:
                async for _ in reply.aiter_raw():
                    raise ConnectionError

        task = asyncio.create_task(listen())
        if after:
            with pytest.raises(ConnectionError):
                await task
        else:
            await eventually(lambda: bool(upstream.seen))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await eventually(lambda: bool(gateway.books.ended))
        await hung_up(upstream.seen[0])
        (ended,) = gateway.books.ended
        assert (ended.outcome, len(ended.attempts)) == ("canceled", 1)
        assert ended.cost_nano == 13 * 15_000
        at_rest(gateway)


@pytest.mark.parametrize("form", ["json", "text", "srt"])
async def test_a_transcript_is_priced_by_the_seconds_heard(form: str) -> None:
    async def hears(talk: Talk) -> None:
        if form == "json":
            await talk.answer(json.dumps({"text": "hello"}).encode())
        else:
            await talk.answer(b"hello\n", kind="text/plain; charset=utf-8")

    place = Place(hears, offers("transcription", price=BY_SECOND))
    async with places(place) as (gateway, client, (upstream,)):
        reply = await client.post(
            "/v1/audio/transcriptions",
            data={"model": "work", "response_format": form, "temperature": "0"},
            files={"file": ("a.wav", wave(90), "audio/wav")},
        )
        assert reply.status_code == 200, reply.text
        assert "hello" in reply.text
        assert len(upstream.seen[0].body) > 720_000
        (ended,) = gateway.books.ended
        assert ended.operation == "transcription"
        assert ended.usage.units == {"second": 90}
        assert ended.cost_nano == 90 * 100_000


async def test_a_transcript_can_arrive_as_events() -> None:
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 3}
    events = [
        event("transcript.text.delta", delta="hel"),
        event("transcript.text.done", text="hello", usage=usage),
    ]

    async def hears(talk: Talk) -> None:
        await talk.begin_stream()
        for one in events:
            await talk.event(one)
        await talk.end_stream()

    async with places(Place(hears, offers("transcription"))) as (gateway, client, _):
        reply = await client.post(
            "/v1/audio/transcriptions",
            data={"model": "work", "stream": "true"},
            files={"file": ("a.mp3", b"\xff\xfb" * 50, "audio/mpeg")},
        )
        assert reply.content == b"".join(events)
        assert gateway.books.ended[0].usage.output == 3


async def test_a_big_upload_is_passed_on() -> None:
    async def hears(talk: Talk) -> None:
        await talk.answer(json.dumps({"text": str(len(talk.seen.body))}).encode())

    async with places(Place(hears, offers("transcription")), timeout=60.0) as (_, client, _ups):
        content = bytes(25_000_000)
        reply = await client.post(
            "/v1/audio/transcriptions",
            data={"model": "work"},
            files={"file": ("a.mp3", content, "audio/mpeg")},
        )
        assert int(reply.json()["text"]) > 25_000_000


async def test_an_upload_over_the_listeners_limit_is_refused() -> None:
    limits = ListenerLimits(body_bytes=100_000)
    async with places(Place(says({"text": "x"}), offers("transcription")), limits=limits) as (
        _,
        client,
        (upstream,),
    ):
        reply = await client.post(
            "/v1/audio/transcriptions",
            data={"model": "work"},
            files={"file": ("a.mp3", bytes(200_000), "audio/mpeg")},
        )
        assert reply.status_code == 413
        assert upstream.seen == []


async def test_a_provider_that_keeps_silent_is_given_up() -> None:
    short = Deadlines(connect_s=0.3, first_token_s=0.2, idle_s=0.2, total_s=2.0)
    good = Place(says({"created": 1, "data": [{"url": "https://x.test/1"}]}), offers("image"))
    async with places(Place(silent, offers("image")), good, deadlines=short) as (
        gateway,
        client,
        _,
    ):
        reply = await client.post("/v1/images/generations", json=PICTURE)
        assert reply.headers["x-federation-provider"] == "p1"
        assert gateway.books.ended[0].attempts[0].error == "upstream_timeout"
    async with places(Place(silent, offers("image")), deadlines=short) as (_, client, _ups):
        reply = await client.post("/v1/images/generations", json=PICTURE)
        assert reply.status_code == 504


async def test_a_check_of_content_works_without_a_model() -> None:
    verdict = {"id": "modr-1", "model": "m", "results": [{"flagged": False, "categories": {}}]}
    async with places(Place(says(verdict), offers("moderations"))) as (gateway, client, (up,)):
        reply = await client.post("/v1/moderations", json={"input": "hello"})
        assert reply.status_code == 200
        assert reply.json()["results"] == verdict["results"]
        assert up.seen[0].json["model"] == "acme-1"
        assert gateway.books.ended[0].operation == "moderations"


async def test_an_error_with_a_status_is_retried_and_then_told() -> None:
    ill = status(500, body=error_body("down"))
    async with places(Place(ill, offers("speech"))) as (gateway, client, (upstream,)):
        reply = await client.post("/v1/audio/speech", json=SPEECH)
        assert reply.status_code == 502
        assert len(upstream.seen) == 2
        assert gateway.books.ended[0].error == "upstream_failed"
