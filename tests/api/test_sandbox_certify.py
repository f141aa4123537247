"""The kit of `provider certify` against simulated providers: sound ones, and broken ones.

A broken provider must fail at exactly the checks that its fault is about: one fault that
fails everything teaches nobody what to mend.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from certify_faults import (
    CHAT,
    FAULTS,
    Body,
    answering,
    as_page,
    asking,
    other_model,
    refusing,
    streaming,
    without,
)
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
from federation.errors import ConfigError, UpstreamRateLimited
from federation.sandbox.profiles import COMET
from federation.schema.http import ClientReply, ClientRequest

DIALECTS = ("openai", "anthropic", "gemini", "ollama", "cohere", "openai_responses", "bedrock")


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


async def test_a_row_that_claims_too_much_is_told() -> None:
    async with vendor(profile=COMET) as provider:
        model = replace(
            provider.models[0], context=4000, input_modalities=("text", "image"), max_output=8192
        )
        found = await report(replace(provider, models=(model,)))
    assert ended(found, Status.FAILED) == {"image", "too_long"}, told(found)


async def test_a_list_without_the_model_is_only_warned_of() -> None:
    async with vendor(wrap=answering(other_model, "/v1/models")) as provider:
        found = await report(provider)
    assert found.ok
    assert ended(found, Status.WARNING) == {"models_listed"}, told(found)


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
