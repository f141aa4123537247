"""The reference page of governed fields says what the tables say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from federation.dialects.anthropic import fields as anthropic
from federation.dialects.ask import HEADERS
from federation.dialects.bedrock.tables import GOVERNED as BEDROCK
from federation.dialects.cohere.tables import GOVERNED as COHERE
from federation.dialects.gemini.tables import GOVERNED as GEMINI
from federation.dialects.governed import Governed
from federation.dialects.ollama.tables import GOVERNED as OLLAMA
from federation.dialects.openai.tables import GOVERNED as CHAT
from federation.dialects.openai_completions.tables import GOVERNED as COMPLETIONS
from federation.dialects.openai_responses.tables import GOVERNED as RESPONSES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "governed-fields.md"
TABLES: dict[str, Mapping[str, Governed]] = {
    "OpenAI chat completions": CHAT,
    "OpenAI responses": {name: rule for name, rule in RESPONSES.items() if CHAT.get(name) != rule},
    "Anthropic messages": {
        **anthropic.GOVERNED,
        **{f"anthropic-beta.{family}": why for family, why in anthropic.GOVERNED_BETAS.items()},
    },
    "Gemini": GEMINI,
    "Bedrock Converse": BEDROCK,
    "Cohere chat": COHERE,
    "Ollama": OLLAMA,
}


def section(heading: str) -> str:
    """What stands under a heading of the second level."""
    return PAGE.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> list[str]:
    """The rows of a section's first table, without its head."""
    lines = section(heading).splitlines()
    found = [line for line in lines if line.startswith("|")]
    return found[2:]


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_lists_every_governed_field_as_the_table_has_it(heading: str) -> None:
    expected = []
    for name, field in sorted(TABLES[heading].items()):
        harmless = ", ".join(f"`{value.decode()}`" for value in sorted(field.neutral))
        expected.append(f"| `{name}` | {field.effect} | {field.reason} | {harmless} |")
    assert section(heading)
    assert rows(heading) == expected


def test_what_the_page_says_of_the_other_openai_languages_holds() -> None:
    assert CHAT.keys() - RESPONSES.keys() == {"speed"}
    assert "but `speed`" in section("OpenAI responses")
    assert dict(COMPLETIONS) == {name: rule for name, rule in CHAT.items() if name != "best_of"}
    assert "but `best_of`" in section("OpenAI completions")


def test_the_page_lists_every_header_beside_its_member() -> None:
    members = {header.decode(): member for header, (member, _) in HEADERS.items()}
    told = {}
    for row in rows("What a call asks of the gateway itself"):
        member, headers = (cell.strip() for cell in row.split("|")[1:3])
        for header in headers.split(", "):
            told[header.strip("`").lower()] = member.strip("`")
    assert told == members
