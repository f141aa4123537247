"""The official OpenAI SDK for Node, unmodified, against `federation serve`.

One Node process plays all scenes (`node/scenes.mjs`); each test looks at one of them.
"""

from __future__ import annotations

import json

import pytest
from node_scenes import Seen, needs, play
from openai_upstream import PERSON, TOOL_CALLS, WORDS, Provider
from served import Gateway

pytestmark = needs("openai")


@pytest.fixture(scope="module")
def seen(gateway: Gateway, body_limit: int) -> Seen:
    return play("scenes.mjs", gateway, body_limit)


def test_a_chat_is_answered(seen: Seen) -> None:
    assert seen["chat"] == {
        "content": "".join(WORDS),
        "finish": "stop",
        "tokens": 26,
        "federation": True,
    }


def test_a_stream_comes_in_its_pieces(seen: Seen) -> None:
    assert seen["stream"] == {"pieces": ["", *WORDS, None], "usages": 0}


def test_usage_is_streamed_to_those_who_ask(seen: Seen) -> None:
    assert seen["usageInStream"] == {"choices": 0, "tokens": 26}


def test_tools_are_called(seen: Seen) -> None:
    assert seen["tools"]["finish"] == "tool_calls"
    assert seen["tools"]["calls"] == [list(call) for call in TOOL_CALLS]


def test_tool_arguments_are_streamed(seen: Seen) -> None:
    assert seen["streamedTools"]["calls"] == [list(call) for call in TOOL_CALLS]
    assert seen["streamedTools"]["deltas"] > len(TOOL_CALLS)


def test_the_tool_runner_runs(seen: Seen) -> None:
    assert seen["toolRunner"] == {"content": "".join(WORDS), "asked": 0}


def test_images_are_passed_on(seen: Seen) -> None:
    assert seen["vision"] == {"content": "I see 2 images."}


def test_structured_answers_are_parsed(seen: Seen) -> None:
    assert seen["structured"] == {"content": json.loads(PERSON)}


def test_models_are_listed_and_found(seen: Seen) -> None:
    assert seen["models"]["found"]
    assert {"chat", "acme/acme-large"} & set(seen["models"]["names"])


@pytest.mark.parametrize(
    ("scene", "error", "status", "code", "param"),
    [
        ("badRequest", "BadRequestError", 400, "invalid_value", "reasoning_effort"),
        ("wrongType", "BadRequestError", 400, None, "temperature"),
        ("unknownModel", "NotFoundError", 404, None, "model"),
        ("wrongKey", "AuthenticationError", 401, "invalid_api_key", None),
        ("tooLarge", "APIError", 413, "request_too_large", None),
        ("limited", "RateLimitError", 429, None, None),
        ("broken", "InternalServerError", None, None, None),
        ("brokenStream", "InternalServerError", None, None, None),
        ("timeout", "APIConnectionTimeoutError", None, None, None),
        ("abortedBySignal", "APIUserAbortError", None, None, None),
    ],
)
def test_errors_are_the_sdks_own_classes(
    seen: Seen, scene: str, error: str, status: int | None, code: str | None, param: str | None
) -> None:
    found = seen[scene]
    assert found["error"] == error, found
    for name, expected in (("status", status), ("code", code), ("param", param)):
        assert expected is None or found[name] == expected, found


def test_a_severed_stream_does_not_look_complete(seen: Seen) -> None:
    assert seen["severed"] == {"failed": True, "finished": False}


def test_a_client_that_gives_up_frees_the_provider(seen: Seen, provider: Provider) -> None:
    assert seen["abortedStream"] == {"seen": 3}
    provider.hung_up("drip")
    provider.hung_up("hang")


def test_many_calls_at_once_keep_apart(seen: Seen) -> None:
    assert seen["many"]["counts"] == [n % 5 + 1 for n in range(30)]
