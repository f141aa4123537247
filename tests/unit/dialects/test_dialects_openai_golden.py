"""Golden exchanges: recorded shapes of the vendor and of hosts that speak like it.

Where a file is in the vendor's own form, the official client's types must agree with it, on
what goes upstream too: a golden file that is wrong would prove nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params
from openai.types.shared import ErrorObject
from pydantic import ConfigDict, TypeAdapter

from federation import errors
from federation.dialects.openai.answers import read_answer, text_of
from federation.dialects.openai.errors import decode_error, render_error
from federation.dialects.openai.forward import forward
from federation.dialects.openai.glance import glance
from federation.dialects.openai.tap import StreamTap
from federation.dialects.openai.wire import Wire
from federation.dialects.whole import with_metadata
from federation.schema.http import ClientRequest
from federation.schema.usage import Usage

FOLDER = Path(__file__).parents[2] / "golden" / "openai"
MakeWire = Callable[..., Wire]
MakeRequest = Callable[..., ClientRequest]
Case = dict[str, Any]


def cases(kind: str) -> list[Any]:
    paths = sorted(FOLDER.glob(f"{kind}_*.json"))
    assert paths
    return [pytest.param(json.loads(path.read_text("utf-8")), id=path.stem) for path in paths]


def materialized(value: Any) -> Any:
    """The value with its lazily validated iterables drawn, so that every item is checked."""
    if isinstance(value, Mapping):
        return {name: materialized(item) for name, item in value.items()}
    if isinstance(value, list | tuple | Iterator) or type(value).__name__ == "ValidatorIterator":
        return [materialized(item) for item in value]
    return value


@pytest.fixture(scope="module")
def vendor_request() -> TypeAdapter[Any]:
    """The official client's idea of a request."""
    kind: Any = completion_create_params.CompletionCreateParamsBase
    kind.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
    return TypeAdapter(kind)


def check_request(vendor_request: TypeAdapter[Any], body: Case) -> None:
    known = {name: value for name, value in body.items() if name != "stream"}
    assert materialized(vendor_request.validate_python(known)) == known


@pytest.mark.parametrize("case", cases("request"))
def test_a_request_is_read_and_goes_on(
    case: Case, make_wire: MakeWire, make_request: MakeRequest, vendor_request: TypeAdapter[Any]
) -> None:
    body = json.dumps(case["request"], ensure_ascii=False).encode()
    seen = glance(make_request(body))
    fields = msgspec.to_builtins(seen)
    assert {name: fields[name] for name in case["glance"]} == {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case["glance"].items()
    }
    sent = json.loads(forward(make_wire(quirks=case.get("quirks")), seen, body).body)
    expected = {**case["request"], **case["changed"]}
    for name in case.get("removed", ()):
        del expected[name]
    assert sent == expected
    if case.get("vendor_shape", True):
        check_request(vendor_request, case["request"])
        check_request(vendor_request, sent)


@pytest.mark.parametrize("case", cases("answer"))
def test_an_answer_is_read(case: Case, make_wire: MakeWire) -> None:
    wire = make_wire(quirks=case.get("quirks"))
    body = json.dumps(case["answer"], ensure_ascii=False).encode()
    if case.get("vendor_shape", True):
        ChatCompletion.model_validate(case["answer"], strict=True)
    if "raises" in case:
        with pytest.raises(getattr(errors, case["raises"]["class"])) as caught:
            read_answer(wire, body)
        assert caught.value.upstream_status == case["raises"]["upstream_status"]
        return
    expect = case["expect"]
    answer = read_answer(wire, body)
    assert answer.usage == Usage(**expect["usage"])
    assert answer.model == expect.get("model", answer.model)
    assert answer.finish == expect.get("finish", answer.finish)
    assert text_of(body) == expect.get("text", text_of(body))
    marked = with_metadata(body, b'{"selected_provider":"acme"}')
    assert json.loads(marked) == {
        **case["answer"],
        "router_metadata": {"selected_provider": "acme"},
    }


@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_is_forwarded(case: Case, make_wire: MakeWire) -> None:
    events = [event.encode() for event in case["events"]]
    expect = case["expect"]
    tap = StreamTap(
        make_wire(quirks=case.get("quirks")),
        withhold_usage=not case.get("usage_asked", False),
        choices=1,
    )
    for place, event in enumerate(events):
        if case.get("vendor_shape", True) and event.startswith(b"data: {"):
            ChatCompletionChunk.model_validate_json(event[6:], strict=True)
        assert tap.feed(event) == (b"" if place in case["withheld"] else event)
        assert tap.started == (place >= expect["started_at"])
    assert tap.close() == b""
    assert tap.complete == expect.get("complete", True)
    answer = tap.answer()
    if "usage" in expect:
        assert answer.usage == Usage(**expect["usage"])
    assert answer.finish == expect.get("finish", answer.finish)
    assert answer.model == expect.get("model", answer.model)
    assert (type(tap.error).__name__ if tap.error else None) == expect.get("error")


@pytest.mark.parametrize("case", cases("error"))
def test_an_error_is_understood_and_told(case: Case, make_wire: MakeWire) -> None:
    expect = case["expect"]
    headers = {name.encode(): value.encode() for name, value in case["headers"].items()}
    body = json.dumps(case["body"]).encode()
    error = decode_error(make_wire(quirks=case.get("quirks")), case["status"], headers, body)
    assert type(error).__name__ == expect["class"]
    assert error.retry_after_s == expect.get("retry_after_s", error.retry_after_s)
    reply = render_error(error, "call-1")
    assert reply.status == expect["client_status"]
    assert isinstance(reply.body, bytes)
    told = ErrorObject.model_validate(json.loads(reply.body)["error"], strict=True)
    assert told.type == expect["client_type"]
    assert told.code == expect.get("client_code", told.code)


def test_every_golden_file_names_its_source() -> None:
    for path in FOLDER.glob("*.json"):
        assert json.loads(path.read_text("utf-8"))["source"], path.name
