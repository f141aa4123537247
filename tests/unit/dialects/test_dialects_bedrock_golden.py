"""Golden exchanges of Converse: shapes that the vendor documents, judged by its own model.

A golden file that is wrong would prove nothing, so each body is checked against the service
model before it is used.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bedrock_vendor import check_request, parse_answer, parse_stream
from bedrock_world import MODEL, call, upstream

from federation import errors
from federation.dialects.aws_eventstream import write_frame, write_headers
from federation.dialects.bedrock.client import CLIENT
from federation.schema.chat import ChatRequest, ChatResponse, Message
from federation.schema.chunks import Chunk, Collector, Failed
from federation.schema.parts import Text, Thinking, ToolCall
from federation.schema.usage import Usage

FOLDER = Path(__file__).parents[2] / "golden" / "bedrock"
ASKED = ChatRequest("bedrock", "m", (Message("user", (Text("Hello"),)),))
Case = dict[str, Any]


def cases(kind: str) -> list[Any]:
    paths = sorted(FOLDER.glob(f"{kind}_*.json"))
    assert paths
    return [pytest.param(json.loads(path.read_text("utf-8")), id=path.stem) for path in paths]


def without(body: Any, path: str) -> Any:
    """The body without one member: what is the default need not be written again."""
    *way, last = [int(word) if word.isdecimal() else word for word in re.findall(r"\w+", path)]
    inner = body
    for name in way:
        inner = inner[name]
    del inner[last]
    return body


@pytest.mark.parametrize("case", cases("request"))
def test_a_request_is_read_forwarded_and_written(case: Case) -> None:
    quirks = case.get("quirks")
    request = call(case["request"])
    seen = CLIENT.glance(request)
    fields = msgspec.to_builtins(seen)
    assert {name: fields[name] for name in case["glance"]} == {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case["glance"].items()
    }
    expected = {**case["request"], **case.get("changed", {})}
    for name in case.get("removed", ()):
        del expected[name]
    made = upstream(quirks)
    sent = made.forward(seen, request.body)
    assert check_request(sent.target, sent.body, model=MODEL) == expected
    encoded = made.encode(CLIENT.parse(request, seen))
    for path in case.get("written", {}).get("without", ()):
        expected = without(expected, path)
    written = check_request(encoded.request.target, encoded.request.body, model=MODEL)
    assert written == expected
    assert list(encoded.losses) == case.get("losses", [])


def check(response: ChatResponse, expect: Case) -> None:
    (choice,) = response.choices
    assert choice.finish == expect["finish"]
    assert choice.stop_sequence == expect.get("stop_sequence")
    assert response.usage == Usage(**expect["usage"])
    said = "".join(part.text for part in choice.parts if isinstance(part, Text))
    thought = "".join(part.text for part in choice.parts if isinstance(part, Thinking))
    calls = [
        [part.id, part.name, json.loads(part.arguments)]
        for part in choice.parts
        if isinstance(part, ToolCall)
    ]
    assert said == expect["text"]
    assert thought == expect.get("thinking", "")
    assert calls == expect.get("calls", [])


@pytest.mark.parametrize("case", cases("answer"))
def test_an_answer_is_read_and_written(case: Case) -> None:
    body = json.dumps(case["answer"], ensure_ascii=False).encode()
    parse_answer(body)
    made = upstream()
    response = made.decode(body)
    check(response, case["expect"])
    seen = made.read_answer(body)
    assert (seen.finish, seen.usage) == (case["answer"]["stopReason"], response.usage)
    written = json.loads(CLIENT.render(response, ASKED))
    usage = written.pop("usage")
    assert usage.items() >= case["answer"].pop("usage").items()
    assert written == case["answer"]


def framed(name: str, payload: Any) -> bytes:
    if name.startswith("!"):
        headers = {":exception-type": name[1:], ":message-type": "exception"}
    else:
        headers = {":event-type": name, ":message-type": "event"}
    block = write_headers({**headers, ":content-type": "application/json"})
    return write_frame(block, json.dumps(payload).encode())


@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_is_read_forwarded_and_written(case: Case) -> None:
    frames = [framed(*event) for event in case["events"]]
    expect = case["expect"]
    made = upstream()
    tap, decoder = made.tap(withhold_usage=True, choices=1), made.decoder()
    chunks: list[Chunk] = []
    for place, frame in enumerate(frames):
        assert tap.feed(frame) == frame
        chunks += decoder.feed(frame)
        assert tap.started is decoder.started is (place >= expect["started_at"])
    chunks += decoder.close()
    assert tap.complete is decoder.complete is ("error" not in expect)
    collector = Collector("bedrock")
    if "error" in expect:
        failed = chunks.pop()
        assert isinstance(failed, Failed)
        for error in (failed.error, tap.error):
            assert type(error).__name__ == expect["error"]
        return
    parse_stream(frames)
    collector.add(chunks)
    check(collector.response(), expect)
    assert tap.answer().usage == Usage(**expect["usage"])
    renderer = CLIENT.renderer(ASKED)
    events = parse_stream([renderer.render(chunks), renderer.close()])
    usage = events[-1]["metadata"].pop("usage")
    shown = [json.loads(json.dumps(event)) for event in events]
    assert shown == [
        {name: {k: v for k, v in payload.items() if k not in ("p", "usage")}}
        for name, payload in case["events"]
        if payload.get("delta", {}).get("toolUse") != {"input": ""}
    ]
    assert usage.items() >= case["events"][-1][1]["usage"].items()


@pytest.mark.parametrize("case", cases("error"))
def test_an_error_is_read(case: Case) -> None:
    headers = {name.encode(): value.encode() for name, value in case["headers"].items()}
    body = json.dumps(case["body"]).encode()
    error = upstream().decode_error(case["status"], headers, body)
    assert type(error) is getattr(errors, case["expect"]["class"])
    assert error.code == case["expect"].get("code", error.code)
