"""Clients of four languages over raw HTTP: one call each, and all that came of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

PROMPT = "Count to sixty."
CLIENTS = ("openai", "anthropic", "gemini", "responses")
Body = dict[str, Any]


@dataclass
class Told:
    """What a client was told. Times are seconds from the start of the call."""

    client: str
    stream: bool
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    finish: str = ""
    """As the language has it: stop, end_turn, STOP, completed, ..."""
    models: list[str] = field(default_factory=list)
    """Model names in the order in which they appeared, each once in a row."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Tool calls as (name, arguments)."""
    usage: Body = field(default_factory=dict)
    error: Body | None = None
    """The error's object, of a refusal or from inside of a stream."""
    over: bool = False
    """The language's own end was seen: the end marker, or a whole body."""
    broken: str = ""
    """How the connection failed, if it did."""
    garbled: list[str] = field(default_factory=list)
    """Events that are no JSON: a client's library would fail over them."""
    first_s: float | None = None
    total_s: float = 0.0
    events: list[Body] = field(default_factory=list)
    raw: bytes = b""

    @property
    def model(self) -> str:
        """The last model that was named."""
        return self.models[-1] if self.models else ""

    @property
    def whole(self) -> bool:
        """A complete answer without an error, and without an event that cannot be read."""
        ended = self.status == 200 and self.over and bool(self.finish)
        return ended and self.error is None and not self.garbled

    @property
    def clean_error(self) -> bool:
        """An error in the client's own words, whether as a status or inside of the stream.

        The connection may end with it: so nobody takes what came before for an answer.
        """
        return self.error is not None and bool(self.error.get("message")) and not self.finish

    def named(self, name: str) -> None:
        """Note a model's name."""
        if name and (not self.models or self.models[-1] != name):
            self.models.append(name)


@dataclass(frozen=True)
class _Client:
    path: Callable[[str, bool], str]
    body: Callable[[str, str, bool, int | None], Body]
    read: Callable[[Told, Body], None]
    """Reads a whole answer, or one event of a stream."""


async def ask(
    http: httpx.AsyncClient,
    client: str = "openai",
    *,
    stream: bool = False,
    model: str = "chat",
    prompt: str = PROMPT,
    limit: int | None = None,
    headers: dict[str, str] | None = None,
    within_s: float = 60.0,
    **members: Any,
) -> Told:
    """Make one call and read its answer to the end, whatever that is; never raises for it.

    After `within_s` it hangs up.
    """
    speaks = _SPOKEN[client]
    told = Told(client, stream)
    body = speaks.body(model, prompt, stream, limit) | members
    start = time.monotonic()
    try:
        async with (
            asyncio.timeout(within_s),
            http.stream("POST", speaks.path(model, stream), json=body, headers=headers) as reply,
        ):
            told.status, told.headers = reply.status_code, dict(reply.headers)
            async for piece in reply.aiter_raw():
                if told.first_s is None:
                    told.first_s = time.monotonic() - start
                told.raw += piece
    except (httpx.HTTPError, TimeoutError) as broken:
        told.broken = repr(broken)
    told.total_s = time.monotonic() - start
    _read(told, speaks)
    return told


def _read(told: Told, speaks: _Client) -> None:
    if "text/event-stream" in told.headers.get("content-type", ""):
        for event in _events(told):
            told.events.append(event)
            _note_error(told, event)
            speaks.read(told, event)
        if told.client == "gemini":
            told.over = bool(told.finish) and not told.broken
        return
    try:
        body = json.loads(told.raw)
    except ValueError:
        return
    told.over = not told.broken
    body = body[0] if isinstance(body, list) and body else body
    _note_error(told, body)
    speaks.read(told, body)


def _events(told: Told) -> Iterator[Body]:
    for block in told.raw.decode("utf-8", "replace").replace("\r\n", "\n").split("\n\n"):
        data = "\n".join(
            line.removeprefix("data:").strip()
            for line in block.split("\n")
            if line.startswith("data:")
        )
        if data == "[DONE]":
            told.over = True
        elif data:
            try:
                yield json.loads(data)
            except ValueError:
                told.garbled.append(data)


def _note_error(told: Told, body: Body) -> None:
    error = body.get("error")
    if error is None and isinstance(body.get("response"), dict):
        error = body["response"].get("error")
    if error is None and body.get("type") == "error":
        error = body
    if error:
        told.error = error if isinstance(error, dict) else {"message": str(error)}


def _call(told: Told, place: int, name: str, arguments: str) -> None:
    """Add to a tool call that comes in pieces."""
    while len(told.calls) <= place:
        told.calls.append(("", ""))
    before = told.calls[place]
    told.calls[place] = (before[0] or name, before[1] + arguments)


def _read_openai(told: Told, body: Body) -> None:
    told.named(body.get("model") or "")
    for choice in body.get("choices") or []:
        said = choice.get("delta") or choice.get("message") or {}
        told.text += said.get("content") or ""
        for at, call in enumerate(said.get("tool_calls") or []):
            function = call.get("function") or {}
            place = call.get("index", at)
            _call(told, place, function.get("name") or "", function.get("arguments") or "")
        told.finish = choice.get("finish_reason") or told.finish
    told.usage |= body.get("usage") or {}


def _read_anthropic(told: Told, body: Body) -> None:
    match body.get("type"):
        case "message":
            told.named(body["model"])
            told.finish = body.get("stop_reason") or ""
            told.usage |= body["usage"]
            for part in body["content"]:
                told.text += part.get("text") or ""
                if part["type"] == "tool_use":
                    told.calls.append((part["name"], json.dumps(part["input"])))
        case "message_start":
            told.named(body["message"]["model"])
            told.usage |= body["message"]["usage"]
        case "content_block_start" if body["content_block"]["type"] == "tool_use":
            told.calls.append((body["content_block"]["name"], ""))
        case "content_block_delta":
            delta = body["delta"]
            told.text += delta.get("text") or ""
            if told.calls and "partial_json" in delta:
                _call(told, len(told.calls) - 1, "", delta["partial_json"])
        case "message_delta":
            told.finish = body["delta"].get("stop_reason") or told.finish
            told.usage |= body["usage"]
            told.named(body.get("federation", {}).get("model", ""))
        case "message_stop":
            told.over = True


def _read_gemini(told: Told, body: Body) -> None:
    told.named(body.get("modelVersion") or "")
    for candidate in body.get("candidates") or []:
        for part in (candidate.get("content") or {}).get("parts") or []:
            told.text += part.get("text") or ""
            if "functionCall" in part:
                call = part["functionCall"]
                told.calls.append((call["name"], json.dumps(call.get("args"))))
        told.finish = candidate.get("finishReason") or told.finish
    feedback = body.get("promptFeedback") or {}
    told.finish = feedback.get("blockReason") or told.finish
    told.usage |= body.get("usageMetadata") or {}


def _read_responses(told: Told, body: Body) -> None:
    kind = body.get("type", "")
    response = body.get("response") if isinstance(body.get("response"), dict) else None
    if body.get("object") == "response":
        response = body
        for item in body.get("output") or []:
            told.text += "".join(part.get("text") or "" for part in item.get("content") or [])
            if item.get("type") == "function_call":
                told.calls.append((item["name"], item["arguments"]))
    if response is not None:
        told.named(response.get("model") or "")
        told.usage |= response.get("usage") or {}
        if response.get("status") not in ("in_progress", "queued", "failed"):
            told.finish = response.get("status") or ""
            told.over = told.stream is False or kind in (
                "response.completed",
                "response.incomplete",
            )
    if kind == "response.output_text.delta":
        told.text += body["delta"]
    if kind == "response.output_item.added" and body["item"]["type"] == "function_call":
        told.calls.append((body["item"]["name"], ""))
    if kind == "response.function_call_arguments.delta" and told.calls:
        _call(told, len(told.calls) - 1, "", body["delta"])


def _openai(model: str, prompt: str, stream: bool, limit: int | None) -> Body:
    body: Body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body | ({} if limit is None else {"max_completion_tokens": limit})


def _anthropic(model: str, prompt: str, stream: bool, limit: int | None) -> Body:
    talk = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": talk, "max_tokens": limit or 4_000, "stream": stream}


def _gemini(model: str, prompt: str, stream: bool, limit: int | None) -> Body:
    body: Body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    return body | ({} if limit is None else {"generationConfig": {"maxOutputTokens": limit}})


def _responses(model: str, prompt: str, stream: bool, limit: int | None) -> Body:
    body: Body = {"model": model, "input": prompt, "stream": stream}
    return body | ({} if limit is None else {"max_output_tokens": limit})


def _gemini_path(model: str, stream: bool) -> str:
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{model}:{method}"


_SPOKEN: dict[str, _Client] = {
    "openai": _Client(lambda *_: "/v1/chat/completions", _openai, _read_openai),
    "anthropic": _Client(lambda *_: "/v1/messages", _anthropic, _read_anthropic),
    "gemini": _Client(_gemini_path, _gemini, _read_gemini),
    "responses": _Client(lambda *_: "/v1/responses", _responses, _read_responses),
}
