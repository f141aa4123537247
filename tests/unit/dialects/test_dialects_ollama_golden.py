"""Golden exchanges of the dialect, whole and streamed, and what other dialects become in it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import ollama
import pytest
from native_dialects import (
    GOLDEN,
    Case,
    canonical,
    client_request,
    collected,
    fed,
    golden,
    make_upstream,
    merged,
    plain,
)

from federation import errors
from federation.dialects.faces import Upstream
from federation.dialects.losses import FEATURES
from federation.dialects.ollama.client import CLIENT
from federation.dialects.ollama.tables import LOSSES
from federation.dialects.ollama.upstream import prepare
from federation.dialects.whole import is_json
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest
from federation.schema.http import ClientRequest
from federation.schema.usage import Usage

UNTYPED = ("id", "tool_call_id", "index")
"""Members of the server's own types (`api/types.go`) that its Python client leaves out."""


def asked(body: Case | bytes) -> ClientRequest:
    return client_request(body, "/api/chat")


def upstream(case: Case | None = None) -> Upstream:
    found = case or {}
    return make_upstream(
        prepare,
        "ollama",
        quirks=found.get("quirks"),
        reasons=found.get("reasons", True),
        context=found.get("context"),
        base_url="http://127.0.0.1:11434",
    )


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=name) for name, case in golden("ollama", kind).items()]


def typed(value: Any) -> Any:
    """What the official types can hold of a value."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items() if name not in UNTYPED}
    return [typed(item) for item in value] if isinstance(value, list) else value


def check_request(body: Case, unknown: tuple[str, ...] = ()) -> None:
    """What the official client could have sent: nothing of the body vanishes in its types."""
    known = {name: value for name, value in body.items() if name not in unknown}
    messages = [_message(typed(item)) for item in known["messages"]]
    dumped = ollama._types.ChatRequest(**{**known, "messages": messages}).model_dump(
        exclude_none=True
    )
    assert dumped == typed(known)


def _message(found: Case) -> ollama.Message:
    if "images" in found:
        found["images"] = [ollama.Image(value=image) for image in found["images"]]
    return ollama.Message(**found)


@pytest.mark.parametrize("case", cases("request"))
def test_a_request_is_read_forwarded_and_written_again(case: Case) -> None:
    request = asked(case["request"])
    seen = CLIENT.glance(request)
    fields = msgspec.to_builtins(seen)
    assert {name: fields[name] for name in case["glance"]} == {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case["glance"].items()
    }
    expected = {**case["request"], "model": "acme-large"}
    for name in case.get("removed", ()):
        del expected[name]
    assert json.loads(upstream(case).forward(seen, request.body).body) == expected
    encoded = upstream(case).encode(CLIENT.parse(request, seen))
    sent = json.loads(encoded.request.body)
    expected |= case.get("added", {})
    expected |= {"messages": case["messages"]} if "messages" in case else {}
    assert sent == expected
    assert encoded.losses == ()
    if case.get("vendor_shape", True):
        check_request(sent, tuple(case.get("unknown_to_client", ())))


@pytest.mark.parametrize("case", cases("foreign"))
def test_a_call_of_another_dialect_is_written(case: Case) -> None:
    encoded = upstream(case).encode(canonical(case["request"]))
    sent = json.loads(encoded.request.body)
    assert sent == {"model": "acme-large", **case["sent"]}
    assert sorted(encoded.losses) == sorted(case["losses"])
    check_request(sent, tuple(case.get("unknown_to_client", ())))


@pytest.mark.parametrize("case", cases("refused"))
def test_a_call_that_cannot_be_expressed_is_refused(case: Case) -> None:
    with pytest.raises(InvalidRequest) as caught:
        upstream(case).encode(canonical(case["request"]))
    assert caught.value.code == "not_expressible"
    assert FEATURES[case["feature"]] in caught.value.message


def test_every_loss_is_a_known_feature_with_a_source() -> None:
    assert set(LOSSES) <= set(FEATURES)
    assert all(rule.why and rule.source for rule in LOSSES.values())


@pytest.mark.parametrize("case", cases("answer"))
def test_an_answer_is_read_and_written_again(case: Case) -> None:
    body = json.dumps(case["answer"], ensure_ascii=False).encode()
    face = upstream()
    if "raises" in case:
        for read in (face.decode, face.read_answer):
            with pytest.raises(getattr(errors, case["raises"])):
                read(body)
        return
    ollama.ChatResponse(**case["answer"])
    expect = case["expect"]
    response = face.decode(body)
    choice = response.choices[0]
    assert plain(choice.parts) == expect["parts"]
    assert choice.finish == expect["finish"]
    assert choice.reason == case["answer"]["done_reason"]
    usage = Usage(**expect["usage"]) if expect["usage"] else None
    assert response.usage == usage
    assert plain(choice.logprobs) == expect.get("logprobs")
    assert (response.model, response.created) == ("acme-large", 1790856000)
    answer = face.read_answer(body)
    assert (answer.model, answer.finish, answer.usage) == ("acme-large", choice.reason, usage)
    written = json.loads(CLIENT.render(response, ChatRequest("ollama", "m", ())))
    ollama.ChatResponse(**written)
    if case.get("identity", True):
        assert written == case["answer"]
    marked = json.loads(CLIENT.with_metadata(body, b'{"selected_provider":"acme"}'))
    assert marked == {**case["answer"], "router_metadata": {"selected_provider": "acme"}}


def lines(case: Case) -> list[bytes]:
    return [line.encode() for line in case["lines"]]


def told(line: bytes) -> bytes:
    """What a client gets of a line: one that is no JSON would break it."""
    return line if is_json(line) or not line.strip() else b""


@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_is_forwarded(case: Case) -> None:
    tap = upstream().tap(withhold_usage=True, choices=1)
    if "raises" in case:
        *first, last = lines(case)
        tap.feed(b"".join(first))
        with pytest.raises(getattr(errors, case["raises"])):
            tap.feed(last)
        return
    for place, line in enumerate(lines(case)):
        assert tap.feed(line) == told(line)
        assert tap.started == (place >= case["started_at"])
    assert tap.close() == b""
    assert tap.done
    assert tap.complete == ("error" not in case)
    assert (type(tap.error).__name__ if tap.error else None) == case.get("error")
    if "whole" in case:
        whole = json.dumps(case["whole"]).encode()
        assert tap.answer() == upstream().read_answer(whole)


@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_says_what_the_whole_answer_says(case: Case) -> None:
    face = upstream()
    decoder = face.decoder()
    if "raises" in case:
        with pytest.raises(getattr(errors, case["raises"])):
            fed(decoder, lines(case))
        return
    chunks = fed(decoder, lines(case))
    assert decoder.done
    assert decoder.complete == ("error" not in case)
    if "error" in case:
        with pytest.raises(getattr(errors, case["error"])):
            collected("ollama", chunks)
        return
    whole = face.decode(json.dumps(case["whole"]).encode())
    assert plain(collected("ollama", chunks)) == plain(whole)


@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_is_written_so_that_it_reads_the_same(case: Case) -> None:
    if "whole" not in case:
        return
    chunks = fed(upstream().decoder(), lines(case))
    renderer = CLIENT.renderer(ChatRequest("ollama", "m", (), stream=True))
    written = b"".join(renderer.render([chunk]) for chunk in chunks) + renderer.close()
    again = fed(upstream().decoder(), [written])
    assert merged(again) == merged(chunks)
    parsed = [json.loads(line) for line in written.splitlines()]
    for line in parsed:
        ollama.ChatResponse(**line)
    assert [line["done"] for line in parsed] == [False] * (len(parsed) - 1) + [True]


@pytest.mark.parametrize("case", cases("stream"))
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_every_split_of_a_stream_gives_the_same_chunks(case: Case, size: int) -> None:
    if "raises" in case or "error" in case:
        return
    data = b"".join(lines(case))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    face = upstream()
    assert merged(fed(face.decoder(), pieces)) == merged(fed(face.decoder(), [data]))
    tap = face.tap(withhold_usage=False, choices=1)
    assert b"".join(tap.feed(piece) for piece in pieces) + tap.close() == b"".join(
        map(told, lines(case))
    )


@pytest.mark.parametrize("case", cases("error"))
def test_an_error_is_understood_and_told(case: Case) -> None:
    expect = case["expect"]
    headers = {name.encode(): value.encode() for name, value in case["headers"].items()}
    error = upstream().decode_error(case["status"], headers, json.dumps(case["body"]).encode())
    assert type(error).__name__ == expect["class"]
    assert error.upstream_status == case["status"]
    assert error.code == expect.get("code", error.code)
    assert error.retry_after_s == expect.get("retry_after_s")
    reply = CLIENT.render_error(error, "call-1")
    assert reply.status == expect["client_status"]
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body)["error"] == error.message
    if isinstance(error, errors.UpstreamRejected):
        assert error.message == case["body"]["error"]


def test_every_golden_file_names_its_source() -> None:
    for path in (GOLDEN / "ollama").glob("*.json"):
        assert json.loads(path.read_text("utf-8"))["source"], path.name
