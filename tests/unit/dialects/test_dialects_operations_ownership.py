"""Ids of objects at a provider: wrapped for one tenant, and nobody else's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operations_world import deployment

from federation.dialects.operations.ownership import (
    disclose_id,
    enclose_id,
    for_client,
    with_own_ids,
)
from federation.dialects.operations.passthrough import Passage, admit, build, prepare
from federation.errors import InvalidRequest, NotFound, UpstreamGarbled
from federation.schema.http import ClientRequest

KEY = b"k" * 32
RULES: list[dict[str, Any]] = [
    {"method": "GET", "path": "/files/{file_id}/parts/{part_id}", "price": "free"},
    {"method": "POST", "path": "/jobs", "price": "free", "body": "json", "ids": ["files"],
     "query": ["after", "limit"]},
    {"method": "POST", "path": "/runs", "price": "free", "body": "json",
     "ids": ["input.files", "input.more.id", "after"], "query": ["after"]},
]  # fmt: skip
RAW = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._~:@+=,-]{0,99}", fullmatch=True)


def passage(method: str, path: str, body: bytes = b"", query: str = "") -> Passage:
    row = deployment("chat", quirks={"passthrough": RULES}).provider
    headers = {b"content-type": b"application/json"}
    return admit(
        prepare(row), ClientRequest(method, f"/passthrough/acme{path}", query, headers, body)
    )


def wrapped(raw: str, tenant: str = "t1", provider: str = "acme") -> str:
    return enclose_id(raw, tenant, provider, KEY)


@given(raw=RAW)
@settings(deadline=None)
def test_an_id_comes_back_for_its_tenant_provider_and_key_alone(raw: str) -> None:
    text = wrapped(raw)
    assert len(text) <= 128
    assert disclose_id(text, "t1", "acme", KEY) == raw
    assert disclose_id(text, "t2", "acme", KEY) is None
    assert disclose_id(text, "t1", "other", KEY) is None
    assert disclose_id(text, "t1", "acme", b"l" * 32) is None
    assert disclose_id(raw, "t1", "acme", KEY) is None


@given(text=st.text(max_size=60), place=st.integers(0, 40))
@settings(deadline=None)
def test_nothing_else_opens(text: str, place: int) -> None:
    good = wrapped("file-1")
    assert disclose_id(text, "t1", "acme", KEY) is None
    assert disclose_id("fed1id" + text, "t1", "acme", KEY) is None
    at = place % len(good)
    bent = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
    assert disclose_id(bent, "t1", "acme", KEY) is None


@pytest.mark.parametrize("raw", ["", "a/b", "..", "a b", "%2e", "ä", "x" * 101, "a?b"])
def test_an_id_that_cannot_stand_in_a_path_is_refused(raw: str) -> None:
    with pytest.raises(UpstreamGarbled):
        wrapped(raw)


def test_names_of_tenant_and_provider_do_not_run_together() -> None:
    assert enclose_id("x", "ab", "c", KEY) != enclose_id("x", "a", "bc", KEY)


def test_every_place_of_the_path_is_unwrapped() -> None:
    asked = passage("GET", f"/files/{wrapped('f@1')}/parts/{wrapped('p:2')}")
    own, known = with_own_ids(asked, "t1", KEY)
    assert own.path == "/files/f@1/parts/p:2"
    assert known == {"f@1": wrapped("f@1"), "p:2": wrapped("p:2")}
    row = deployment("chat", quirks={"passthrough": RULES}).provider
    assert build(prepare(row), own).target == "/v1/files/f@1/parts/p:2"
    with pytest.raises(NotFound):
        with_own_ids(asked, "t2", KEY)


def test_a_body_is_changed_where_ids_stand_and_nowhere_else() -> None:
    one, two = wrapped("f-1"), wrapped("f-2")
    body = b'{ "n": 1.50, "files": ["%b"], "deep": {"x": ["%b", "text"]} }'
    asked = passage(
        "POST", "/jobs", body % (one.encode(), two.encode()), f"after={one.replace('-', '%2D')}"
    )
    own, known = with_own_ids(asked, "t1", KEY)
    assert own.body == b'{ "n": 1.50, "files": ["f-1"], "deep": {"x": ["f-2", "text"]} }'
    assert own.query == "after=f-1"
    assert known == {"f-1": one, "f-2": two}
    with pytest.raises(NotFound):
        with_own_ids(asked, "t2", KEY)


@pytest.mark.parametrize("files", [b'"f-1"', b'["f-1"]', b'"fed1id"'])
def test_a_bare_id_in_a_listed_member_is_nobodys(files: bytes) -> None:
    with pytest.raises(NotFound):
        with_own_ids(passage("POST", "/jobs", b'{"files": %b}' % files), "t1", KEY)


@pytest.mark.parametrize("files", [b"1", b"[{}]", b'{"id": "x"}', b"[null]"])
def test_a_listed_member_holds_ids_only(files: bytes) -> None:
    with pytest.raises(InvalidRequest):
        with_own_ids(passage("POST", "/jobs", b'{"files": %b}' % files), "t1", KEY)


ODD = (b"[" * 300 + b"1" + b"]" * 300, b"1e999", b"1.0000000000000000001", b'{"a": 1, "a": 2}')


@pytest.mark.parametrize("odd", ODD)
def test_what_stands_beside_an_id_is_not_looked_at(odd: bytes) -> None:
    one = wrapped("f-1").encode()
    body = b'{"x": [%b, "%b", %b], "files": "%b"}'
    own, _ = with_own_ids(passage("POST", "/jobs", body % (odd, one, odd, one)), "t1", KEY)
    assert own.body == body % (odd, b"f-1", odd, b"f-1")
    told = for_client(own.body, "", {"f-1": "W"}, "")
    assert told == body % (odd, b"W", odd, b"W")


@pytest.mark.parametrize("odd", ODD)
def test_an_id_among_odd_values_is_still_the_clients_in_an_answer(odd: bytes) -> None:
    assert for_client(b'["j-1", %b]' % odd, "j-1", {}, "N") == b'["N", %b]' % odd
    escaped = for_client(rb'{"x": %b, "y": "j\u002d1"}' % odd, "j-1", {}, "N")
    assert escaped == b'{"x": %b, "y": "N"}' % odd


def test_members_of_members_and_of_lists_must_be_wrapped_too() -> None:
    one = wrapped("f-1").encode()
    good = b'{"input": {"files": ["%b"], "more": [{"id": "%b", "n": 1.50}]}, "id": "mine"}'
    own, _ = with_own_ids(passage("POST", "/runs", good % (one, one)), "t1", KEY)
    assert own.body == good % (b"f-1", b"f-1")
    for bare in (good % (one, b"f-1"), good % (b"f-1", one), rb'{"inp\u0075t": {"files": "f-1"}}'):
        with pytest.raises(NotFound):
            with_own_ids(passage("POST", "/runs", bare), "t1", KEY)
    for twice in (
        b'{"input": {"files": "%b", "files": "%b"}}' % (one, one),
        b'{"input": {"more": [{"id": "%b", "id": "%b"}]}}' % (one, one),
        b'{"input": {"files": {"x": "%b"}}}' % one,
        b'{"input": {"files": [true]}}',
    ):
        with pytest.raises(InvalidRequest):
            with_own_ids(passage("POST", "/runs", twice), "t1", KEY)


def test_a_query_parameter_under_ids_holds_ids_alone() -> None:
    own, known = with_own_ids(passage("POST", "/runs", b"{}", f"after={wrapped('f-1')}"), "t1", KEY)
    assert (own.query, list(known)) == ("after=f-1", ["f-1"])
    with pytest.raises(NotFound):
        with_own_ids(passage("POST", "/runs", b"{}", "after=f-1"), "t1", KEY)


def test_an_answer_names_what_the_client_may_name_again() -> None:
    body = b'{"id": "j-1", "n": 1.50, "of": ["f-1", "f-3", "x f-1"], "text": "j-1 made"}'
    told = for_client(body, "j-1", {"f-1": "W"}, "NEW")
    assert told == b'{"id": "NEW", "n": 1.50, "of": ["W", "f-3", "x f-1"], "text": "j-1 made"}'
    assert for_client(b'{"a": 1}', "", {"f-1": "W"}, "") == b'{"a": 1}'
    assert for_client(b"\x00f-1", "", {"f-1": "W"}, "") == b"\x00f-1"
    for twice in (b'{"id": "j-1", "id": "j-1"}', b'{"id": "j-1"', b'{"a": "j-1"' + b"[" * 2_000):
        with pytest.raises(UpstreamGarbled):
            for_client(twice, "j-1", {}, "NEW")


def test_a_body_that_nobody_looks_into_stays_as_it_is() -> None:
    asked = replace(passage("POST", "/jobs", b"{}"), body=b"")
    assert with_own_ids(asked, "t1", KEY)[0].body == b""
