"""Golden exchanges of the Responses dialect, in the vendor's own form.

The official client's types must agree with each file and with what we make of it: a golden
file that is wrong would prove nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from responses_world import (
    Body,
    call,
    check_request,
    check_response,
    encoded,
    events_of,
    parsed,
    upstream,
)

from federation import errors
from federation.dialects.openai_responses.client import CLIENT
from federation.dialects.openai_responses.tables import NAME
from federation.schema.chunks import Collector
from federation.schema.parts import Text
from federation.schema.usage import Usage

FOLDER = Path(__file__).parents[2] / "golden" / "openai_responses"
Case = dict[str, Any]


def cases(kind: str) -> list[Any]:
    paths = sorted(FOLDER.glob(f"{kind}_*.json"))
    assert paths
    return [pytest.param(json.loads(path.read_text("utf-8")), id=path.stem) for path in paths]


def streamed(events: list[Body]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), encoded(event)) for event in events
    )


def timeless(response: Body) -> Body:
    """A response without what the echo of the call decides."""
    names = ("id", "status", "incomplete_details", "model", "output", "usage", "created_at")
    return {name: response[name] for name in names}


@pytest.mark.parametrize("case", cases("request"))
def test_a_call_that_is_written_anew_says_the_same(case: Case) -> None:
    check_request(case["request"])
    request = parsed(case["request"])
    sent = upstream().encode(request)
    assert json.loads(sent.request.body) == case["sent"]
    assert sent.losses == ()
    check_request(case["sent"])
    again = parsed(sent.request.body)
    assert again.messages == request.messages
    assert json.loads(upstream().encode(again).request.body) == case["sent"]


@pytest.mark.parametrize("case", cases("request"))
def test_a_call_that_is_forwarded_changes_in_three_members_only(case: Case) -> None:
    body = encoded(case["request"])
    sent = json.loads(upstream().forward(CLIENT.glance(call(body)), body).body)
    include = case["request"].get("include", [])
    assert sent == {
        **case["request"],
        "model": "acme-large",
        "store": False,
        "include": [*include, "reasoning.encrypted_content"],
    }
    check_request(sent)


@pytest.mark.parametrize("case", cases("answer"))
def test_an_answer_is_read_and_written_as_it_was(case: Case) -> None:
    body = encoded(case["answer"])
    check_response(body)
    if "raises" in case:
        kind = getattr(errors, case["raises"])
        for read in (upstream().decode, upstream().read_answer):
            with pytest.raises(kind):
                read(body)
        return
    expect = case["expect"]
    answer = upstream().read_answer(body)
    assert answer.usage == Usage(**expect["usage"])
    assert answer.finish == expect.get("reason", "completed")
    response = upstream().decode(body)
    choice = response.choices[0]
    assert (choice.finish, response.usage) == (expect["finish"], answer.usage)
    assert "".join(part.text for part in choice.parts if isinstance(part, Text)) == expect["text"]
    rendered = CLIENT.render(response, parsed({"model": "chat", "input": "a"}))
    check_response(rendered)
    found, wanted = json.loads(rendered), dict(case["answer"])
    if case.get("rendered_ids", True):
        wanted["usage"] = (
            found["usage"] if "cache_write_long" in expect["usage"] else wanted["usage"]
        )
        assert timeless(found) == timeless(wanted)
    assert upstream().decode(rendered).choices[0].parts == choice.parts or not case.get(
        "rendered_ids", True
    )


@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_tells_what_the_whole_answer_tells(case: Case) -> None:
    stream = streamed(case["events"])
    events_of(stream)
    decoder = upstream().decoder()
    collector = Collector(NAME)
    chunks = [*decoder.feed(stream), *decoder.close()]
    collector.add(chunks)
    assert decoder.complete
    whole = upstream().decode(encoded(case["answer"]))
    assert collector.response() == whole


@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_is_written_as_the_vendor_writes_it(case: Case) -> None:
    decoder = upstream().decoder()
    renderer = CLIENT.renderer(parsed({"model": "chat", "input": "a"}))
    written = b""
    for event in case["events"]:
        written += renderer.render(decoder.feed(streamed([event])))
    written += renderer.close()
    found = events_of(written)
    last, wanted = found[-1]["response"], case["answer"]
    assert {**timeless(last), "id": ""} == {**_with_ids(timeless(wanted), last), "id": ""}
    hosted = [event for event in case["events"] if "web_search_call." in event["type"]]
    kinds = [event["type"] for event in case["events"] if event not in hosted]
    assert [event["type"] for event in found] == kinds


def _with_ids(wanted: Body, found: Body) -> Body:
    """The wanted response with the id that a message which begins with a refusal gets."""
    output = [
        {**item, "id": other["id"]} if _refuses(item) else item
        for item, other in zip(wanted["output"], found["output"], strict=True)
    ]
    return {**wanted, "output": output}


def _refuses(item: Body) -> bool:
    return bool(item["type"] == "message" and item["content"][0]["type"] == "refusal")


@pytest.mark.parametrize("case", cases("stream"))
def test_a_forwarded_stream_passes_unchanged_and_is_understood(case: Case) -> None:
    tap = upstream().tap(withhold_usage=True, choices=1)
    for event in case["events"]:
        raw = streamed([event])
        assert tap.feed(raw) == raw
    assert (tap.complete, tap.done, tap.error) == (True, True, None)
    answer = upstream().read_answer(encoded(case["answer"]))
    assert tap.answer() == answer
