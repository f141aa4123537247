"""That a stop sequence ended an answer comes through, also where nobody says which one."""

from __future__ import annotations

import json
from typing import Any

import bedrock_frames
import bedrock_world
import pytest
from native_dialects import collected, fed, make_upstream

from federation.dialects.anthropic.client import CLIENT as ANTHROPIC
from federation.dialects.bedrock.client import CLIENT as BEDROCK
from federation.dialects.cohere.client import CLIENT as COHERE
from federation.dialects.cohere.upstream import prepare
from federation.dialects.faces import ClientFace
from federation.schema.chat import ChatRequest, ChatResponse, Choice
from federation.schema.chunks import Begun, Chunk, Delta, Finished, PartBegun, PartEnded, UsageSeen
from federation.schema.parts import Text
from federation.schema.usage import Usage

COHERES: dict[str, Any] = {
    "id": "a",
    "finish_reason": "STOP_SEQUENCE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "One"}]},
    "usage": {"billed_units": {"input_tokens": 1, "output_tokens": 1}},
}
CONVERSE: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "One"}]}},
    "stopReason": "stop_sequence",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    "metrics": {"latencyMs": 1},
}


def test_a_vendor_that_does_not_say_which_one_is_read() -> None:
    cohere = make_upstream(prepare, "cohere")
    (choice,) = cohere.decode(json.dumps(COHERES).encode()).choices
    assert (choice.finish, choice.stop_sequence) == ("stop", "")
    (choice,) = bedrock_world.upstream().decode(json.dumps(CONVERSE).encode()).choices
    assert (choice.finish, choice.stop_sequence) == ("stop", "")


def test_a_stream_of_such_a_vendor_is_read() -> None:
    end = {"type": "message-end", "delta": {"finish_reason": "STOP_SEQUENCE"}}
    stream = f"event: message-end\ndata: {json.dumps(end)}\n\n".encode()
    cohere = make_upstream(prepare, "cohere")
    (choice,) = collected("cohere", fed(cohere.decoder(), [stream])).choices
    assert (choice.finish, choice.stop_sequence) == ("stop", "")
    frames = [bedrock_frames.OPEN, *bedrock_frames.ended("stop_sequence")]
    found = bedrock_frames.collected(bedrock_frames.chunks_of(frames))
    assert (found.choices[0].finish, found.choices[0].stop_sequence) == ("stop", "")


@pytest.mark.parametrize(
    ("face", "path", "word"),
    [
        (ANTHROPIC, ("stop_reason",), "stop_sequence"),
        (BEDROCK, ("stopReason",), "stop_sequence"),
        (COHERE, ("finish_reason",), "STOP_SEQUENCE"),
    ],
)
def test_a_client_with_a_word_for_it_is_told(
    face: ClientFace, path: tuple[str, ...], word: str
) -> None:
    asked = ChatRequest(face.name, "m", ())
    choice = Choice(0, (Text("One"),), "stop", "", "")
    told = json.loads(face.render(ChatResponse("x", "r", "m", (choice,), usage=Usage(1, 1)), asked))
    assert told[path[0]] == word
    assert told.get("stop_sequence") is None
    renderer = face.renderer(asked)
    chunks: list[Chunk] = [
        Begun("r", "m"),
        PartBegun(0, 0, Text("")),
        Delta(0, 0, "One"),
        PartEnded(0, 0),
        Finished(0, "stop", "", ""),
        UsageSeen(Usage(1, 1)),
    ]
    assert word.encode() in renderer.render(chunks) + renderer.close()
