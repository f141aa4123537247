"""Files that were made through a pass-through, named in a chat; and calls of old clients."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_rig import CHAT, answers, refused, rig

from federation.dialects.operations.ownership import enclose_id
from federation.domain.routes import Settings

OWN = enclose_id("file-1", "default", "acme", b"k" * 32)


def asked(text: str, file_id: str) -> dict[str, Any]:
    parts = [{"type": "text", "text": text}, {"type": "file", "file": {"file_id": file_id}}]
    return {"model": "chat", "messages": [{"role": "user", "content": parts}]}


@pytest.mark.parametrize("allowed", [(), ("content.file",)], ids=["governed", "allowed"])
async def test_an_id_of_a_pass_through_is_refused_with_what_to_do(allowed: tuple[str, ...]) -> None:
    async with rig(answers(), settings=Settings(allow_fields=allowed)) as (_, client, (upstream,)):
        reply = await client.post(CHAT, json=asked("Read it", OWN))
        error = refused(reply, 400, "passthrough_id")
        assert "Send the file's content in the message" in error["message"]
        assert OWN not in error["message"]
        assert upstream.seen == []


async def test_words_about_such_an_id_and_other_ids_go_on() -> None:
    settings = Settings(allow_fields=("content.file",))
    async with rig(answers(), settings=settings) as (_, client, _):
        reply = await client.post(CHAT, json=asked(f"What is {OWN}, and 'fed1id'?", "file-1"))
        # Past that check: nobody here reads files at all.
        refused(reply, 400, "no_eligible_deployment")
