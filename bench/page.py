"""Writes the stored run into the performance page: `python -m bench.page`.

The run is bench/results/bench.json, a copy of what `make bench` left in bench/out/. Where
there is none, the page says so. What stands outside the two markers is written by hand.
"""

from __future__ import annotations

import json
from pathlib import Path

from bench.table import PARTS, Row, goals, nginx_of

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "bench" / "results" / "bench.json"
PAGE = ROOT / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- stored run: begin -->\n", "<!-- stored run: end -->\n"
NONE = "No run is stored yet.\n"


def _cells(row: Row, part: str, nginx: Row | None) -> str:
    """`120.5 us, 4.2 x`: CPU of one request or event, and its multiple of nginx's."""
    found = row.get(part)
    if found is None:
        return "-"
    own, base = found["cpu_us"], (nginx or {}).get(part, {}).get("cpu_us")
    return f"{own:,.1f} us" + (f", {own / base:.2f} x" if base else "")


def section(result: Row) -> str:
    """The run as Markdown: where it ran, CPU of each row, and every goal with its verdict."""
    rows = {row["name"]: row for row in result["rows"]}
    parts = [*PARTS, ("streams_64", "event, 64 streams"), ("streams_256", "event, 256 streams")]
    about = ", ".join(f"{name} {value}" for name, value in result["environment"].items())
    lines = [f"`make bench` at {result['at']}, {result['rounds']} rounds; {about}.", ""]
    lines += ["CPU of the whole process tree for one request or event, and as a multiple of nginx:"]
    lines += ["", "| | " + " | ".join(label for _, label in parts) + " |"]
    lines += ["|---" * (len(parts) + 1) + "|"]
    gateways = {name: row for name, row in rows.items() if not name.startswith("direct")}
    for name, row in gateways.items():
        cells = [_cells(row, part, rows.get(nginx_of(name))) for part, _ in parts]
        lines += [f"| {name} | " + " | ".join(cells) + " |"]
    lines += ["", *(f"* {goal.line()}" for goal in goals(result))]
    lines += [f"* Note: {note}" for note in result["notes"]]
    return "\n".join(lines) + "\n"


def page(text: str, stored: Path = STORED) -> str:
    """`text` with the stored run between its markers."""
    before, _, rest = text.partition(BEGIN)
    found = section(json.loads(stored.read_text("utf-8"))) if stored.is_file() else NONE
    return before + BEGIN + found + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
