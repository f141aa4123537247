"""Numbers in columns, far below the head that names them: in streams, and in later slices."""

from __future__ import annotations

import json
import re
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.guardrails import entities as kind
from federation.guardrails.columns import read
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.scan import Scanner
from federation.guardrails.slices import SLICE
from federation.guardrails.streams import ChunkFilter
from federation.guardrails.tables import REACH, Tables
from federation.guardrails.windows import Window
from federation.schema.chunks import Chunk, Delta, PartBegun, PartEnded
from federation.schema.parts import Text

GUARD = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"k")
SCANNER = Scanner(kind.BUILT_IN)
PHONE, SSN = "80255512{:02d}", "5362287{:02d}"
LONG_NAMES = ",".join(f"name_of_{letter * 20}" for letter in "abcdefghijklmnop")


def told(text: str, size: int) -> str:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    pieces = [window.feed(text[at : at + size]) for at in range(0, len(text), size)]
    return "".join([*pieces, window.close()])


def whole(text: str) -> str:
    return GUARD.text(text, "x", Screening.begin(b"s"))


def lines(form: str, count: int = 30) -> str:
    return "".join(form.replace("{p}", PHONE).format(at) for at in range(count))


TABLES = {
    "commas": "name,phone,city\n" + lines("Ann of the North,{p},Denver and so on\n"),
    "semicolons": "id;ssn\n" + lines(f"7;{SSN}\n"),
    "tabs": "name\tphone\n" + lines("Ann of the North\t{p}\n"),
    "bars": "| name | ssn |\n|---|---|\n" + lines(f"| Ann Lee | {SSN} |\n"),
    "last column": "name, phone\n" + lines("Ann of the North, {p}\n"),
    "SQL": "INSERT INTO t (id, name, phone) VALUES\n" + lines("  (7, 'Ann, of it', '{p}'),\n"),
    "names of SQL in lines": "INSERT INTO t (\n id,\n phone,\n city\n)\nVALUES\n"
    + lines("  (7, '{p}', 'in the city of Denver'),\n"),
    "a long head": f"{LONG_NAMES},phone\n" + lines("a b c," * 16 + "{p}\n"),
    "quoted": '"name","phone","city"\n' + lines('"Lee, Ann","{p}","Denver, 12"\n'),
    "a stray quotation mark": "name,phone,size\n" + lines('Ann,{p},12" and so on of it\n'),
    "behind a stray one": "size,phone,name\n" + lines('12",{p},and so on of it\n'),
    "long rows": "note,phone,x\n" + lines("words of it all " * 90 + ",{p},and so on\n", 9),
    "digits of other scripts": "name,phone\n" + lines("Ann,{p}\n").replace("8", "\uff18"),
    "rows without a number": "name,phone\n" + "Ann of the North,\n" * 200 + lines("Bo,{p}\n"),
    "one behind the other": "name,phone\n" + lines("Ann,{p}\n") + "ssn;x\n" + lines(f"{SSN};7\n"),
    "one behind some words": "name,phone\nAnn,1\n\nAnd so on, as we said before of it all:\n"
    "| x | ssn |\n|---|---|\n" + lines(f"| Ann of the North | {SSN} |\n"),
    "SQL behind a table": "|a|phone|\n|1|2|\nINSERT INTO t(phone, a) VALUES" + lines("('{p}',1),"),
}  # fmt: skip


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("size", [1, 2, 7, 40, 10_000])
def test_a_row_of_a_stream_is_read_below_a_head_that_was_said_long_ago(
    text: str, size: int
) -> None:
    read = whole(text)
    assert read.count("[") >= 9
    assert "80255512" not in read
    assert "5362287" not in read
    assert told(text, size) == read


@pytest.mark.parametrize(
    "name",
    ["电话", "手机号码", "телефон", "Моб. номер", "טלפון", "फोन", "전화번호", "τηλέφωνο", "☎"],
)
@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("name,{},city\n", "Ann of the North,{p},Denver and so on\n"),
        ("имя; {}; город\n", "Анна из далёкого города; {p}; Киев\n"),
        ("| {} | 姓名 |\n|---|---|\n", "| {p} | 安娜，住在北方的某个地方 |\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_row_of_a_stream_is_read_below_a_head_in_another_script(
    name: str, head: str, row: str, size: int
) -> None:
    assert "80255512" not in told(head.format(name) + lines(row), size)


@pytest.mark.parametrize("prose", ["Мой номер, вот:", "请打我的电话，谢谢。", "Вот: телефон, имя"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_prose_in_another_script_is_no_head_and_hides_none_below_it(prose: str, size: int) -> None:
    text = f"{prose}\nимя,phone,тел\n" + lines("Анна из города,{p},7\n")
    assert "80255512" not in told(text, size)
    calm = f"{prose}\n" * 3 + lines("и так далее, {p}, потом\n")
    assert told(calm, size) == calm


@pytest.mark.parametrize("name", ["commas", "bars", "SQL", "quoted", "a long head", "long rows"])
def test_a_row_of_a_later_slice_is_too(name: str) -> None:
    text = TABLES[name]
    rows = text[text.index("\n", len(text) // 2) + 1 :]
    long = text + rows * (2 * SLICE // len(rows))
    left = list(long)
    for span in SCANNER.find(long):
        left[span.start : span.end] = " " * (span.end - span.start)
    assert "80255512" in long or "5362287" in long
    assert "80255512" not in "".join(left)
    assert "5362287" not in "".join(left)


@pytest.mark.parametrize(
    "behind",
    ["\nCall 8025551234, if so.\n", "That is all there is to it.\nWith 8025551234, and so on.\n"],
)
@pytest.mark.parametrize("size", [1, 5, 400])
def test_a_table_ends_with_the_first_line_that_is_no_row(behind: str, size: int) -> None:
    text = TABLES["commas"] + behind.replace("Call", "Take")
    assert told(text, size) == whole(text)
    assert "8025551234" in told(text, size)


def test_a_row_that_is_not_over_is_read() -> None:
    text = "name,phone,city\nAnn,8025551234,Denver\nBo,8025551235"
    assert [text[s.start : s.end] for s in SCANNER.find(text)] == ["8025551234", "8025551235"]
    text = "INSERT INTO t (id, phone, x) VALUES (1, '8025551234', 2), (2, '8025551235', 'and"
    assert [text[s.start : s.end] for s in SCANNER.find(text)] == ["8025551234", "8025551235"]


def test_each_choice_is_in_a_table_of_its_own() -> None:
    stream = ChunkFilter(GUARD, Screening.begin(b"s"))
    texts = [TABLES["commas"], TABLES["bars"], "no, phone of 8025551234, so it goes\n" * 9]
    chunks: list[Chunk] = [PartBegun(choice, 0, Text("")) for choice in range(3)]
    for signs in zip_longest(*texts, fillvalue=""):
        chunks += [Delta(choice, 0, sign) for choice, sign in enumerate(signs)]
    chunks += [PartEnded(choice, 0) for choice in range(3)]
    said = ["", "", ""]
    for chunk in chunks:
        for out in stream.feed([chunk]):
            if isinstance(out, Delta):
                said[out.choice] += out.text
    assert said == [whole(text) for text in texts]


def test_nothing_is_looked_for_that_the_plan_does_not_name() -> None:
    guard = Guard(Plan({kind.EMAIL: Action.REDACT}), b"k")
    window = Window(guard, "x", Screening.begin(b"s"))
    assert window.feed(TABLES["commas"]) + window.close() == TABLES["commas"]
    text = TABLES["commas"] * (2 * SLICE // len(TABLES["commas"]))
    assert Scanner([kind.EMAIL]).find(text) == []


HOSTILE = {
    "names without an end": "phone," * 400,
    "a quotation without an end": 'name,phone\n"' + "a," * 4000,
    "a row without an end": "name,phone\n" + "a b," * 4000,
    "a field without an end": "name,phone\n" + "a b" * 4000,
    "a tuple without an end": "INSERT INTO t (a, phone) VALUES (" + "1, " * 4000,
    "brackets": "(phone," * 2000,
    "many columns": ",".join(["phone"] * 160) + "\n" + "a," * 4000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_remembered_of_a_table_has_a_bound(text: str) -> None:
    tables = Tables()
    for at in range(0, len(text), 50):
        before, piece = text[max(0, at - REACH) : at], text[at : at + 50]
        if tables.concerns(before, piece):
            tables.go_on(before, piece)
        assert len(tables._begun) <= 2048 + 50
    assert told(text, 50) == text


CELLS = st.sampled_from(
    ["Ann", "8025551234", '"8025551234"', "a big and nice city", '"Lee, Ann"', "", "12", '5" pipe']
)
ROWS = st.lists(st.lists(CELLS, min_size=3, max_size=3).map(",".join), max_size=20)


@settings(deadline=None, max_examples=60)
@given(ROWS, st.integers(1, 60), st.sampled_from(["", "Well, then:\n", "the phone, of it\n"]))
def test_no_number_in_a_column_leaves_however_a_table_is_cut(
    rows: list[str], size: int, before: str
) -> None:
    text = before + "\n".join(["name,phone,city", *rows, ""])
    assert told(text, size) == told(text, 10_000)
    numbers = [found.start() for found in re.finditer("8025551234", text)]
    said = re.findall(r"8025551234|\[PHONE\]", told(text, size))
    in_columns = {span.start for span in read(text.encode())[0]}
    told_of = [said[place] for place, start in enumerate(numbers) if start in in_columns]
    assert told_of == ["[PHONE]"] * len(in_columns)


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
@pytest.mark.parametrize("head", ["name,phone,city,note", "a,b,c,phone"])
@pytest.mark.parametrize("line", ["Well, then:", "the phone, of it", "name,type,mobile"])
def test_a_head_below_a_line_that_looks_like_one_is_one(line: str, head: str, size: int) -> None:
    place = head.split(",").index("phone")
    rows = [["Ann", "in town", "mobile", "x"], ["Bob", "y", "z", "none"]] * 4
    for row in rows:
        row[place] = "8025551234"
    text = "\n".join([line, head, "Eve,a,b,c", "Joe,none at all,,", *map(",".join, rows), ""])
    assert "8025551234" not in told(text, size)


def test_tables_in_the_strings_of_a_call_are_read_whole() -> None:
    arguments = json.dumps({"csv": TABLES["commas"]})
    assert "80255512" not in GUARD.json_text(arguments, "x", Screening.begin(b"s"))


def test_a_word_that_names_a_column_is_told_with_its_comma() -> None:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    assert [window.feed(piece) for piece in ("Phone", ",", " and", " so")] == [
        "",
        "Phone,",
        "",
        " ",
    ]
    text = TABLES["commas"].removeprefix("name,")
    assert told(f"Phone,{text}", 1) == whole(f"Phone,{text}")
