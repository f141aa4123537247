"""The work of `federation ledger show` and `export`."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from federation.cli import output
from federation.cli.cost_work import pages
from federation.cli.failures import CommandFailed
from federation.cli.ledger_parquet import ParquetFile
from federation.cli.place import Place

PATH = "/v1/analytics/lines"
PAGE = 2000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

COLUMNS = {
    "call": str,
    "attempt": int,
    "at": str,
    "tenant": str,
    "team": str,
    "user": str,
    "key": str,
    "operation": str,
    "requested": str,
    "provider": str,
    "model": str,
    "outcome": str,
    "status": int,
    "input_tokens": int,
    "output_tokens": int,
    "cached_tokens": int,
    "cache_write_tokens": int,
    "reasoning_tokens": int,
    "estimated": bool,
    "cost_nano": int,
    "cost_usd": str,
    "duration_ms": float,
    "simulated": bool,
    "session": str,
    "tags": str,
}
"""Columns of an export, in order, and what is in them."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """Which lines."""

    kind: str
    since: str | None
    until: str | None
    timezone: str
    tenant: str | None
    user: str | None = None

    def query(self, limit: int) -> dict[str, object]:
        """The same for the gateway."""
        given = {"start_date": self.since, "end_date": self.until, "tenant": self.tenant}
        given["user"] = self.user
        found: dict[str, object] = {name: value for name, value in given.items() if value}
        return found | {"kind": self.kind, "timezone": self.timezone, "limit": limit}


def show(place: Place, wish: Wish, limit: int, *, as_json: bool) -> None:
    """Print the first lines."""
    found = place.gateway().get(PATH, wish.query(limit))
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("At", "=Call", "Provider", "Model", "Outcome", ">In", ">Out", ">Cost"),
        [
            (
                output.second(row["at"]),
                row["call"] if row["attempt"] is None else f"{row['call']} #{row['attempt']}",
                row["provider"],
                row["model"],
                row["outcome"],
                row["input_tokens"],
                row["output_tokens"],
                "unknown" if row["cost_usd"] is None else f"${row['cost_usd']}",
            )
            for row in found["data"]
        ],
    )
    if found["next"] is not None:
        output.note("There are more: --limit, or `federation ledger export`.")


def export(place: Place, wish: Wish, to: Path, form: str, *, as_json: bool) -> None:
    """Write all lines, whole or not at all. Raises `CommandFailed`."""
    try:
        if to.exists():
            raise CommandFailed(f"{to} is there already.", hint="Name a new file.", code="exists")
        with output.working("Reading", quiet=as_json):
            count = _write_whole(to, form, _rows(place, wish))
    except OSError as error:
        message = f"{to} cannot be written: {error.strerror}."
        raise CommandFailed(message, code="unwritable") from error
    if as_json:
        output.print_json({"file": str(to), "lines": count, "format": form})
    else:
        output.say(f"{count} lines are in {to}.")


def _write_whole(to: Path, form: str, rows: Iterator[Row]) -> int:
    """The number of lines that are in the new file; it is not there where that fails."""
    draft = to.with_name(to.name + ".part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            count = _WRITERS[form](file, rows)
        draft.replace(to)
    finally:
        with suppress(OSError):  # what is wrong there is being said
            draft.unlink(missing_ok=True)
    return count


def _rows(place: Place, wish: Wish) -> Iterator[Row]:
    for page in pages(place, PATH, wish.query(PAGE)):
        for row in page["data"]:
            tags = json.dumps(row["tags"], ensure_ascii=False, sort_keys=True)
            yield {name: row[name] for name in COLUMNS} | {"tags": tags if row["tags"] else ""}


def _write_csv(file: BinaryIO, rows: Iterator[Row]) -> int:
    out = csv.writer(_Encoded(file))
    out.writerow(COLUMNS)
    count = 0
    for row in rows:
        out.writerow([_safe(value) for value in row.values()])
        count += 1
    return count


def _safe(value: object) -> object:
    """Clients choose users, tags and models; a spreadsheet must not run what they wrote."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _write_jsonl(file: BinaryIO, rows: Iterator[Row]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        count += 1
    return count


def _write_parquet(file: BinaryIO, rows: Iterator[Row]) -> int:
    made, count = ParquetFile(file, COLUMNS), 0
    for row in rows:
        made.add(list(row.values()))
        count += 1
    made.end()
    return count


class _Encoded:
    """A binary file as the `csv` module writes to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write UTF-8."""
        return self._file.write(text.encode())


_WRITERS: dict[str, Callable[[BinaryIO, Iterator[Row]], int]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
