"""Splicing: what is asked for is done, and every other byte stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout
from federation.schema.glance import Edits

NAMES = st.sampled_from(["model", "mod\\u0065l", "a", "b", "metadata", "ü", 'q"', "é\\n", ""])
SPACES = st.text(alphabet=" \t\n\r", max_size=2)
VALUES = st.sampled_from(
    ["1", "-0.50e1", '"x"', '"\\u0041"', "null", '{"model":"x"}', "[ 1 , 2 ]", '"},{\\"model\\":1"']
)
NEW_VALUES = st.sampled_from([b'"new"', b"7", b'{"include_usage":true}'])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    members: dict[str, str] = {}
    for name in draw(st.lists(NAMES, max_size=6)):
        token = json.dumps(name, ensure_ascii=False) if "\\u" not in name else f'"{name}"'
        members.setdefault(json.loads(token), token)
    pieces = ",".join(
        f"{draw(SPACES)}{token}{draw(SPACES)}:{draw(SPACES)}{draw(VALUES)}{draw(SPACES)}"
        for token in members.values()
    )
    return f"{draw(SPACES)}{{{pieces or draw(SPACES)}}}{draw(SPACES)}".encode()


KEYS = st.sampled_from(["model", "a", "b", "metadata", "ü", 'q"', "new", "other"])


@st.composite
def edits(draw: st.DrawFn) -> Edits:
    return Edits(
        draw(st.dictionaries(KEYS, NEW_VALUES, max_size=3)),
        tuple(draw(st.lists(KEYS, max_size=3))),
        draw(st.dictionaries(KEYS, KEYS, max_size=2)),
    )


def expected(value: dict[str, Any], change: Edits) -> dict[str, Any]:
    """The same edits, told in the plainest way."""
    drop = set(change.drop) - set(change.set)
    taken = {name for name in (*value, *change.set) if name not in drop}
    result: dict[str, Any] = {}
    gone = set()
    for name, content in value.items():
        new = change.rename.get(name, name)
        if name in drop or (new != name and new in taken):
            gone.add(name)
            continue
        taken.add(new)
        result[new] = json.loads(change.set[name]) if name in change.set else content
    for name, new_value in change.set.items():
        if name not in value:
            result[name] = json.loads(new_value)
    return result


def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


@settings(deadline=None)
@given(bodies(), edits())
def test_the_result_is_what_was_asked_and_the_rest_keeps_its_bytes(
    body: bytes, change: Edits
) -> None:
    _, spans, end = layout(body)
    result = splice(body, spans, end, change)
    parsed = json.loads(result, object_pairs_hook=refuse_repeats)
    assert parsed == expected(json.loads(body), change)
    touched = {*change.set, *change.drop, *change.rename}
    _, after, _ = layout(result)
    for name, span in spans.items():
        if name not in touched:
            place = after[name]
            assert result[place.key : place.end] == body[span.key : span.end]


@settings(deadline=None)
@given(bodies())
def test_no_edit_is_no_change(body: bytes) -> None:
    _, spans, end = layout(body)
    assert splice(body, spans, end, Edits()) == body


CASES = [
    ('{"metadata":{"model":"x"},"model":"y"}', Edits({"model": b'"z"'}),
     '{"metadata":{"model":"x"},"model":"z"}'),
    ('{"mod\\u0065l" : "y" }', Edits({"model": b'"z"'}), '{"mod\\u0065l" : "z" }'),
    ('{}', Edits({"model": b'"z"'}), '{"model":"z"}'),
    (' { } ', Edits({"model": b'"z"', "a": b"1"}), ' { "model":"z","a":1} '),
    ('{"a":1}', Edits({"b": b"2"}), '{"a":1,"b":2}'),
    ('{ "a" : 1 , "b" : 2 , "c" : 3 }', Edits(drop=("a",)), '{ "b" : 2 , "c" : 3 }'),
    ('{ "a" : 1 , "b" : 2 , "c" : 3 }', Edits(drop=("b",)), '{ "a" : 1 , "c" : 3 }'),
    ('{ "a" : 1 , "b" : 2 , "c" : 3 }', Edits(drop=("c",)), '{ "a" : 1 , "b" : 2 }'),
    ('{ "a" : 1 , "b" : 2 , "c" : 3 }', Edits(drop=("b", "c")), '{ "a" : 1 }'),
    ('{ "a" : 1 , "b" : 2 , "c" : 3 }', Edits(drop=("a", "c")), '{ "b" : 2 }'),
    ('{ "a" : 1 }', Edits(drop=("a",)), '{  }'),
    ('{ "a" : 1 }', Edits({"b": b"2"}, drop=("a",)), '{  "b":2}'),
    ('{"a":1,"b":2}', Edits(rename={"a": "c"}), '{"c":1,"b":2}'),
    ('{"a":1,"b":2}', Edits(rename={"a": "b"}), '{"b":2}'),
    ('{"a":1,"b":2}', Edits({"b": b"9"}, drop=("b",)), '{"a":1,"b":9}'),
    ('{"a":1,"b":2}', Edits({"a": b"9"}, rename={"a": "c"}), '{"c":9,"b":2}'),
    ('{"a":1,"b":2}', Edits({"a": b"9"}, rename={"a": "b"}), '{"b":2}'),
    ('{"a":1}', Edits({"c": b"9"}, rename={"a": "c"}), '{"c":9}'),
]  # fmt: skip


@pytest.mark.parametrize(("body", "change", "result"), CASES)
def test_bytes_come_out_as_written_here(body: str, change: Edits, result: str) -> None:
    _, spans, end = layout(body.encode())
    assert splice(body.encode(), spans, end, change) == result.encode()
