"""The kit of `provider certify` against simulated providers: sound ones, and broken ones.

A broken provider must fail at exactly the checks that its fault is about: one fault that
fails everything teaches nobody what to mend.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from certify_world import (
    SECRET,
    Handler,
    Wrap,
    benched,
    ended,
    report,
    row,
    vendor,
)

from federation.control.certify.bench import bench
from federation.control.certify.findings import Report, Result, Status
from federation.control.certify.prompts import chat, user
from federation.control.certify.run import CHECKS, certify
from federation.domain.catalogue import Ability, Auth
from federation.errors import ConfigError, FederationError, UpstreamRateLimited
from federation.sandbox.profiles import COMET
from federation.schema.http import ClientReply, ClientRequest

DIALECTS = ("openai", "anthropic", "gemini", "ollama", "cohere", "openai_responses", "bedrock")
CHAT = "/v1/chat/completions"


def told(found: Report) -> str:
    return "\n".join(
        f"{one.id} {one.status.value} {one.reason} {one.evidence}"
        for one in found.results
        if one.status is not Status.PASSED
    )


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_sound_provider_of_each_dialect_fails_nothing(dialect: str) -> None:
    async with vendor(dialect) as provider:
        found = await report(provider)
    assert found.ok, told(found)
    assert not ended(found, Status.WARNING), told(found)
    assert len(found.results) == len(CHECKS) >= 40
    assert found.count(Status.PASSED) >= 37, told(found)
    assert (found.dialect, found.simulated) == (dialect, True)


# Faults, each as a change of what a sound provider is asked, or of what it answers.

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


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_fails_exactly_the_checks_that_it_is_about(fault: str) -> None:
    wrap, expected = FAULTS[fault]
    async with vendor("openai", wrap=wrap) as provider:
        found = await report(provider)
    assert ended(found, Status.FAILED) == expected, told(found)


def no_stop(body: Body) -> None:
    body.pop("stop_sequences", None)


def no_message_stop(data: bytes) -> bytes:
    return data.partition(b"event: message_stop")[0]


def no_candidate_end(data: bytes) -> bytes:
    return b"" if b"finishReason" in data else data


@pytest.mark.parametrize(
    ("dialect", "wrap", "expected"),
    [
        ("anthropic", asking(no_stop, "/v1/messages"), {"stop_sequence"}),
        ("anthropic", asking(without("system"), "/v1/messages"), {"system_prompt"}),
        ("anthropic", asking(without("thinking"), "/v1/messages"), set()),
        ("gemini", streaming(no_candidate_end), {"text_stream"}),
    ],
)
async def test_a_fault_shows_in_other_dialects_too(
    dialect: str, wrap: Wrap, expected: set[str]
) -> None:
    async with vendor(dialect, wrap=wrap) as provider:
        found = await report(provider)
    assert ended(found, Status.FAILED) == expected, told(found)


async def test_a_messages_stream_without_its_last_event_is_not_sound() -> None:
    async with vendor("anthropic", wrap=streaming(no_message_stop)) as provider:
        found = await report(provider)
    assert ended(found, Status.FAILED) & {"text_stream", "stream_end"}, told(found)


async def test_a_closed_port_fails_once_and_skips_the_rest() -> None:
    async with vendor() as provider:
        pass
    found = await report(provider)
    assert ended(found, Status.FAILED) == {"reach"}
    assert found.count(Status.SKIPPED) == len(CHECKS) - 1
    assert not found.ok


async def test_a_wrong_credential_fails_once_and_skips_what_needs_it() -> None:
    async with vendor() as provider:
        found = await report(provider, secret="sk-not-the-one")
    assert ended(found, Status.FAILED) == {"auth_good"}


async def test_a_provider_that_takes_any_credential_fails_by_that_alone() -> None:
    async with vendor(secret="") as provider:
        assert ended(await report(provider), Status.FAILED) == {"auth_bad"}
        free = replace(provider, auth=Auth(scheme="none"))
        assert ended(await report(free, secret=None), Status.FAILED) == set()
        local = replace(provider, local=True)
        assert ended(await report(local), Status.FAILED) == set()


async def test_what_a_row_says_it_cannot_is_not_asked_for() -> None:
    async with vendor(profile=COMET) as provider:
        quirks: dict[str, object] = {
            "sampling": "drop",
            "single_choice": True,
            "drop": ["stop"],
            "stream_usage": "none",
        }
        model = replace(
            provider.models[0],
            abilities=frozenset({Ability.SAMPLING, Ability.JSON_SCHEMA}),
            quirks={"json_mode": False, "schema_limits": "5000 properties"},
        )
        found = await report(replace(provider, quirks=quirks, models=(model,)))
    assert found.ok, told(found)
    off = ended(found, Status.SKIPPED)
    assert {"temperature", "choices", "stop_sequence", "usage_stream", "usage_agrees"} <= off
    assert {"tool_call", "tool_stream", "json_mode", "image", "reasoning"} <= off
    reasons = {one.id: one.reason for one in found.results}
    assert reasons["temperature"] == "The row says 'sampling: drop'."
    assert reasons["tool_call"] == "The row does not list the ability tools."
    assert reasons["tool_stream"] == "It needs tool_call, which was skipped."


async def test_what_a_row_does_not_claim_is_tried_and_only_warned_of() -> None:
    async with vendor(wrap=asking(without("tools", "tool_choice"))) as provider:
        model = replace(provider.models[0], abilities=frozenset())
        found = await report(replace(provider, models=(model,)))
    assert found.ok
    assert "tool_call" in ended(found, Status.WARNING)


async def test_a_rate_limit_is_waited_for() -> None:
    seen: list[int] = []

    def wrap(handler: Handler) -> Handler:
        async def limited(request: ClientRequest) -> ClientReply:
            seen.append(1)
            if len(seen) == 2:
                body = b'{"error":{"message":"slow down"}}'
                return ClientReply(429, [(b"retry-after", b"1")], body)
            return await handler(request)

        return limited

    async with vendor(wrap=wrap) as provider:
        found = await report(provider)
    assert found.ok, told(found)


async def test_a_limit_that_does_not_end_is_reported() -> None:
    def wrap(handler: Handler) -> Handler:
        async def never(request: ClientRequest) -> ClientReply:
            if request.path != CHAT:
                return await handler(request)
            return ClientReply(429, [], b'{"error":{"message":"slow down"}}')

        return never

    async with vendor(wrap=wrap) as provider:
        found = await report(provider)
        async with benched(provider) as made:
            with pytest.raises(UpstreamRateLimited):
                await made.ask(chat(user("Hello.")))
    assert "text_whole" in ended(found, Status.FAILED)


async def test_headers_about_limits_are_named_and_never_quoted() -> None:
    def wrap(handler: Handler) -> Handler:
        async def with_headers(request: ClientRequest) -> ClientReply:
            reply = await handler(request)
            reply.headers.append((b"x-ratelimit-remaining-requests", b"77"))
            reply.headers.append((b"anthropic-ratelimit-tokens-reset", b"soon"))
            return reply

        return with_headers

    async with vendor(wrap=wrap) as provider:
        found = await report(provider)
    (one,) = [one for one in found.results if one.id == "rate_headers"]
    assert one.status is Status.WARNING
    assert one.evidence["without"] == ["anthropic-ratelimit-tokens-reset"]


async def test_a_report_holds_no_credential_and_no_answer() -> None:
    async with vendor(wrap=refusing(as_page)) as provider:
        found = await report(provider)
    text = repr(found)
    assert SECRET not in text
    assert "Simulated answer" not in text


async def test_each_check_is_told_as_it_ends() -> None:
    heard: list[Result] = []
    async with vendor(profile=COMET) as provider, benched(provider) as made:
        found = await certify(made, heard.append)
    assert tuple(heard) == found.results
    assert all(check.proves for check in CHECKS)
    assert len({check.id for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(
    "change",
    [{"dialect": "nobodys"}, {"base_url": "ftp://x"}, {"base_url": "https://{region}.example.com"}],
)
async def test_a_row_that_cannot_be_called_is_a_configuration_error(change: Any) -> None:
    provider = replace(row("openai", "https://example.com/v1"), **change)
    with pytest.raises(ConfigError, match=provider.id):
        bench(provider, provider.models[0], SECRET, transport=None, sign=None)  # type: ignore[arg-type]
    good = row("openai", "https://example.com/v1")
    with pytest.raises(ConfigError) as raised:
        bench(good, good.models[0], f"{SECRET}\n", transport=None, sign=None)  # type: ignore[arg-type]
    assert SECRET not in str(raised.value)
