from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.config import document
from federation.config.document import FILE_LIMIT, Place, parse
from federation.config.nodes import DEPTH_LIMIT


def values(text: str) -> object:
    found = parse(text.encode(), "x.yaml")
    assert not found.problems, found.problems
    return found.value


def problem(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    found = parse(data, "x.yaml")
    assert found.problems
    return str(found.problems[0])


def test_a_decimal_is_exactly_what_was_written() -> None:
    assert values("price: 0.1") == {"price": Decimal("0.1")}
    assert values("[2.50, .9, 1e-3, -1.5E+2, 1_000.5]") == [
        Decimal("2.50"),
        Decimal(".9"),
        Decimal("1e-3"),
        Decimal("-1.5E+2"),
        Decimal("1000.5"),
    ]


def test_integers_words_and_nothing_are_told_apart() -> None:
    assert values("[1, -7, +3, 1_000, 0x1F, 0o17, 010]") == [1, -7, 3, 1000, 31, 15, 10]
    assert values("[true, False, null, ~]") == [True, False, None, None]
    assert values("a:") == {"a": None}


def test_words_that_yaml_1_1_would_turn_into_something_else_stay_words() -> None:
    written = "[no, on, y, 12:30, 2027-01-01, .inf, .nan, 1.2.3, 0b1]"
    assert values(written) == [
        "no", "on", "y", "12:30", "2027-01-01", ".inf", ".nan", "1.2.3", "0b1",
    ]  # fmt: skip


def test_quoted_text_stays_text() -> None:
    assert values("""["1", 'true', "2.5", !!str 5, ! 6]""") == ["1", "true", "2.5", "5", "6"]


def test_a_number_of_absurd_length_stays_text() -> None:
    assert values("a: " + "9" * 5000) == {"a": "9" * 5000}


def test_an_empty_document_is_none() -> None:
    assert values("") is None
    assert values("# only a comment\n") is None


def test_each_key_has_its_line() -> None:
    found = parse(b"a: 1\nb:\n  - c: 2\n  - d: 3\n", "x.yaml")
    assert found.place(("a",)) == Place("x.yaml", 1)
    assert found.place(("b", 1, "d")) == Place("x.yaml", 4)
    assert found.place(("b", 1, "missing", "deep")) == Place("x.yaml", 4)
    assert parse(b"", "y.yaml").place(("a",)) == Place("y.yaml")


def test_a_repeated_key_is_refused_with_both_lines() -> None:
    assert problem("a: 1\nb: 2\na: 3\n") == "x.yaml:3: the key 'a' was already given in line 1"


def test_a_repeated_key_is_refused_below_as_well() -> None:
    assert "x.yaml:3" in problem("a:\n  b: 1\n  'b': 2\n")


def test_aliases_and_merges_work() -> None:
    text = "base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\nboth: {<<: [{x: 9}, *b]}\nquoted: {'<<': 1}"
    assert values(text) == {
        "base": {"x": 1, "y": 2},
        "use": {"x": 1, "y": 3},
        "both": {"x": 9, "y": 2},
        "quoted": {"<<": 1},
    }


def test_a_merge_of_anything_but_mappings_is_refused() -> None:
    assert "'<<' takes a mapping" in problem("a: {<<: 3}")
    assert "the tag '!own' is not read here" in problem("a: {<<: !own {b: 1}}")
    assert "'<<' takes a mapping" in problem("a: {<<: [3]}")


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 9):
        below = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{below}]")
    assert "each alias counts as what it stands for" in problem("\n".join(lines))


def test_an_alias_to_itself_is_refused() -> None:
    assert "nested more than" in problem("a: &a [*a]")


def test_deep_nesting_is_refused() -> None:
    assert "nested" in problem("[" * (DEPTH_LIMIT + 2) + "]" * (DEPTH_LIMIT + 2))
    assert problem("[" * 500_000)


def test_a_large_file_is_refused() -> None:
    assert "larger than" in problem("#" * (FILE_LIMIT + 1))


def test_bytes_that_are_not_utf_8_are_refused_with_the_line() -> None:
    assert problem(b"a: 1\nb: \xff\n") == "x.yaml:2: is not UTF-8"


def test_a_byte_order_mark_is_harmless() -> None:
    assert values("\ufeffa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: [1\nb: 2\n", 2, "is not YAML"),
        ("a: 1\n\tb: 2\n", 2, "is not YAML"),
        ("a: !!python/object:os.system {}\n", 1, "plain value"),
        ("a: !!python/name:os.system x\n", 1, "tag"),
        ("? [a]\n: 1\n", 1, "a key must be a word"),
        ("a: *nowhere\n", 1, "is not YAML"),
        ("--- 1\n--- 2\n", 2, "more than one document"),
        ("a: \x00b\n", None, "is not YAML"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(
    text: str, line: int | None, what: str
) -> None:
    found = parse(text.encode(), "x.yaml")
    assert what in found.problems[0].message
    assert line is None or found.problems[0].line == line


def test_a_missing_file_is_an_empty_document(tmp_path: Path) -> None:
    assert document.read(tmp_path / "none.yaml", "none.yaml").value is None


def test_a_directory_in_the_place_of_a_file_is_a_problem(tmp_path: Path) -> None:
    found = document.read(tmp_path, "here")
    assert "cannot be read" in str(found.problems[0])


def test_a_mapping_becomes_the_list_that_it_abbreviates() -> None:
    found = parse(b"a: {x: 1}\nb:\nc: 3\nd: {id: other}\n", "x.yaml")
    found.enlist((), "id")
    assert found.value == [{"id": "a", "x": 1}, {"id": "b"}, {"id": "c", "": 3}, {"id": "other"}]
    assert found.place((2,)).line == 3
    assert found.place((0, "x")).line == 1


def test_enlisting_leaves_a_list_alone() -> None:
    found = parse(b"- a\n- b\n", "x.yaml")
    found.enlist((), "id")
    assert found.value == ["a", "b"]


def test_a_value_can_be_put_where_nothing_was() -> None:
    found = parse(b"", "x.yaml")
    found.put(("server", "port"), 1, Place("variable"))
    found.put(("server", "host"), "h")
    assert found.value == {"server": {"port": 1, "host": "h"}}
    assert found.place(("server", "port")) == Place("variable")


def test_a_value_is_not_put_into_a_scalar() -> None:
    found = parse(b"server: 3\nlist: [1]\n", "x.yaml")
    found.put(("server", "port"), 1)
    found.put(("list", 0), 2)
    found.put(("list", "word"), 2)
    assert found.value == {"server": 3, "list": [2]}
    assert found.at(("list", 7)) is None


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    parse(data, "x.yaml")


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="ab:-[]{}&*!?|>'\"#%@ \n\t0.<~,", max_size=60))
def test_no_punctuation_makes_the_reader_raise(text: str) -> None:
    parse(text.encode(), "x.yaml")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=0, max_value=10**6))
def test_every_decimal_survives(number: Decimal) -> None:
    assert document.plain(f"{number:f}") == number


def test_a_pipe_is_refused_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.yaml")
    (problem,) = document.read(tmp_path / "p.yaml", "p.yaml").problems
    assert str(problem) == "p.yaml: is a pipe, and should be a file"
