"""What holds for every call, answer and stream of the dialect, and for every nonsense."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from gemini_vendor import check_body
from hypothesis import given, settings
from hypothesis import strategies as st
from native_dialects import collected, fed, golden, make_upstream, plain

from federation.dialects.bound import CountingUpstream
from federation.dialects.gemini.client import CLIENT
from federation.dialects.gemini.paths import route
from federation.dialects.gemini.upstream import GeminiUpstream, prepare
from federation.errors import CallerError, UpstreamError
from federation.schema.http import ClientRequest

BASE = "https://api.acme.test/v1beta"
WHOLE = "/v1beta/models/m:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent"
MADE = make_upstream(prepare, "gemini", base_url=BASE, quirks={"reasoning_replay": "signed"})
assert isinstance(MADE, CountingUpstream)
FACE: GeminiUpstream = MADE

words = st.text(max_size=12)
some_words = st.text(min_size=1, max_size=12)
names = st.sampled_from(["f", "look_up", "Weather"])
signatures = st.sampled_from(["QUJDRA==", "RUZHSA=="])
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | words
values: Any = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
)
objects = st.dictionaries(words, values, max_size=3)


def fields(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    return st.fixed_dictionaries(required, optional=optional or {})


texts = fields({"text": some_words}, {"thoughtSignature": signatures})
thoughts = fields({"text": some_words, "thought": st.just(True)})
media = fields({"inlineData": fields({"mimeType": st.just("image/png"), "data": st.just("AAAA")})})
files = fields({"fileData": fields({"mimeType": st.just("a/b"), "fileUri": st.just("gs://b/f")})})
code = fields({"executableCode": fields({"language": st.just("PYTHON"), "code": words})})
calls = fields(
    {"functionCall": fields({"name": names, "args": objects}), "thoughtSignature": signatures}
)
responses = objects.filter(lambda found: "output" not in found)
results = fields({"functionResponse": fields({"name": names, "response": responses})})
said = st.lists(texts | media | files, min_size=1, max_size=3)
answered = st.lists(texts | thoughts | calls | code, min_size=1, max_size=3)


def in_pieces(parts: list[Any]) -> bool:
    """Whether a text is kept as the pieces in which it was streamed: such are joined."""
    kinds = [("text" in part, part.get("thought", False)) for part in parts]
    return any(one == after and one[0] for one, after in pairwise(kinds))


def turns(parts: Any, role: str) -> Any:
    return fields({"role": st.just(role), "parts": parts})


conversations = st.lists(
    st.tuples(
        turns(said, "user"),
        turns(answered.filter(lambda parts: not in_pieces(parts)), "model"),
        turns(st.lists(results, min_size=1, max_size=2), "user"),
    ),
    min_size=1,
    max_size=3,
).map(lambda rounds: [turn for one in rounds for turn in one])
configs = fields(
    {},
    {
        "temperature": st.sampled_from([0.0, 0.5, 2.0]),
        "topP": st.sampled_from([0.1, 1.0]),
        "topK": st.integers(1, 50),
        "candidateCount": st.integers(1, 4),
        "maxOutputTokens": st.integers(1, 9999),
        "stopSequences": st.lists(some_words, min_size=1, max_size=5),
        "seed": st.integers(-5, 5),
        "responseMimeType": st.just("application/json"),
        "responseModalities": st.just(["TEXT", "IMAGE"]),
        "thinkingConfig": fields({}, {"includeThoughts": st.booleans()}).map(
            lambda found: {**found, "thinkingLevel": "LOW"}
        ),
    },
).filter(bool)
declared = fields(
    {"name": names},
    {"description": some_words, "parametersJsonSchema": st.just({"type": "object"})},
)
tools = st.lists(declared, min_size=1, max_size=3).map(
    lambda all_: [{"functionDeclarations": all_}]
)
bodies = fields(
    {"contents": conversations},
    {
        "systemInstruction": fields({"parts": st.lists(texts, min_size=1, max_size=2)}),
        "generationConfig": configs,
        "tools": tools,
        "labels": st.dictionaries(some_words, some_words, min_size=1, max_size=2),
    },
)


def asked(text: bytes, path: str = WHOLE, query: str = "") -> ClientRequest:
    return ClientRequest("POST", path, query, {}, text)


@given(bodies, st.booleans())
@settings(deadline=None, max_examples=150)
def test_reading_and_writing_a_call_gives_the_call(body: Any, compact: bool) -> None:
    separators = (",", ":") if compact else None
    request = asked(json.dumps(body, separators=separators).encode())
    glance = CLIENT.glance(request)
    assert glance.messages == len(body["contents"])
    encoded = FACE.encode(CLIENT.parse(request, glance))
    assert json.loads(encoded.request.body) == body
    assert encoded.losses == ()
    check_body(body)
    assert json.loads(FACE.forward(glance, request.body).body) == body


pieces = st.lists(st.lists(texts | thoughts | calls | code | media, max_size=2), max_size=5)


def event(parts: list[Any], finish: str = "") -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    made = len(parts)
    counts = {"promptTokenCount": 5, "candidatesTokenCount": made, "totalTokenCount": 5 + made}
    return {
        "candidates": [candidate],
        "usageMetadata": counts,
        "modelVersion": "m",
        "responseId": "r",
    }


def framed(events: list[Any], sse: bool, ending: bytes) -> bytes:
    found = [json.dumps(one, ensure_ascii=False).encode() for one in events]
    if sse:
        return b"".join([b"data: %b%b%b" % (one, ending, ending) for one in found])
    return b"[" + (ending + b"," + ending).join(found) + ending + b"]"


@given(
    pieces,
    st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "NEW_WORD"]),
    st.booleans(),
    st.sampled_from([b"\n", b"\r\n"]),
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_any_cuts_of_a_stream_give_the_same_and_writing_it_too(
    found: list[list[Any]], finish: str, sse: bool, ending: bytes, cuts: list[int], wants: bool
) -> None:
    events = [event(parts) for parts in found] + [event([{"text": "."}], finish)]
    data = framed(events, sse, ending)
    whole = fed(FACE.decoder(), [data])
    parts = []
    place = turn = 0
    while place < len(data):
        size = cuts[turn % len(cuts)]
        parts.append(data[place : place + size])
        place, turn = place + size, turn + 1
    assert [plain(chunk) for chunk in fed(FACE.decoder(), parts)] == [
        plain(chunk) for chunk in whole
    ]
    tap = FACE.tap(withhold_usage=False, choices=1)
    assert b"".join([tap.feed(part) for part in parts]) + tap.close() == data
    assert tap.complete
    answer = collected("gemini", whole)
    assert tap.answer().usage == answer.usage
    request = asked(b'{"contents":{"parts":{"text":"x"}}}', STREAM, "alt=sse" if wants else "")
    renderer = CLIENT.renderer(CLIENT.parse(request, CLIENT.glance(request)))
    written = b"".join([renderer.render([chunk]) for chunk in whole]) + renderer.close()
    assert plain(collected("gemini", fed(FACE.decoder(), [written]))) == plain(answer)


@given(answered, st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY"]))
@settings(deadline=None, max_examples=100)
def test_reading_and_writing_an_answer_gives_the_answer(parts: list[Any], finish: str) -> None:
    body = event(parts, finish)
    request = asked(b'{"contents":{"parts":{"text":"x"}}}')
    call = CLIENT.parse(request, CLIENT.glance(request))
    response = FACE.decode(json.dumps(body).encode())
    assert json.loads(CLIENT.render(response, call)) == body


GOOD = [case["body"] for case in golden("gemini", "request").values()]
ANSWERS = [case["answer"] for case in golden("gemini", "answer").values()]


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += paths_of(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths_of(inner, (*path, index))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


ODD: list[Any] = [
    None,
    1,
    -1,
    1.5,
    "",
    "x",
    True,
    [],
    {},
    [1],
    [None],
    {"a": 1},
    [[]],
    [{}],
    10**30,
]


@pytest.mark.parametrize("body", GOOD)
def test_no_odd_value_anywhere_in_a_call_is_our_fault(body: Any) -> None:
    for path in paths_of(body):
        for odd in ODD:
            text = json.dumps(replaced(body, path, odd)).encode()
            request = asked(text)
            try:
                glance = CLIENT.glance(request)
                CLIENT.prompt(request, glance)
                FACE.forward(glance, text)
                FACE.needs_translation(glance, text)
                FACE.encode(CLIENT.parse(request, glance))
            except CallerError:
                pass


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_odd_value_anywhere_in_an_answer_is_a_bug(answer: Any) -> None:
    request = asked(b'{"contents":{"parts":{"text":"x"}}}')
    call = CLIENT.parse(request, CLIENT.glance(request))
    for path in paths_of(answer):
        for odd in ODD:
            text = json.dumps(replaced(answer, path, odd)).encode()
            try:
                FACE.read_answer(text)
                CLIENT.render(FACE.decode(text), call)
            except UpstreamError:
                pass
            try:
                chunks = fed(FACE.decoder(), [b"data: %b\r\n\r\n" % text])
                renderer = CLIENT.renderer(call)
                renderer.render(chunks)
                renderer.close()
                FACE.tap(withhold_usage=False, choices=1).feed(b"[%b" % text)
            except UpstreamError:
                pass
            FACE.decode_error(400, {}, text)


@given(values, st.sampled_from([200, 400, 429, 500]))
@settings(deadline=None, max_examples=200)
def test_no_json_is_too_odd_to_be_an_error(value: Any, status: int) -> None:
    text = json.dumps({"error": value}).encode()
    error = FACE.decode_error(status, {}, text)
    CLIENT.render_error(error, "call-1")
    FACE.decode_error(status, {}, json.dumps(value).encode())


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=3))
@settings(deadline=None, max_examples=200)
def test_no_bytes_are_too_odd_for_a_stream(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(places)]
    try:
        fed(FACE.decoder(), parts)
        tap = FACE.tap(withhold_usage=False, choices=1)
        for part in parts:
            tap.feed(part)
        tap.close()
    except UpstreamError:
        pass


@given(st.text(max_size=80))
@settings(deadline=None, max_examples=100)
def test_no_path_is_too_odd(path: str) -> None:
    route(path)
    route(f"/v1/models/{path}:generateContent")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b'{"contents":' + b"[" * 5000,
        b'{"contents":[{"parts":[{"text":"\xff"}]}]}',
        b'{"contents":[{"parts":[{"text":"\\ud800"}]}]}',
        b'{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"a":"\\ud800"}}}]}]}',
        b'{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"f",'
        b'"parameters":' + b'{"items":' * 400 + b"{}" + b"}" * 400 + b"}]}]}",
    ],
)
def test_broken_text_is_refused(text: bytes) -> None:
    request = asked(text)
    with pytest.raises(CallerError) as caught:
        FACE.encode(CLIENT.parse(request, CLIENT.glance(request)))
    assert caught.value.status in (400, 413)
