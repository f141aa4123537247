"""The tokenizer: places are exact, and a duplicate never passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from federation.dialects import tokenizer
from federation.dialects.tokenizer import layout, members, objects
from federation.errors import InvalidRequest, PayloadTooLarge

SPACES = st.text(alphabet=" \t\n\r", max_size=3)
VALUES = st.sampled_from(
    [None, True, 1, -0.5e-7, "", 'a"b', "ü\n", [], {}, [1, {"a": 2}], {"a": "}"}]
)
KEYS = st.text(st.sampled_from('ab"\\ü\n/ 😀'), max_size=3)
QUICK = settings(max_examples=60, deadline=None)


@st.composite
def escaped(draw: st.DrawFn, text: str) -> str:
    """A JSON string for the text, with some characters escaped that need not be."""
    parts = []
    for character in text:
        if ord(character) < 0x10000 and draw(st.booleans()):
            parts.append(f"\\u{ord(character):04x}")
        else:
            parts.append(json.dumps(character, ensure_ascii=False)[1:-1])
    return '"' + "".join(parts) + '"'


@st.composite
def written(draw: st.DrawFn, pairs: list[tuple[str, Any]]) -> bytes:
    """An object with these pairs in this order, in any legal writing."""

    def space() -> str:
        return draw(SPACES)

    inner = ",".join(
        f"{space()}{draw(escaped(key))}{space()}:{space()}{json.dumps(value)}{space()}"
        for key, value in pairs
    )
    return f"{space()}{{{inner or space()}}}{space()}".encode()


@st.composite
def plain_objects(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    value = draw(st.dictionaries(KEYS, VALUES, max_size=6))
    return draw(written(list(value.items()))), value


@st.composite
def repeating_objects(draw: st.DrawFn) -> tuple[bytes, str]:
    value = draw(st.dictionaries(KEYS, VALUES, min_size=1, max_size=5))
    again = draw(st.sampled_from(sorted(value)))
    pairs = [*value.items(), (again, draw(VALUES))]
    return draw(written(draw(st.permutations(pairs)))), again


@QUICK
@given(plain_objects())
def test_every_member_is_found_where_it_stands(case: tuple[bytes, dict[str, Any]]) -> None:
    text, value = case
    found, spans, end = layout(text)
    assert list(spans) == list(value) == list(found)
    assert text[end : end + 1] == b"}"
    assert not text[end + 1 :].strip()
    for name, span in spans.items():
        assert json.loads(text[span.value : span.end]) == value[name]
        key, colon, rest = text[span.key : span.value].rpartition(b":")
        assert json.loads(key) == name
        assert colon
        assert not rest.strip()
    assert members(text) == found


@QUICK
@given(repeating_objects())
def test_a_repeated_key_is_refused_by_name_however_it_is_written(case: tuple[bytes, str]) -> None:
    text, again = case
    with pytest.raises(InvalidRequest) as caught:
        layout(text)
    assert caught.value.code == "duplicate_field"
    assert caught.value.param == again
    with pytest.raises(InvalidRequest):
        members(text, "inner")


@QUICK
@given(st.lists(plain_objects(), max_size=4))
def test_an_array_of_objects_is_read_object_by_object(
    cases: list[tuple[bytes, dict[str, Any]]],
) -> None:
    text = b"[" + b",".join(case[0] for case in cases) + b"]"
    found = objects(Raw(text), "messages")
    assert [{k: json.loads(bytes(v)) for k, v in item.items()} for item in found] == [
        case[1] for case in cases
    ]


@QUICK
@given(st.lists(plain_objects(), max_size=3), repeating_objects(), st.integers(0, 3))
def test_a_repeated_key_in_one_object_of_an_array_is_refused(
    cases: list[tuple[bytes, dict[str, Any]]], bad: tuple[bytes, str], place: int
) -> None:
    place = min(place, len(cases))
    texts = [case[0] for case in cases]
    texts.insert(place, bad[0])
    with pytest.raises(InvalidRequest) as caught:
        objects(Raw(b"[" + b",".join(texts) + b"]"), "messages")
    assert caught.value.param == f"messages[{place}].{bad[1]}"


def test_a_key_inside_another_object_is_not_a_duplicate() -> None:
    text = b'{"metadata":{"model":"x"},"model":"y"}'
    _, spans, end = layout(text)
    assert text[spans["model"].value : spans["model"].end] == b'"y"'
    assert end == len(text) - 1


def test_a_duplicate_whose_length_leads_into_a_nested_object_is_refused() -> None:
    # Skipping the last value's length from the first one's place would land before `,"b":2`.
    text = b'{"a":{"x":1,"b":2},"a":123456,"b":2}'
    with pytest.raises(InvalidRequest, match="'a' stands twice"):
        layout(text)


def test_a_key_with_a_backslash_is_compared_by_what_it_means() -> None:
    _, spans, _ = layout(b'{"x": 1, "a\\\\b": 2, "a\\b": 3}')
    assert list(spans) == ["x", "a\\b", "a\b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "breaks off at byte 0"),
        (b'{"a":1', "breaks off at byte 6"),
        (b'{"a":1,}', "byte 7"),
        (b'{"a":NaN}', "byte 5"),
        (b'{"a":1}}', "trailing characters"),
        (b'{"a":"\x01"}', "byte 6"),
        (b"[1]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8: invalid start byte at byte 0"),
        ('{"a":1}'.encode("utf-16-le"), "not valid JSON"),
        (b'{"a":"\xff"}', "not UTF-8: invalid start byte at byte 6"),
        (b'{"\xe9":1}', "not UTF-8"),
        (b'{"a":"\\ud800 and more text"}', "byte"),
        (
            b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "nested too deeply: more than 500 levels at byte 504",
        ),
        (b'{"' + b"x" * 70_000 + b'":' + b"[" * 100_000, "nested too deeply."),
    ],
)
def test_what_is_not_one_json_object_is_refused_with_the_place(text: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        layout(text)
    assert caught.value.code == "invalid_json"
    assert says in caught.value.message


def test_a_nested_value_of_the_wrong_type_is_named_by_its_path() -> None:
    with pytest.raises(InvalidRequest) as caught:
        members(b"[1]", "federation")
    assert caught.value.param == "federation"
    with pytest.raises(InvalidRequest) as caught:
        objects(Raw(b'[{"a":1},2]'), "messages")
    assert caught.value.param == "messages[1]"
    assert "expected object, got int" in caught.value.message


@pytest.mark.parametrize("value", [b"{}", b'"a"', b'{"a":"\\""}', b"1 "])
def test_a_bomb_of_many_small_values_is_refused_before_it_is_unpacked(value: bytes) -> None:
    text = b'{"messages":[' + (value + b",") * (4 * tokenizer.CROWD) + value + b"]}"
    with pytest.raises(PayloadTooLarge):
        layout(text)


def test_a_body_of_too_many_fields_is_refused() -> None:
    body = {f"f{number}": 1 for number in range(tokenizer.FIELDS + 1)}
    with pytest.raises(InvalidRequest, match="more than 500 fields"):
        layout(json.dumps(body).encode())


def test_a_long_text_full_of_commas_is_not_a_bomb() -> None:
    for piece in (b",xxx", b',\\"x', b",\\\\ "):
        text = b'{"messages":"' + piece * (tokenizer.CROWD + 1) + b'","a":[1,2]}'
        assert list(layout(text)[1]) == ["messages", "a"]
