"""A good answer's status, whatever the provider's was."""

from __future__ import annotations

import pytest
from gateway_rig import CHAT, HELLO, STREAM, rig, sends
from scripted import DONE, chunk, completion

STATUSES = [b"201 Created", b"203 Other", b"205 Reset Content", b"206 Partial Content"]


@pytest.mark.parametrize("status", STATUSES)
async def test_a_good_answer_has_status_200(status: bytes) -> None:
    body = completion()
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    async with rig(sends(head % (status, len(body)), body)) as (_, client, _):
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 200
        assert reply.json()["choices"][0]["message"]["content"] == "Hello."


@pytest.mark.parametrize("status", STATUSES)
async def test_a_good_stream_has_status_200(status: bytes) -> None:
    events = b"".join((chunk("Hi"), chunk(finish="stop"), DONE))
    head = b"HTTP/1.1 %b\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" % status
    async with rig(sends(head, events)) as (_, client, _):
        reply = await client.post(CHAT, json=STREAM)
        assert reply.status_code == 200
        assert reply.text.rstrip().endswith("[DONE]")
