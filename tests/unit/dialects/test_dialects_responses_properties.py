"""Round trips and fuzzing of the Responses dialect."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from responses_world import Body, call, check_request, check_response, encoded, parsed, upstream

from federation.dialects.openai_responses.client import CLIENT
from federation.dialects.openai_responses.tables import NAME
from federation.errors import FederationError, UpstreamError
from federation.schema.chat import LENGTH, STOP, TOOL_CALLS, ChatResponse, Choice
from federation.schema.chunks import (
    Begun,
    Chunk,
    Collector,
    Delta,
    Finished,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import CUSTOM, Part, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

UPSTREAM = upstream()
REQUEST = parsed({"model": "chat", "input": "a"})

MODEL_ITEMS = (
    "message",
    "function_call",
    "custom_tool_call",
    "reasoning",
    "web_search_call",
)
ROLES = ("user", "system", "developer")
EVENTS = (
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.function_call_arguments.delta",
    "response.reasoning_summary_text.delta",
    "response.output_text.annotation.added",
    "response.completed",
    "error",
)

texts = st.text(st.characters(codec="utf-8"), max_size=12)
words = st.text("abcdefgh_", min_size=1, max_size=8)


@st.composite
def input_parts(draw: st.DrawFn) -> Body:
    kind = draw(st.sampled_from(("input_text", "input_image", "input_file")))
    if kind == "input_text":
        return {"type": kind, "text": draw(texts)}
    if kind == "input_image":
        return {"type": kind, "detail": "auto", "image_url": "https://p.test/" + draw(words)}
    return {"type": kind, "filename": draw(words), "file_data": "data:application/pdf;base64,AAAA"}


@st.composite
def model_items(draw: st.DrawFn, number: int) -> Body:
    kind = draw(st.sampled_from(MODEL_ITEMS))
    if kind == "message":
        content = draw(st.lists(texts, min_size=1, max_size=3))
        return {
            "type": kind,
            "id": f"msg_{number}",
            "role": "assistant",
            "status": draw(st.sampled_from(("completed", "incomplete"))),
            "content": [{"type": "output_text", "text": t, "annotations": []} for t in content],
        }
    if kind == "function_call":
        call_ = {
            "type": kind,
            "call_id": draw(words),
            "name": draw(words),
            "arguments": draw(texts),
        }
        return call_ | draw(st.sampled_from(({}, {"id": f"fc_{number}"})))
    if kind == "custom_tool_call":
        return {"type": kind, "call_id": draw(words), "name": draw(words), "input": draw(texts)}
    if kind == "reasoning":
        shown = draw(st.lists(texts.filter(bool), max_size=3))
        return {
            "type": kind,
            "id": f"rs_{number}",
            "summary": [{"type": "summary_text", "text": text} for text in shown],
            "encrypted_content": draw(words),
        }
    action = {"type": "search", "query": draw(texts)}
    return {"type": kind, "id": f"ws_{number}", "status": "completed", "action": action}


@st.composite
def calls(draw: st.DrawFn) -> Body:
    items: list[Body] = []
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.integers(0, 3))
        if kind == 0:
            items.append({"role": draw(st.sampled_from(ROLES)), "content": draw(texts)})
        elif kind == 1:
            content = draw(st.lists(input_parts(), min_size=2, max_size=3))
            items.append({"role": "user", "content": content})
        elif kind == 2:
            output = draw(texts | st.lists(input_parts(), min_size=2, max_size=3))
            items.append({"type": "function_call_output", "call_id": draw(words), "output": output})
        else:
            items.append(draw(model_items(number)))
    body: Body = {"model": "chat", "input": items}
    if draw(st.booleans()):
        body["instructions"] = draw(texts.filter(bool))
    if draw(st.booleans()):
        body |= {
            "temperature": draw(st.floats(0, 2)),
            "metadata": draw(st.dictionaries(words, texts)),
        }
    return body


def wanted(body: Body) -> Body:
    """What a call that is written anew must say."""
    found = {name: value for name, value in body.items() if value != {}}
    return {
        **found,
        "model": "acme-large",
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


@given(calls())
@settings(deadline=None, max_examples=150)
def test_reading_and_writing_a_call_changes_nothing_in_it(body: Body) -> None:
    # An output is of the kind of its call, whatever the caller named it.
    custom = {item["call_id"] for item in body["input"] if item.get("type") == "custom_tool_call"}
    results = (item for item in body["input"] if item.get("type") == "function_call_output")
    assume(not any(item["call_id"] in custom for item in results))
    request = parsed(body)
    sent = UPSTREAM.encode(request)
    found = json.loads(sent.request.body)
    assert found == wanted(body)
    check_request(found)
    again = parsed(sent.request.body)
    assert again.messages == request.messages


@st.composite
def answers(draw: st.DrawFn) -> tuple[Part, ...]:
    found: list[Part] = []
    for number in range(draw(st.integers(0, 5))):
        kind = draw(st.integers(0, 4))
        if kind == 0:
            found.append(Text(draw(texts)))
        elif kind == 1:
            found.append(Refusal(draw(texts)))
        elif kind == 2:
            seal = draw(st.just("") | words)
            found.append(Thinking(draw(texts), sealed=seal, summary=draw(st.booleans())))
        elif kind == 3:
            found.append(ToolCall(f"c{number}", draw(words), draw(texts)))
        else:
            found.append(ToolCall(f"c{number}", draw(words), draw(texts), CUSTOM))
    return tuple(found)


def pieces(parts: tuple[Part, ...], sizes: list[int]) -> list[Chunk]:
    """The parts as chunks, their texts cut into pieces."""
    chunks: list[Chunk] = [Begun("x1", "m", 7)]
    for number, part in enumerate(parts):
        match part:
            case Text() | Refusal():
                head: Part = type(part)("")
                text, sealed = part.text, ""
            case Thinking():
                head, text, sealed = Thinking(summary=part.summary), part.text, part.sealed
            case ToolCall():
                head, text, sealed = ToolCall(part.id, part.name, "", part.kind), part.arguments, ""
            case _:
                raise AssertionError
        chunks.append(PartBegun(0, number, head))
        at = 0
        for size in [*sizes, len(text)]:
            if text[at : at + size]:
                chunks.append(Delta(0, number, text[at : at + size]))
            at += size
        if sealed:
            chunks.append(Delta(0, number, sealed=sealed))
        chunks.append(PartEnded(0, number))
    return chunks


@given(answers(), st.sampled_from((STOP, LENGTH)), st.lists(st.integers(1, 5), max_size=4))
@settings(deadline=None, max_examples=150)
def test_an_answer_says_the_same_whole_and_streamed_and_read_again(
    parts: tuple[Part, ...], finish: str, sizes: list[int]
) -> None:
    usage = Usage(9, 8, 7, 1, 5)
    called = finish == STOP and any(isinstance(part, ToolCall) for part in parts)
    word = TOOL_CALLS if called else finish
    response = ChatResponse("x", "x1", "m", (Choice(0, parts, word),), 7, usage)
    whole = CLIENT.render(response, REQUEST)
    check_response(whole)
    renderer = CLIENT.renderer(REQUEST)
    chunks = [*pieces(parts, sizes), UsageSeen(usage), Finished(0, word)]
    stream = b"".join([renderer.render([chunk]) for chunk in chunks]) + renderer.close()
    last = json.loads(stream.rstrip().rsplit(b"data: ", 1)[1])
    assert last["response"] == json.loads(whole)
    decoder = UPSTREAM.decoder()
    collector = Collector(NAME)
    collector.add([*decoder.feed(stream), *decoder.close()])
    read = UPSTREAM.decode(whole)
    assert collector.response() == read
    assert (read.usage, read.choices[0].finish) == (usage, word)
    assert [_said(part) for part in read.choices[0].parts] == [_said(part) for part in parts]
    again = CLIENT.render(read, REQUEST)
    assert UPSTREAM.decode(again).choices[0].parts == read.choices[0].parts
    if not any(isinstance(part, Refusal) for part in parts):
        assert json.loads(again)["output"] == json.loads(whole)["output"]


def _said(part: Part) -> tuple[Any, ...]:
    """A part without the ids that an item gets."""
    match part:
        case Text() | Refusal():
            return (type(part), part.text)
        case Thinking():
            return (Thinking, part.text, part.sealed, bool(part.text) and part.summary)
        case ToolCall():
            return (ToolCall, part.id, part.name, part.arguments, part.kind)
        case _:
            return (part,)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(("", "message", "user", "auto")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("type", "role", "content", "id", "name", "text", "output", "summary")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def odd(kinds: tuple[str, ...], members: str) -> st.SearchStrategy[Body]:
    """Objects of these types whose members hold anything."""
    return st.fixed_dictionaries(
        {"type": st.sampled_from(kinds)},
        optional=dict.fromkeys(members.split(), json_values),
    )


items_of_answers = odd(
    ("message", "reasoning", "function_call"),
    "content id summary call_id name arguments encrypted_content",
)
odd_events = odd(
    EVENTS, "item part delta output_index content_index response annotation logprobs error"
)


@st.composite
def mutated(draw: st.DrawFn) -> Body:
    """A call of which one place holds something else."""
    body = draw(calls()) | {
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function"}]},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
        "reasoning": {"effort": "low"},
        "include": [],
    }
    place: Any = body
    while True:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if not place[key] or not isinstance(place[key], dict | list) or draw(st.booleans()):
            place[key] = draw(json_values)
            return body
        place = place[key]


@given(mutated())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_a_call_with_something_wrong_in_it_is_refused_or_served(body: Body) -> None:
    request = call(body)
    try:
        seen = CLIENT.glance(request)
        CLIENT.prompt(request, seen)
        UPSTREAM.forward(seen, request.body)
        asked = CLIENT.parse(request, seen)
        UPSTREAM.encode(asked)
        CLIENT.renderer(asked).close()
    except FederationError as error:
        refusal = error
    else:
        return
    assert refusal.status == 400
    assert refusal.param is not None


@given(st.lists(items_of_answers, max_size=3), json_values, json_values)
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_an_answer_with_something_wrong_in_it_never_surprises(
    output: list[Body], usage: Any, other: Any
) -> None:
    body = encoded(
        {
            "id": other,
            "output": output,
            "usage": usage,
            "status": "completed",
            "created_at": 1e400 if other is None else 1,
        }
    ).replace(b"Infinity", b"1e400")
    try:
        response = UPSTREAM.decode(body)
    except UpstreamError:
        return
    CLIENT.render(response, REQUEST)
    UPSTREAM.read_answer(body)


@given(st.lists(odd_events, max_size=6))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_a_stream_with_something_wrong_in_it_never_surprises(events: list[Body]) -> None:
    decoder = UPSTREAM.decoder()
    tap = UPSTREAM.tap(withhold_usage=False, choices=1)
    renderer = CLIENT.renderer(REQUEST)
    collector = Collector(NAME)
    for event in events:
        data = b"data: " + encoded(event) + b"\n\n"
        try:
            chunks = decoder.feed(data)
            renderer.render(chunks)
            collector.add(chunks)
        except UpstreamError:
            break
    renderer.close()
    try:
        for event in events:
            tap.feed(b"data: " + encoded(event) + b"\n\n")
    except UpstreamError:
        pass
