"""The reference page of governed fields says what the table says."""

from __future__ import annotations

from pathlib import Path

from federation.dialects.ask import HEADERS
from federation.dialects.openai.tables import GOVERNED

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "governed-fields.md"


def rows(title: str) -> list[str]:
    """The lines of the table under the header row that starts with this title."""
    lines = PAGE.read_text("utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(f"| {title} |"))
    end = next(place for place in range(start, len(lines)) if not lines[place].startswith("|"))
    return lines[start + 2 : end]


def test_the_page_lists_every_governed_field_as_the_table_has_it() -> None:
    expected = []
    for name, field in sorted(GOVERNED.items()):
        harmless = ", ".join(f"`{value.decode()}`" for value in sorted(field.neutral))
        expected.append(f"| `{name}` | {field.effect} | {field.reason} | {harmless} |")
    assert rows("Field") == expected


def test_the_page_lists_every_header_beside_its_member() -> None:
    members = {header.decode(): member for header, (member, _) in HEADERS.items()}
    told = {}
    for row in rows("Member of `federation`"):
        member, headers = (cell.strip() for cell in row.split("|")[1:3])
        for header in headers.split(", "):
            told[header.strip("`").lower()] = member.strip("`")
    assert told == members
