"""Providers that fail: who is asked next, what the client gets, what the books say."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from gateway_rig import (
    CHAT,
    HELLO,
    STREAM,
    answers,
    at_port,
    at_rest,
    deaf_port,
    error_body,
    eventually,
    refused,
    resets,
    rig,
    sends,
    silent,
    status,
    streams,
)
from inprocess import Gateway
from scripted import DONE, USAGE, Behave, Talk, chunk, completion, whole

from federation.domain.catalogue import Deployment, Limits
from federation.domain.routes import Deadlines, Settings
from federation.gateway.attempt import Attempt
from federation.resilience.circuit import Circuit
from federation.schema.link import Measure
from federation.schema.records import CallEnded

SHORT = Deadlines(connect_s=0.3, first_token_s=0.3, idle_s=0.3, total_s=5.0)
PRICE = 10 * 2500 + 5 * 10_000
"""What `completion()` costs at the rig's prices, in nano-dollars."""

BOTH = pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])


@dataclass(frozen=True)
class Fault:
    """What the first deployment does, how often it is asked, what its attempts say."""

    name: str
    behave: Behave
    tries: int
    status: int
    error: str


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
FAULTS = [
    Fault("500", status(500), 2, 500, "upstream_failed"),
    Fault("503", status(503), 2, 503, "upstream_failed"),
    Fault("408", status(408), 2, 408, "upstream_failed"),
    Fault("reset", resets, 2, 0, "upstream_failed"),
    Fault("closed", sends(), 2, 0, "upstream_failed"),
    Fault("not HTTP", sends(b"SSH-2.0-OpenSSH_9.2\r\n"), 1, 0, "upstream_garbled"),
    Fault("silent", silent, 1, 0, "upstream_timeout"),
    Fault("429", status(429), 2, 429, "upstream_rate_limited"),
    Fault("429 for a moment", status(429, "retry-after-ms: 20\r\n"), 3, 429, "paced"),
    Fault("429 for a minute", status(429, "retry-after: 60\r\n"), 1, 429, "paced"),
    Fault("no funds", status(429, body=error_body("x", code="insufficient_quota")), 1, 429,
          "upstream_credential_refused"),
    Fault("401", status(401), 1, 401, "upstream_credential_refused"),
    Fault("402", status(402), 1, 402, "upstream_credential_refused"),
    Fault("403", status(403), 1, 403, "upstream_credential_refused"),
    Fault("404", status(404), 1, 404, "upstream_model_missing"),
    Fault("redirect", status(302, "location: http://127.0.0.1:1/\r\n"), 1, 302,
          "upstream_moved"),
]  # fmt: skip
WHOLE_ONLY = [
    Fault("silent after its head", sends(HEAD + b"content-length: 9\r\n\r\n", close=False), 1, 200,
          "upstream_timeout"),
    Fault("not JSON", answers(b"<html>busy</html>"), 1, 200, "upstream_garbled"),
    Fault("not UTF-8", answers(completion().replace(b"Hello", b"Hell\xff")), 1, 200,
          "upstream_garbled"),
    Fault("no choices", answers(b'{"id":"x"}'), 1, 200, "upstream_garbled"),
    Fault("an error inside", answers(error_body("boom")), 2, 200, "upstream_failed"),
    Fault("a paced error inside", answers(error_body("slow", code="429")), 2, 200,
          "upstream_rate_limited"),
    Fault("cut", sends(HEAD + b"content-length: 900\r\n\r\n{"), 2, 200, "upstream_failed"),
]  # fmt: skip
STREAM_ONLY = [
    Fault("not a stream", answers(), 1, 200, "upstream_garbled"),
    Fault("no event", streams(), 1, 200, "upstream_garbled"),
    Fault("only keep-alives", streams(b": ping\n\n", b": ping\n\n"), 1, 200, "upstream_garbled"),
    Fault("cut before content", streams(chunk(""), end=False), 1, 200, "upstream_stream_cut"),
    Fault("an error first", streams(b"data: " + error_body("boom") + b"\n\n"), 2, 200,
          "upstream_failed"),
    Fault("silent stream", sends(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
          b"transfer-encoding: chunked\r\n\r\n", close=False), 1, 200, "upstream_timeout"),
]  # fmt: skip


def named(faults: list[Fault]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", faults, ids=[fault.name for fault in faults])


def only(running: Gateway) -> CallEnded:
    (ended,) = running.books.ended
    return ended


async def falls_back(fault: Fault, body: dict[str, Any]) -> None:
    async with rig(fault.behave, whole, deadlines=SHORT) as (running, client, upstreams):
        reply = await client.post(CHAT, json=body)
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-federation-provider"] == "p1"
        assert reply.headers["x-federation-attempts"] == str(fault.tries + 1)
        assert len(upstreams[0].seen) == fault.tries
        assert len(upstreams[1].seen) == 1
        ended = only(running)
        assert (ended.outcome, ended.deployment) == ("ok", "p1/acme-large")
        failed, last = ended.attempts[:-1], ended.attempts[-1]
        assert [item.deployment for item in failed] == ["p0/acme-large"] * fault.tries
        assert {item.error for item in failed} == {fault.error}
        assert {item.status for item in failed} == {fault.status}
        assert {item.cost_nano for item in failed} == {0}
        assert (last.error, last.status) == ("", 200)
        assert ended.cost_nano == last.cost_nano
        assert ended.cost_nano
        await eventually(lambda: at_rest(running))


@named(FAULTS)
@BOTH
async def test_a_failure_before_the_first_byte_falls_back(
    fault: Fault, body: dict[str, Any]
) -> None:
    await falls_back(fault, body)


@named(WHOLE_ONLY)
async def test_a_whole_answer_that_is_none_falls_back(fault: Fault) -> None:
    await falls_back(fault, HELLO)


@named(STREAM_ONLY)
async def test_a_stream_that_fails_before_its_content_falls_back(fault: Fault) -> None:
    await falls_back(fault, STREAM)


@BOTH
async def test_a_refused_connection_falls_back(body: dict[str, Any]) -> None:
    port = deaf_port()

    def alter(place: int, row: Deployment) -> Deployment:
        return at_port(row, port) if place == 0 else row

    async with rig(silent, whole, alter=alter) as (running, client, upstreams):
        reply = await client.post(CHAT, json=body)
        assert reply.headers["x-federation-provider"] == "p1"
        assert upstreams[0].seen == []
        ended = only(running)
        assert [item.error for item in ended.attempts] == ["upstream_failed"] * 2 + [""]
        assert [item.status for item in ended.attempts] == [0, 0, 200]


@BOTH
async def test_fallbacks_follow_the_strategys_order(body: dict[str, Any]) -> None:
    async with rig(status(404), status(401), silent, whole, deadlines=SHORT) as rigged:
        running, client, _ = rigged
        reply = await client.post(CHAT, json=body)
        assert reply.headers["x-federation-attempts"] == "4"
        tried = [item.deployment.split("/")[0] for item in only(running).attempts]
        assert tried == ["p0", "p1", "p2", "p3"]


@BOTH
async def test_a_request_that_the_provider_rejects_is_handed_back_and_never_retried(
    body: dict[str, Any],
) -> None:
    details = {"type": "invalid_request_error", "param": "temperature", "code": "bad_temperature"}
    said = error_body("Temperature must be at most 2.", **details)
    async with rig(status(400, body=said), whole) as (running, client, upstreams):
        reply = await client.post(CHAT, json=body)
        assert refused(reply, 400) == {"message": "Temperature must be at most 2.", **details}
        assert [len(upstream.seen) for upstream in upstreams] == [1, 0]
        ended = only(running)
        assert (ended.outcome, ended.status, ended.error) == ("error", 400, "bad_temperature")
        assert ended.cost_nano == 0
        assert reply.headers["x-request-id"] == ended.call


@pytest.mark.parametrize("code", [400, 413, 422])
async def test_caller_errors_keep_the_providers_status(code: int) -> None:
    async with rig(status(code), whole) as (_, client, upstreams):
        reply = await client.post(CHAT, json=HELLO)
        assert refused(reply, code)["message"] == f"status {code}"
        assert upstreams[1].seen == []


@BOTH
async def test_a_refusal_that_holds_our_credential_is_handed_back_without_it(
    body: dict[str, Any],
) -> None:
    async with rig(status(400, body=error_body("upstream-secret is not allowed here"))) as rigged:
        _, client, _ = rigged
        reply = await client.post(CHAT, json=body)
        assert reply.status_code == 400
        assert "upstream-secret" not in reply.text


@pytest.mark.parametrize(
    ("last", "code", "word"),
    [
        (status(500), 502, "upstream_failed"),
        (status(429), 429, "upstream_rate_limited"),
        (status(401), 502, "upstream_credential_refused"),
        (status(404), 502, "upstream_model_missing"),
        (silent, 504, "upstream_timeout"),
        (sends(b"gibberish\r\n\r\n"), 502, "upstream_garbled"),
        (resets, 502, "upstream_failed"),
    ],
    ids=["500", "429", "401", "404", "silent", "garbage", "reset"],
)
@BOTH
async def test_when_all_fail_the_last_error_is_the_answer(
    last: Behave, code: int, word: str, body: dict[str, Any]
) -> None:
    async with rig(status(404), last, deadlines=SHORT) as (running, client, _):
        reply = await client.post(CHAT, json=body)
        refused(reply, code, word)
        ended = only(running)
        assert (ended.outcome, ended.status, ended.error) == ("error", code, word)
        assert ended.cost_nano == 0
        assert ended.attempts[0].error == "upstream_model_missing"
        assert {item.error for item in ended.attempts[1:]} == {word}
        await eventually(lambda: at_rest(running))


@BOTH
async def test_an_error_tells_who_was_asked_last_and_how_often_and_how_that_was_chosen(
    body: dict[str, Any],
) -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        return replace(row, provider=replace(row.provider, simulated=place == 1))

    async with rig(status(404), status(401), alter=alter) as (_, client, _upstreams):
        said = (await client.post(CHAT, json=body)).headers
        assert (said["x-federation-provider"], said["x-federation-model"]) == ("p1", "acme-large")
        assert (said["x-federation-attempts"], said["x-federation-simulated"]) == ("2", "true")
        assert said["x-federation-strategy"] == "priority"
        assert float(said["x-federation-estimated-cost"]) > 0.0


async def test_an_error_before_anybody_was_asked_names_no_provider() -> None:
    async with rig(whole) as (_, client, _upstreams):
        body = HELLO | {"model": "nobody-has-it"}
        reply = await client.post(CHAT, json=body)
        assert reply.status_code == 404
        told = {name for name in reply.headers if name.startswith("x-federation-")}
        assert told == {"x-federation-call-id", "x-federation-attempts"}


async def test_a_rate_limit_of_the_last_deployment_tells_the_client_when_to_come_back() -> None:
    async with rig(status(429, "retry-after: 30\r\n")) as (_, client, _upstreams):
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 429
        assert reply.headers["retry-after"] == "30"


async def test_no_more_attempts_are_made_than_are_allowed() -> None:
    failing = [status(500)] * 5
    async with rig(*failing) as (running, client, _):
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 502
        assert len(only(running).attempts) == 6


async def test_a_deployment_that_asked_for_rest_gets_it() -> None:
    async with rig(status(429, "retry-after: 60\r\n"), whole) as (running, client, upstreams):
        for _ in range(3):
            reply = await client.post(CHAT, json=HELLO)
            assert reply.headers["x-federation-provider"] == "p1"
        assert len(upstreams[0].seen) == 1
        assert [len(item.attempts) for item in running.books.ended] == [2, 1, 1]


async def test_all_that_are_cooling_down_may_still_be_tried() -> None:
    calls = 0

    async def behave(talk: Talk) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await talk.answer(error_body("gone"), 404)
        else:
            await whole(talk)

    async with rig(behave) as (_, client, _upstreams):
        assert (await client.post(CHAT, json=HELLO)).status_code == 502
        assert (await client.post(CHAT, json=HELLO)).status_code == 200


async def test_a_stale_pooled_connection_is_no_attempt() -> None:
    async def behave(talk: Talk) -> None:
        await talk.answer(completion())
        talk.writer.close()

    async with rig(behave) as (running, client, upstreams):
        for _ in range(3):
            reply = await client.post(CHAT, json=HELLO)
            assert reply.headers["x-federation-attempts"] == "1"
        assert len(upstreams[0].seen) == 3
        assert {len(item.attempts) for item in running.books.ended} == {1}


async def test_a_last_resort_without_allowance_leaves_the_first_failure_as_the_answer() -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        limits = Limits(rpm=10) if place else Limits()
        return replace(row, provider=replace(row.provider, limits=limits))

    async with rig(status(404), whole, alter=alter) as (running, client, upstreams):
        running.leases.denied = {"rpm/p1"}
        refused(await client.post(CHAT, json=HELLO), 502, "upstream_model_missing")
        assert upstreams[1].seen == []


async def test_requests_that_were_wrong_do_not_make_a_deployment_ill() -> None:
    said = error_body("No.", code="some_code_of_its_own", type="invalid_request_error")

    async def behave(talk: Talk) -> None:
        if talk.seen.json.get("seed") == 1:
            await talk.answer(said, 400)
        else:
            await whole(talk)

    async with rig(behave, whole) as (running, client, upstreams):
        for _ in range(30):
            refused(await client.post(CHAT, json=HELLO | {"seed": 1}), 400, "some_code_of_its_own")
        reply = await client.post(CHAT, json=HELLO)
        assert reply.headers["x-federation-provider"] == "p0"
        assert upstreams[1].seen == []
        words = {item.error for ended in running.books.ended for item in ended.attempts}
        assert words == {"upstream_rejected", ""}, "a provider's words would be metric labels"


async def test_a_provider_that_only_keeps_a_stream_alive_has_no_more_time_than_others() -> None:
    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        while True:
            await talk.event(b": still at it\n\n")
            await asyncio.sleep(0.02)

    async with rig(behave, whole, deadlines=SHORT) as (running, client, upstreams):
        reply = await client.post(CHAT, json=STREAM, timeout=4)
        assert reply.headers["x-federation-provider"] == "p1"
        (ended,) = running.books.ended
        assert ended.attempts[0].error == "upstream_timeout"
        await eventually(lambda: upstreams[0].seen[0].hung_up is not None)


async def test_a_provider_that_floods_a_stream_before_its_content_is_left() -> None:
    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        while True:
            await talk.event(b": " + b"x" * 60_000 + b"\n\n")

    async with rig(behave, whole) as (running, client, _):
        reply = await client.post(CHAT, json=STREAM, timeout=10)
        assert reply.headers["x-federation-provider"] == "p1"
        assert running.books.ended[0].attempts[0].error == "upstream_garbled"


# Streams that break after their first content.


async def read_cut(running: Gateway, client: httpx.AsyncClient) -> bytes:
    """The bytes of a stream that must end without its terminating chunk."""
    got = bytearray()

    async def read() -> None:
        async with client.stream("POST", CHAT, json=STREAM) as reply:
            assert reply.status_code == 200
            async for piece in reply.aiter_raw():
                got.extend(piece)

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    await eventually(lambda: at_rest(running))
    return bytes(got)


async def test_a_stream_that_is_cut_ends_with_an_error_event_and_never_looks_complete() -> None:
    events = (chunk("Hel"), chunk("lo"))
    broken = streams(*events, end=False)
    async with rig(broken, whole, mend="off") as (running, client, upstreams):
        got = await read_cut(running, client)
        assert got.startswith(b"".join(events))
        rest = got.removeprefix(b"".join(events))
        assert rest.startswith(b"data: ")
        assert rest.endswith(b"\n\n")
        error = json.loads(rest.removeprefix(b"data: "))["error"]
        assert error["code"] == "upstream_stream_cut"
        assert DONE not in got
        assert upstreams[1].seen == []
        ended = only(running)
        assert (ended.outcome, ended.error, ended.status) == ("cut", "upstream_stream_cut", 200)
        assert ended.usage.estimated
        assert ended.usage.output == 2
        assert ended.cost_nano
        assert ended.attempts[0].error == "upstream_stream_cut"


async def test_a_stream_that_ends_in_good_order_without_saying_so_is_cut() -> None:
    async with rig(streams(chunk("Hel"), chunk("lo"))) as (running, client, _):
        got = await read_cut(running, client)
        assert b"upstream_stream_cut" in got
        assert only(running).outcome == "cut"


async def test_a_torn_event_is_not_handed_on() -> None:
    async with rig(streams(chunk("Hel"), chunk("lo")[:20], end=False)) as (running, client, _):
        got = await read_cut(running, client)
        assert got.startswith(chunk("Hel") + b'data: {"error"')


async def test_a_stream_that_falls_silent_is_cut() -> None:
    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(chunk("Hel"))
        await asyncio.Event().wait()

    async with rig(behave, deadlines=SHORT) as (running, client, upstreams):
        got = await read_cut(running, client)
        assert got.startswith(chunk("Hel"))
        assert json.loads(got.removeprefix(chunk("Hel"))[6:])["error"]["code"] == "upstream_timeout"
        ended = only(running)
        assert (ended.outcome, ended.error) == ("cut", "upstream_timeout")
        await eventually(lambda: upstreams[0].seen[0].hung_up is not None)


INSIDE = b"data: " + error_body("overloaded", type="server_error") + b"\n\n"


async def test_an_error_that_comes_with_the_first_content_is_an_error_of_the_call() -> None:
    async with rig(streams(chunk("Hel") + INSIDE)) as (running, client, _):
        reply = await client.post(CHAT, json=STREAM)
        assert reply.status_code == 502
        assert reply.json()["error"]["code"] == "upstream_failed"
        assert only(running).outcome == "error"


async def test_an_error_inside_a_stream_that_holds_our_credential_is_told_in_our_words() -> None:
    secret = b"upstream-secret"
    echoed = b"data: " + error_body(f"bad key {secret.decode()}", type="server_error") + b"\n\n"
    async with rig(streams(chunk("Hel"), echoed, gap_s=0.05), mend="off") as (running, client, _):
        got = await read_cut(running, client)
        assert secret not in got
        assert got.count(b'"error"') == 1


@pytest.mark.parametrize("done", [False, True], ids=["", "then DONE"])
async def test_an_error_inside_a_stream_is_handed_on_once_and_the_stream_is_cut(done: bool) -> None:
    pieces = [chunk("Hel"), INSIDE, *([DONE] if done else [])]
    async with rig(streams(*pieces, gap_s=0.05), mend="off") as (running, client, _):
        got = await read_cut(running, client)
        assert got.startswith(chunk("Hel") + INSIDE)
        assert got.count(b'"error"') == 1
        assert only(running).outcome == "cut"
        assert only(running).error == "upstream_failed"


async def test_an_event_that_is_no_json_is_left_out_for_it_breaks_clients() -> None:
    odd = b"data: {odd\n\n"
    events = (chunk("Hel"), chunk(finish="stop"), DONE)
    async with rig(streams(events[0], odd, *events[1:])) as (running, client, _):
        reply = await client.post(CHAT, json=STREAM)
        assert reply.content == b"".join(events)
        assert only(running).outcome == "ok"


# Streams and answers that are complete, though they lack something.


async def test_a_stream_without_its_end_marker_is_complete_with_a_finish_reason() -> None:
    events = (chunk("Hel"), chunk(finish="length"), USAGE)
    async with rig(streams(*events)) as (running, client, _):
        reply = await client.post(CHAT, json=STREAM)
        assert reply.content == b"".join(events[:2]) + DONE
        ended = only(running)
        assert (ended.outcome, ended.finish) == ("ok", "length")
        assert (ended.usage.input, ended.usage.output) == (10, 3)


async def test_a_missing_end_of_the_body_does_not_delay_the_end_marker() -> None:
    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        for event in (chunk("Hel"), chunk(finish="stop"), DONE):
            await talk.event(event)
        await asyncio.Event().wait()

    async with rig(behave) as (running, client, upstreams):
        began = time.monotonic()
        reply = await client.post(CHAT, json=STREAM)
        assert time.monotonic() - began < 5
        assert reply.content.endswith(DONE)
        assert only(running).outcome == "ok"
        await eventually(lambda: upstreams[0].seen[0].hung_up is not None)


async def test_a_stream_without_usage_is_charged_by_our_own_count() -> None:
    events = (*(chunk(word) for word in "abcd"), chunk(finish="stop"), DONE)
    async with rig(streams(*events)) as (running, client, _):
        await client.post(CHAT, json=STREAM)
        ended = only(running)
        assert ended.usage.estimated
        assert ended.usage.output >= 4
        assert ended.usage.input > 0
        assert ended.cost_nano == ended.usage.input * 2500 + ended.usage.output * 10_000


async def test_a_whole_answer_without_usage_is_charged_by_our_own_count() -> None:
    body = json.loads(completion(text="word " * 100))
    del body["usage"]
    async with rig(answers(json.dumps(body).encode())) as (running, client, _):
        reply = await client.post(CHAT, json=HELLO)
        assert "usage" not in reply.json()
        ended = only(running)
        assert ended.usage.estimated
        assert ended.usage.input > 0
        assert 50 <= ended.usage.output <= 500
        assert ended.cost_nano == ended.usage.input * 2500 + ended.usage.output * 10_000


async def test_a_price_that_is_unknown_is_never_free() -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        rates = replace(row.model.price.rates, output=None)
        return replace(row, model=replace(row.model, price=replace(row.model.price, rates=rates)))

    async with rig(whole, alter=alter) as (running, client, _):
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 200
        assert "x-federation-estimated-cost" not in reply.headers
        assert only(running).cost_nano is None


async def test_an_answer_above_the_limit_is_refused_and_the_next_asked() -> None:
    huge = completion(text="x" * 200_000)
    async with rig(answers(huge), whole, settings=Settings(response_bytes=100_000)) as rigged:
        running, client, _ = rigged
        reply = await client.post(CHAT, json=HELLO)
        assert reply.headers["x-federation-provider"] == "p1"
        first = only(running).attempts[0]
        assert first.error == "upstream_answer_too_large"
        assert first.cost_nano == first.usage.input * 2500 > 0, "it has read the prompt"


async def test_an_answer_above_the_limit_is_not_its_own_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    causes: list[BaseException | None] = []
    fail = Attempt.fail

    def noted(attempt: Attempt, error: BaseException) -> None:
        causes.append(error.__cause__)
        fail(attempt, error)

    monkeypatch.setattr(Attempt, "fail", noted)
    huge = completion(text="x" * 200_000)
    async with rig(answers(huge), settings=Settings(response_bytes=100_000)) as (_, client, _):
        await client.post(CHAT, json=HELLO)
    assert causes
    assert causes[0] is None, "a circle that only the collector ends"


async def test_answers_above_our_own_limit_open_no_circuit() -> None:
    huge = completion(text="x" * 200_000)
    small = Settings(response_bytes=100_000)
    async with rig(answers(huge), settings=small) as (running, client, _):
        for _ in range(6):
            reply = await client.post(CHAT, json=HELLO)
            assert reply.status_code == 502
            assert reply.json()["error"]["code"] == "upstream_answer_too_large"
        world = running.world
        now = world.clock()
        assert world.health.columns.down_until[0] <= now
        assert world.health.may_retry("p0/acme-large", now)


async def test_who_answers_calls_for_streams_with_long_pages_is_at_fault() -> None:
    async with rig(answers(b"<html>" + b"x" * 2_000_000), whole) as (running, client, _):
        for _ in range(6):
            await client.post(CHAT, json=STREAM)
        world = running.world
        assert running.books.ended[0].attempts[0].error == "upstream_garbled"
        assert world.health.circuit("p0/acme-large", world.clock()) is Circuit.OPEN


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_beyond_all_that_the_call_allowed_open_the_circuit(stream: bool) -> None:
    huge, few = completion(text="x" * 1_200_000), {"max_tokens": 20, "stream": stream}
    small = Settings(response_bytes=1_000_000)
    async with rig(answers(huge), settings=small) as (running, client, _):
        for _ in range(5):
            reply = await client.post(CHAT, json=HELLO | few)
            assert reply.status_code == 502
            code = "upstream_garbled" if stream else "upstream_endless"
            assert reply.json()["error"]["code"] == code
        world = running.world
        assert world.health.columns.down_until[0] > world.clock()
        attempts = [each for ended in running.books.ended for each in ended.attempts]
        assert stream or all(each.cost_nano for each in attempts), "it has read the prompt"


async def test_an_error_of_many_bytes_is_told_by_its_status() -> None:
    long = error_body("x" * 300_000)
    async with rig(status(503, body=long), whole) as (running, client, _):
        assert (await client.post(CHAT, json=HELLO)).headers["x-federation-provider"] == "p1"
        errors = [each.error for each in only(running).attempts]
        assert errors == ["upstream_failed", "upstream_failed", ""]


async def test_a_provider_is_never_billed_for_a_completion_that_failed() -> None:
    async with rig(status(500), whole) as (running, client, _):
        await client.post(CHAT, json=HELLO)
        ended = only(running)
        assert [item.cost_nano for item in ended.attempts] == [0, 0, PRICE]
        assert ended.cost_nano == PRICE


async def test_when_all_have_failed_those_that_may_be_well_again_are_asked_once_more() -> None:
    left = {0: 2, 1: 2}

    def flaky(place: int) -> Behave:
        async def behave(talk: Talk) -> None:
            left[place] -= 1
            if left[place] >= 0:
                await status(500)(talk)
            else:
                await whole(talk)

        return behave

    async with rig(flaky(0), flaky(1)) as (running, client, upstreams):
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 200
        assert reply.headers["x-federation-provider"] == "p0"
        assert [len(each.seen) for each in upstreams] == [3, 2]
        assert len(only(running).attempts) == 5


def from_then_on(first: Behave, times: int) -> Behave:
    """Behaves like `first` so many times, then answers."""
    left = times

    async def behave(talk: Talk) -> None:
        nonlocal left
        left -= 1
        await (first if left >= 0 else whole)(talk)

    return behave


async def test_who_was_silent_is_asked_again_when_all_others_have_failed_too() -> None:
    behaves = (from_then_on(silent, 1), silent, status(500))
    async with rig(*behaves, deadlines=SHORT) as (running, client, upstreams):
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 200
        assert reply.headers["x-federation-provider"] == "p0"
        # Who answered something comes before who was silent.
        assert [len(each.seen) for each in upstreams] == [2, 1, 3]
        assert [each.deployment[:2] for each in only(running).attempts] == [
            *("p0", "p1", "p2", "p2", "p2", "p0"),
        ]
        assert only(running).cost_nano == PRICE


async def test_nobody_is_asked_again_where_a_silence_would_take_too_long() -> None:
    limits = replace(SHORT, first_token_s=0.8)
    headers = {"x-timeout-ms": "2000"}
    async with rig(silent, silent, deadlines=limits) as (running, client, upstreams):
        reply = await client.post(CHAT, json=HELLO, headers=headers)
        assert reply.status_code == 504
        assert [len(each.seen) for each in upstreams] == [1, 1]
        assert only(running).outcome == "error"


def in_turn(*behaves: Behave) -> Behave:
    """Behaves like each of them once, and like the last from then on."""
    left = list(behaves)

    async def behave(talk: Talk) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(talk)

    return behave


@pytest.mark.parametrize(
    "second", [status(429, "retry-after: 60\r\n"), status(401)], ids=["429 for a minute", "401"]
)
async def test_what_the_last_one_says_to_its_own_retry_takes_it_out_of_the_second_lap(
    second: Behave,
) -> None:
    behaves = (status(500), in_turn(status(500), second))
    async with rig(*behaves, deadlines=SHORT) as (running, client, _):
        await client.post(CHAT, json=HELLO)
        tried = [each.deployment[:2] for each in only(running).attempts]
        assert tried == ["p0", "p0", "p1", "p1", "p0"]


async def test_the_last_one_that_is_silent_to_its_own_retry_is_asked_again_if_there_is_time() -> (
    None
):
    limits = replace(SHORT, first_token_s=1.5)
    behaves = (status(500), in_turn(status(500), silent))
    async with rig(*behaves, deadlines=limits) as (running, client, _):
        reply = await client.post(CHAT, json=HELLO, headers={"x-timeout-ms": "2900"})
        assert reply.status_code >= 500
        tried = [each.deployment[:2] for each in only(running).attempts]
        assert tried == ["p0", "p0", "p1", "p1", "p0"]


async def test_an_open_circuit_does_not_keep_a_call_from_its_last_hope() -> None:
    behaves = (from_then_on(status(500), 1), status(500))
    async with rig(*behaves, deadlines=SHORT) as (running, client, upstreams):
        board, now = running.world.health, running.world.clock()
        for _ in range(5):
            board.note(Measure("p0/acme-large", 0, False, 0.0, 1.0, 0, "upstream_failed"), now)
        assert board.circuit("p0/acme-large", now) is Circuit.OPEN
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 200
        assert [len(each.seen) for each in upstreams] == [2, 3]
        tried = [each.deployment[:2] for each in only(running).attempts]
        assert tried == ["p1", "p1", "p0", "p1", "p0"]
