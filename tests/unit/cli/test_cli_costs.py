"""`federation cost` and `federation ledger`, against a stub over real HTTP."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import Result

from federation.cli.ledger_parquet import ParquetFile
from federation.cli.ledger_work import COLUMNS

Run = Callable[..., Result]

AGAINST = {
    "attempts": 2,
    "left_out": 1,
    "cost_usd": "1.5",
    "baseline_usd": "4",
    "saved_usd": "2.5",
}


def row(nano: int = 1_500_000_000, against: Any = None, **group: str) -> dict[str, Any]:
    usd = f"{nano / 1e9:g}"
    return {
        "group": group,
        "calls": 3,
        "failed_calls": 1,
        "attempts": 3,
        "failed_attempts": 0,
        "unpriced": 0,
        "estimated": 0,
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "cost_nano": nano,
        "cost_usd": usd,
        "mean_ms": 1.5,
        "against": against,
    }


def costs(*rows: dict[str, Any], following: str | None = None, **more: Any) -> dict[str, Any]:
    total = row(against=rows[0]["against"] if rows else None)
    return {
        "object": "analytics.costs",
        "start": "2026-01-01T00:00:00+00:00",
        "end": "2026-01-03T08:45:54.789000+00:00",
        "timezone": "UTC",
        "group_by": list(rows[0]["group"]) if rows else [],
        "baseline": None,
        "data": list(rows),
        "total": total,
        "next": following,
    } | more


def line(n: int, **more: Any) -> dict[str, Any]:
    values: dict[type, Any] = {str: "x", int: n, bool: False, float: 1.5}
    return (
        {name: values[kind] for name, kind in COLUMNS.items()}
        | {
            "at": "2026-01-01T08:41:42.438000+00:00",
            "call": f"call_{n}",
            "attempt": None,
            "tags": {"a": "b"},
        }
        | more
    )


def answer(stub: Any, path: str, reply: Any, status: int = 200) -> None:
    """Whatever the query is."""

    class Anything(dict[tuple[str, str], tuple[int, Any]]):
        def get(self, key: Any, default: Any = None) -> Any:
            if urlsplit(key[1]).path != path:
                return default
            replies = reply if isinstance(reply, list) else [reply]
            cursor = parse_qs(urlsplit(key[1]).query).get("cursor")
            return status, replies[0 if cursor is None else int(cursor[0])]

    stub.answers = Anything()


def query(stub: Any, n: int = -1) -> dict[str, list[str]]:
    return parse_qs(urlsplit(stub.asked[n][1]).query)


def test_costs_are_a_table_with_all_pages_and_the_total(run: Run, stub: Any) -> None:
    pages = [costs(row(day="2026-01-01"), following="1"), costs(row(day="2026-01-02"))]
    answer(stub, "/v1/analytics/costs", pages)
    done = run("cost", "show", "--by", "day", "--where", "model=m1", "--from", "2026-01-01")
    assert done.exit_code == 0, done.output
    for word in ("2026-01-02", "all", "$1.5", "2026-01-01 00:00 to 2026-01-03 08:45, UTC"):
        assert word in done.output
    asked = query(stub, 0)
    assert (asked["model"], asked["group_by"], asked["start_date"]) == (
        ["m1"],
        ["day"],
        ["2026-01-01"],
    )


def test_savings_say_what_could_not_be_compared(run: Run, stub: Any) -> None:
    reply = costs(row(against=AGAINST, model="m1"), baseline="p/m")
    answer(stub, "/v1/analytics/costs", reply)
    done = run("cost", "savings", "p/m")
    assert done.exit_code == 0, done.output
    assert "$2.5" in done.output
    assert "1 attempts cannot be compared" in done.output
    assert query(stub)["baseline"] == ["p/m"]


def test_costs_as_json_hold_every_row(run: Run, stub: Any) -> None:
    answer(stub, "/v1/analytics/costs", costs(row(key="k1")))
    found = json.loads(run("cost", "show", "--by", "key", "--top", "3", "--json").stdout)
    assert found["data"][0]["group"] == {"key": "k1"}
    assert (query(stub)["sort"], query(stub)["limit"]) == (["cost"], ["3"])


def test_a_filter_that_is_none_is_wrong_usage(run: Run, stub: Any) -> None:
    assert run("cost", "show", "--where", "color=red").exit_code == 2
    assert run("cost", "show", "--where", "model=a", "--where", "model=b").exit_code == 2
    assert stub.asked == []


def test_ones_own_use_is_told(run: Run, stub: Any) -> None:
    spent = {"calls": 2, "cost_usd": "0.5", "input_tokens": 1, "output_tokens": 2}
    stats: dict[str, Any] = {"key": "k1", "tenant": "t", "today": spent, "month": spent}
    stats["models"] = [row(provider="p1", model="m1")]
    answer(stub, "/user/stats", stats)
    done = run("cost", "mine")
    assert done.exit_code == 0, done.output
    assert "$0.5, 2 calls" in done.output


INVOICE = """Date,Model,Cost (USD),amount,currency
2026-01-01,m1,,1.50,USD
2026-01-02,their-m1,,$1.49,usd
2026-01-03,m9,,0.25,USD
"""


def ledger(stub: Any) -> None:
    days = [row(day=f"2026-01-0{n}", provider="p1", model="m1") for n in (1, 2, 4)]
    other = row(day="2026-01-01", provider="p2", model="m1")
    answer(stub, "/v1/analytics/costs", costs(*days, other))


def test_an_invoice_is_reconciled_by_day_and_model(run: Run, stub: Any, project: Path) -> None:
    ledger(stub)
    Path("i.csv").write_text(INVOICE)
    done = run(
        *("ledger", "reconcile", "i.csv", "--provider", "p1", "--model", "their-m1=m1", "--json")
    )
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["findings"] == {
        "agrees": 2,
        "drifts": 0,
        "only_invoice": 1,
        "only_ledger": 1,
    }
    assert document["lines"][1]["drift_usd"] == "-0.01"
    assert document["total"] == {
        "invoice_usd": "3.24",
        "ledger_usd": "4.5",
        "drift_usd": "-1.26",
    }
    asked = query(stub)
    assert (asked["start_date"], asked["end_date"]) == (["2026-01-01"], ["2026-01-03"])
    assert asked["group_by"] == ["day,provider,model"]


def test_an_invoice_that_agrees_is_a_success(run: Run, stub: Any, project: Path) -> None:
    answer(stub, "/v1/analytics/costs", costs(row(day="2026-01-01", provider="p1", model="m1")))
    Path("i.csv").write_text("day,provider,model,cost\n2026-01-01,p1,m1,1.5\n")
    done = run("ledger", "reconcile", "i.csv", "--tolerance", "0", "--tolerance-usd", "0")
    assert done.exit_code == 0, done.output
    assert "1, 1 of them agree" in done.output


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("date,amount\n", "provider"),
        ("date,provider\n2026-01-01,p\n", "no column for the amount"),
        ("date,provider,amount\n", "has no lines"),
        ("date,provider,amount\n2026-01-01,p,one\n", "line 2"),
        ("date,provider,amount\nsoon,p,1\n", "line 2"),
        ("date,provider,amount\n2026-01-01,p,NaN\n", "line 2"),
        ("date,provider,amount\n2026-01-01,p,1e30\n", "line 2"),
        ("date,provider,amount\n2026-01-01,p,1e999999\n", "line 2"),
        ("date,provider,amount\n2026-01-01,p,-Infinity\n", "line 2"),
        ("date,provider,amount,currency\n2026-01-01,p,1,EUR\n", "not in USD"),
    ],
)
def test_what_is_no_invoice_says_what_is_wrong(
    run: Run, stub: Any, project: Path, text: str, word: str
) -> None:
    Path("i.csv").write_text(text)
    done = run("ledger", "reconcile", "i.csv")
    assert done.exit_code == 1
    assert word in done.output


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "i.csv cannot be read: No such file or directory"),
        (b"a\xff", "it is not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_invoice_is_named_in_plain_words(
    run: Run, stub: Any, project: Path, content: bytes | None, word: str
) -> None:
    if content is not None:
        Path("i.csv").write_bytes(content)
    done = run("ledger", "reconcile", "i.csv")
    assert done.exit_code == 1
    assert word in done.output
    assert "Errno" not in done.output


def test_lines_are_exported_whole_and_safe_for_spreadsheets(
    run: Run, stub: Any, project: Path
) -> None:
    pages = [
        {"data": [line(1, user="=cmd()")], "next": "1"},
        {"data": [line(2, cost_nano=None, cost_usd=None)], "next": None},
    ]
    answer(stub, "/v1/analytics/lines", pages)
    done = run("ledger", "export", "out.csv", "--kind", "calls")
    assert done.exit_code == 0, done.output
    with Path("out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [each["call"] for each in rows] == ["call_1", "call_2"]
    assert rows[0]["user"] == "'=cmd()"
    assert (rows[0]["tags"], rows[1]["cost_nano"]) == ('{"a": "b"}', "")
    assert run("ledger", "export", "out.csv").exit_code == 1
    assert [path.name for path in Path().iterdir()] == ["out.csv"]


def test_an_export_that_breaks_leaves_no_file(run: Run, stub: Any, project: Path) -> None:
    stub.refuse("GET", "/", 403, "no", "forbidden")
    assert run("ledger", "export", "out.csv").exit_code != 0
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("to", ["", ".", "/"])
def test_an_export_wants_the_name_of_a_file(run: Run, to: str, project: Path) -> None:
    done = run("ledger", "export", to)
    assert done.exit_code == 1
    assert "is there already" in done.output


def test_an_export_that_is_refused_removes_nothing(run: Run, project: Path) -> None:
    for name in ("out.csv", "out.csv.part"):
        Path(name).touch()
    assert run("ledger", "export", "out.csv").exit_code == 1
    assert len(list(Path().iterdir())) == 2


def test_lines_are_exported_for_programs(run: Run, stub: Any, project: Path) -> None:
    answer(stub, "/v1/analytics/lines", {"data": [line(1), line(2)], "next": None})
    found = json.loads(run("ledger", "export", "o.jsonl", "--format", "jsonl", "--json").stdout)
    assert found["lines"] == 2
    assert json.loads(Path("o.jsonl").read_text().splitlines()[1])["call"] == "call_2"
    assert run("ledger", "export", "o.parquet", "--format", "parquet").exit_code == 0
    body = Path("o.parquet").read_bytes()
    (length,) = struct.unpack("<I", body[-8:-4])
    assert body[:4] == body[-4:] == b"PAR1"
    assert b"cost_nano" in body[-8 - length : -8]


def test_lines_are_shown(run: Run, stub: Any) -> None:
    reply = {"data": [line(1), line(2, attempt=0, cost_usd=None)], "next": "x"}
    answer(stub, "/v1/analytics/lines", reply)
    done = run("ledger", "show", "--kind", "attempts")
    assert done.exit_code == 0, done.output
    assert "call_2 #0" in done.output
    assert "unknown" in done.output
    assert "2026-01-01 08:41:42 " in done.output


def test_a_parquet_file_is_the_bytes_that_another_reader_understood(tmp_path: Path) -> None:
    # Read back once with Apache Arrow, value by value; what it understood must not change.
    with (tmp_path / "t.parquet").open("wb") as file:
        made = ParquetFile(file, {"s": str, "i": int, "b": bool})
        for values in (["é", None, True], [None, -3, False], ["", 7, None]):
            made.add(values)
        made.end()
    assert (tmp_path / "t.parquet").read_bytes().hex() == PARQUET


PARQUET = (
    "504152311500152815282c150615001506150600000600000002010200020102000000c3a900000000150015"
    "3015302c150615001506150600000400000002000401fdffffffffffffff0700000000000000150015121512"
    "2c150615001506150600000400000004010200011502194c48066c6564676572150600150c25021801732500"
    "00150425021801690015002502180162001606191c193c26081c150c192500061918017315001606164a164a"
    "2608000026521c1504192500061918016915001606165216522652000026a4011c1500192500061918016215"
    "0016061634163426a401000016d001160600280a66656465726174696f6e008f00000050415231"
)
