"""What is read beside the loop: bodies that take long, by their bytes or by their values."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from gateway_rig import CHAT, HELLO, answers, rig

from federation.gateway.chat import Chat
from federation.gateway.threads import BIG, weight

PART = {"type": "text", "text": "a"}


@pytest.mark.parametrize(
    ("body", "big"),
    [
        (b"{}", False),
        (b"[" + b"1," * 10_000 + b"1]", False),
        (b"[" + b"1," * 20_000 + b"1]", True),
        (
            json.dumps({"text": "Prose, with a comma in each line of eighty characters. " * 2_000}),
            0,
        ),
        (b'"' + b"a" * BIG + b'"', True),
    ],
    ids=["empty", "a small crowd", "a crowd", "prose", "long"],
)
def test_a_crowd_of_values_weighs_more_than_its_bytes(body: Any, big: bool) -> None:
    assert (weight(body.encode() if isinstance(body, str) else body) > BIG) == bool(big)


@pytest.mark.parametrize("parts", [10, 4_000])
async def test_a_crowd_is_read_beside_the_loop(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bool] = []
    call = Chat.call

    def reads(chat: Chat, *given: Any) -> Any:
        read.append(threading.current_thread() is threading.main_thread())
        return call(chat, *given)

    monkeypatch.setattr(Chat, "call", reads)
    async with rig(answers()) as (_, client, _ups):
        messages = [{"role": "user", "content": [PART] * parts}]
        assert (await client.post(CHAT, json=HELLO | {"messages": messages})).status_code == 200
    assert read == [parts == 10]
