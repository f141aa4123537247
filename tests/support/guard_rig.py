"""A gateway under a policy on content, in front of a provider that does every operation."""

from __future__ import annotations

import json
from typing import Any

import httpx
from operations_rig import Place, offers, places
from scripted import Behave, Talk, completion

from federation.domain.catalogue import Ability
from federation.domain.policies import Pii, PiiAction, PiiExcluded, Policy
from federation.domain.routes import Settings
from federation.schema.operations import (
    AUDIO_TRANSLATION,
    EMBEDDINGS,
    IMAGE,
    IMAGE_EDIT,
    MODERATIONS,
    RERANK,
    SPEECH,
    TRANSCRIPTION,
)

MAIL = "jane.doe@example.com"
SAID = f"write to {MAIL} today"
FORM = "multipart/form-data; boundary=x"
SOUND = b"ID3\x04\x00\xff\xfb\x90\x00" * 20
OPERATIONS = (
    EMBEDDINGS, RERANK, IMAGE, IMAGE_EDIT, SPEECH, TRANSCRIPTION, AUDIO_TRANSLATION, MODERATIONS
)  # fmt: skip


def form(name: str, prompt: str = SAID, filename: str = "a.bin") -> bytes:
    """A call with a file, and words beside it."""
    kind = b"image/png" if name == "image" else b"audio/mpeg"
    head = (
        b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nwork\r\n'
        b'--x\r\ncontent-disposition: form-data; name="prompt"\r\n\r\n%b\r\n'
        b'--x\r\ncontent-disposition: form-data; name="%b"; filename="%b"\r\n'
        b"content-type: %b\r\n\r\n"
    )
    return (
        head % (prompt.encode(), name.encode(), filename.encode(), kind) + SOUND + b"\r\n--x--\r\n"
    )


MESSAGES = [{"role": "user", "content": SAID}]
GEMINI = {"contents": [{"role": "user", "parts": [{"text": SAID}]}]}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": SAID}]}]}
CHAT_BODIES: dict[str, Any] = {
    "/v1/chat/completions": {"model": "work", "messages": MESSAGES},
    "/chat/completions": {"model": "work", "messages": MESSAGES, "stream": True},
    "/v1/completions": {"model": "work", "prompt": SAID},
    "/completions": {"model": "work", "prompt": SAID},
    "/v1/responses": {"model": "work", "store": False, "instructions": SAID,
                      "input": [{"role": "user", "content": SAID}]},
    "/responses": {"model": "work", "input": SAID, "store": False},
    "/v1/messages": {"model": "work", "max_tokens": 9, "system": SAID, "messages": MESSAGES},
    "/messages": {"model": "work", "max_tokens": 9, "system": SAID, "messages": MESSAGES},
    "/v2/chat": {"model": "work", "messages": MESSAGES},
    "/api/chat": {"model": "work", "messages": MESSAGES, "stream": False},
    "/api/generate": {"model": "work", "prompt": SAID, "system": SAID, "stream": False},
    "/v1beta/models/work:generateContent": GEMINI,
    "/v1beta/models/work:streamGenerateContent": GEMINI,
    "/model/work/converse": CONVERSE,
    "/model/work/converse-stream": CONVERSE,
}  # fmt: skip
COUNT_BODIES: dict[str, Any] = {
    "/v1beta/models/work:countTokens": GEMINI,
    "/model/work/count-tokens": {"input": {"converse": CONVERSE}},
    "/v1/messages/count_tokens": {"model": "work", "messages": MESSAGES},
    "/messages/count_tokens": {"model": "work", "messages": MESSAGES},
    "/v1/responses/input_tokens": {"model": "work", "input": SAID},
}
OPERATION_BODIES: dict[str, Any] = {
    "/v1/embeddings": {"model": "work", "input": [SAID, "hello"]},
    "/embeddings": {"model": "work", "input": SAID},
    "/v2/embed": {"model": "work", "texts": [SAID], "input_type": "search_query"},
    "/api/embed": {"model": "work", "input": SAID},
    "/v1beta/models/work:embedContent": {"content": {"parts": [{"text": SAID}]}},
    "/v1/rerank": {"model": "work", "query": SAID, "documents": ["a", SAID]},
    "/rerank": {"model": "work", "query": "Hi", "documents": [SAID]},
    "/v2/rerank": {"model": "work", "query": SAID, "documents": ["a"]},
    "/voyage/v1/rerank": {"model": "work", "query": "Hi", "documents": ["a", SAID]},
    "/v1/images/generations": {"model": "work", "prompt": SAID},
    "/v1/images/edits": form("image"),
    "/v1/audio/speech": {"model": "work", "input": SAID, "voice": "alloy", "instructions": SAID},
    "/v1/audio/transcriptions": form("file"),
    "/v1/audio/translations": form("file"),
    "/v1/moderations": {"model": "work", "input": [SAID]},
    "/passthrough/p0/jobs": {"model": "m", "suffix": SAID},
}
ALL = CHAT_BODIES | COUNT_BODIES | OPERATION_BODIES

RULES: list[dict[str, Any]] = [
    {"method": ["POST"], "path": "/jobs", "price": "0.25", "body": "json", "query": ["after"],
     "fields": ["model", "suffix"]},
    {"method": ["POST"], "path": "/raw", "price": "0.25", "body": "any"},
]  # fmt: skip


def policy(rule: Any) -> tuple[Policy, ...]:
    return (Policy("content", (rule,), digest="0" * 64),)


BLOCK = policy(Pii(action=PiiAction.BLOCK, block_on_failure=False))
REDACT = policy(Pii(action=PiiAction.REDACT, block_on_failure=False))
TOKENIZE = policy(Pii(action=PiiAction.TOKENIZE, block_on_failure=False))
EXCLUDED = policy(PiiExcluded())


def place(behave: Behave) -> Place:
    offered = offers(
        "chat",
        *OPERATIONS,
        name="acme-large",
        input_modalities=("text", "image"),
        abilities=frozenset((Ability.JSON_SCHEMA,)),
    )
    return Place(behave, offered, quirks={"passthrough": RULES})


def guarded(behave: Behave, policies: tuple[Policy, ...]) -> Any:
    return places(place(behave), settings=Settings(passthrough=("p0",)), policies=policies)


async def post(client: httpx.AsyncClient, path: str, body: Any) -> httpx.Response:
    if isinstance(body, bytes):
        return await client.post(path, content=body, headers={"content-type": FORM})
    return await client.post(path, json=body)


async def anything(talk: Talk) -> None:
    await talk.answer(completion())


def says(body: Any, kind: str = "application/json") -> Behave:
    async def behave(talk: Talk) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await talk.answer(raw, kind=kind)

    return behave


async def echo(talk: Talk) -> None:
    """Says what it was told, in the words of a chat."""
    body = json.loads(completion())
    told = talk.seen.json["messages"][-1]["content"]
    said = told if isinstance(told, str) else told[0]["text"]
    body["choices"][0]["message"]["content"] = said
    await talk.answer(json.dumps(body).encode())


def spoken(*words: str) -> Behave:
    """A transcript in events, with the whole of it in the last one."""

    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        for word in words:
            event = {"type": "transcript.text.delta", "delta": word, "logprobs": [{"token": word}]}
            await talk.event(f"data: {json.dumps(event)}\n\n".encode())
        done = {"type": "transcript.text.done", "text": "".join(words), "logprobs": []}
        await talk.event(f"data: {json.dumps(done)}\n\n".encode())
        await talk.end_stream()

    return behave


STREAMED = form("file", "Hello").replace(
    b"--x--",
    b'--x\r\ncontent-disposition: form-data; name="stream"\r\n\r\ntrue\r\n--x--',
)
