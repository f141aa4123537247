"""The work of `federation audit query`: recorded calls, and where each stands in the log."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from http import HTTPStatus
from typing import Any

import msgspec

from federation.cli import audit_store, output
from federation.cli.client import Answered
from federation.cli.db_store import readable
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.control.analytics_times import is_day
from federation.domain.hands import person_id, person_of
from federation.domain.pseudonyms import covered, is_pseudonym
from federation.schema.records import CallEnded
from federation.storage.analytics_entries import DAY_MS
from federation.storage.calls import SqlCalls
from federation.storage.entries import CallEntry, CallFilter

PAGE = 500
_LAST_MS = 253_402_300_799_000
"""The last second that a calendar of four digits has."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"([0-9]{1,9})([smhdw])\Z")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for, as it was written."""

    since: str | None = None
    until: str | None = None
    tenant: str | None = None
    actor: str | None = None
    model: str | None = None
    verdict: str | None = None
    limit: int = 50
    user: str | None = None
    client_id: str | None = None


def query(place: Place, wanted: Wanted, *, as_json: bool) -> None:
    """Print the calls."""
    since, until = moment(wanted.since), moment(wanted.until, is_end=True)
    users = None if wanted.user is None else _subjects(place, wanted.tenant, wanted.user)
    keys = None if wanted.actor is None else askers(place, wanted.actor)
    rows: list[dict[str, Any]] = []
    with readable(place) as stores:
        index = audit_store.index(stores)
        calls = SqlCalls(stores.quick)
        found = [_calls(calls, wanted, keys, since, until, own) for own in _own_ids(wanted, users)]
        for entry in merge(*found, key=lambda entry: -entry.n):
            if users is not None and getattr(entry.record, "user", "") not in users:
                continue
            line = index.call(entry.record.call)
            place_n = None if line is None else index.place(line.writer, line.seq)
            rows.append({"entry": place_n, "verdict": entry.outcome} | _shown(entry))
            if len(rows) == wanted.limit:
                break
    if as_json:
        output.print_json({"object": "list", "data": rows})
        return
    output.table(
        (">Entry", "=Call", "At", "Tenant", "Actor", "Model", "Went to", "Verdict"),
        [
            (
                row["entry"],
                row["call"],
                f"{datetime.fromtimestamp(row['at_ms'] / 1000, UTC):%Y-%m-%d %H:%M:%S}",
                row["tenant"],
                row["key"],
                row["requested"],
                row.get("deployment"),
                row["verdict"],
            )
            for row in rows
        ],
    )


def moment(text: str | None, *, is_end: bool = False) -> int | None:
    """A time in Unix milliseconds: a span before now such as 24h, or a date, in UTC, which as an
    end is meant with its whole day."""
    if text is None:
        return None
    if span := _SPAN.match(text.strip().lower()):
        return int((time.time() - int(span[1]) * _UNITS[span[2]]) * 1000)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CommandFailed(
            f"'{text}' is no time.",
            hint="Write 24h, 30d, 2026-01-31 or 2026-01-31T12:00.",
            code="usage",
            exit_code=Exit.USAGE,
        ) from None
    at_ms = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    return min(at_ms + DAY_MS, _LAST_MS) if is_end and is_day(text.strip()) else at_ms


def askers(place: Place, actor: str) -> tuple[str, ...]:
    """The ids by which records may call a key, or a person who has signed in."""
    found = person_of(actor)
    if found is None:
        return (actor,)
    return tuple(person_id(found[0], each) for each in _subjects(place, *found))


def _subjects(place: Place, tenant: str | None, user: str) -> tuple[str, ...]:
    """What records call a user: the keys to that are the gateway's."""
    if is_pseudonym(user):
        return (user,)
    if tenant is None:
        # A name has another pseudonym in each, and the gateway would tell that of the asker's.
        raise CommandFailed(
            "A user is looked for by name in one tenant.",
            hint="Add --tenant, or give the pseudonym: federation data name tells it.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    body = {"user": user, "tenant": tenant}
    try:
        place = replace(place, url=os.environ.get("FEDERATION_URL"))
        found = place.gateway().post("/v1/admin/data/names", body)
    except Answered as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return (user,)
    return found["subject"], user


def _own_ids(wanted: Wanted, users: tuple[str, ...] | None) -> set[str | None]:
    """The forms in which records may hold a client's id: the user's name in it is covered."""
    given = wanted.client_id
    if given is None or wanted.user is None or users is None:
        return {given}
    return {given, *(covered(given, wanted.user, each) for each in users)}


def _calls(
    calls: SqlCalls,
    wanted: Wanted,
    keys: tuple[str, ...] | None,
    since: int | None,
    until: int | None,
    client_id: str | None,
) -> Iterator[CallEntry]:
    before: int | None = None
    while True:
        page = calls.page(
            CallFilter(
                *(wanted.tenant, PAGE, before, wanted.verdict, keys),
                requested=wanted.model,
                since_ms=since,
                until_ms=until,
                client_id=client_id,
            )
        )
        yield from page
        if len(page) < PAGE:
            return
        before = page[-1].n


def _started(entry: CallEntry) -> int:
    record = entry.record
    if isinstance(record, CallEnded):
        return record.started_ms or record.at_ms
    return record.at_ms


def _shown(entry: CallEntry) -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.to_builtins(entry.record)
    whole["at_ms"] = _started(entry)
    return whole
