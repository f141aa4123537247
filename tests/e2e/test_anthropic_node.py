"""The official Anthropic SDK for Node, unmodified, against `federation serve`.

One Node process plays all scenes (`node/scenes_anthropic.mjs`); each test looks at one of them.
"""

from __future__ import annotations

import json

import pytest
from node_scenes import Seen, needs, play
from openai_upstream import THOUGHT, TOOL_CALLS, WORDS, Provider
from served import Gateway

TEXT = "".join(WORDS)
USES = [[call, name, json.loads(given)] for call, name, given in TOOL_CALLS]

pytestmark = needs("@anthropic-ai")


@pytest.fixture(scope="module")
def seen(gateway: Gateway, body_limit: int) -> Seen:
    return play("scenes_anthropic.mjs", gateway, body_limit)


def test_a_message_is_answered(seen: Seen) -> None:
    assert seen["message"] == {"text": TEXT, "stop": "end_turn", "usage": [11, 8, 7]}


def test_a_stream_comes_in_its_pieces(seen: Seen) -> None:
    assert seen["stream"] == {"text": TEXT, "final": TEXT, "stop": "end_turn"}
    assert seen["events"] == {"first": "message_start", "last": "message_stop"}


def test_parallel_tools_are_called(seen: Seen) -> None:
    assert seen["tools"] == {"stop": "tool_use", "uses": USES}


def test_tool_inputs_are_streamed(seen: Seen) -> None:
    assert seen["streamedTools"]["uses"] == USES
    assert seen["streamedTools"]["deltas"] >= len(USES)


def test_tool_results_go_back(seen: Seen) -> None:
    assert seen["toolResults"] == {"text": TEXT}


def test_thinking_is_shown(seen: Seen) -> None:
    assert seen["thinking"] == {"kinds": ["thinking", "text"], "thought": THOUGHT}


def test_images_are_passed_on(seen: Seen) -> None:
    assert seen["vision"] == {"text": "I see 2 images."}


def test_tokens_are_counted(seen: Seen) -> None:
    assert seen["count"] == {"counted": True}


def test_models_are_listed_and_found(seen: Seen) -> None:
    assert seen["models"]["found"]
    assert {"chat", "acme/acme-large"} & set(seen["models"]["names"])


@pytest.mark.parametrize(
    ("scene", "error", "status", "kind"),
    [
        ("badRequest", "BadRequestError", 400, "invalid_request_error"),
        ("wrongType", "BadRequestError", 400, "invalid_request_error"),
        ("unknownModel", "NotFoundError", 404, "not_found_error"),
        ("wrongKey", "AuthenticationError", 401, "authentication_error"),
        ("tooLarge", "ContentTooLargeError", 413, "request_too_large"),
        ("limited", "RateLimitError", 429, "rate_limit_error"),
        ("broken", "InternalServerError", None, "api_error"),
        ("brokenStream", "InternalServerError", None, "api_error"),
        ("timeout", "APIConnectionTimeoutError", None, None),
        ("abortedBySignal", "APIUserAbortError", None, None),
    ],
)
def test_errors_are_the_sdks_own_classes(
    seen: Seen, scene: str, error: str, status: int | None, kind: str | None
) -> None:
    found = seen[scene]
    assert found["error"] == error, found
    assert status is None or found["status"] == status
    assert kind is None or found["type"] == kind


def test_a_severed_stream_does_not_look_complete(seen: Seen) -> None:
    assert seen["severed"] == {"failed": True, "finished": False}


def test_a_client_that_gives_up_frees_the_provider(seen: Seen, provider: Provider) -> None:
    assert seen["abortedStream"] == {"seen": 3}
    provider.hung_up("drip")
    provider.hung_up("hang")
