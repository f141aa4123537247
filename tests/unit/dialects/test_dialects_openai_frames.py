"""What is kept of a body without its conversation: never another reading than the long one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from federation.dialects.carriage import carries
from federation.dialects.openai import frames
from federation.dialects.openai import glance as reader
from federation.dialects.openai.forward import edits_for, forward
from federation.dialects.openai.wire import Wire
from federation.dialects.splice import splice
from federation.errors import FederationError
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

MakeWire = Callable[..., Wire]


def request_of(body: bytes) -> ClientRequest:
    return ClientRequest("POST", "/v1/chat/completions", "", {}, body)


def read(body: bytes) -> Glance | tuple[type, str]:
    """The glance, or what is wrong with the body."""
    try:
        return reader.glance(request_of(body))
    except FederationError as error:
        return type(error), error.message


def read_the_long_way(body: bytes) -> Glance | tuple[type, str]:
    with patch.object(reader, "framed", return_value=None):
        return read(body)


def without_frame(seen: Glance | tuple[type, str]) -> Glance | tuple[type, str]:
    return structs.replace(seen, frame=b"") if isinstance(seen, Glance) else seen


def same_twice(body: bytes) -> None:
    """Seen for the first and the second time, a body reads as it does the long way."""
    expected = read_the_long_way(body)
    assert without_frame(read(body)) == expected
    assert without_frame(read(body)) == expected


HELLO = '[{"role":"user","content":"Hello"}]'
TOOLS = '[{"type":"function","function":{"name":"f","parameters":{"required":["a"]}}}]'

BODIES = [
    '{"model":"m","messages":%s}',
    '{"messages":%s,"model":"m"}',
    '{"messages": %s, "model": "m", "stop": ["a", "]"]}',
    '{"messages":%s,"tools":' + TOOLS + ',"tool_choice":"required"}',
    '{"tools":' + TOOLS + ',"messages":%s,"functions":[{"name":"g"}]}',
    '{"metadata":{"messages":[]},"messages":%s,"model":"m"}',
    '{"metadata":{"x":"\\"messages\\":"},"messages":%s}',
    '{"messages":%s,"metadata":{"messages":"[]"},"user":"u","stream":true}',
    '{ "model" : "m" , "messages" : %s }',
    '{"messages":%s,"stream":true,"stream_options":{"include_usage":true},"n":2}',
    '{"messages":%s,"response_format":{"type":"json_schema","json_schema":{}}}',
    '{"messages":%s,"federation":{"user":"x"},"max_tokens":7,"frobnicate":[1]}',
    '{"messages":%s,"store":true,"continue_final_message":true}',
]
CONVERSATIONS = [
    HELLO,
    '[{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi \\u00e9"}]',
    '[{"content": "a", "role": "user"}]',
    '[ {"role":"user","content":"[]"} ]',
    '[{"role":"user","content":[{"type":"text","text":"a]"},{"type":"text","text":"b"}]}]',
    '[{"role":"assistant","content":null,"tool_calls":[]}]',
    '[{"role":"tool","tool_call_id":"c","content":"\\"messages\\":[]"}]',
    '[{"role":"user","content":"é \\\\u0041"}]',
]
WRONG = [
    '{"messages":%s,"messages":%s}',
    '{"messages":%s,"model":"m","model":"n"}',
    '{"messages":%s,"model":7}',
    '{"messages":%s,"model":"m"',
    '{"messages":%s.5}',
    '{"messages":%s"model":"m"}',
    '{"messages":%s]}',
    '{"messages":[%s}',
    '{"messages":%s e5}',
    '[{"messages":%s}]',
    '{"metadata":{"messages":%s}}',
    '{"x":"\\"messages\\":","y":%s}',
    '{"tools":[{}],"messages":%s}',
]
BROKEN = [
    "[]",
    "[",
    "]",
    "[{}]",
    '[{"role":"user"}]',
    '[{"role":"user","content":"a","role":"user"}]',
    '[{"role": "user", "content": "a", "role": "user"}]',
    '[{"role":"stranger","content":"a"}]',
    '[{"role":"user","content":7}]',
    '[{"role":"user","content":"a"}',
    '[{"role":"user","content":"\\ud800"}]',
    '[{"role":"user","content":"a\n"}]',
    "[" * 2000,
    '["a"]',
    "{}",
    '"[]"',
]


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("body", BODIES)
def test_a_good_body_reads_as_it_does_the_long_way(body: str, conversation: str) -> None:
    data = (body % conversation).encode()
    assert isinstance(read(data), Glance)
    same_twice(data)


@pytest.mark.parametrize("conversation", [*CONVERSATIONS[:2], *BROKEN])
@pytest.mark.parametrize("body", [*BODIES, *WRONG])
def test_a_bad_body_is_refused_in_the_same_words(body: str, conversation: str) -> None:
    same_twice(body.replace("%s", conversation).encode())


def test_what_is_no_text_is_refused_in_the_same_words() -> None:
    same_twice(b'{"messages":[{"role":"user","content":"\xff"}],"model":"m"}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
CONTENT = st.text(max_size=40) | st.sampled_from(['"messages":[', "]}", "\\u0000", "\\", "[]"])
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "x"]), "content": CONTENT}),
    max_size=3,
)
FIELDS = st.dictionaries(st.sampled_from(["model", "stop", "user", "x", "tools", "n"]), JSON)


@given(before=FIELDS, messages=MESSAGES, after=FIELDS, compact=st.booleans(), ascii_=st.booleans())
def test_any_body_reads_as_it_does_the_long_way(
    before: dict[str, Any],
    messages: list[Any],
    after: dict[str, Any],
    compact: bool,
    ascii_: bool,
) -> None:
    rest = {name: value for name, value in after.items() if name not in before}
    whole = {**before, "messages": messages, **rest}
    text = json.dumps(whole, separators=(",", ":") if compact else None, ensure_ascii=ascii_)
    same_twice(text.encode())


@given(at=st.integers(0, 400), byte=st.sampled_from(b'"[]{},:0\\ '), cut=st.booleans())
def test_a_body_with_one_wrong_byte_reads_as_it_does_the_long_way(
    at: int, byte: int, cut: bool
) -> None:
    body = bytearray((BODIES[3] % CONVERSATIONS[4]).encode())
    at %= len(body)
    body[at : at + 1] = b"" if cut else bytes((byte,))
    same_twice(bytes(body))


def test_only_what_came_before_is_named_as_known() -> None:
    body = b'{"model":"first seen here","messages":%b}'
    first = reader.glance(request_of(body % HELLO.encode()))
    second = reader.glance(request_of(body % b'[{"role":"user","content":"more"}]'))
    third = reader.glance(request_of(body % HELLO.encode()))
    assert first.frame == b""
    assert second.frame == body % b"0"
    assert third.frame is second.frame


def test_where_a_conversation_ends_is_remembered_and_still_proven() -> None:
    """The same last bytes, behind tools of another length."""
    end = b',"tools":[%b{"type":"function","function":{"name":"ffffffffffffffffffffff"}}]}'
    for tools in (b"", b'{"type":"function","function":{"name":"g"}},') * 2:
        same_twice(b'{"messages":' + HELLO.encode() + end % tools)


def test_no_more_is_kept_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = frames._Frames()
    monkeypatch.setattr(frames, "_frames", kept)
    for number in range(3 * frames._KEPT):
        reader.glance(request_of(b'{"user":"%d","messages":%b}' % (number, HELLO.encode())))
        assert len(kept.kept) <= frames._KEPT
    wide = b"x" * (frames._KEPT_BYTES // 40)
    for number in range(100):
        reader.glance(request_of(b'{"x":"%d%b","messages":%b}' % (number, wide, HELLO.encode())))
        assert sum(map(len, kept.kept)) <= kept.size <= frames._KEPT_BYTES
    for number in range(100):
        many = b",".join(b'"%d":0' % (number * 400 + n) for n in range(400))
        reader.glance(request_of(b'{%b,"messages":%b}' % (many, HELLO.encode())))
        places = sum(len(each.spans) for each in kept.kept.values())
        assert places * frames._SPAN_BYTES < kept.size <= frames._KEPT_BYTES
    for number in range(2 * frames._KEPT):
        end = b'"stop":["%024d"]' % number
        reader.glance(request_of(b'{"messages":%b,%b}' % (HELLO.encode(), end)))
        assert len(kept.ends) <= frames._KEPT


def test_a_frame_that_is_too_large_is_not_kept() -> None:
    body = b'{"x":"%b","messages":%b}' % (b"x" * frames._FRAME_BYTES, HELLO.encode())
    same_twice(body)
    assert not any(len(text) > frames._FRAME_BYTES for text in frames._frames.kept)


ROWS: list[dict[str, object]] = [
    {},
    {"output_limit_field": "max_completion_tokens"},
    {"rename": {"user": "who", "model": "name"}},
    {"drop": ["user", "stop"]},
    {"accepts_only": ["user"]},
    {"default": {"seed": 1}, "set": {"user": "we"}},
    {"rename": {"messages": "turns"}},
    {"drop": ["messages"]},
    {"set": {"messages": []}},
]


@pytest.mark.parametrize("quirks", ROWS)
@pytest.mark.parametrize("body", BODIES)
def test_what_is_forwarded_is_what_a_splice_makes(
    make_wire: MakeWire, quirks: dict[str, object], body: str
) -> None:
    wire = make_wire(quirks=quirks)
    for conversation in CONVERSATIONS * 2:
        data = (body % conversation).encode()
        seen = reader.glance(request_of(data))
        expected = splice(data, seen.spans, seen.end, edits_for(wire, seen, data))
        assert forward(wire, seen, data).body == expected
    assert wire.forms or not seen.frame


def test_forms_are_few_and_small(make_wire: MakeWire) -> None:
    wire = make_wire()
    for number in range(40):
        data = b'{"user":"form %d","messages":%b}' % (number, HELLO.encode())
        reader.glance(request_of(data))
        forward(wire, reader.glance(request_of(data)), data)
        assert 1 <= len(wire.forms) <= 16
    before = len(wire.forms)
    long = b'{"x":"%b","messages":%b}' % (b"x" * 3000, HELLO.encode())
    reader.glance(request_of(long))
    seen = reader.glance(request_of(long))
    assert seen.frame
    assert forward(wire, seen, long).body.endswith(b',"model":"acme-large"}')
    assert len(wire.forms) == before


@pytest.mark.parametrize("digits", [0, 3, 63, 64, 65, 500])
def test_an_envelope_is_found_wherever_it_stands(digits: int) -> None:
    filler = b"fed1se" * digits + b"x" * 5000
    assert not carries(filler)
    assert carries(filler + b"fed1seal")
    assert carries(b"fed1seal" + filler)
    assert carries(b"1" + filler[:4500] + b"fed1seal" + filler)
    assert carries(b"fed1seal")
    assert not carries(b"ed1seal")
