"""What an answer says and the client cannot be told is named: in the header, at a stream's end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from gateway_rig import CHAT, HELLO, answers, rig, streams
from scripted import chunk, completion

from federation.domain.catalogue import Deployment

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,bWFya2Vy"}}
MESSAGES = "/v1/messages"
ASKED: dict[str, Any] = {
    "model": "chat",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Draw"}],
}


def _whole() -> bytes:
    answer = json.loads(completion("Here."))
    answer["choices"][0]["message"] |= {"images": [PICTURE], "annotations": []}
    return json.dumps(answer).encode()


def _piece(**delta: Any) -> bytes:
    event = json.loads(chunk("Here.")[len(b"data: ") :])
    event["choices"][0]["delta"] = delta
    return b"data: %b\n\n" % json.dumps(event).encode()


_DRAWN = _piece(role="assistant", images=[PICTURE | {"index": 0}])
_END = (chunk(None, "stop"), b"data: [DONE]\n\n")


async def test_the_header_of_a_whole_answer_names_what_it_leaves_out() -> None:
    async with rig(answers(_whole())) as (_, client, _upstreams):
        reply = await client.post(MESSAGES, json=ASKED)
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-federation-warning"] == "left out of the answer: image"
        assert reply.json()["content"] == [{"type": "text", "text": "Here."}]
        own = await client.post(CHAT, json=HELLO)
        assert "x-federation-warning" not in own.headers
        assert own.json()["choices"][0]["message"]["images"] == [PICTURE]


async def test_a_header_tells_apart_what_was_not_sent_and_what_is_not_told() -> None:
    asked = ASKED | {"top_k": 5}
    async with rig(answers(_whole())) as (_, client, _upstreams):
        reply = await client.post(MESSAGES, json=asked)
        assert reply.headers["x-federation-warning"] == (
            "dropped: top_k; left out of the answer: image"
        )
        strict = asked | {"federation": {"strict": True}}
        assert (await client.post(MESSAGES, json=strict)).status_code == 400
        paid = ASKED | {"federation": {"strict": True}}
        reply = await client.post(MESSAGES, json=paid)
        assert reply.headers["x-federation-warning"] == "left out of the answer: image"


async def test_the_end_of_a_stream_names_what_it_left_out_before() -> None:
    async with rig(streams(_piece(role="assistant", content="Here."), _DRAWN, *_END)) as (
        _,
        client,
        _upstreams,
    ):
        reply = await client.post(MESSAGES, json=ASKED | {"stream": True})
        events = [json.loads(line[6:]) for line in reply.text.split("\n") if line[:5] == "data:"]
        (end,) = [event for event in events if event["type"] == "message_delta"]
        assert end["federation"] == {"left_out": ["image"]}
        assert "bWFya2Vy" not in reply.text


async def test_a_stream_that_begins_with_it_names_it_in_the_header_too() -> None:
    async with rig(streams(_DRAWN, _piece(content="Here."), *_END)) as (_, client, _upstreams):
        reply = await client.post(MESSAGES, json=ASKED | {"stream": True})
        assert reply.headers["x-federation-warning"] == "left out of the answer: image"
        assert '"federation":{"left_out":["image"]}' in reply.text


async def test_an_answer_that_went_on_elsewhere_names_both() -> None:
    started = streams(_piece(role="assistant", content="Here it "), end=False)
    whole = streams(_piece(role="assistant", content="Here it is."), *_END)
    async with rig(started, whole) as (
        _,
        client,
        _upstreams,
    ):
        reply = await client.post(MESSAGES, json=ASKED | {"stream": True})
        assert '"mended":true' in reply.text
        assert "left_out" not in reply.text
    drawn = streams(_piece(role="assistant", content="Here it is."), _DRAWN, *_END)
    async with rig(started, drawn) as (_, client, _upstreams):
        reply = await client.post(MESSAGES, json=ASKED | {"stream": True})
        assert '"mended":true' in reply.text
        assert '"left_out":["image"]' in reply.text


async def test_a_picture_is_no_ground_to_go_on_from() -> None:
    cut = streams(_piece(role="assistant", content="Here it "), _DRAWN, end=False)
    whole = streams(_piece(role="assistant", content="Here it is."), *_END)
    async with rig(cut, whole) as (_, client, upstreams):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(MESSAGES, json=ASKED | {"stream": True})
        assert not upstreams[1].seen


FUNCTIONS = {"functions": [{"name": "look", "parameters": {"type": "object"}}]}
_CALLS = [
    {"type": "tool_use", "id": f"toolu_{n}", "name": "look", "input": {"at": n}} for n in range(2)
]


def _messages(_place: int, row: Deployment) -> Deployment:
    return replace(row, provider=replace(row.provider, dialect="anthropic"))


def _two_calls() -> bytes:
    answer: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "acme-large",
    }
    answer |= {"content": _CALLS, "stop_reason": "tool_use", "stop_sequence": None}
    return json.dumps(answer | {"usage": {"input_tokens": 3, "output_tokens": 4}}).encode()


def _two_calls_streamed() -> list[bytes]:
    start = {"type": "message", "id": "msg_1", "role": "assistant", "model": "m", "content": []}
    usage = {"input_tokens": 3, "output_tokens": 1}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start | {"usage": usage}}]
    for place, call in enumerate(_CALLS):
        block = call | {"input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(call["input"])}
        events += [
            {"type": "content_block_start", "index": place, "content_block": block},
            {"type": "content_block_delta", "index": place, "delta": delta},
            {"type": "content_block_stop", "index": place},
        ]
    end = {"stop_reason": "tool_use", "stop_sequence": None}
    events += [{"type": "message_delta", "delta": end, "usage": {"output_tokens": 4}}]
    events += [{"type": "message_stop"}]
    return [
        b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events
    ]


async def test_a_client_of_functions_is_told_that_it_gets_one_of_two_calls() -> None:
    async with rig(answers(_two_calls()), alter=_messages) as (_, client, _upstreams):
        reply = await client.post(CHAT, json=HELLO | FUNCTIONS)
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-federation-warning"] == "left out of the answer: parallel_calls"
        message = reply.json()["choices"][0]["message"]
        assert message["function_call"] == {"name": "look", "arguments": '{"at": 0}'}
        tools = {"tools": [{"type": "function", "function": FUNCTIONS["functions"][0]}]}
        whole = await client.post(CHAT, json=HELLO | tools)
        assert "x-federation-warning" not in whole.headers
        assert len(whole.json()["choices"][0]["message"]["tool_calls"]) == 2


async def test_the_stream_of_a_client_of_functions_ends_with_what_it_left_out() -> None:
    async with rig(streams(*_two_calls_streamed()), alter=_messages) as (_, client, _upstreams):
        reply = await client.post(CHAT, json=HELLO | FUNCTIONS | {"stream": True})
        assert reply.status_code == 200, reply.text
        assert '"left_out":["parallel_calls"]' in reply.text
        assert '"function_call"' in reply.text
        assert "tool_calls" not in reply.text
