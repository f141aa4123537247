"""The Responses API of the official OpenAI SDK for Node, unmodified, against `federation serve`.

One Node process plays all scenes (`node/scenes_responses.mjs`); each test looks at one of them.
"""

from __future__ import annotations

import pytest
from node_scenes import Seen, needs, play
from openai_upstream import TOOL_CALLS, WORDS
from served import Gateway

TEXT = "".join(WORDS)
CALLS = [list(call) for call in TOOL_CALLS]

pytestmark = needs("openai")


@pytest.fixture(scope="module")
def seen(gateway: Gateway, body_limit: int) -> Seen:
    return play("scenes_responses.mjs", gateway, body_limit)


def test_a_response_is_given(seen: Seen) -> None:
    assert seen["response"] == {"text": TEXT, "status": "completed", "tokens": 26, "cached": 8}


def test_a_stream_comes_in_its_events(seen: Seen) -> None:
    assert seen["stream"] == {"text": TEXT, "final": TEXT, "status": "completed"}


def test_parallel_tools_are_called_whole_and_streamed(seen: Seen) -> None:
    assert seen["tools"] == {"calls": CALLS}
    assert seen["streamedTools"] == {"calls": CALLS}


def test_the_limit_makes_it_incomplete(seen: Seen) -> None:
    assert seen["incomplete"] == {"status": "incomplete", "reason": "max_output_tokens"}


@pytest.mark.parametrize(
    ("scene", "error", "status"),
    [
        ("unknownModel", "NotFoundError", 404),
        ("limited", "RateLimitError", 429),
        ("broken", "InternalServerError", None),
        ("timeout", "APIConnectionTimeoutError", None),
    ],
)
def test_errors_are_the_sdks_own_classes(
    seen: Seen, scene: str, error: str, status: int | None
) -> None:
    assert seen[scene]["error"] == error, seen[scene]
    assert status is None or seen[scene]["status"] == status


def test_a_severed_stream_does_not_look_complete(seen: Seen) -> None:
    assert seen["severed"] == {"failed": True, "completed": False}
