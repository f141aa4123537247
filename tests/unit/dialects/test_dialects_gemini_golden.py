"""Golden exchanges of the dialect: calls, answers, streams and errors in the vendor's form.

Every file must agree with the official client's types, and so must what is written of it: a
golden file that is wrong would prove nothing.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from gemini_vendor import check_answer, check_body
from native_dialects import Case, collected, fed, golden, make_upstream, plain

from federation import errors
from federation.dialects.bound import CountingUpstream
from federation.dialects.faces import Upstream
from federation.dialects.gemini.client import CLIENT
from federation.dialects.gemini.own import GeminiRequest
from federation.dialects.gemini.upstream import GeminiUpstream, prepare
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.chunks import Chunk
from federation.schema.http import ClientRequest
from federation.schema.parts import Text, ToolCall, ToolResult

PATH = "/v1beta/models/acme-large:generateContent"
STREAM = "/v1beta/models/acme-large:streamGenerateContent"
BASE = "https://api.acme.test/v1beta"


def asked(body: Any, path: str = PATH, query: str = "") -> ClientRequest:
    return ClientRequest("POST", path, query, {}, json.dumps(body, ensure_ascii=False).encode())


def parsed(body: Any, path: str = PATH, query: str = "") -> ChatRequest:
    request = asked(body, path, query)
    return CLIENT.parse(request, CLIENT.glance(request))


def upstream(**quirks: object) -> GeminiUpstream:
    made = make_upstream(prepare, "gemini", base_url=BASE, quirks=quirks)
    assert isinstance(made, CountingUpstream)
    return made


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=name) for name, case in golden("gemini", kind).items()]


def sse(events: list[Case]) -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % json.dumps(event).encode() for event in events)


def array(events: list[Case]) -> bytes:
    """As the vendor writes it: pretty-printed, with the commas on lines of their own."""
    texts = [json.dumps(event, indent=2, ensure_ascii=False).encode() for event in events]
    return b"[" + b"\n,\r\n".join(texts) + b"\n]\n"


def said(chunks: list[Chunk]) -> Any:
    return meant(collected("gemini", chunks))


def meant(response: ChatResponse) -> Any:
    """An answer as JSON values, white space in what is handed through left aside."""
    found = plain(response)
    for choice in found["choices"]:
        for part in choice["parts"]:
            if "arguments" in part:
                part["arguments"] = json.loads(part["arguments"])
    return found


@pytest.mark.parametrize("case", cases("request"))
def test_a_call_is_glanced_at_as_it_says(case: Case) -> None:
    check_body(case["body"])
    glance = CLIENT.glance(asked(case["body"]))
    for name, value in case["expect"].items():
        found = getattr(glance, name)
        assert (list(found) if isinstance(found, tuple) else found) == value, name
    assert glance.model == "acme-large"


@pytest.mark.parametrize("case", cases("request"))
def test_reading_and_writing_a_call_gives_the_call(case: Case) -> None:
    request = parsed(case["body"])
    encoded = upstream().encode(request)
    sent = json.loads(encoded.request.body)
    assert sent == case["body"]
    assert encoded.losses == ()
    if "ids" in case:
        assert [ids for message in request.messages if (ids := ids_of(message.parts))] == case[
            "ids"
        ]
    if "schemas" in case:
        assert [plain(tool.schema) for tool in request.tools] == case["schemas"]
    if "format" in case:
        assert request.format is not None
        assert plain(request.format.schema) == case["format"]
    if "reasoning" in case:
        assert plain(request.reasoning) == case["reasoning"]


def ids_of(parts: tuple[Any, ...]) -> list[str]:
    ids = [part.id for part in parts if isinstance(part, ToolCall)]
    return ids + [part.call_id for part in parts if isinstance(part, ToolResult)]


@pytest.mark.parametrize("case", cases("request"))
def test_a_call_in_the_other_spelling_reads_the_same(case: Case) -> None:
    other = snake(case["body"])
    assert other == case["body"] or "_" in json.dumps(other)
    there, here = CLIENT.glance(asked(other)), CLIENT.glance(asked(case["body"]))
    assert there.governed == here.governed
    assert (there.images, there.tools, there.needs) == (here.images, here.tools, here.needs)
    sent = json.loads(upstream().encode(parsed(other)).request.body)
    again = json.loads(upstream().encode(parsed(sent)).request.body)
    assert again == sent
    assert set(sent) == set(case["body"])


OPEN = ("args", "response", "properties", "parametersJsonSchema", "responseJsonSchema", "labels")


def snake(value: Any, name: str = "") -> Any:
    """The other spelling of every member that is the API's own."""
    if isinstance(value, dict) and name not in OPEN:
        return {
            "".join(f"_{c.lower()}" if c.isupper() else c for c in key): snake(inner, key)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [snake(inner, name) for inner in value]
    return value


@pytest.mark.parametrize("case", cases("request"))
def test_a_call_is_forwarded_as_it_came(case: Case) -> None:
    request = asked({**case["body"], "federation": {"tags": {"a": "b"}}})
    wire = upstream().forward(CLIENT.glance(request), request.body)
    assert json.loads(wire.body) == case["body"]
    assert wire.target == "/v1beta/models/acme-large:generateContent"


def response_of(case: Case, face: Upstream) -> Any:
    return face.decode(json.dumps(case["answer"], ensure_ascii=False).encode())


@pytest.mark.parametrize("case", cases("answer"))
def test_an_answer_is_read_as_it_says(case: Case) -> None:
    check_answer(copy.deepcopy(case["answer"]), long_form=True)
    response = response_of(case, upstream())
    expect = case["expect"]
    first = response.choices[0]
    assert first.finish == expect["finish"]
    assert plain(response.usage) == {k: v for k, v in expect["usage"].items() if v}
    assert first.reason == expect.get("reason", first.reason)
    if "created" in expect:
        assert response.created == expect["created"]
    if "ids" in expect:
        assert ids_of(first.parts) == expect["ids"]
    if "citations" in expect:
        cited = [one for part in first.parts if isinstance(part, Text) for one in part.citations]
        assert plain(cited) == expect["citations"]


@pytest.mark.parametrize("case", cases("answer"))
def test_reading_and_writing_an_answer_gives_the_answer(case: Case) -> None:
    response = response_of(case, upstream())
    request = GeminiRequest("gemini", "m", (), long_form=case.get("long_form", False))
    body = CLIENT.render(response, request)
    found = json.loads(body)
    assert found == case.get("rendered", case["answer"])
    check_answer(copy.deepcopy(found), long_form=True)
    assert json.loads(CLIENT.with_metadata(body, b'{"a":1}'))["router_metadata"] == {"a": 1}


@pytest.mark.parametrize("case", cases("answer"))
def test_a_forwarded_answer_tells_the_same_usage(case: Case) -> None:
    face = upstream()
    body = json.dumps(case["answer"]).encode()
    answer = face.read_answer(body)
    response = face.decode(body)
    assert answer.usage == response.usage
    assert answer.model == response.model
    assert answer.finish == response.choices[0].reason


@pytest.mark.parametrize("framed", [sse, array])
@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_adds_up_to_the_whole_answer(case: Case, framed: Any) -> None:
    face = upstream()
    data = framed(case["events"])
    decoder = face.decoder()
    chunks = fed(decoder, [data])
    assert decoder.started
    assert decoder.complete
    assert said(chunks) == meant(face.decode(json.dumps(case["whole"]).encode()))


@pytest.mark.parametrize("framed", [sse, array])
@pytest.mark.parametrize("case", cases("stream"))
def test_every_cut_of_a_stream_gives_the_same_chunks(case: Case, framed: Any) -> None:
    face = upstream()
    data = framed(case["events"])
    expected = collected("gemini", fed(face.decoder(), [data]))
    for cut in range(1, len(data)):
        decoder = face.decoder()
        assert collected("gemini", fed(decoder, [data[:cut], data[cut:]])) == expected, cut
        tap = face.tap(withhold_usage=False, choices=1)
        assert tap.feed(data[:cut]) + tap.feed(data[cut:]) + tap.close() == data


@pytest.mark.parametrize("framed", [sse, array])
@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_byte_by_byte_gives_the_same_chunks(case: Case, framed: Any) -> None:
    face = upstream()
    data = framed(case["events"])
    single = [data[place : place + 1] for place in range(len(data))]
    assert fed(face.decoder(), single) == fed(face.decoder(), [data])
    tap = face.tap(withhold_usage=False, choices=1)
    assert b"".join([tap.feed(piece) for piece in single]) + tap.close() == data


@pytest.mark.parametrize("wants", ["alt=sse", ""])
@pytest.mark.parametrize("framed", [sse, array])
@pytest.mark.parametrize("case", cases("stream"))
def test_a_stream_written_again_reads_the_same(case: Case, framed: Any, wants: str) -> None:
    face = upstream()
    request = parsed({"contents": {"parts": {"text": "Hi"}}}, STREAM, wants)
    chunks = fed(face.decoder(), [framed(case["events"])])
    renderer = CLIENT.renderer(request)
    written = b"".join([renderer.render([chunk]) for chunk in chunks]) + renderer.close()
    assert written.startswith(b"data: " if wants else b"[")
    again = face.decoder()
    assert said(fed(again, [written])) == said(chunks)
    assert again.complete


@pytest.mark.parametrize("framed", [sse, array])
@pytest.mark.parametrize("case", cases("stream"))
def test_the_tap_hears_what_the_decoder_hears(case: Case, framed: Any) -> None:
    face = upstream()
    data = framed(case["events"])
    whole = face.decode(json.dumps(case["whole"]).encode())
    tap = face.tap(withhold_usage=True, choices=len(whole.choices))
    assert tap.feed(data) + tap.close() == data
    assert tap.complete
    assert tap.started
    answer = tap.answer()
    assert (answer.model, answer.usage) == (whole.model, whole.usage)
    assert answer.finish == whole.choices[0].reason


@pytest.mark.parametrize("case", cases("error"))
def test_an_error_is_read_as_it_says(case: Case) -> None:
    body = json.dumps(case["body"]).encode()
    error = upstream().decode_error(case["status"], {}, body)
    expect = case["expect"]
    assert type(error) is getattr(errors, expect["error"])
    assert error.upstream_status == case["status"]
    for name in ("code", "param", "status", "retry_after_s"):
        if name in expect:
            assert getattr(error, name) == expect[name]


@pytest.mark.parametrize("case", cases("error"))
def test_an_error_inside_a_good_answer_is_raised(case: Case) -> None:
    body = json.dumps(case["body"]).encode()
    face = upstream()
    kind = getattr(errors, case["expect"]["error"])
    for read in (face.decode, face.read_answer):
        with pytest.raises(kind):
            read(body)
    found = case["body"][0] if isinstance(case["body"], list) else case["body"]
    for data in (b"data: %b\r\n\r\n" % json.dumps(found).encode(), array([found]), body):
        with pytest.raises(kind):
            fed(face.decoder(), [data])
        with pytest.raises(kind):
            face.tap(withhold_usage=False, choices=1).feed(data)


def test_the_longer_form_has_other_addresses_and_the_same_bodies() -> None:
    base = "https://eu-aiplatform.acme.test/v1/projects/p/locations/eu"
    request = asked({"contents": [{"parts": [{"text": "Hi"}]}]}, STREAM, "alt=sse")
    glance = CLIENT.glance(request)
    for address in (base, base + "/publishers/google/models"):
        face = make_upstream(prepare, "vertex", base_url=address, quirks={"role_required": True})
        wire = face.forward(glance, request.body)
        start = "/v1/projects/p/locations/eu/publishers/google/models/acme-large"
        assert wire.target == f"{start}:streamGenerateContent?alt=sse"
        assert json.loads(wire.body) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
