"""States of reasoning between two hosts of one dialect, and a host that refuses one."""

from __future__ import annotations

import json
from typing import Any

from gateway_rig import CHAT, HELLO, error_body, rig
from scripted import Talk, chunk, completion, whole

STATE = "c3RhdGUtb2YtdGhlLXJlYXNvbmluZw=="
DETAILS = [{"type": "reasoning.encrypted", "data": STATE, "index": 0}]
SAID = {"role": "assistant", "content": "Well.", "reasoning_details": DETAILS}


async def thinks(talk: Talk) -> None:
    """Answers with a state of its reasoning."""
    if talk.seen.json.get("stream"):
        await talk.begin_stream()
        head = json.loads(chunk("Well.")[len(b"data: ") :])
        head["choices"][0]["delta"]["reasoning_details"] = DETAILS
        await talk.event(b"data: %b\n\n" % json.dumps(head).encode())
        await talk.event(chunk(None, "stop"))
        await talk.event(b"data: [DONE]\n\n")
        await talk.end_stream()
        return
    answer = json.loads(completion("Well."))
    answer["choices"][0]["message"]["reasoning_details"] = DETAILS
    await talk.answer(json.dumps(answer).encode())


async def refuses(talk: Talk) -> None:
    """Opens no state."""
    if STATE.encode() in talk.seen.body:
        await talk.answer(error_body("The encrypted content could not be verified."), 400)
    else:
        await whole(talk)


def history(model: str, **more: Any) -> dict[str, Any]:
    turns = [*HELLO["messages"], SAID, {"role": "user", "content": "And?"}]
    return {"model": model, "messages": turns, **more}


async def test_a_state_of_one_host_is_not_sent_to_another_of_its_dialect() -> None:
    for stream in (False, True):
        async with rig(thinks, whole) as (_, client, (one, two)):
            first = await client.post(
                CHAT, json=HELLO | {"model": "p0/acme-large", "stream": stream}
            )
            assert STATE in first.text
            again = await client.post(CHAT, json=history("p0/acme-large"))
            assert again.status_code == 200
            assert STATE.encode() in one.seen[1].body
            other = await client.post(CHAT, json=history("p1/acme-large"))
            assert other.status_code == 200, other.text
            assert other.headers["x-federation-warning"] == "dropped: thinking_state"
            assert STATE.encode() not in two.seen[0].body
            assert two.seen[0].json["messages"][1]["content"] == "Well."
            strict = history("p1/acme-large", federation={"strict": True})
            assert (await client.post(CHAT, json=strict)).status_code == 400
            assert len(two.seen) == 1


async def test_a_refused_state_is_left_out_once() -> None:
    async with rig(refuses) as (gateway, client, (upstream,)):
        reply = await client.post(CHAT, json=history("chat"))
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-federation-warning"] == "dropped: thinking_state"
        assert [STATE.encode() in seen.body for seen in upstream.seen] == [True, False]
        (ended,) = gateway.books.ended
        assert [attempt.status for attempt in ended.attempts] == [400, 200]
        strict = await client.post(CHAT, json=history("chat", federation={"strict": True}))
        assert strict.status_code == 400
        assert len(upstream.seen) == 3


async def test_a_refusal_without_any_state_is_told_as_it_is() -> None:
    async def never(talk: Talk) -> None:
        await talk.answer(error_body("Invalid signature in thinking block"), 400)

    async with rig(never) as (_, client, (upstream,)):
        assert (await client.post(CHAT, json=HELLO)).status_code == 400
        assert len(upstream.seen) == 1
        assert (await client.post(CHAT, json=history("chat"))).status_code == 400
        assert len(upstream.seen) == 3
