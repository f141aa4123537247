"""What comes back under policies in report mode: looked at as it passes, held back by nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx
import pytest
from gateway_rig import CHAT, answers, eventually, rig, streams
from guard_rig import (
    MAIL,
    OPERATION_BODIES,
    SAID,
    SOUND,
    STREAMED,
    form,
    guarded,
    place,
    post,
    says,
    spoken,
)
from operations_rig import places
from scripted import DONE, Talk, chunk, completion

from federation.domain.policies import AnyRule, Mode, Pii, PiiAction, PiiExcluded, Policy
from federation.domain.routes import Settings
from federation.guardrails.entities import Span

CARD = "4111 1111 1111 1111"
LEAK = f"Her address is {MAIL}, her card {CARD} indeed."
REDACT = Pii(action=PiiAction.REDACT, block_on_failure=False)
BLOCK = Pii(action=PiiAction.BLOCK, block_on_failure=False)
ASK: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "Who?"}]}


def trial(rule: AnyRule) -> tuple[Policy, ...]:
    return (Policy("trial", (rule,), Mode.REPORT, digest="0" * 64),)


def whole(text: str) -> bytes:
    body = json.loads(completion())
    body["choices"][0]["message"]["content"] = text
    return json.dumps(body, indent=1).encode()


@pytest.mark.parametrize(
    ("rule", "watched"),
    [
        (REDACT, {"trial.pii:email:redact": 1, "trial.pii:card:redact": 1}),
        (BLOCK, {"trial.pii:email:block": 1, "trial.pii:card:block": 1}),
        (PiiExcluded(), {f"trial.pii_exclusion_required:{each}:redact": 1
                         for each in ("email", "card")}),
    ],
    ids=["redact", "block", "excluded"],
)  # fmt: skip
async def test_a_whole_answer_is_handed_back_as_it_came(
    rule: AnyRule, watched: dict[str, int]
) -> None:
    async with rig(answers(whole(LEAK)), policies=trial(rule)) as (gateway, client, _):
        reply = await client.post(CHAT, json=ASK)
        assert reply.content == whole(LEAK)
        assert gateway.books.ended[0].watched == watched
        assert gateway.books.ended[0].findings == {}


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1/completions"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_in_another_language_is_looked_at_too(path: str, stream: bool) -> None:
    body: dict[str, Any] = {"model": "chat", "max_tokens": 50, "messages": ASK["messages"]}
    if path.endswith("responses"):
        body = {"model": "chat", "input": "Who?", "store": False}
    if path.endswith("completions"):
        body = {"model": "chat", "prompt": "Who?"}
    signs = [chunk(sign) for sign in LEAK]
    behave = streams(*signs, chunk(finish="stop"), DONE) if stream else answers(whole(LEAK))
    got = []
    for policies in ((), trial(REDACT)):
        async with rig(behave, policies=policies) as (gateway, client, _):
            reply = await client.post(path, json=body | {"stream": stream})
            assert reply.status_code == 200, reply.text
            got.append(len(reply.content))
            assert ("indeed" in reply.text) or stream
            await eventually(lambda: bool(gateway.books.ended))
            record = gateway.books.ended[0]
            assert record.outcome == "ok"
    assert got[0] == got[1]
    assert record.watched == {"trial.pii:email:redact": 1, "trial.pii:card:redact": 1}


@pytest.mark.parametrize("rule", [REDACT, BLOCK], ids=["redact", "block"])
async def test_no_event_of_a_stream_is_held_back_or_changed(rule: Pii) -> None:
    """The provider says the next sign only when the client has got the one before."""
    events = [*(chunk(sign) for sign in LEAK), chunk(finish="stop"), DONE]
    heard = asyncio.Semaphore(0)

    async def sign_by_sign(talk: Talk) -> None:
        await talk.begin_stream()
        for event in events:
            await talk.event(event)
            await asyncio.wait_for(heard.acquire(), 20)
        await talk.end_stream()

    async with rig(sign_by_sign, policies=trial(rule)) as (gateway, client, _):
        raw = b""
        async with client.stream("POST", CHAT, json=ASK | {"stream": True}) as reply:
            assert reply.status_code == 200
            due = 0
            async for piece in reply.aiter_raw():
                raw += piece
                while due < len(events) and len(raw) >= sum(map(len, events[: due + 1])):
                    due += 1
                    heard.release()
        assert raw == b"".join(events)
        await eventually(lambda: bool(gateway.books.ended))
        record = gateway.books.ended[0]
        assert (record.outcome, record.findings) == ("ok", {})
        assert record.watched["trial.pii:email:" + str(rule.action and rule.action.value)] == 1
        # Where it would have been blocked, the answer would have ended there.
        assert ("trial.pii:card:redact" in record.watched) == (rule is REDACT)


async def test_the_end_of_a_stream_that_waited_is_looked_at_where_it_is_cut() -> None:
    words = [chunk(sign) for sign in f"mail {MAIL}"]
    async with rig(streams(*words, end=False), policies=trial(REDACT), mend="off") as (
        gateway, client, _,
    ):  # fmt: skip
        with contextlib.suppress(httpx.RemoteProtocolError):
            await client.post(CHAT, json=ASK | {"stream": True})
        await eventually(lambda: bool(gateway.books.ended))
        record = gateway.books.ended[0]
        assert (record.outcome, record.watched) == ("cut", {"trial.pii:email:redact": 1})


async def test_a_client_that_leaves_leaves_what_was_found() -> None:
    gone = asyncio.Event()

    async def waits(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(chunk(f"mail {MAIL} is hers, "))
        await gone.wait()

    async with rig(waits, policies=trial(REDACT)) as (gateway, client, _):
        async with client.stream("POST", CHAT, json=ASK | {"stream": True}) as reply:
            async for _piece in reply.aiter_raw():
                break
        await eventually(lambda: bool(gateway.books.ended))
        gone.set()
        record = gateway.books.ended[0]
        assert (record.outcome, record.watched) == ("canceled", {"trial.pii:email:redact": 1})


class Names:
    """Finds a name, and takes its time."""

    name = "names"
    kinds: tuple[str, ...] = ("person",)

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find(self, text: str) -> list[Span]:
        self.asked.append(text)
        at = text.find("Jane")
        return [Span(at, at + 4, "person")] if at >= 0 else []


async def test_a_recognizer_reads_calls_and_whole_answers_and_no_stream_waits_for_it() -> None:
    names = Names()
    rule = Pii(types=(("person", PiiAction.REDACT), ("email", PiiAction.REDACT)))
    told = f"Jane is at {MAIL} today."
    said = streams(*(chunk(sign) for sign in told), chunk(finish="stop"), DONE)
    for behave, stream in ((answers(whole(told)), False), (said, True)):
        async with rig(behave, policies=trial(rule)) as (gateway, client, _):
            gateway.world.recognizers = lambda: (names,)
            names.asked.clear()
            await client.post(CHAT, json=ASK | {"stream": stream})
            await eventually(lambda: bool(gateway.books.ended))
            watched = gateway.books.ended[0].watched
            assert (told in names.asked) == (not stream)
            assert not any("jane.doe" in text for text in names.asked if stream)
            if stream:
                assert watched == {"trial.pii:email:redact": 1, "trial.pii:unread:log": 1}
            else:
                assert watched == {"trial.pii:email:redact": 1, "trial.pii:person:redact": 1}


async def test_an_answer_that_breaks_and_goes_on_elsewhere_is_looked_at_in_both_places() -> None:
    first = streams(chunk(f"One {MAIL} two, "), end=False)
    second = streams(
        chunk(f"One {MAIL} two, "), chunk(f"and {CARD} is all."), chunk(finish="stop"), DONE
    )
    got: list[bytes] = []
    for policies in ((), trial(REDACT)):
        async with rig(first, second, policies=policies) as (gateway, client, _):
            reply = await client.post(CHAT, json=ASK | {"stream": True})
            assert b"is all." in reply.content
            got.append(reply.content)
            await eventually(lambda: bool(gateway.books.ended))
            record = gateway.books.ended[0]
            assert (record.outcome, record.mended) == ("ok", True)
    assert len(got[0]) == len(got[1])
    assert record.watched["trial.pii:email:redact"] >= 1, "said in the first place, and repeated"
    assert record.watched["trial.pii:card:redact"] == 1, "said in the second"


async def test_a_second_deployments_answer_is_looked_at_where_the_first_has_failed() -> None:
    async def fails(talk: Talk) -> None:
        await talk.answer(b"{}", 500)

    async with rig(fails, answers(whole(LEAK)), policies=trial(REDACT)) as (gateway, client, _):
        assert (await client.post(CHAT, json=ASK)).content == whole(LEAK)
        assert gateway.books.ended[0].watched == {
            "trial.pii:email:redact": 1,
            "trial.pii:card:redact": 1,
        }


async def test_an_answer_is_not_looked_at_for_a_rule_that_would_have_refused_the_call() -> None:
    asked = ASK | {"messages": [{"role": "user", "content": MAIL}]}
    async with rig(answers(whole(LEAK)), policies=trial(BLOCK)) as (gateway, client, _):
        assert (await client.post(CHAT, json=asked)).content == whole(LEAK)
        assert gateway.books.ended[0].watched == {"trial.pii:email:block": 1}


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/rerank", "/passthrough/p0/jobs"])
async def test_an_operations_answer_is_handed_back_as_it_came(path: str) -> None:
    leak = {"text": SAID, "results": [{"index": 0, "relevance_score": 1.0, "document": SAID}]}
    body = json.loads(json.dumps(OPERATION_BODIES[path], default=str).replace(MAIL, "her"))
    body = form("file", "Hello") if isinstance(OPERATION_BODIES[path], bytes) else body
    replies: list[tuple[int, bytes]] = []
    for policies in ((), trial(BLOCK)):
        async with guarded(says(leak), policies) as (gateway, client, (upstream,)):
            gateway.world.seal_key = b"k" * 32
            reply = await post(client, path, body)
            replies.append((reply.status_code, reply.content))
            assert len(upstream.seen) == 1
            record = gateway.books.ended[0]
    assert replies[0] == replies[1]
    assert MAIL.encode() in replies[1][1]
    assert record.watched["trial.pii:email:block"] >= 1
    assert record.outcome == "ok"


@pytest.mark.parametrize("rule", [REDACT, BLOCK], ids=["redact", "block"])
async def test_a_transcript_in_events_passes_with_all_that_is_in_it(rule: Pii) -> None:
    got: list[bytes] = []
    for policies in ((), trial(rule)):
        async with guarded(spoken(*SAID, *" and home"), policies) as (gateway, client, _):
            reply = await post(client, "/v1/audio/transcriptions", STREAMED)
            got.append(reply.content)
            await eventually(lambda: bool(gateway.books.ended))
            record = gateway.books.ended[0]
    assert got[0] == got[1]
    assert b"logprobs" in got[1]
    action = rule.action.value if rule.action is not None else ""
    assert record.watched[f"trial.pii:email:{action}"] == (2 if rule is REDACT else 1)
    assert record.outcome == "ok"


async def test_a_passage_of_text_is_looked_at_as_it_passes() -> None:
    """Also one that is longer than what is ever held in one piece."""
    first_is_told = asyncio.Event()

    async def slowly(talk: Talk) -> None:
        await talk.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        await talk.event(b"write to jane.doe")
        await asyncio.wait_for(first_is_told.wait(), 60)
        await talk.event("@example.com, caf\u00e9".encode()[:-1])
        await talk.event("\u00e9".encode()[1:])
        await talk.end_stream()

    small = Settings(passthrough=("p0",), response_bytes=20)
    rows = places(place(slowly), settings=small, policies=trial(PiiExcluded()))
    async with rows as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        told = b""
        async with client.stream("POST", "/passthrough/p0/jobs", json={"model": "m"}) as reply:
            async for piece in reply.aiter_raw():
                told += piece
                first_is_told.set()
        assert told.decode() == f"write to {MAIL}, caf\u00e9"
        await eventually(lambda: bool(gateway.books.ended))
        record = gateway.books.ended[0]
        assert record.watched == {"trial.pii_exclusion_required:email:redact": 1}


@pytest.mark.parametrize(
    ("kind", "body", "rule", "watched"),
    [
        ("audio/mpeg", SOUND, REDACT, {"trial.pii:unread:log": 1}),
        ("audio/mpeg", SOUND, PiiExcluded(), {"trial.pii_exclusion_required:unread:block": 1}),
        ("image/png", b"\x89PNG\0", PiiExcluded(), {"trial.pii_exclusion_required:unread:log": 1}),
        ("text/plain", b"caf\xe9", PiiExcluded(), {"trial.pii_exclusion_required:unread:block": 1}),
    ],
)
async def test_an_answer_that_nobody_can_read_passes_and_is_told(
    kind: str, body: bytes, rule: AnyRule, watched: dict[str, int]
) -> None:
    async with guarded(says(body, kind), trial(rule)) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
        assert (reply.status_code, reply.content) == (200, body)
        await eventually(lambda: bool(gateway.books.ended))
        assert gateway.books.ended[0].watched == watched
