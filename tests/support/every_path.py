"""A call for each path that the gateway serves for inference, and a provider that answers all.

A path that is added without a call here fails the tests that go through all of them.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx
from gateway_rig import HELLO, STREAM
from scripted import Talk, whole

MESSAGES = [{"role": "user", "content": "Hi"}]
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
FORM = "multipart/form-data; boundary=x"
PARTS = (
    b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nchat\r\n'
    b'--x\r\ncontent-disposition: form-data; name="prompt"\r\n\r\nhi\r\n'
    b'--x\r\ncontent-disposition: form-data; name="%b"; filename="a.wav"\r\n'
    b"content-type: audio/wav\r\n\r\n%b\r\n--x--\r\n"
)
_SOUND = bytes(8_000)
_WAVE = (
    struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(_SOUND), b"WAVE", b"fmt ", 16, 1, 1,
                8_000, 8_000, 1, 8)
    + struct.pack("<4sI", b"data", len(_SOUND)) + _SOUND
)  # fmt: skip
"""A second of silence: what tells its length can be reserved."""

BODIES: dict[str, Any] = {
    "/v1/chat/completions": HELLO,
    "/chat/completions": STREAM,
    "/v1/completions": {"model": "chat", "prompt": "Hi"},
    "/completions": {"model": "chat", "prompt": "Hi"},
    "/v1/responses": {"model": "chat", "input": "Hi", "store": False},
    "/responses": {"model": "chat", "input": "Hi", "store": False},
    "/v1/messages": {"model": "chat", "max_tokens": 9, "messages": MESSAGES},
    "/messages": {"model": "chat", "max_tokens": 9, "messages": MESSAGES},
    "/v2/chat": {"model": "chat", "messages": MESSAGES},
    "/api/chat": {"model": "chat", "messages": MESSAGES},
    "/api/generate": {"model": "chat", "prompt": "Hi"},
    "/v1/embeddings": {"model": "chat", "input": "Hi"},
    "/embeddings": {"model": "chat", "input": "Hi"},
    "/v2/embed": {"model": "chat", "texts": ["Hi"], "input_type": "search_query"},
    "/api/embed": {"model": "chat", "input": "Hi"},
    "/v1/rerank": {"model": "chat", "query": "Hi", "documents": ["a"]},
    "/rerank": {"model": "chat", "query": "Hi", "documents": ["a"]},
    "/v2/rerank": {"model": "chat", "query": "Hi", "documents": ["a"]},
    "/voyage/v1/rerank": {"model": "chat", "query": "Hi", "documents": ["a"]},
    "/v1/images/generations": {"model": "chat", "prompt": "Hi"},
    "/v1/images/edits": b"image",
    "/v1/audio/speech": {"model": "chat", "input": "Hi", "voice": "alloy"},
    "/v1/audio/transcriptions": b"file",
    "/v1/audio/translations": b"file",
    "/v1/moderations": {"model": "chat", "input": "Hi"},
}
"""A call for each path of the tables."""
OTHERS: dict[str, Any] = {
    "/v1beta/models/chat:generateContent": GEMINI,
    "/v1beta/models/chat:streamGenerateContent": GEMINI,
    "/v1beta/models/chat:countTokens": GEMINI,
    "/v1beta/models/chat:embedContent": {"content": {"parts": [{"text": "Hi"}]}},
    "/model/chat/converse": CONVERSE,
    "/model/chat/converse-stream": CONVERSE,
    "/model/chat/count-tokens": {"input": {"converse": CONVERSE}},
    "/v1/messages/count_tokens": {"model": "chat", "messages": MESSAGES},
    "/messages/count_tokens": {"model": "chat", "messages": MESSAGES},
    "/v1/responses/input_tokens": {"model": "chat", "input": "Hi"},
    "/v1/route": {"prompt": "Hi"},
    "/passthrough/p0/jobs": {"model": "m"},
}
"""And for those whose paths are patterns."""
RULES = [{"method": ["POST"], "path": "/jobs", "price": "0.25", "body": "json",
          "fields": ["model"]}]  # fmt: skip
"""What may be passed through, and what it costs."""
_TOKENS = {"prompt_tokens": 10, "total_tokens": 10}
_ANSWERS: dict[str, Any] = {
    "/v1/embeddings": {"object": "list", "model": "m", "usage": _TOKENS, "data": [
        {"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3, 0.4]}]},
    "/v1/rerank": {"model": "m", "results": [{"index": 0, "relevance_score": 0.5}],
                   "usage": {"total_tokens": 10}},
    "/v1/images/generations": {"created": 1, "data": [{"b64_json": "QUJD"}]},
    "/v1/images/edits": {"created": 1, "data": [{"b64_json": "QUJD"}]},
    "/v1/audio/transcriptions": {"text": "hello"},
    "/v1/audio/translations": {"text": "hello"},
    "/v1/moderations": {"id": "modr-1", "model": "m",
                        "results": [{"flagged": False, "categories": {}, "category_scores": {}}]},
}  # fmt: skip


async def post(client: httpx.AsyncClient, path: str, body: Any) -> httpx.Response:
    """Make the call of a path; bytes are the name of the file in a form."""
    if isinstance(body, bytes):
        return await client.post(
            path, content=PARTS % (body, _WAVE), headers={"content-type": FORM}
        )
    return await client.post(path, json=body)


async def answers_all(talk: Talk) -> None:
    """A provider that speaks OpenAI's language and does every operation."""
    path = talk.seen.head.split(" ")[1]
    if path.endswith("/chat/completions"):
        await whole(talk)
    elif path.endswith("/audio/speech"):
        await talk.answer(b"ID3\x04\x00\xff\xfb", kind="audio/mpeg")
    else:
        await talk.answer(json.dumps(_ANSWERS.get(path, {"id": "job-1"})).encode())
