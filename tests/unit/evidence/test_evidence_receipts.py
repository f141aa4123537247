"""Receipts: a hash tells nothing by itself; with its salt it proves a content and its side."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.evidence.receipts import input_hash, output_begun, output_hash, salt_of
from federation_verify.receipt import contradicts

KEY = bytes(range(32))


def test_hashes_are_as_the_reference_says() -> None:
    salt = hmac.new(KEY, b"call_1", hashlib.sha256).digest()
    assert salt_of(KEY, "call_1") == salt
    said = hashlib.sha256(b"federation/input/1\n" + salt + b"said").hexdigest()
    got = hashlib.sha256(b"federation/output/1\n" + salt + b"got").hexdigest()
    assert (input_hash(salt, b"said"), output_hash(salt, b"got")) == (said, got)


@given(st.lists(st.binary(max_size=60), max_size=8), st.text(max_size=20), st.binary(max_size=60))
def test_a_content_is_proven_in_pieces_and_no_other_one_is(
    pieces: list[bytes], call: str, other: bytes
) -> None:
    call = call.encode("utf-8", "replace").decode()
    salt, whole = salt_of(KEY, call), b"".join(pieces)
    summing = output_begun(salt)
    for piece in pieces:
        summing.update(piece)
    assert summing.hexdigest() == output_hash(salt, whole) != input_hash(salt, whole)
    assert (output_hash(salt, other) == output_hash(salt, whole)) == (other == whole)
    assert output_hash(salt_of(KEY, call + "2"), whole) != output_hash(salt, whole)


def proof(**record: object) -> dict[str, object]:
    return {"kind": "inclusion", "line": json.dumps({"writer": "w", "seq": 1, "record": record})}


def test_the_verifier_holds_a_content_against_a_record() -> None:
    salt = salt_of(KEY, "call_1")
    told = proof(input=input_hash(salt, b"said"), output=output_hash(salt, b"got"))
    assert contradicts(told, "input", salt, b"said") is None
    assert contradicts(told, "output", salt, b"got") is None
    for side, content in (("input", b"got"), ("output", b"said"), ("output", b"")):
        problem = contradicts(told, side, salt, content)
        assert problem is not None
        assert problem.kind == "content"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"line": "no JSON"},
        {"line": "[]"},
        {"line": "{}"},
        proof(),
        proof(input=""),
        proof(input=[1]),
        {"line": f'{{"record":{{"input":"","input":"{input_hash(bytes(32), b"")}"}}}}'},
        {"line": "[" * 200_000 + "]" * 200_000},
    ],
)
def test_a_record_that_says_nothing_of_a_content_proves_none(document: dict[str, object]) -> None:
    problem = contradicts(document, "input", bytes(32), b"")
    assert problem is not None
    assert problem.kind == "content"


def test_a_hash_that_could_not_be_made_is_named_unproven() -> None:
    problem = contradicts(proof(unproven={"output": "MemoryError"}), "output", bytes(32), b"")
    assert problem is not None
    assert (problem.kind, "MemoryError" in problem.message) == ("unproven", True)
    other = contradicts(proof(unproven={"output": "MemoryError"}), "input", bytes(32), b"")
    assert other is not None
    assert other.kind == "content"
