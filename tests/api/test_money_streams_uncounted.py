"""A stream that ends without its count costs what it said, however few its events were."""

from __future__ import annotations

import json

import pytest
from gateway_rig import CHAT, STREAM, answers, eventually, rig, streams
from scripted import DONE, chunk, completion

from federation.domain.routes import Route, Target
from federation.gateway.kept_answer import KeptAnswer
from federation.gateway.output_estimate import estimated_output

WORDS = "lorem ipsum " * 250
"""3,000 bytes."""
EVENTS = [chunk(WORDS) for _ in range(4)]
ROUTES = (Route("unmended", "priority", (Target("p0/acme-large"),), mend="off"),)


@pytest.mark.parametrize("path", [CHAT, "/v1/messages"], ids=["forwarded", "translated"])
@pytest.mark.parametrize("model", ["chat", "unmended"])
async def test_a_whole_stream_without_a_count_costs_its_words(path: str, model: str) -> None:
    whole = streams(*EVENTS, chunk(finish="stop"), DONE)
    async with rig(whole, routes=ROUTES) as (gateway, client, _):
        reply = await client.post(path, json=STREAM | {"max_tokens": 9000, "model": model})
        assert reply.text.count("lorem") == 1000
        await eventually(lambda: bool(gateway.books.ended))
        (attempt,) = gateway.books.ended[0].attempts
        assert (attempt.usage.output, attempt.usage.estimated) == (3000, True)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_count_that_no_model_reaches_is_none(stream: bool) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 10**11, "total_tokens": 10**11 + 5}
    body = json.loads(completion("Hello there, you.")) | {"usage": usage}
    last = chunk(finish="stop", usage=usage)
    said = streams(chunk("Hello "), last, DONE) if stream else answers(json.dumps(body).encode())
    async with rig(said) as (gateway, client, _):
        await client.post(CHAT, json=STREAM | {"stream": stream})
        await eventually(lambda: bool(gateway.books.ended))
        (attempt,) = gateway.books.ended[0].attempts
        assert (attempt.usage.output < 100, attempt.usage.estimated) == (True, True)


@pytest.mark.parametrize(("choices", "output"), [(1, 800), (3, 2400)])
async def test_a_call_is_charged_for_no_more_than_it_allowed(choices: int, output: int) -> None:
    whole = streams(*EVENTS, chunk(finish="stop"), DONE)
    async with rig(whole) as (gateway, client, _):
        await client.post(CHAT, json=STREAM | {"max_tokens": 800, "n": choices})
        await eventually(lambda: bool(gateway.books.ended))
        assert gateway.books.ended[0].attempts[0].usage.output == output


async def test_who_hangs_up_before_the_count_pays_for_what_came() -> None:
    async with rig(streams(*EVENTS, gap_s=0.05, end=False)) as (gateway, client, _):
        got = b""
        async with client.stream("POST", CHAT, json=STREAM) as reply:
            async for piece in reply.aiter_raw():
                got += piece
                if got.count(b"lorem") >= 500:
                    break
        await eventually(lambda: bool(gateway.books.ended))
        (attempt,) = gateway.books.ended[0].attempts
        assert attempt.error == "canceled"
        assert attempt.usage.output >= 1500


async def test_a_stream_that_breaks_and_goes_on_costs_both_parts() -> None:
    first = streams(*EVENTS[:2], end=False)
    second = streams(*EVENTS, chunk(finish="stop"), DONE)
    async with rig(first, second) as (gateway, client, _):
        reply = await client.post(CHAT, json=STREAM)
        assert reply.text.count("lorem") == 1000
        await eventually(lambda: bool(gateway.books.ended))
        assert [each.usage.output for each in gateway.books.ended[0].attempts] == [1500, 3000]


async def test_the_beginning_of_a_long_answer_stands_for_the_rest() -> None:
    kept = KeptAnswer()
    for _ in range(12_000):
        kept.add(chunk(WORDS))
    assert not kept.whole, "36 MB"
    async with rig(streams()) as (gateway, _client, _):
        decoder = gateway.world.current().line(0).upstream.decoder
        assert abs(estimated_output(decoder, kept, None, 12_000) - 12_000 * 750) < 12_000 * 25
        assert estimated_output(decoder, kept, 9_000, 12_000) == 9_000, "the call allowed no more"
        assert estimated_output(decoder, KeptAnswer(), None, 0) == 0


@pytest.mark.parametrize("whole", [True, False])
async def test_one_event_may_hold_all_of_it(whole: bool) -> None:
    kept, event = KeptAnswer(whole=whole), chunk(WORDS * 100)
    for at in range(0, len(event), 50_000):
        kept.add(event[at : at + 50_000])
    async with rig(streams()) as (gateway, _client, _):
        decoder = gateway.world.current().line(0).upstream.decoder
        assert estimated_output(decoder, kept, None, 1) == 75_000


@pytest.mark.parametrize("whole", [True, False])
async def test_what_follows_the_words_and_is_none_costs_nothing(whole: bool) -> None:
    kept = KeptAnswer(whole=whole)
    for _ in range(5):
        kept.add(chunk(WORDS))
    for _ in range(100_000):
        kept.add(b": a keep-alive of a provider that takes its time\n\n")
    async with rig(streams()) as (gateway, _client, _):
        decoder = gateway.world.current().line(0).upstream.decoder
        assert 3750 <= estimated_output(decoder, kept, None, 5) <= 3760
