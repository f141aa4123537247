"""Faults of simulated providers, each with the checks of the kit that it must fail.

A fault is a change of what a sound provider is asked, or of what it answers.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from certify_world import Handler, Wrap

from federation.errors import FederationError
from federation.schema.http import ClientReply, ClientRequest

CHAT = "/v1/chat/completions"

Body = dict[str, Any]


def asking(change: Callable[[Body], None], path: str = CHAT) -> Wrap:
    """A provider that reads something else than what it was sent."""

    def wrap(handler: Handler) -> Handler:
        async def broken(request: ClientRequest) -> ClientReply:
            if request.path != path:
                return await handler(request)
            try:
                body = json.loads(request.body)
            except ValueError:
                return await handler(request)
            change(body)
            headers = request.headers
            return await handler(
                ClientRequest("POST", path, request.query, headers, json.dumps(body).encode())
            )

        return broken

    return wrap


def answering(change: Callable[[Body], None], path: str = CHAT) -> Wrap:
    """A provider that answers something else, whole."""

    def wrap(handler: Handler) -> Handler:
        async def broken(request: ClientRequest) -> ClientReply:
            reply = await handler(request)
            if request.path == path and isinstance(reply.body, bytes):
                body = json.loads(reply.body)
                change(body)
                reply.body = json.dumps(body, ensure_ascii=False).encode()
            return reply

        return broken

    return wrap


class Changed:
    """A stream whose pieces are changed on their way; an empty piece is left out."""

    def __init__(self, stream: Any, change: Callable[[bytes], bytes]) -> None:
        self._stream = stream
        self._change = change

    async def read(self) -> bytes:
        while data := await self._stream.read():
            if changed := self._change(data):
                return changed
        return b""

    async def aclose(self) -> None:
        await self._stream.aclose()


def streaming(change: Callable[[bytes], bytes]) -> Wrap:
    """A provider that streams something else."""

    def wrap(handler: Handler) -> Handler:
        async def broken(request: ClientRequest) -> ClientReply:
            reply = await handler(request)
            if not isinstance(reply.body, bytes):
                reply.body = Changed(reply.body, change)
            return reply

        return broken

    return wrap


def refusing(change: Callable[[FederationError], Awaitable[ClientReply] | ClientReply]) -> Wrap:
    """A provider that words its refusals in its own way."""

    def wrap(handler: Handler) -> Handler:
        async def broken(request: ClientRequest) -> ClientReply:
            try:
                return await handler(request)
            except FederationError as error:
                answer = change(error)
                return answer if isinstance(answer, ClientReply) else await answer

        return broken

    return wrap


def without(*names: str) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        for name in names:
            body.pop(name, None)

    return change


def no_system(body: Body) -> None:
    body["messages"] = [turn for turn in body["messages"] if turn["role"] != "system"]


def last_turn_only(body: Body) -> None:
    turns = body["messages"]
    if not any(turn["role"] in ("tool", "system") for turn in turns):
        body["messages"] = turns[-1:]


def broken_arguments(body: Body) -> None:
    for choice in body["choices"]:
        for call in choice["message"].get("tool_calls", []):
            call["function"]["arguments"] = '{"city": "Par'


def one_id(body: Body) -> None:
    for choice in body["choices"]:
        for call in choice["message"].get("tool_calls", []):
            call["id"] = "call_same"


def stopped(body: Body) -> None:
    for choice in body["choices"]:
        if choice["finish_reason"] == "length":
            choice["finish_reason"] = "stop"


def doubly_encoded(body: Body) -> None:
    for choice in body["choices"]:
        text = choice["message"].get("content")
        if text:
            choice["message"]["content"] = text.encode().decode("latin-1")


def no_usage(body: Body) -> None:
    body.pop("usage", None)


def constant_usage(body: Body) -> None:
    body["usage"]["prompt_tokens"] = 17


def odd_finish(body: Body) -> None:
    for choice in body["choices"]:
        if choice["finish_reason"] == "stop":
            choice["finish_reason"] = "because"


def no_words(body: Body) -> None:
    for choice in body["choices"]:
        choice["message"]["content"] = ""


def strict_reasoning(body: Body) -> None:
    body["usage"]["completion_tokens_details"]["reasoning_tokens"] = 0


def no_output(body: Body) -> None:
    body["usage"]["completion_tokens"] = 0
    body["usage"]["completion_tokens_details"]["reasoning_tokens"] = 0


def other_arguments(body: Body) -> None:
    for choice in body["choices"]:
        for call in choice["message"].get("tool_calls", []):
            call["function"]["arguments"] = '{"town": "Paris"}'


def any_model(body: Body) -> None:
    if "no-such" in body["model"]:
        body["model"] = "sim-atlas-large"


def other_model(body: Body) -> None:
    body["data"] = [{"id": "somebody-else"}]


def listed_as_page(handler: Handler) -> Handler:
    async def broken(request: ClientRequest) -> ClientReply:
        if request.path == "/v1/models":
            return ClientReply(200, [(b"content-type", b"text/html")], b"<h1>Models</h1>")
        return await handler(request)

    return broken


def mended(handler: Handler) -> Handler:
    """Half a body is answered all the same."""

    async def broken(request: ClientRequest) -> ClientReply:
        body = request.body
        if request.path == CHAT and not body.endswith(b"}"):
            talk = [{"role": "user", "content": "x"}]
            body = json.dumps({"model": "sim-atlas-large", "messages": talk}).encode()
        return await handler(
            ClientRequest(request.method, request.path, request.query, request.headers, body)
        )

    return broken


def no_arguments(data: bytes) -> bytes:
    return b"" if b'"arguments":"' in data and b'"arguments":""' not in data else data


def other_count(data: bytes) -> bytes:
    return data.replace(b'"prompt_tokens":17,', b'"prompt_tokens":99,')


def wordless(error: FederationError) -> ClientReply:
    return ClientReply(error.status, [(b"content-type", b"application/json")], b'{"bad":true}')


def no_done(data: bytes) -> bytes:
    return b"" if data == b"data: [DONE]\n\n" else data


def no_end(data: bytes) -> bytes:
    return b"" if b"[DONE]" in data or b'"finish_reason":"' in data else data


def lost_letters(data: bytes) -> bytes:
    return data.decode().encode("ascii", "replace").replace(b"?", "�".encode())


def as_page(error: FederationError) -> ClientReply:
    return ClientReply(error.status, [(b"content-type", b"text/html")], b"<h1>Error</h1>")


def as_outage(code: str) -> Callable[[FederationError], ClientReply]:
    def change(error: FederationError) -> ClientReply:
        if error.code != code:
            raise error
        body = b'{"error":{"message":"something broke"}}'
        return ClientReply(500, [(b"content-type", b"application/json")], body)

    return change


def unreadable_as_outage(error: FederationError) -> ClientReply:
    if "JSON" not in error.message:
        raise error
    body = b'{"error":{"message":"something broke"}}'
    return ClientReply(500, [(b"content-type", b"application/json")], body)


def credential_as_outage(error: FederationError) -> ClientReply:
    if error.status != 401:
        raise error
    body = b'{"error":{"message":"something broke"}}'
    return ClientReply(400, [(b"content-type", b"application/json")], body)


FAULTS: dict[str, tuple[Wrap, set[str]]] = {
    "stop sequences ignored": (asking(without("stop")), {"stop_sequence"}),
    "output limit ignored": (
        asking(without("max_tokens", "max_completion_tokens")),
        {"output_limit"},
    ),
    "length told as stop": (answering(stopped), {"output_limit"}),
    "system prompt ignored": (asking(no_system), {"system_prompt"}),
    "history ignored": (asking(last_turn_only), {"multi_turn"}),
    "one answer for n": (asking(without("n")), {"choices"}),
    "no end marker": (streaming(no_done), {"stream_end"}),
    "stream without an end": (streaming(no_end), {"text_stream"}),
    "stream without usage": (asking(without("stream_options")), {"usage_stream"}),
    "no usage": (answering(no_usage), {"usage_whole"}),
    "usage that never grows": (
        answering(constant_usage),
        {"usage_grows", "system_prompt", "multi_turn"},
    ),
    "a finish reason that nobody knows": (answering(odd_finish), {"finish_whole"}),
    "no words": (answering(no_words), {"text_whole"}),
    "output counted as zero": (answering(no_output), {"usage_whole", "reasoning"}),
    "streams counted otherwise": (streaming(other_count), {"usage_agrees"}),
    "list of models is a page": (listed_as_page, {"models_listed"}),
    "any model's name answers": (asking(any_model), {"model_unknown"}),
    "half a body answers": (mended, {"malformed"}),
    "errors without words": (refusing(wordless), {"error_body"}),
    "arguments of another tool": (answering(other_arguments), {"tool_arguments"}),
    "streams without arguments": (streaming(no_arguments), {"tool_stream"}),
    "broken arguments": (answering(broken_arguments), {"tool_arguments"}),
    "one id for two calls": (answering(one_id), {"tools_parallel"}),
    "named tool ignored": (asking(without("tool_choice")), {"tool_forced", "tool_forbidden"}),
    "tools ignored": (asking(without("tools", "tool_choice")), {"tool_call"}),
    "response format ignored": (asking(without("response_format")), {"json_schema", "json_mode"}),
    "reasoning not told": (answering(strict_reasoning), {"reasoning"}),
    "letters encoded twice": (answering(doubly_encoded), {"unicode"}),
    "letters lost in streams": (streaming(lost_letters), {"unicode"}),
    "errors are pages": (refusing(as_page), {"error_body"}),
    "unknown model is an outage": (refusing(as_outage("model_not_found")), {"model_unknown"}),
    "long prompt is an outage": (refusing(as_outage("context_length_exceeded")), {"too_long"}),
    "half a body is an outage": (refusing(unreadable_as_outage), {"malformed"}),
    "wrong credential told as a bad request": (refusing(credential_as_outage), {"auth_bad"}),
}
