"""`federation price`: the price book as files have it, and what is unknown or old in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from federation.cli import price_setting

Run = Callable[..., Result]

ROWS = """\
- id: acme
  dialect: openai
  base_url: http://127.0.0.1:9/v1
  models:
    - id: large
      price:
        input: 2.5
        output: 10
        cached: 0.25
        tiers: [{above: 200000, input: 5, output: 15}]
        windows: [{start: "08:00", end: "16:30", input: 1.25, output: 5}]
        units: {web_search: 0.01}
        multipliers: {eu: 1.1}
        service_tiers: {flex: 0.5}
"""
MORE = """\
    - {id: half, price: {input: 2.5}}
    - {id: nothing}
"""


@pytest.fixture
def priced(project: Path, alone: Run) -> Callable[[str], Run]:
    def write(rows: str) -> Run:
        (project / "config").mkdir()
        (project / "config" / "providers.yaml").write_text(rows)
        return alone

    return write


def test_a_price_is_shown_with_its_tiers_windows_and_units(priced: Callable[[str], Run]) -> None:
    run = priced(ROWS)
    shown = run("price", "show", "acme/")
    assert shown.exit_code == 0, shown.output
    for text in ("acme/large", "2.5", "above 200,000 tokens", "daily 08:00-16:30 UTC",
                 "0.01 / web_search", "in eu x1.1", "flex x0.5"):  # fmt: skip
        assert text in shown.stdout
    (row,) = json.loads(run("price", "show", "large", "--json").stdout)["data"]
    assert row["model"] == "acme/large"
    assert (row["usd_per_mtok"]["input"], row["usd_per_mtok"]["cached"]) == ("2.5", "0.25")
    assert row["usd_per_mtok"]["audio_input"] is None
    assert (row["tiers"][0]["above"], row["tiers"][0]["output"]) == (200_000, "15")
    assert row["usd_per_unit"] == {"web_search": "0.01"}


def test_a_model_that_is_not_there_is_said(priced: Callable[[str], Run]) -> None:
    run = priced(ROWS)
    missing = run("price", "show", "nobody/nothing")
    assert missing.exit_code == 1
    assert "no such model" in missing.stderr
    everything = json.loads(run("price", "show", "--all", "--json").stdout)["data"]
    assert len(everything) > 100


def test_what_is_unknown_fails_and_what_is_old_is_told(priced: Callable[[str], Run]) -> None:
    run = priced(ROWS + MORE)
    checked = run("price", "check")
    assert checked.exit_code == 1
    assert "2 models have no whole price" in checked.stderr
    error: dict[str, Any] = json.loads(run("price", "check", "--json").stdout)["error"]
    told = {each["model"]: each["problem"] for each in error["data"]}
    assert error["unknown"] == 2
    assert told["acme/half"] == "no price of output"
    assert told["acme/nothing"] == "no price"
    assert "acme/large" not in told


def test_a_price_is_set_in_a_file_of_its_own_and_taken_back(
    priced: Callable[[str], Run], project: Path
) -> None:
    run = priced(ROWS + MORE)

    def price(model: str) -> dict[str, Any]:
        (row,) = json.loads(run("price", "show", model, "--json").stdout)["data"]
        return dict(row)

    done = run("price", "set", "acme/large", "input=1.5", "output=6", "web_search=0.02")
    assert done.exit_code == 0, done.output
    changed = price("acme/large")
    assert (changed["usd_per_mtok"]["input"], changed["usd_per_mtok"]["output"]) == ("1.5", "6")
    assert changed["usd_per_mtok"]["cached"] is None, "a price is whole"
    assert (changed["usd_per_unit"], changed["tiers"]) == ({"web_search": "0.02"}, [])
    assert run("price", "set", "acme/nothing", "input=1", "output=2").exit_code == 0
    assert price("acme/nothing")["usd_per_mtok"]["output"] == "2"
    assert len(list((project / "config" / "providers").iterdir())) == 2

    told = json.loads(run("price", "set", "acme/large", "--json").stdout)
    assert (told["model"], told["set"]) == ("acme/large", False)
    assert price("acme/large")["tiers"], "the row's own is back"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("acme/none", "input=1"), 1),
        (("acme/large", "input"), 2),
        (("acme/large", "input=-1"), 2),
        (("acme/large", "input=nan"), 2),
        (("acme/large", "input=1e99"), 2),
        (("acme/large", "a: b}=1"), 2),
    ],
)
def test_what_is_no_price_leaves_no_file(
    priced: Callable[[str], Run], project: Path, words: tuple[str, ...], code: int
) -> None:
    assert priced(ROWS)("price", "set", *words).exit_code == code
    assert not (project / "config" / "providers").exists()


def test_a_price_that_the_configuration_refuses_does_not_stay(
    priced: Callable[[str], Run], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = priced(ROWS)
    assert run("price", "set", "acme/large", "input=1", "output=2").exit_code == 0
    (path,) = (project / "config" / "providers").iterdir()
    before = path.read_text()
    monkeypatch.setattr(price_setting, "_text", lambda *_: "- {id: acme, models: 7}\n")
    assert run("price", "set", "acme/large", "input=3").exit_code == 78
    assert path.read_text() == before


def test_a_whole_price_book_is_well(priced: Callable[[str], Run]) -> None:
    run = priced(ROWS)
    found = json.loads(run("price", "check", "--json").stdout)
    assert (found["unknown"], found["data"]) == (0, [])
    assert "new enough" in run("price", "check").stdout
    error = json.loads(run("price", "check", "--all", "--days", "1", "--json").stdout)["error"]
    assert [each for each in error["data"] if each["problem"].endswith("days old")]
    error = json.loads(run("price", "check", "--all", "--days", "99999", "--json").stdout)["error"]
    assert not [each for each in error["data"] if not each["unknown"]]
