"""The work of `federation audit changes`: what control put on record beside the calls.

Read from the records themselves, so that it works where no gateway runs. The trap: a change has
two records, before it is done and with what came of it; both are shown, for `asked` alone means
that a crash may have left it half done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nlargest
from typing import Any, Final

import msgspec

from federation.cli import audit_store, output
from federation.cli.audit_query import askers, moment
from federation.cli.db_store import readable
from federation.cli.place import Place
from federation.control.evidence_reading import EvidenceReading
from federation.evidence.records import ControlRecord
from federation.storage.journal_reader import Plain

_QUIET: Final = frozenset(("heartbeat", "witnessed"))
"""Written all the time; shown only where they are asked for."""
_ABOUT: Final = ("id", "name", "made", "subject", "policy", "key", "call")
_SHOWN: Final = 8
"""Digits of a version in the table; the whole of it is in the record."""
_WHO: Final = ("actor", "by", "proposed_by", "key")


class _Line(msgspec.Struct):
    record: ControlRecord


_line = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for, as it was written."""

    since: str | None = None
    until: str | None = None
    tenant: str | None = None
    actor: str | None = None
    kind: str | None = None
    about: str | None = None
    limit: int = 50


def changes(place: Place, wanted: Wanted, *, as_json: bool) -> None:
    """Print them, newest first. Raises `NotFound` where there is no log."""
    reading = EvidenceReading(place.data_dir)
    reading.keys()
    who = None if wanted.actor is None else frozenset(askers(place, wanted.actor))
    unread: list[Plain] = []
    found = nlargest(wanted.limit, _matching(reading, wanted, who, unread), key=_order)
    with readable(place) as stores:
        index = audit_store.index(stores)
        rows = [{"entry": index.place(line.writer, line.seq)} | record for line, record in found]
    if unread:
        output.note(
            f"{len(unread)} records cannot be read: `federation audit verify` says what is wrong."
        )
    if as_json:
        output.print_json({"object": "list", "data": rows})
        return
    output.table(
        (">Entry", "At", "Type", "Who", "Tenant", "What"),
        [
            (
                row["entry"],
                f"{datetime.fromtimestamp(row['at_ms'] / 1000, UTC):%Y-%m-%d %H:%M:%S}",
                row["type"],
                row.get("actor") or row.get("by") or row.get("key"),
                row.get("tenant"),
                _told(row),
            )
            for row in rows
        ],
    )


def _order(found: tuple[Plain, dict[str, Any]]) -> tuple[int, str, int]:
    line, record = found
    return record["at_ms"], line.writer, line.seq


def _matching(
    reading: EvidenceReading, wanted: Wanted, who: frozenset[str] | None, unread: list[Plain]
) -> Iterator[tuple[Plain, dict[str, Any]]]:
    since, until = moment(wanted.since) or 0, moment(wanted.until, is_end=True)
    for line in reading.own():
        try:
            record = msgspec.to_builtins(_line(line.json).record)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            unread.append(line)
            continue
        kind, at_ms = record["type"], record["at_ms"]
        if kind != wanted.kind if wanted.kind else kind in _QUIET:
            continue
        if at_ms < since or (until is not None and at_ms >= until):
            continue
        if wanted.tenant not in (None, record.get("tenant")):
            continue
        if wanted.about is not None and wanted.about not in _objects(record):
            continue
        if who is None or not who.isdisjoint(str(record.get(name)) for name in _WHO):
            yield line, record


def _objects(record: dict[str, Any]) -> set[str]:
    """Ids and names of what a record is about."""
    said = {str(record.get(name)) for name in _ABOUT} | set(record.get("subject", "").split("/"))
    return said | {each["id"] for each in record.get("changed", ())}


def _action(row: dict[str, Any]) -> str:
    status, made = row.get("status"), row.get("made")
    what = f"{row['action'].split(' ')[0]} {row.get('subject', '')}: {row['phase']}"
    what += (f" ({status})" if status else "") + (f", made {made}" if made else "")
    return what + "".join(f"; {_changed(each)}" for each in row.get("changed", ())) + _more(row)


def _changed(each: dict[str, Any]) -> str:
    """An object, its versions before and after as far as tells them apart, and what differs."""
    whose = f"{each['tenant']}/" if each.get("tenant") else ""
    steps = " -> ".join(each.get(name, "")[:_SHOWN] or "none" for name in ("before", "after"))
    differing = ", ".join(each.get("fields", ()))
    return f"{each['kind']} {whose}{each['id']} {steps}" + (f" ({differing})" if differing else "")


def _more(row: dict[str, Any]) -> str:
    return f"; {row['unnamed']} more" if row.get("unnamed") else ""


_SAID: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "action": _action,
    "in_force": lambda row: (
        f"configuration {row['version']}, policies: {', '.join(row.get('policies', ())) or 'none'}"
    ),
    "policy_version": lambda row: (
        f"{row['subject']} {row['name']}, version {row['version']}: {row['state']} ({row['id']})"
    ),
    "violation": lambda row: (
        f"{row['event']}: {row['kind']} {row.get('policy', '')}.{row.get('rule', '')} ({row['id']})"
    ),
    "data": lambda row: f"{row['event']} {row.get('subject', '')} {row.get('id', '')}".rstrip(),
    "key_changed": lambda row: f"{row['key']} signs in the place of {row['predecessor']}",
    "log_opened": lambda row: f"with {row['size']} records, by version {row['version']}",
    "lost": lambda row: f"{row['call']} at {row['deployment']}",
    "witnessed": lambda row: row["replica"],
}


def _told(row: dict[str, Any]) -> str:
    said = _SAID.get(row["type"])
    return "" if said is None else said(row)
