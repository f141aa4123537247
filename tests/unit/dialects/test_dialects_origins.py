"""Whose states stand in bodies that nobody rewrote: remembered, bounded, and never guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from federation.dialects.carriage import fit
from federation.dialects.origins import Origin, Origins
from federation.dialects.refusals import refuses_state
from federation.errors import UpstreamRejected
from federation.schema.chat import ChatRequest, Message
from federation.schema.parts import Part, Text, Thinking, ToolCall

STATE = "c3RhdGUtb2YtdGhlLXJlYXNvbmluZw=="
BODIES: dict[str, Any] = {
    "openai_responses": {"output": [{"type": "reasoning", "encrypted_content": STATE}]},
    "gemini": {"parts": [{"functionCall": {"name": "f"}, "thoughtSignature": STATE}]},
    "bedrock": {"reasoningContent": {"reasoningText": {"text": "x", "signature": STATE}}},
    "openai": {"reasoning_details": [{"type": "reasoning.encrypted", "data": STATE}]},
}


def origin(origins: Origins, family: str, maker: str) -> Origin:
    found = origins.of(family, maker)
    assert found is not None
    return found


@pytest.mark.parametrize("family", BODIES)
@pytest.mark.parametrize("spaced", [True, False])
def test_a_state_is_its_makers_wherever_it_stands_again(family: str, spaced: bool) -> None:
    origins = Origins()
    one, two = origin(origins, family, "a"), origin(origins, family, "b")
    body = json.dumps(BODIES[family], separators=None if spaced else (",", ":")).encode()
    assert not two.holds_others(body)
    one.note(body)
    assert len(origins) == 1
    assert two.holds_others(b'{"history": [%b]}' % body)
    assert not one.holds_others(body)
    escaped = body.replace(b"==", rb"\u003d\u003d")
    assert two.holds_others(escaped)


def test_a_mention_inside_of_a_text_is_no_state() -> None:
    origins = Origins()
    quoted = json.dumps({"content": json.dumps(BODIES["openai_responses"])}).encode()
    origin(origins, "openai_responses", "a").note(quoted)
    assert len(origins) == 0


def test_hosts_that_open_one_anothers_states_are_not_asked() -> None:
    assert Origins().of("anthropic", "a") is None
    assert Origins().of("cohere", "a") is None


def test_the_oldest_are_forgotten() -> None:
    origins = Origins(most=3)
    for number in range(5):
        origins.note(f"state-{number}", "a")
    origins.note("state-2", "a")
    origins.note("state-9", "a")
    assert len(origins) == 3
    assert origins.is_others("state-2", "b")
    assert not origins.is_others("state-3", "b")


def test_a_call_is_fitted_without_the_states_of_another_host_of_its_dialect() -> None:
    origins = Origins()
    origins.note(STATE, "openai_responses/a")
    parts: tuple[Part, ...] = (
        Thinking("seen", sealed=STATE, id="rs_1"),
        Thinking(sealed=STATE),
        Thinking(sealed="unknown"),
        Text("said"),
        ToolCall("c", "f", "{}", signature=STATE),
    )
    call = ChatRequest("openai_responses", "m", (Message("assistant", parts),))
    assert fit(call, "openai_responses/a", origins) == (call, False)
    fitted, lost = fit(call, "openai_responses/b", origins)
    assert lost
    assert fitted.messages[0].parts == (
        Thinking("seen"),
        parts[2],
        parts[3],
        structs.replace(parts[4], signature=""),
    )
    assert fit(call, "openai_responses/b") == (call, False)


@pytest.mark.parametrize(
    ("message", "body", "states"),
    [
        ("The encrypted content gAAA... could not be verified.", b"", True),
        ("bad", b'{"error":{"code":"invalid_encrypted_content"}}', True),
        ("messages.1.content.0: Invalid `signature` in `thinking` block", b"", True),
        ("Thought signature is not valid.", b"", True),
        ("Corrupted thought signature.", b"", True),
        ("Item with id 'rs_123' not found.", b"", True),
        ("Function call is missing a thought_signature in functionCall parts.", b"", False),
        ("max_tokens is too large", b"", False),
        ("Invalid schema for function 'f'", b"{}", False),
    ],
)
def test_a_refusal_of_a_state_is_known_by_its_words(
    message: str, body: bytes, states: bool
) -> None:
    assert refuses_state(UpstreamRejected(message, body=body)) is states
