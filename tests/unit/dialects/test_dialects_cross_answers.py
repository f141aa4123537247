"""Any provider's answer to any client: nothing is lost but what a vendor's answer cannot hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cross_answers import answer_facts, changed, chunks_of, collected, ends, streamed, whole
from cross_world import DIALECTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.schema.chat import ChatResponse, Choice
from federation.schema.parts import Part, Text, Thinking, ToolCall
from federation.schema.usage import Usage

SIGNATURE = "c2lnbmF0dXJlLW9mLXRoZS10aG91Z2h0"

words = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=9
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), words),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
arguments = st.dictionaries(names, values, max_size=3).map(json.dumps)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts as vendors give them: parts are parts of their wholes."""
    cached, written = draw(st.integers(0, 900)), draw(st.integers(0, 900))
    reasoning = draw(st.integers(0, 500))
    return Usage(
        input=cached + written + draw(st.integers(1, 900)),
        output=reasoning + draw(st.integers(1, 500)),
        cached=cached,
        cache_write=written,
        reasoning=reasoning,
        cache_write_long=draw(st.integers(0, written)),
    )


@st.composite
def responses(draw: st.DrawFn) -> ChatResponse:
    parts: list[Part] = []
    if draw(st.integers(0, 2)) == 0:
        parts.append(Thinking(draw(words), SIGNATURE if draw(st.booleans()) else ""))
    calls = [
        ToolCall(f"call_{number}", draw(names), draw(arguments))
        for number in range(draw(st.sampled_from((0, 0, 1, 2, 3))))
    ]
    if not calls or draw(st.booleans()):
        parts.append(Text(draw(words)))
    finish = "tool_calls" if calls else draw(st.sampled_from(("stop", "stop", "length", "filter")))
    choice = Choice(0, (*parts, *calls), finish)
    return ChatResponse("none", "resp_1", "acme-large-1", (choice,), 1_790_000_000, draw(usages()))


@pytest.mark.parametrize("provider", DIALECTS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(response=responses())
def test_a_whole_answer_reaches_every_client(provider: str, response: ChatResponse) -> None:
    if not ends(response, provider):
        return
    told = whole(response, provider)
    assert changed(answer_facts(response), answer_facts(told), provider) == {}
    for client in filter(lambda client: ends(response, client), DIALECTS):
        heard = answer_facts(whole(told, client))
        assert changed(answer_facts(response), heard, provider, client) == {}, (provider, client)


@pytest.mark.parametrize("provider", DIALECTS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    response=responses(),
    size=st.integers(1, 6),
    cuts=st.lists(st.integers(0, 10_000), max_size=6),
)
def test_a_stream_reaches_every_client_as_the_whole_answer_does(
    provider: str, response: ChatResponse, size: int, cuts: list[int]
) -> None:
    if not ends(response, provider):
        return
    told = streamed(chunks_of(response, size), provider, cuts)
    first = answer_facts(collected(told))
    assert changed(answer_facts(response), first, provider, stream=True) == {}
    for client in filter(lambda client: ends(response, client), DIALECTS):
        heard = answer_facts(collected(streamed(told, client, cuts)))
        difference = changed(answer_facts(response), heard, provider, client, stream=True)
        assert difference == {}, (provider, client)
