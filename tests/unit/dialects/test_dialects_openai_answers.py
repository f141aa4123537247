"""Reading a whole answer, whatever the host's habits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from federation.dialects.openai.answers import read_answer, text_of
from federation.dialects.openai.wire import Wire
from federation.dialects.whole import with_metadata
from federation.errors import (
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamRateLimited,
    UpstreamRejected,
)
from federation.schema.glance import Answer
from federation.schema.usage import Usage

MakeWire = Callable[..., Wire]
CHOICES = [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]


def body(**members: Any) -> bytes:
    return json.dumps({"model": "m-1", "choices": CHOICES, **members}).encode()


def test_model_finish_and_usage_are_read(make_wire: MakeWire) -> None:
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 10,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 6},
    }
    assert read_answer(make_wire(), body(usage=usage)) == Answer(
        "m-1", "stop", Usage(20, 10, 8, 4, 6)
    )


@pytest.mark.parametrize(
    ("usage", "quirks", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 1}, {}, Usage(9, 1)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, {}, Usage()),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 7},
            {},
            Usage(9, 1, 7),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 3}, {}, Usage(9, 1, 3)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 30}, {}, Usage(9, 1, 9)),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None},
            {},
            Usage(9, 1),
        ),
        # Reasoning beside the completion: the total says so, or else the row.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "total_tokens": 15,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            {},
            Usage(9, 6, reasoning=5),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 6,
                "total_tokens": 15,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            {"usage_excludes_reasoning": True},
            Usage(9, 6, reasoning=5),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "reasoning_tokens": 5},
            {"usage_excludes_reasoning": True},
            Usage(9, 6, reasoning=5),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 6, "reasoning_tokens": 5},
            {},
            Usage(9, 6, reasoning=5),
        ),
        # Prices that the host states.
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "cost": 0.000_001_234_5},
            {"cost_field": "usage.cost"},
            Usage(9, 1, reported_nano=1234),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "cost": {"total_cost": "0.5"}},
            {"cost_field": "usage.cost.total_cost"},
            Usage(9, 1, reported_nano=500_000_000),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cost": 0.5}, {}, Usage(9, 1)),
        (
            {"prompt_tokens": 9, "completion_tokens": 1},
            {"cost_field": "usage.cost"},
            Usage(9, 1),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "cost": -1},
            {"cost_field": "usage.cost"},
            Usage(9, 1),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "cost": "NaN"},
            {"cost_field": "usage.cost"},
            Usage(9, 1),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "cost": "much"},
            {"cost_field": "usage.cost"},
            Usage(9, 1),
        ),
        # Counts that make no sense are no reason to lose the answer.
        ({"prompt_tokens": "9"}, {}, None),
        ({"prompt_tokens": -9, "completion_tokens": 1}, {}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 1}, {}, None),
        ({"prompt_tokens": 9}, {}, None),
        ([], {}, None),
        (None, {}, None),
    ],
)
def test_usage_ends_in_one_convention(
    make_wire: MakeWire, usage: Any, quirks: dict[str, object], expected: Usage | None
) -> None:
    assert read_answer(make_wire(quirks=quirks), body(usage=usage)).usage == expected


def test_a_stated_price_is_exact_where_a_float_is_not(make_wire: MakeWire) -> None:
    text = body(usage=0).replace(
        b'"usage": 0',
        b'"usage": {"prompt_tokens":1,"completion_tokens":1,"cost":98765.432109876}',
    )
    seen = read_answer(make_wire(quirks={"cost_field": "usage.cost"}), text)
    assert seen.usage is not None
    assert seen.usage.reported_nano == 98_765_432_109_876


def test_usage_under_another_name_is_found(make_wire: MakeWire) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1}
    assert read_answer(make_wire(), body(x_groq={"usage": usage})).usage == Usage(9, 1)


def test_what_is_missing_is_empty(make_wire: MakeWire) -> None:
    choice = {"message": {"content": "x"}, "finish_reason": None}
    assert read_answer(make_wire(), body(model=None, choices=[choice])) == Answer()


@pytest.mark.parametrize(
    "text",
    [b"", b"<html>", b"[]", b"{}", b'{"choices":null}', b'{"choices":7}', body()[:-1],
     body(choices=[]), b'{"choices":[],"model":"\xff"}', b'{"x":' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_answer_is_garbled(make_wire: MakeWire, text: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        read_answer(make_wire(), text)


@pytest.mark.parametrize(
    ("members", "kind", "status"),
    [
        ({"error": {"code": 429, "message": "Slow"}}, UpstreamRateLimited, 429),
        ({"error": {"code": "502", "message": "Died"}}, UpstreamFailed, 502),
        ({"error": {"message": "Died"}}, UpstreamFailed, 200),
        ({"error": "Died"}, UpstreamFailed, 200),
        ({"error": {"code": 400, "message": "No"}}, UpstreamRejected, 400),
        ({"base_resp": {"status_code": 1008, "status_msg": "No balance"}}, UpstreamDenied, 402),
        ({"base_resp": {"status_code": 1027, "status_msg": "Sensitive"}}, UpstreamRejected, 403),
        ({"base_resp": {"status_code": 1000, "status_msg": "Unknown"}}, UpstreamFailed, 200),
        ({"choices": [{"error": {"code": 503, "message": "x"}}]}, UpstreamFailed, 503),
    ],
)
def test_an_error_inside_an_answer_is_raised(
    make_wire: MakeWire, members: dict[str, Any], kind: type[UpstreamError], status: int
) -> None:
    with pytest.raises(kind) as caught:
        read_answer(make_wire(), body(**members))
    assert caught.value.upstream_status == status
    assert ("while it answered" in caught.value.message) == (status == 200)


@pytest.mark.parametrize(
    "members",
    [
        {"error": None},
        {"error": ""},
        {"error": {}, "base_resp": {"status_code": 0}},
        {"error": False},
        {"base_resp": {"status_code": 0}},
        {"base_resp": {}},
        {"base_resp": []},
        {"choices": [{**CHOICES[0], "error": None}]},
        {"choices": [{**CHOICES[0], "error": {}}]},
    ],
)
def test_an_error_member_without_an_error_is_fine(
    make_wire: MakeWire, members: dict[str, Any]
) -> None:
    assert read_answer(make_wire(), body(**members)).finish == "stop"


# The metadata of the router


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (b'{"choices":[]}', b'{"choices":[],"router_metadata":{"x":1}}'),
        (b'{"choices":[] }\n', b'{"choices":[] ,"router_metadata":{"x":1}}\n'),
        (
            b'{"router_metadata":{"old":2},"choices":[]}',
            b'{"router_metadata":{"x":1},"choices":[]}',
        ),
    ],
)
def test_metadata_is_put_into_the_answer(text: bytes, result: bytes) -> None:
    assert with_metadata(text, b'{"x":1}') == result


def test_an_answer_that_names_a_member_twice_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled):
        with_metadata(b'{"a":1,"a":2}', b"{}")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Hi", "Hi"),
        (None, ""),
        ([{"type": "text", "text": "a"}, {"type": "x"}, {"type": "text", "text": "b"}], "ab"),
        (7, ""),
    ],
)
def test_the_text_of_an_answer(content: Any, text: str) -> None:
    assert text_of(body(choices=[{"message": {"content": content}}])) == text
    assert text_of(b'{"choices":[]}') == ""
    assert text_of(b"nothing") == ""
