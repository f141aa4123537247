"""Tables on narrow screens."""

from __future__ import annotations

import pytest

from federation.cli import output

COLUMNS = ("=Provider", "?Name", "?=Tier", "State")
ROWS = [
    ("azure_openai", "Azure OpenAI Service", "specialized", "needs AZURE_OPENAI_API_KEY or more"),
    ("xai", "xAI", "frontier", "ready"),
]


@pytest.mark.parametrize(
    ("width", "shown"),
    [(120, ["Provider", "Name", "Tier", "State"]), (68, ["Provider", "Name", "State"]),
     (46, ["Provider", "State"])],
)  # fmt: skip
def test_columns_are_left_out_rather_than_words_broken(
    width: int,
    shown: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    output.table(COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert [each.strip() for each in lines[1].strip("┃").split("┃")] == shown
    assert max(map(len, lines)) <= width
    said = " ".join(" ".join(lines).replace("│", " ").split())
    for word in ("azure_openai", "AZURE_OPENAI_API_KEY", "ready", "more"):
        assert word in said


def test_a_terminal_without_a_width_shows_everything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    output.table(COLUMNS, ROWS)
    assert "Azure OpenAI Service" in capsys.readouterr().out
