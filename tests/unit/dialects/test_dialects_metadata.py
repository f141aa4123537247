"""`router_metadata` in whole answers, written by whatever hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout
from federation.dialects.whole import with_metadata
from federation.errors import UpstreamGarbled
from federation.schema.glance import Edits

TOLD = b'{"selected_provider":"acme"}'
NAMES = st.sampled_from(["id", "model", "usage", "router_metadata", "a\nb", "é"])
VALUES = st.none() | st.integers() | st.text(max_size=8) | st.just({"router_metadata": 1})


def long_way(body: bytes) -> bytes:
    _, spans, end = layout(body)
    return splice(body, spans, end, Edits({"router_metadata": TOLD}))


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(NAMES, VALUES, max_size=5),
    st.sampled_from([(",", ":"), (", ", ": "), (" , ", ":\t")]),
    st.sampled_from([None, 2]),
    st.booleans(),
    st.sampled_from(["", "\n", " \r\n"]),
)
def test_it_stands_where_it_would_have_been_spliced_in(
    answer: dict[str, Any], apart: tuple[str, str], indent: int | None, plain: bool, end: str
) -> None:
    text = json.dumps(answer, separators=apart, indent=indent, ensure_ascii=plain) + end
    body = text.encode()
    marked = with_metadata(body, TOLD)
    assert marked == long_way(body)
    assert json.loads(marked) == answer | {"router_metadata": json.loads(TOLD)}


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":2}', b'{"a": 1, "\\u0061": 2}', b'{"a":"\xc3\xa9","a":1}', b"[1]", b'{"a":'],
)
def test_an_answer_that_can_be_read_in_two_ways_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        with_metadata(body, TOLD)
    with pytest.raises(UpstreamGarbled):
        with_metadata(body + b" " * 100_000, TOLD)
