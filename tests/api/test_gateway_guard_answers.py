"""Providers that put a value anywhere in an answer, in every wire language, over real sockets."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from bedrock_frames import event as frame
from cross_world import WIRES
from fuzz_bodies import golden_bodies
from fuzz_faces import FACES, called, place, row
from gateway_rig import http_client
from guard_rig import OPERATION_BODIES, REDACT, guarded, post
from inprocess import gateway, route, snapshot
from json_mutations import places
from native_vendors import WHOLE, base_path, stream_type
from scripted import Talk, Upstream

from federation.domain.routes import Settings

MAIL: Final = "jane.doe@example.com"
HANDED_ON: Final = {
    "id",
    "responseId",
    "call_id",
    "toolUseId",
    "model",
    "modelVersion",
    "system_fingerprint",
}
"""What is the provider's own name for something."""
BODIES: Final[dict[str, Any]] = {
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
    "openai_responses": {"input": "Hi"},
}
PLAIN: Final[Any] = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
every_provider = pytest.mark.parametrize("provider", WIRES)


def planted(document: Any) -> Iterator[Any]:
    """The document with a value in one place at a time, and in a member that nobody knows."""
    for path in [(), *places(document)] if isinstance(document, dict) else ():
        changed = copy.deepcopy(document)
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        if path and not isinstance(found := holder[path[-1]], dict):
            if path[-1] not in HANDED_ON and isinstance(found, str):
                holder[path[-1]] = MAIL
                yield changed
        else:
            for name, said in (("x_note", MAIL), (MAIL, 1)):
                other = copy.deepcopy(changed)
                inside = other
                for step in path:
                    inside = inside[step]
                inside[name] = said
                yield other


def streams(provider: str) -> Iterator[bytes]:
    """A stream of the provider's with a value in one place at a time."""
    whole = golden_bodies(provider, "stream", "events", "lines")[0]
    for at, event in enumerate(whole):
        for changed in planted(parsed(event)):
            yield b"".join(
                written(provider, each, changed if at == number else parsed(each))
                for number, each in enumerate(whole)
            )


def parsed(event: Any) -> Any:
    if isinstance(event, list):
        return event[1]
    if not isinstance(event, str):
        return event
    try:
        return json.loads(event.rpartition("data: ")[2])
    except ValueError:
        return None


def written(provider: str, event: Any, document: Any) -> bytes:
    if isinstance(event, list):
        return frame(event[0], document)
    if document is None:
        return str(event).encode()
    text = json.dumps(document)
    if isinstance(event, str):
        before, mark, _ = event.rpartition("data: ")
        return f"{before}{mark}{text}{event[len(event.rstrip()) :]}".encode()
    head = f"event: {event['type']}\n" if provider == "openai_responses" else ""
    return f"{head}data: {text}\n\n".encode()


class Hostile:
    """A provider that says what it was told to."""

    def __init__(self) -> None:
        self.status, self.kind, self.body = 200, "application/json", b""

    async def __call__(self, talk: Talk) -> None:
        await talk.answer(self.body, status=self.status, kind=self.kind)


@asynccontextmanager
async def before(provider: str) -> Any:
    """A gateway under a policy, in front of a hostile provider that speaks this language."""
    hostile = Hostile()
    async with Upstream(hostile) as upstream:
        address = upstream.url.removesuffix("/v1") + base_path(provider)
        work = route("work", (deployed := row(provider, address)).id)
        state = snapshot((deployed,), work, settings=Settings(attempts=1))
        async with (
            gateway(replace(state, policies=REDACT)) as running,
            http_client(running.url, 20.0) as client,
        ):
            running.world.seal_key = b"k" * 32
            yield hostile, client


async def told(client: httpx.AsyncClient, name: str, *, stream: bool) -> tuple[int, bytes]:
    face = FACES[name]
    body = called(BODIES.get(name, PLAIN), "work", stream=stream, face=face)
    raw = b""
    async with client.stream("POST", place(face, "work", stream=stream), json=body) as reply:
        try:
            async for piece in reply.aiter_raw():
                raw += piece
        except httpx.RemoteProtocolError:
            pass  # a stream that was refused is broken off
    return reply.status_code, raw


@every_provider
async def test_a_value_anywhere_in_a_whole_answer_is_not_told(provider: str) -> None:
    async with before(provider) as (hostile, client):
        good = 0
        for answer in (
            json.loads(WHOLE[provider]),
            *golden_bodies(provider, "answer", "answer")[:3],
        ):
            for changed in planted(answer):
                hostile.body = json.dumps(changed).encode()
                status, raw = await told(client, provider, stream=False)
                assert MAIL.encode() not in raw, changed
                good += status == 200
        assert good > 20


@every_provider
async def test_bytes_that_are_no_text_are_not_told_wherever_they_stand(provider: str) -> None:
    async with before(provider) as (hostile, client):
        for changed in planted(json.loads(WHOLE[provider])):
            hostile.body = json.dumps(changed).encode().replace(MAIL.encode(), b"\xff")
            status, raw = await told(client, provider, stream=False)
            assert status in (200, 502) or provider == "bedrock", changed
            assert b"internal error" not in raw, changed
            assert b"\xff" not in raw


@every_provider
async def test_a_value_anywhere_in_a_stream_is_not_told(provider: str) -> None:
    async with before(provider) as (hostile, client):
        hostile.kind = stream_type(provider).decode()
        for number, hostile.body in enumerate(streams(provider)):
            name = provider if number % 3 else "openai"
            _, raw = await told(client, name, stream=True)
            assert MAIL.encode() not in raw, hostile.body


@every_provider
async def test_a_value_anywhere_in_an_error_is_not_told(provider: str) -> None:
    async with before(provider) as (hostile, client):
        hostile.status = 400
        errors = [
            each for each in golden_bodies(provider, "error", "body") if isinstance(each, dict)
        ]
        for error in errors[:2]:
            for changed in planted(error):
                hostile.body = json.dumps(changed).encode()
                for name in {provider, "openai"}:
                    status, raw = await told(client, name, stream=False)
                    assert status >= 400
                    assert MAIL.encode() not in raw, changed


@pytest.mark.parametrize("path", OPERATION_BODIES)
async def test_the_error_of_another_operation_tells_no_value(path: str) -> None:
    async def fails(talk: Talk) -> None:
        said = {"error": {"message": f"cannot take {MAIL}", "type": "invalid_request_error"}}
        await talk.answer(json.dumps(said).encode(), status=400)

    async with guarded(fails, REDACT) as (gateway_, client, _):
        gateway_.world.seal_key = b"k" * 32
        reply = await post(client, path, OPERATION_BODIES[path])
        assert reply.status_code >= 400
        assert MAIL not in reply.text
        assert "[EMAIL]" in reply.text
