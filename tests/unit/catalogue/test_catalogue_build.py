"""Compiling: canonical, complete, and never stale."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from federation.catalogue import build, reader
from federation.catalogue.files import DATA, read_evidence, read_rows, read_speeds
from federation.domain.catalogue import Model, Price, Provider, Rates, Speed, Tier


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    """What the rows compile to, once: reading all the YAML takes a second."""
    return build.compile_catalogue()


def test_the_committed_files_are_what_the_rows_compile_to(contents: dict[str, bytes]) -> None:
    advice = "stale: run python -m federation.catalogue.build"
    assert reader.COMPILED.read_bytes() == contents["catalogue"], advice
    assert build.PAGE.read_bytes() == contents["page"], advice


def test_what_was_compiled_is_read_back_equal() -> None:
    again = build.canonical(list(reader.load().values()))
    assert again == reader.COMPILED.read_bytes()


def test_the_json_is_canonical_with_a_line_for_each_model() -> None:
    text = reader.COMPILED.read_text()
    rows = json.loads(text)
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    models = sum(len(row["models"]) for row in rows)
    assert len([line for line in text.splitlines() if line.startswith(' {"')]) == models


def test_defaults_are_left_out_and_everything_else_survives() -> None:
    model = Model(
        id="m", price=Price(Rates(input=1)), speed=Speed(1.0, 2.0), quirks={"a": Decimal("0.6")}
    )
    row = Provider("p", "P", Tier.CLOUD, "openai", "https://p.example", models=(model,))
    plain = build.plain(row)
    assert plain == {
        "id": "p",
        "name": "P",
        "tier": "cloud",
        "dialect": "openai",
        "base_url": "https://p.example",
        "models": [
            {
                "id": "m",
                "price": {"rates": {"input": 1}},
                "speed": {"first_token_ms": 1.0, "tokens_per_s": 2.0},
                "quirks": {"a": 0.6},
            }
        ],
    }


def test_a_speed_that_a_row_states_is_not_marked_as_assumed() -> None:
    model = Model(id="m", price=Price(Rates(1, 1)), speed=Speed(1.0, 2.0))
    row = Provider("p", "P", Tier.CLOUD, "openai", "https://p.example", models=(model,))
    (joined,) = build.joined([row], read_evidence(), read_speeds())
    assert joined.models[0].speed == Speed(1.0, 2.0)
    assert "speed_assumed" not in joined.models[0].quirks


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: dict[str, bytes]) -> Path:
    """The compiled files lie in an empty directory."""
    monkeypatch.setattr(build, "compile_catalogue", lambda: contents)
    monkeypatch.setattr(build, "COMPILED", tmp_path / "catalogue.json")
    monkeypatch.setattr(build, "PAGE", tmp_path / "docs" / "providers.md")
    return tmp_path


def test_check_fails_where_a_file_is_stale_and_writes_nothing(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(["--check"]) == 1
    assert "catalogue.json is stale" in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []


def test_a_build_makes_the_check_pass(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main([]) == 0
    assert capsys.readouterr().out.splitlines() == ["wrote catalogue.json", "wrote providers.md"]
    assert build.main(["--check"]) == 0
    assert build.main([]) == 0
    assert capsys.readouterr().out == ""


def test_a_wrong_row_stops_the_build_with_its_name(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = elsewhere / "data" / "cloud"
    folder.mkdir(parents=True)
    (folder / "bad.yaml").write_text("id: bad\n")

    def compile_bad() -> dict[str, bytes]:
        return {"catalogue": build.canonical(read_rows(elsewhere / "data")), "page": b""}

    monkeypatch.setattr(build, "compile_catalogue", compile_bad)
    assert build.main([]) == 1
    assert "cloud/bad.yaml" in capsys.readouterr().err


def test_the_page_lists_every_provider_and_model() -> None:
    page = build.PAGE.read_text()
    for provider in reader.load().values():
        assert f"(`{provider.id}`)" in page
        for model in provider.models:
            assert f"`{model.id}`" in page
    assert "| 1.32 / 3.96 / 0.044 ◷ |" in page
    assert "→ 4 / 15 above 272,000" in page
    assert "0.04 per image" in page


def test_every_file_of_a_row_belongs_to_a_tier() -> None:
    folders = {path.name for path in DATA.iterdir() if path.is_dir()}
    assert folders == {tier.value for tier in Tier}


def test_reading_takes_a_few_milliseconds() -> None:
    spent = []
    for _ in range(5):
        before = time.process_time()
        reader.load()
        spent.append(time.process_time() - before)
    assert min(spent) < 0.015


def test_the_reader_loads_no_yaml() -> None:
    code = (
        "import sys; from federation.catalogue.reader import load; load();"
        "print([m for m in ('yaml', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"
