"""Stored responses: what is kept, how a conversation goes on, how it is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw
from responses_world import (
    Body,
    check_listing,
    check_request,
    check_response,
    encoded,
    events_of,
    glanced,
    parsed,
    upstream,
)

from federation.dialects.openai_responses import state
from federation.dialects.openai_responses.client import CLIENT
from federation.dialects.openai_responses.keeper import Keeper
from federation.dialects.openai_responses.listing import Page, input_items, read_page
from federation.errors import InvalidRequest
from federation.schema.chat import STOP, ChatResponse, Choice
from federation.schema.chunks import Begun, Delta, Finished, PartBegun, PartEnded
from federation.schema.parts import Text, ToolCall


def answer(*parts: Any, identity: str = "chatcmpl-9") -> ChatResponse:
    return ChatResponse("openai", identity, "m", (Choice(0, parts, STOP),), 5)


def kept(body: Body, *parts: Any, identity: str = "resp_ours1") -> state.Stored:
    data = encoded(body)
    response = CLIENT.render(
        answer(*parts), parsed({k: v for k, v in body.items() if k != "previous_response_id"})
    )
    return state.stored(glanced(data), data, response, identity)


FIRST: Body = {"model": "chat", "instructions": "Be kind.", "input": "How warm is it?"}


def test_a_response_is_kept_under_our_id() -> None:
    found = kept(FIRST, Text("Warm."))
    shown = check_response(state.retrieved(found))
    assert (shown.id, shown.output_text) == ("resp_ours1", "Warm.")
    assert json.loads(state.retrieved(found))["store"] is True
    assert json.loads(bytes(found.input[0])) == {
        "id": "msg_ours1_i0",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "How warm is it?"}],
    }


def test_a_conversation_goes_on_without_the_earlier_instructions() -> None:
    first = kept(FIRST, Text("Where?"))
    second_body = {
        "model": "chat",
        "previous_response_id": "resp_ours1",
        "input": [{"role": "user", "content": "In Lima."}],
        "instructions": "Be brief.",
    }
    second = kept(second_body, ToolCall("call_1", "weather", "{}"), identity="resp_ours2")
    assert second.previous == "resp_ours1"
    third = encoded(
        {
            "model": "chat",
            "input": [{"type": "function_call_output", "call_id": "call_1", "output": "19"}],
            "previous_response_id": "resp_ours2",
            "stream": True,
        }
    )
    seen = glanced(third)
    assert state.previous_of(seen, third) == "resp_ours2"
    whole = json.loads(state.with_items(seen, third, state.conversation([first, second])))
    check_request(whole)
    assert "previous_response_id" not in whole
    assert "instructions" not in whole
    assert whole["stream"] is True
    assert [item.get("role", item["type"]) for item in whole["input"]] == [
        "user",
        "assistant",
        "user",
        "function_call",
        "function_call_output",
    ]
    request = parsed(encoded(whole))
    assert [message.role for message in request.messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "tool",
    ]
    json.loads(upstream().encode(request).request.body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"previous_response_id":"resp_1","input":"and now?"}',
        b'{"input":"and now?","previous_response_id":"resp_1"}',
        b'{ "model": "m", "previous_response_id" : "resp_1" , "input" : "and now?" }',
    ],
)
def test_a_plain_question_is_put_behind_the_earlier_items(body: bytes) -> None:
    earlier = [Raw(b'{"role":"user","content":"a"}')]
    whole = json.loads(state.with_items(glanced(body), body, earlier))
    whole.pop("model", None)
    assert whole == {
        "input": [{"role": "user", "content": "a"}, {"role": "user", "content": "and now?"}]
    }


def test_a_call_without_input_goes_on_from_what_is_stored() -> None:
    body = b'{"previous_response_id":"resp_1"}'
    whole = json.loads(
        state.with_items(glanced(body), body, [Raw(b'{"role":"user","content":"a"}')])
    )
    assert whole == {"input": [{"role": "user", "content": "a"}]}


def test_references_are_replaced_by_their_items_where_they_are_known() -> None:
    body = encoded(
        {"input": [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_2"}, {"id": "msg_3"}]}
    )
    seen = glanced(body)
    assert state.references_of(seen, body) == ("msg_1", "msg_2", "msg_3")
    item = Raw(b'{"role":"user","content":"a"}')
    whole = json.loads(state.with_items(seen, body, [], {"msg_1": item, "msg_2": item}))
    assert whole["input"] == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "a"},
        {"id": "msg_3"},
    ]


@pytest.mark.parametrize(
    ("member", "asked"), [({}, None), ({"store": True}, True), ({"store": False}, False)]
)
def test_whether_the_store_is_asked_for(member: Body, asked: bool | None) -> None:
    body = encoded({"input": "a", **member})
    assert state.store_asked(glanced(body), body) is asked


def many() -> list[Raw]:
    body = {"input": [{"role": "user", "content": f"m{index}"} for index in range(5)]}
    return list(kept(body, Text("x")).input)


def test_input_items_come_in_pages_newest_first() -> None:
    items = many()
    page = check_listing(input_items(items, Page(limit=2)))
    assert [item.id for item in page.data] == ["msg_ours1_i4", "msg_ours1_i3"]
    assert (page.first_id, page.last_id, page.has_more) == ("msg_ours1_i4", "msg_ours1_i3", True)
    rest = check_listing(input_items(items, Page(limit=20, after=page.last_id)))
    assert [item.id for item in rest.data] == ["msg_ours1_i2", "msg_ours1_i1", "msg_ours1_i0"]
    assert not rest.has_more
    up = check_listing(input_items(items, Page(limit=1, order="asc", after="msg_ours1_i3")))
    assert [item.id for item in up.data] == ["msg_ours1_i4"]
    empty = check_listing(input_items([], Page()))
    assert (empty.data, empty.has_more) == ([], False)


def test_every_kind_of_item_is_listed_as_the_vendor_lists_it() -> None:
    body = {
        "input": [
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
            {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "y"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": "z"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
        ]
    }
    found = kept(body, Text("x"))
    page = check_listing(input_items(found.input, Page(order="asc")))
    assert [item.type for item in page.data] == [
        "message",
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "reasoning",
    ]


def test_a_page_is_read_off_the_query() -> None:
    assert read_page("") == Page(20, "desc", "")
    assert read_page("limit=5&order=asc&after=msg_1&include[]=x") == Page(5, "asc", "msg_1")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("order=up", "order"),
        ("limit=1&limit=2", "limit"),
        ("before=x", "before"),
    ],
)
def test_a_page_that_makes_no_sense_is_refused(query: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_page(query)
    assert caught.value.param == param


def test_a_page_after_an_item_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        input_items(many(), Page(after="msg_x"))
    assert caught.value.param == "after"


def test_a_deleted_response_is_said_to_be() -> None:
    assert json.loads(state.deleted("resp_1")) == {
        "id": "resp_1",
        "object": "response",
        "deleted": True,
    }


def test_only_what_runs_in_the_background_is_cancelled() -> None:
    with pytest.raises(InvalidRequest) as caught:
        state.cancelled(kept(FIRST, Text("x")))
    assert caught.value.code == "not_cancellable"
    request = parsed(FIRST)
    waiting = state.waiting(request, "resp_b", 7)
    assert check_response(waiting).status == "queued"
    running = state.Stored("resp_b", Raw(waiting), background=True)
    over = state.cancelled(running)
    assert check_response(state.retrieved(over)).status == "cancelled"
    assert state.cancelled(over) == over


def test_the_echo_names_what_the_answer_continues() -> None:
    request = state.answering(parsed(FIRST), "resp_0", background=True)
    found = check_response(CLIENT.render(answer(Text("x"), identity="resp_1"), request))
    assert (found.previous_response_id, found.background) == ("resp_0", True)


def test_a_forwarded_stream_gets_our_id_and_is_kept() -> None:
    renderer = CLIENT.renderer(parsed({"input": "a"}))
    theirs = renderer.render(
        [
            Begun("resp_theirs", "m"),
            PartBegun(0, 0, Text("")),
            Delta(0, 0, '"response":{"id":"resp_theirs"}'),
            PartEnded(0, 0),
            Finished(0, STOP),
        ]
    )
    theirs += renderer.close()
    for size in (len(theirs), 37):
        keeper = Keeper("resp_ours", "resp_before")
        ours = b"".join(keeper.feed(theirs[at : at + size]) for at in range(0, len(theirs), size))
        ours += keeper.close()
        assert b"response.completed" not in ours
        ours += keeper.ending(kept=True)
        events = events_of(ours)
        ids = {event["response"]["id"] for event in events if "response" in event}
        assert ids == {"resp_ours"}
        assert events[-1]["response"] == json.loads(keeper.final)
        assert events[-1]["response"]["previous_response_id"] == "resp_before"
        untouched = [event for event in events if "response" not in event]
        assert untouched == [event for event in events_of(theirs) if "response" not in event]


def test_an_end_that_could_not_be_kept_says_so() -> None:
    keeper = Keeper("resp_ours")
    completed = (
        b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"x"}}'
    )
    assert keeper.feed(b": hi\n\n" + completed + b"\n\n: bye\n\n") == b": hi\n\n"
    assert json.loads(keeper.final) == {"id": "resp_ours", "store": True}
    told = keeper.ending(kept=False)
    assert b'"id":"resp_ours"' in told
    assert b'"store":false' in told
    assert told.endswith(b"\n\n: bye\n\n")
    assert keeper.feed(b": later\n\n") == b": later\n\n"


def test_a_broken_event_passes_the_keeper_as_it_is() -> None:
    keeper = Keeper("resp_ours")
    for event in (b": hi\n\n", b"data: {\n\n", b"event: response.created\ndata: {}\n\n"):
        assert keeper.feed(event) == event
    assert keeper.feed(b"data: torn") == b""
    assert keeper.close() == b"data: torn"
    assert keeper.final == b""


def test_an_item_with_an_odd_name_is_listed_all_the_same() -> None:
    odd_name = Raw(b'{"id":true,"type":"message","role":"user","content":"a"}')
    page = json.loads(input_items([odd_name], Page()))
    assert page["data"][0]["id"] is True
    assert page["first_id"] == ""
