"""What a call leaves behind goes with it: no ring of objects waits for the collector.

The trap: nothing fails where one forms. A worker that holds hundreds of streams merely keeps each
one's buffers until the collector's oldest generation is due, and pays for that then.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from collector import only_what_is_new
from every_path import BODIES, OTHERS
from gateway_rig import CHAT, HELLO, STREAM, answers, eventually, rig, status, streams
from guard_rig import REDACT, echo, guarded, policy
from scripted import DONE, Behave, chunk

from federation.domain.policies import Durable, Policy

ANSWER = chunk("Hel"), chunk("lo."), chunk(finish="stop"), DONE
TIMES = 5
EVERY = BODIES | OTHERS
MESSAGES = {"model": "chat", "max_tokens": 9, "messages": HELLO["messages"]}


@contextmanager
def left_to_collect() -> Iterator[Counter[str]]:
    """How many objects of ours only the collector could free, by their type; filled at the end."""
    found: Counter[str] = Counter()
    with only_what_is_new():
        try:
            yield found
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            for each in gc.garbage:
                home = each if callable(each) and hasattr(each, "__qualname__") else type(each)
                if str(home.__module__).startswith("federation."):
                    found[f"{home.__module__}.{home.__qualname__}"] += 1
        finally:
            gc.set_debug(0)
            gc.garbage.clear()


async def _calls(client: httpx.AsyncClient, path: str, body: dict[str, object]) -> None:
    for _ in range(TIMES):
        answer = await client.post(path, json=body)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_nothing_is_left_of_a_call(path: str, streamed: bool) -> None:
    body = (HELLO if path == CHAT else MESSAGES) | {"stream": streamed}
    behave = streams(*ANSWER) if streamed else answers()
    async with rig(behave) as (_, client, _):
        await _calls(client, path, body)
        with left_to_collect() as found:
            await _calls(client, path, body)
    assert not found


@pytest.mark.parametrize("rule", [REDACT, policy(Durable())])
@pytest.mark.parametrize("streamed", [False, True])
async def test_nothing_is_left_of_a_governed_call(rule: tuple[Policy, ...], streamed: bool) -> None:
    body = HELLO | {"model": "work", "stream": streamed}
    behave: Behave = streams(*ANSWER) if streamed else echo
    async with guarded(behave, rule) as (_, client, *_):
        await _calls(client, CHAT, body)
        with left_to_collect() as found:
            await _calls(client, CHAT, body)
    assert not found


async def test_nothing_is_left_of_an_answer_that_was_mended() -> None:
    broken, whole = streams(ANSWER[0], end=False), streams(*ANSWER)
    async with rig(broken, whole) as (_, client, _):
        await _calls(client, CHAT, STREAM)
        with left_to_collect() as found:
            await _calls(client, CHAT, STREAM)
    assert not found


async def test_nothing_is_left_of_a_client_that_hung_up() -> None:
    async with rig(streams(*ANSWER[:1], gap_s=0.02, end=True)) as (running, client, _):

        async def leave() -> None:
            async with client.stream("POST", CHAT, json=STREAM) as answer:
                async for _ in answer.aiter_raw():
                    break

        await leave()
        with left_to_collect() as found:
            for _ in range(TIMES):
                await leave()
            await eventually(lambda: not running.server.in_flight)
    assert not found


async def test_nothing_is_left_of_an_error() -> None:
    async with rig(status(400)) as (_, client, _):
        await client.post(CHAT, json=HELLO)
        with left_to_collect() as found:
            for _ in range(TIMES):
                assert (await client.post(CHAT, json=HELLO)).status_code == 400
                assert (await client.post(CHAT, content=b"{")).status_code == 400
    assert not found


async def test_nothing_is_left_of_a_failure_that_another_deployment_makes_good() -> None:
    async with rig(status(503), answers()) as (_, client, _):
        await client.post(CHAT, json=HELLO)
        with left_to_collect() as found:
            await _calls(client, CHAT, HELLO)
    assert not found


IN_BAND = b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'


@pytest.mark.parametrize(
    "path", [CHAT, "/v1/messages", "/v1beta/models/chat:streamGenerateContent"]
)
@pytest.mark.parametrize("mended", [False, True])
@pytest.mark.parametrize(
    "broken",
    [
        streams(ANSWER[0], end=False),
        streams(ANSWER[0], end=True),
        streams(ANSWER[0], IN_BAND, gap_s=0.01),
        streams(ANSWER[0], IN_BAND),
    ],
    ids=["cut", "ended", "told", "told at once"],
)
async def test_nothing_is_left_of_an_answer_that_broke(
    path: str, mended: bool, broken: Behave
) -> None:
    body = EVERY[path] | ({} if "Generate" in path else {"stream": True})
    async with rig(broken, *([streams(*ANSWER)] if mended else [])) as (running, client, _):

        async def ask() -> None:
            with suppress(httpx.RemoteProtocolError):
                await client.post(path, json=body)
            await eventually(lambda: not running.server.in_flight)

        await ask()
        with left_to_collect() as found:
            for _ in range(TIMES):
                await ask()
    assert not found


async def test_nothing_is_left_of_a_question_to_the_router_that_is_none() -> None:
    async with rig(answers()) as (_, client, _):
        await client.post("/v1/route", json={"prompt": 3})
        with left_to_collect() as found:
            for body in ({"prompt": 3}, {"nonsense": 3}, {}):
                assert (await client.post("/v1/route", json=body)).status_code == 400
    assert not found
