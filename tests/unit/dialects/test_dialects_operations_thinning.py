"""Big answers without their bulk: what is set aside, and that it comes back as it was."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from operations_world import prepared, request

from federation.dialects.operations.replies import with_metadata
from federation.dialects.operations.table import find_client
from federation.dialects.operations.thinning import BIG, is_bulky, restore, thinned
from federation.errors import UpstreamGarbled
from federation.schema.http import WireReply

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=40),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30),
    st.sampled_from(['"', "\\", "\\\\", '\\"', "[1,2]", 'a"[', "é" * 5_000, '\\"' * 3_000]),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner)
)


class Shape(msgspec.Struct):
    vectors: list[Raw]
    by_name: dict[str, Raw]
    text: Raw
    count: int = 0


def put_back(body: bytes) -> bytes:
    """The thin body with every piece in the place of its mark."""
    thin, pieces = thinned(body)
    for place, piece in reversed(list(enumerate(pieces))):
        mark = b'["federation:%d"]' if bytes(piece[:1]) == b"[" else b'"federation:%d"'
        assert thin.count(mark % place) == 1
        thin = thin.replace(mark % place, bytes(piece))
    return thin


@given(value=VALUES, spaced=st.booleans())
@settings(deadline=None)
def test_what_is_set_aside_is_whole_and_the_rest_is_as_it_was(value: Any, spaced: bool) -> None:
    body = json.dumps({"value": value}, indent=1 if spaced else None, ensure_ascii=False).encode()
    thin, pieces = thinned(body)
    assert put_back(body) == body
    assert msgspec.json.decode(thin).keys() == {"value"}
    for piece in pieces:
        assert isinstance(msgspec.json.decode(bytes(piece)), str | list)


@given(body=st.binary(max_size=300) | st.text(alphabet='["\\],1{} ', max_size=300).map(str.encode))
@settings(deadline=None)
def test_what_is_no_json_is_never_mended(body: bytes) -> None:
    assert put_back(body) == body


def test_the_bulk_comes_back_where_a_raw_value_is_wanted() -> None:
    vectors = [[place + n / 8 for n in range(99)] for place in range(3)]
    body = json.dumps(
        {"vectors": [*vectors, [1]], "by_name": {"a": vectors[0]}, "text": "x" * 9_000}
    ).encode()
    thin, pieces = thinned(body)
    assert len(thin) < 200
    shape = restore(msgspec.json.decode(thin, type=Shape), pieces)
    assert [json.loads(bytes(raw)) for raw in shape.vectors] == [*vectors, [1]]
    assert json.loads(bytes(shape.by_name["a"])) == vectors[0]
    assert json.loads(bytes(shape.text)) == "x" * 9_000


def test_a_mark_that_the_provider_wrote_itself_is_left_alone() -> None:
    body = b'{"vectors": [["federation:7"]], "by_name": {}, "text": "federation:0"}'
    thin, pieces = thinned(body)
    shape = restore(msgspec.json.decode(thin, type=Shape), pieces)
    assert bytes(shape.vectors[0]) == b'["federation:7"]'


def test_only_big_bodies_of_long_things_are_taken_apart() -> None:
    long = json.dumps([[n / 7 for n in range(1_000)]] * 80).encode()
    short = json.dumps([{"word": "x", "start": 1.5}] * 30_000).encode()
    assert len(long) > BIG
    assert len(short) > BIG
    assert is_bulky(long)
    assert not is_bulky(short)
    assert not is_bulky(long[:1_000])


def test_a_big_answer_that_is_torn_is_garbled() -> None:
    body = json.dumps({"data": [{"embedding": [0.1234567] * 2_000}] * 64}).encode()
    assert len(body) > BIG
    face = find_client("/v1/embeddings")
    assert face is not None
    seen = face.glance(request("/v1/embeddings", {"model": "m", "input": ["x"] * 64}))
    target = prepared("embeddings")
    assert target.read_answer(seen, WireReply(200, {}, body)).usage is None
    for torn in (body[:-2], body[: BIG + 9], body[:-2] + b",}"):
        with pytest.raises(UpstreamGarbled):
            target.read_answer(seen, WireReply(200, {}, torn))


def test_metadata_is_the_last_member_and_stands_there_once() -> None:
    told = b'{"selected_provider":"p"}'
    assert with_metadata(b'{"a": 1} \n', told) == b'{"a": 1,"router_metadata":%b} \n' % told
    for body in (b"{}", b'{"router_metadata": 1}', b'{"a": 1, "a": 2}', b"[1]"):
        assert with_metadata(body, told) == body
