"""Golden exchanges of the dialect, whole and streamed, and what other dialects become in it.

Where a file is in the vendor's own form, the official client's types must agree with it, on
what goes upstream too: a golden file that is wrong would prove nothing.
"""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import msgspec
import pytest
from cohere.core.unchecked_base_model import construct_type
from cohere.v2.raw_client import RawV2Client
from cohere.v2.types import V2ChatResponse, V2ChatStreamResponse
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
from pydantic import BaseModel, TypeAdapter

from federation import errors
from federation.dialects.cohere.client import CLIENT
from federation.dialects.cohere.tables import LOSSES
from federation.dialects.cohere.upstream import prepare
from federation.dialects.faces import Upstream
from federation.dialects.losses import FEATURES
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest
from federation.schema.chunks import Chunk
from federation.schema.http import ClientRequest
from federation.schema.usage import Usage

VENDOR: dict[str, Any] = get_type_hints(RawV2Client.chat)


def asked(body: Case | bytes) -> ClientRequest:
    return client_request(body, "/v2/chat")


def upstream(case: Case | None = None) -> Upstream:
    found = case or {}
    return make_upstream(
        prepare, "cohere", quirks=found.get("quirks"), reasons=found.get("reasons", True)
    )


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=name) for name, case in golden("cohere", kind).items()]


def check_vendor(value: Any) -> None:
    """No member anywhere that the official types do not know."""
    if isinstance(value, BaseModel):
        assert not value.model_extra, value
        for name in type(value).model_fields:
            check_vendor(getattr(value, name))
    elif isinstance(value, list | tuple):
        for item in value:
            check_vendor(item)


def check_request(body: Case) -> None:
    """What the official client could have sent."""
    for name, value in body.items():
        if name != "stream":
            check_vendor(TypeAdapter(VENDOR[name]).validate_python(value))


def check_answer(body: Case, kind: Any) -> Any:
    found = construct_type(type_=kind, object_=body)
    check_vendor(found)
    return found


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
    face = upstream(case)
    assert json.loads(face.forward(seen, request.body).body) == expected
    encoded = face.encode(CLIENT.parse(request, seen))
    assert json.loads(encoded.request.body) == expected
    assert encoded.losses == ()
    if case.get("vendor_shape", True):
        check_request(expected)


@pytest.mark.parametrize("case", cases("foreign"))
def test_a_call_of_another_dialect_is_written(case: Case) -> None:
    request = canonical(case["request"])
    encoded = upstream(case).encode(request)
    sent = json.loads(encoded.request.body)
    assert sent == {"model": "acme-large", **case["sent"]}
    assert sorted(encoded.losses) == sorted(case["losses"])
    check_request(sent)


@pytest.mark.parametrize("case", cases("refused"))
def test_a_call_that_cannot_be_expressed_is_refused(case: Case) -> None:
    request = canonical(case["request"])
    with pytest.raises(InvalidRequest) as caught:
        upstream(case).encode(request)
    assert caught.value.code == "not_expressible"
    assert FEATURES[case["feature"]] in caught.value.message


def test_every_loss_is_a_known_feature_with_a_source() -> None:
    assert set(LOSSES) <= set(FEATURES)
    assert all(rule.why and rule.source for rule in LOSSES.values())


@pytest.mark.parametrize("case", cases("answer"))
def test_an_answer_is_read_and_written_again(case: Case) -> None:
    body = json.dumps(case["answer"], ensure_ascii=False).encode()
    face = upstream()
    if case.get("vendor_shape", True):
        check_answer(case["answer"], V2ChatResponse)
    if "raises" in case:
        for read in (face.decode, face.read_answer):
            with pytest.raises(getattr(errors, case["raises"])):
                read(body)
        return
    expect = case["expect"]
    response = face.decode(body)
    choice = response.choices[0]
    assert plain(choice.parts) == expect["parts"]
    assert choice.finish == expect["finish"]
    assert choice.reason == case["answer"]["finish_reason"]
    usage = Usage(**expect["usage"]) if expect["usage"] else None
    assert response.usage == usage
    assert plain(choice.logprobs) == expect.get("logprobs")
    answer = face.read_answer(body)
    assert (answer.model, answer.finish, answer.usage) == ("", choice.reason, usage)
    if case.get("identity", True):
        written = json.loads(CLIENT.render(response, ChatRequest("cohere", "m", ())))
        assert written == case["answer"]
    marked = json.loads(CLIENT.with_metadata(body, b'{"selected_provider":"acme"}'))
    assert marked == {**case["answer"], "router_metadata": {"selected_provider": "acme"}}


def events(case: Case) -> list[bytes]:
    return [event.encode() for event in case["events"]]


@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_is_forwarded(case: Case) -> None:
    tap = upstream().tap(withhold_usage=True, choices=1)
    if "raises" in case:
        *first, last = events(case)
        tap.feed(b"".join(first))
        with pytest.raises(getattr(errors, case["raises"])):
            tap.feed(last)
        return
    for place, event in enumerate(events(case)):
        assert tap.feed(event) == event
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
            fed(decoder, events(case))
        return
    chunks = fed(decoder, events(case))
    assert decoder.done
    assert decoder.complete == ("error" not in case)
    if "error" in case:
        with pytest.raises(getattr(errors, case["error"])):
            collected("cohere", chunks)
        return
    whole = face.decode(json.dumps(case["whole"]).encode())
    assert plain(collected("cohere", chunks)) == plain(whole)


def told(chunks: list[Chunk]) -> Any:
    """An answer without the numbers of its tokens, for which a chunk has no place."""
    answer = plain(collected("cohere", chunks))
    for choice in answer["choices"]:
        choice.get("extra", {}).pop("logprobs", None)
    return answer


@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_is_written_so_that_it_reads_the_same(case: Case) -> None:
    if "whole" not in case:
        return
    chunks = fed(upstream().decoder(), events(case))
    renderer = CLIENT.renderer(ChatRequest("cohere", "m", (), stream=True))
    written = b"".join(renderer.render([chunk]) for chunk in chunks) + renderer.close()
    again = fed(upstream().decoder(), [written])
    assert told(again) == told(chunks)
    for event in written.split(b"\n\n")[:-1]:
        name, data = event.split(b"\ndata: ")
        body = json.loads(data)
        if body["type"] == "message-start":
            # The vendor sends these empty members, and its client has no types for them.
            body["delta"]["message"] = {"role": body["delta"]["message"]["role"]}
        found = check_answer(body, V2ChatStreamResponse)
        assert name == b"event: " + found.type.encode()


@pytest.mark.parametrize("case", cases("stream"))
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_every_split_of_a_stream_gives_the_same_chunks(case: Case, size: int) -> None:
    if "raises" in case:
        return
    data = b"".join(events(case))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    face = upstream()
    assert merged(fed(face.decoder(), pieces)[:-1]) == merged(fed(face.decoder(), [data])[:-1])
    tap = face.tap(withhold_usage=False, choices=1)
    assert b"".join(tap.feed(piece) for piece in pieces) + tap.close() == data


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
    told = json.loads(reply.body)
    assert told["message"] == error.message
    assert told["id"] == "call-1"
    if isinstance(error, errors.UpstreamRejected):
        assert told["message"] == case["body"]["message"]


def test_every_golden_file_names_its_source() -> None:
    for path in (GOLDEN / "cohere").glob("*.json"):
        assert json.loads(path.read_text("utf-8"))["source"], path.name
