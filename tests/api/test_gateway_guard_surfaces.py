"""Every path on which content leaves or comes back, under a policy on content.

The table in `guard_rig` has a call for each path that the gateway serves, with a value in each
member that holds words; a path that is added without one fails the first test.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from gateway_rig import eventually
from guard_rig import (
    ALL,
    BLOCK,
    CHAT_BODIES,
    COUNT_BODIES,
    EXCLUDED,
    MAIL,
    OPERATION_BODIES,
    REDACT,
    SAID,
    SOUND,
    STREAMED,
    TOKENIZE,
    anything,
    echo,
    form,
    guarded,
    place,
    post,
    says,
    spoken,
)
from operations_rig import places
from scripted import Talk

from federation.dialects.operations.table import CLIENT_PATHS
from federation.domain.policies import Policy
from federation.domain.routes import Settings
from federation.gateway.paths import CHATS


def test_there_is_a_call_for_every_path() -> None:
    assert CHATS.keys() | CLIENT_PATHS.keys() <= ALL.keys()


async def test_what_may_not_pass_leaves_on_no_path() -> None:
    async with guarded(anything, BLOCK) as (gateway, client, (upstream,)):
        gateway.world.seal_key = b"k" * 32
        for path, body in ALL.items():
            reply = await post(client, path, body)
            assert reply.status_code == 403, (path, reply.text)
            assert "does not allow this content: email" in reply.text, path
            assert MAIL not in reply.text, path
        assert upstream.seen == []
        await eventually(lambda: len(gateway.books.ended) == len(ALL))
        for record in gateway.books.ended:
            assert record.findings.get("email:block"), record.operation


async def test_what_must_be_changed_is_changed_on_every_path() -> None:
    async with guarded(anything, REDACT) as (gateway, client, (upstream,)):
        gateway.world.seal_key = b"k" * 32
        for path, body in ALL.items():
            before = len(upstream.seen)
            await post(client, path, body)
            sent = [seen.body.decode("latin-1") for seen in upstream.seen[before:]]
            assert sent or path in COUNT_BODIES, path
            assert not any("jane" in each for each in sent), path
            assert all("[EMAIL]" in each for each in sent), path
        await eventually(lambda: len(gateway.books.ended) == len(ALL))
        for record in gateway.books.ended:
            assert record.findings.get("email:redact"), record.operation


FORM = {"type": "object", "title": SAID, "properties": {"a": {"type": "string", "enum": [MAIL]}}}
AROUND: dict[str, Any] = {
    "/v1/chat/completions": {"stop": [MAIL], "response_format": {
        "type": "json_schema", "json_schema": {"name": "n", "description": SAID, "schema": FORM}}},
    "/v1/responses": {"text": {"format": {"type": "json_schema", "name": "n", "schema": FORM}}},
    "/v1/messages": {"stop_sequences": [MAIL],
                     "output_config": {"format": {"type": "json_schema", "schema": FORM}}},
    "/v1beta/models/work:generateContent": {"generationConfig": {
        "stopSequences": [MAIL], "responseMimeType": "application/json", "responseSchema": FORM}},
    "/v2/chat": {"stop_sequences": [MAIL],
                 "response_format": {"type": "json_object", "json_schema": FORM}},
    "/api/chat": {"format": FORM, "options": {"stop": [MAIL]}},
    "/model/work/converse": {"inferenceConfig": {"stopSequences": [MAIL]}},
}  # fmt: skip


@pytest.mark.parametrize("path", AROUND)
async def test_what_stands_around_a_conversation_does_not_leave_either(path: str) -> None:
    body = json.loads(json.dumps(CHAT_BODIES[path]).replace(SAID, "Hello")) | AROUND[path]
    for rule in (BLOCK, REDACT, TOKENIZE):
        async with guarded(anything, rule) as (_, client, (upstream,)):
            reply = await post(client, path, body)
            assert reply.status_code == (403 if rule is BLOCK else 200), reply.text
            sent = [seen.body.decode() for seen in upstream.seen]
            assert len(sent) == (rule is not BLOCK)
            assert not any("jane" in each for each in sent)
            assert all("EMAIL" in each for each in sent)


@pytest.mark.parametrize(
    "path", [path for path, body in CHAT_BODIES.items() if "tream" not in path + str(body)]
)
async def test_every_language_of_chat_gets_its_own_values_back(path: str) -> None:
    async with guarded(echo, TOKENIZE) as (_, client, (upstream,)):
        reply = await post(client, path, CHAT_BODIES[path])
        assert reply.status_code == 200, reply.text
        assert SAID in reply.text
        assert MAIL not in upstream.seen[0].body.decode()


@pytest.mark.parametrize(
    ("path", "answer", "kept"),
    [
        ("/v1/audio/transcriptions", {"text": SAID, "duration": 4.2860786020755768}, "[EMAIL]"),
        ("/v1/audio/translations", {"text": SAID}, "[EMAIL]"),
        ("/v1/rerank", {"results": [{"index": 0, "relevance_score": 0.4929042515010488,
                                     "document": {"text": SAID}}]}, "[EMAIL]"),
        ("/v1/images/generations",
         {"created": 1, "data": [{"b64_json": "iVBORw0K" * 500, "revised_prompt": SAID}]},
         "[EMAIL]"),
        ("/passthrough/p0/jobs", {"status": "done", "log": SAID}, "[EMAIL]"),
    ],
)  # fmt: skip
async def test_words_that_an_operation_answers_are_checked(
    path: str, answer: dict[str, Any], kept: str
) -> None:
    async with guarded(says(answer), REDACT) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        reply = await post(client, path, OPERATION_BODIES[path])
        assert reply.status_code == 200, reply.text
        assert MAIL not in reply.text
        assert kept in reply.text
        expected = json.loads(json.dumps(answer).replace(MAIL, "[EMAIL]"))
        told = reply.json()
        assert {name: told[name] for name in expected if name != "results"} == {
            name: value for name, value in expected.items() if name != "results"
        }, "numbers and pictures are what they were"


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/rerank", "/passthrough/p0/jobs"])
async def test_an_operations_answer_that_may_not_pass_is_refused(path: str) -> None:
    leak = {"text": SAID, "results": [{"index": 0, "relevance_score": 1.0, "document": SAID}]}
    body = json.loads(json.dumps(OPERATION_BODIES[path], default=str).replace(MAIL, "her"))
    body = form("file", "Hello") if isinstance(OPERATION_BODIES[path], bytes) else body
    async with guarded(says(leak), BLOCK) as (gateway, client, (upstream,)):
        gateway.world.seal_key = b"k" * 32
        reply = await post(client, path, body)
        assert len(upstream.seen) == 1
        assert (reply.status_code, "content_blocked" in reply.text) == (403, True), reply.text
        assert MAIL not in reply.text
        assert gateway.books.ended[0].findings["email:block"] >= 1


async def test_subtitles_are_text_and_get_the_callers_values_back() -> None:
    async def subtitles(talk: Talk) -> None:
        prompt = talk.seen.body.partition(b'name="prompt"\r\n\r\n')[2].partition(b"\r\n")[0]
        await talk.answer(b"1\n00:00:01,000 --> 00:00:04,000\n" + prompt, kind="text/plain")

    async with guarded(subtitles, TOKENIZE) as (_, client, (upstream,)):
        reply = await post(client, "/v1/audio/transcriptions", form("file"))
        assert reply.text == f"1\n00:00:01,000 --> 00:00:04,000\n{SAID}"
        assert MAIL.encode() not in upstream.seen[0].body


async def test_a_transcript_in_events_is_checked_wherever_it_is_cut() -> None:
    words = [*SAID, *" and then go home"]
    async with guarded(spoken(*words), REDACT) as (_, client, _ups):
        reply = await post(client, "/v1/audio/transcriptions", STREAMED)
        assert reply.status_code == 200, reply.text
        events = [json.loads(line[6:]) for line in reply.text.splitlines() if line[:5] == "data:"]
        said = "".join(event.get("delta", "") for event in events)
        assert said == "write to [EMAIL] today and then go home"
        assert events[-1]["text"] == said
        assert not any("logprobs" in event for event in events)


async def test_a_transcript_that_may_not_pass_ends_with_an_error() -> None:
    words = [word + " " for word in f"well now this is {MAIL} and so on it goes".split()]
    async with guarded(spoken(*words), BLOCK) as (gateway, client, _):
        raw = b""
        try:
            reply = await post(client, "/v1/audio/transcriptions", STREAMED)
            raw = reply.content
        except httpx.RemoteProtocolError:
            pass  # the stream is cut after the error
        assert MAIL.encode() not in raw
        await eventually(lambda: bool(gateway.books.ended))
        assert gateway.books.ended[0].findings["email:block"] >= 1


async def test_what_cannot_be_read_is_refused_where_that_is_required_and_else_counted() -> None:
    pdf = {"type": "file", "file": {"filename": "a.pdf", "file_data":
           "data:application/pdf;base64,JVBERi0xLjcKJeLjz9MK"}}  # fmt: skip
    chat = {"model": "work", "messages": [{"role": "user", "content": [pdf]}]}
    tokens = {"model": "work", "input": [1234, 5678]}
    calls = {"/v1/chat/completions": chat, "/v1/embeddings": tokens,
             "/v1/audio/transcriptions": form("file", "Hi")}  # fmt: skip
    async with guarded(anything, EXCLUDED) as (gateway, client, (upstream,)):
        for path, body in calls.items():
            reply = await post(client, path, body)
            assert (reply.status_code, "content_unchecked" in reply.text) == (403, True), path
        assert upstream.seen == []
    async with guarded(anything, REDACT) as (gateway, client, (upstream,)):
        for path, body in calls.items():
            await post(client, path, body)
        assert len(gateway.books.ended) == len(calls)
        for record in gateway.books.ended:
            assert record.findings == {"unread:log": 1}, record.operation


async def test_a_file_of_text_is_read_and_its_name_is_too() -> None:
    from_file = form("file", "Hi").replace(b"audio/mpeg", b"text/plain").replace(
        SOUND, b"call " + MAIL.encode()
    )  # fmt: skip
    async with guarded(anything, REDACT) as (_, client, (upstream,)):
        await post(client, "/v1/audio/transcriptions", from_file)
        assert b"call [EMAIL]" in upstream.seen[0].body
        named = form("file", "Hi", filename=f"{MAIL}.mp3")
        reply = await post(client, "/v1/audio/transcriptions", named)
        assert reply.status_code == 403
        assert len(upstream.seen) == 1


async def test_a_passage_is_checked_in_its_query_its_body_and_its_answer() -> None:
    async with guarded(says(SAID.encode(), "text/plain"), REDACT) as (gateway, client, (upstream,)):
        gateway.world.seal_key = b"k" * 32
        reply = await client.post(f"/passthrough/p0/jobs?after={MAIL}", json={"model": "m"})
        assert reply.status_code == 403
        assert upstream.seen == []
        headers = {"content-type": "text/plain; charset=utf-8"}
        reply = await client.post("/passthrough/p0/raw", content=SAID, headers=headers)
        assert upstream.seen[0].body == b"write to [EMAIL] today"
        assert reply.text == "write to [EMAIL] today"
    async with guarded(says(SOUND, "audio/mpeg"), EXCLUDED) as (gateway, client, (upstream,)):
        gateway.world.seal_key = b"k" * 32
        reply = await client.post("/passthrough/p0/raw", content=SOUND)
        assert (reply.status_code, "content_unchecked" in reply.text) == (403, True)
        reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
        assert (reply.status_code, "content_unchecked" in reply.text) == (403, True)
    async with guarded(says(SOUND, "audio/mpeg"), REDACT) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
        assert reply.content == SOUND, "the policy lets pass what cannot be read, and it is counted"
        assert gateway.books.ended[-1].findings == {"unread:log": 1}


@pytest.mark.parametrize(
    "kind", ["application/octet-stream", "audio/mpeg", "application/pdf", "application/x-ndjson"]
)
async def test_an_answer_of_a_passage_that_is_text_is_read_as_such_whatever_it_is_called(
    kind: str,
) -> None:
    async with guarded(says(SAID.encode(), kind), EXCLUDED) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
        assert reply.text == "write to [EMAIL] today"


async def test_a_picture_passes_and_is_counted_and_text_that_is_called_one_is_read() -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 8
    async with guarded(says(png, "image/png"), EXCLUDED) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
        assert reply.content == png
        assert gateway.books.ended[-1].findings == {"unread:log": 1}
    for kind, rule in (
        ("image/png", EXCLUDED),
        ("image/svg+xml", EXCLUDED),
        ("image/svg+xml", REDACT),
    ):
        async with guarded(says(SAID.encode(), kind), rule) as (gateway, client, _):
            gateway.world.seal_key = b"k" * 32
            reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
            assert (reply.status_code, reply.text) == (200, "write to [EMAIL] today"), kind


async def test_what_may_pass_unread_is_told_as_it_comes_and_has_no_bound() -> None:
    first_is_told = asyncio.Event()

    async def slowly(talk: Talk) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n"
        await talk.send(head)
        await talk.event(SOUND)
        await asyncio.wait_for(first_is_told.wait(), 60)
        await talk.event(SOUND)
        await talk.end_stream()

    small = Settings(passthrough=("p0",), response_bytes=len(SOUND) + 1)
    async with places(place(slowly), settings=small, policies=REDACT) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        call = client.stream("POST", "/passthrough/p0/jobs", json={"model": "m"})
        async with call as reply:
            told = b""
            async for piece in reply.aiter_raw():
                told += piece
                if len(told) >= len(SOUND):
                    first_is_told.set()
        assert (reply.status_code, told) == (200, SOUND * 2)
        await eventually(lambda: len(gateway.books.ended) == 1)
        assert gateway.books.ended[-1].findings == {"unread:log": 1}


@pytest.mark.parametrize("rule", [REDACT, EXCLUDED])
async def test_text_of_a_passage_that_is_too_long_to_be_read_is_not_told(
    rule: tuple[Policy, ...],
) -> None:
    small = Settings(passthrough=("p0",), response_bytes=100)
    long = says(SAID.encode() * 9, "text/plain")
    async with places(place(long), settings=small, policies=rule) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
        assert (reply.status_code, MAIL in reply.text) == (502, False)


async def test_an_answer_of_a_passage_in_another_encoding_is_no_fault_of_ours() -> None:
    latin = says(b"caf\xe9", "text/plain; charset=iso-8859-1")
    async with guarded(latin, REDACT) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
        assert (reply.status_code, reply.content) == (200, b"caf\xe9")
    async with guarded(latin, EXCLUDED) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
        assert (reply.status_code, "content_unchecked" in reply.text) == (403, True)
