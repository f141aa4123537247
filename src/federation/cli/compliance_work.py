"""The work of `federation compliance`, from the files and the store: a gateway may run or not."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from federation.cli import audit_store, offline, output
from federation.cli.audit_query import moment
from federation.cli.db_store import readable
from federation.cli.failures import CommandFailed
from federation.cli.place import Place
from federation.control.compliance import Sources, Wish, ground_of, make_report
from federation.control.snapshots import compile_snapshot
from federation.governance.compliance import Report
from federation.governance.compliance_text import markdown, page, plain
from federation.storage.compliance import SqlRecords
from federation.storage.violations import SqlViolations


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which report, as it was written."""

    framework: str
    start: str
    end: str | None
    tenant: str | None
    verify: bool


def report(place: Place, wanted: Wanted, form: str, to: Path | None) -> None:
    """Write the report. Raises `CommandFailed`, and what `make_report` raises."""
    made = _made(place, wanted)
    text = {"html": page, "json": _json}.get(form, markdown)(made)
    if to is None:
        sys.stdout.write(text)
        return
    try:
        to.write_text(text, "utf-8")
    except OSError as error:
        raise CommandFailed(f"{to} cannot be written: {error.strerror}.") from error
    gaps = sum(bool(each.gaps) for each in made.controls)
    output.say(f"{to}: {len(made.controls)} controls, {gaps} of them with gaps.")


def _made(place: Place, wanted: Wanted) -> Report:
    now_ms = int(time.time() * 1000)
    end_ms = now_ms if wanted.end is None else moment(wanted.end, is_end=True)
    setup = offline.setup_of(place)
    with readable(place) as stores:
        store = stores.durable
        snapshot = compile_snapshot(setup.loaded, (), {}, 0)
        sources = Sources(
            place.data_dir, SqlRecords(store), SqlViolations(store), audit_store.index(stores)
        )
        return make_report(
            sources,
            ground_of(snapshot),
            Wish(
                wanted.framework,
                moment(wanted.start) or 0,
                end_ms or now_ms,
                wanted.tenant,
                verify=wanted.verify,
            ),
            now_ms,
        )


def _json(made: Report) -> str:
    return json.dumps(plain(made), indent=2) + "\n"
