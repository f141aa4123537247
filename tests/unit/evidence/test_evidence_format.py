"""The page that specifies the format says what the programs write."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from federation.evidence import checkpoints, records, signing
from federation.schema import records as calls
from federation_verify import anchors, checkpoint, keyring, proof

PAGE = (Path(__file__).parents[3] / "docs/reference/evidence-format.md").read_text("utf-8")
FORMS = re.findall(r"```text\n(.+)\n```", PAGE)
TYPES = [*records.ControlRecord.__args__, calls.CallStarted, calls.CallEnded]


def names(form: str) -> list[str]:
    return re.findall(r'"([a-z_]+)":', form)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_each_type_of_record_is_listed(kind: type[msgspec.Struct]) -> None:
    tag = kind.__struct_config__.tag
    types = PAGE.split("## Types of records")[1]
    assert f"`{tag}`" in types


def test_no_type_is_listed_that_is_not_written() -> None:
    rows = re.findall(
        r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \|.*\| (?:worker|control) \|$", PAGE, re.MULTILINE
    )
    listed = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert listed == {kind.__struct_config__.tag for kind in TYPES}


def test_signed_lines_have_the_members_that_are_written_in_their_order() -> None:
    key, _, sealed, *_ = FORMS
    body = list(checkpoint.MEMBERS)
    assert names(sealed) == ["body", *body, "signature", "runs"]
    assert names(key) == re.findall(r'"([a-z_]+)":', keyring.FORM.pattern.decode())
    assert body == list(checkpoints.Body.__struct_fields__)
    assert names(key)[1:-1] == list(signing.KeyBody.__struct_fields__)


@pytest.mark.parametrize("context", [checkpoint.CONTEXT, checkpoint.RUNS_CONTEXT, keyring.CONTEXT])
def test_the_contexts_are_named(context: bytes) -> None:
    assert context.endswith(b"\n")
    assert f"`{context[:-1].decode()}␊`" in PAGE


def test_the_records_whose_spelling_counts_are_written_so() -> None:
    witnessed, ended = FORMS[3:]
    assert names(witnessed) == [
        *("writer", "seq", "record", "type"),
        *records.Witnessed.__struct_fields__,
    ]
    first = calls.CallEnded.__struct_fields__[0]
    assert names(ended) == ["writer", "seq", "record", "type", first]


def test_what_looks_like_a_part_of_an_anchor_is_what_is_looked_for() -> None:
    (patterns,) = re.findall(r"```regex\n(.+?)\n```", PAGE, re.DOTALL)
    assert "|".join(patterns.split("\n")) == anchors.OURS.pattern.decode()
    assert f"`{anchors.START.decode()}`" in PAGE


def test_each_kind_of_proof_is_named() -> None:
    kinds = re.findall(r'document\["kind"\] == "([a-z]+)"', Path(proof.__file__).read_text())
    assert len(kinds) == 2
    assert all(f"| `{kind}` |" in PAGE for kind in kinds)
