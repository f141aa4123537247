"""The work of `federation audit`. Everything is read from files, whether a gateway runs or not.

The trap: a verification of the data directory itself trusts the key that lies in it. It
finds damage and slips, not a forger who owns the machine; only an export, judged with a key
and anchors from elsewhere, does that.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from federation.cli import audit_files, audit_report, audit_web, output
from federation.cli.audit_anchors import read_anchors
from federation.cli.failures import CommandFailed, Exit, wrong_usage
from federation.cli.place import Place
from federation.control.evidence_checking import check_log
from federation.control.evidence_reading import EvidenceReading
from federation.control.notary_keys import rotate
from federation.evidence.checkpoints import checkpoint_line
from federation.evidence.documents import judge, read_document, write_document
from federation.evidence.findings import Report
from federation.evidence.signing import read_keys
from federation.evidence.verify import Verification
from federation.evidence.web import Web

WAIT_S = 30.0
PROOF_BYTES = 16 * 1024 * 1024
_UNIX_MS = re.compile(r"[0-9]{12,14}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to verify, as it was written."""

    exports: tuple[Path, ...] = ()
    keys: tuple[str, ...] = ()
    anchors: tuple[Path, ...] = ()
    alone: bool = False
    ledger: bool = False
    through: str | None = None
    only_keys: bool = False


def verify(place: Place, wanted: Wanted, *, as_json: bool) -> None:
    """Judge exports, a proof or the data directory; raises `CommandFailed` for what is bad."""
    anchors = read_anchors(wanted.anchors)
    trusted = [audit_files.trusted_key(key) for key in wanted.keys]
    through_ms = _moment(wanted.through)
    more = wanted.ledger or wanted.only_keys
    if not wanted.exports:
        if wanted.alone or more or through_ms is not None or len(trusted) > 1:
            raise wrong_usage(
                "--alone, --ledger, --through, --only-keys and several keys: for exports."
            )
        report = _verify_data(place, trusted, anchors.lines)
        audit_report.say(report, as_json=as_json, anchors=anchors)
        return
    if not trusted:
        raise wrong_usage(
            "Say with --key which public key you trust.",
            "A key that comes with an export proves nothing.",
        )
    first = wanted.exports[0]
    if len(wanted.exports) == 1 and first.is_file() and first.suffix != ".tar":
        if wanted.alone or more or through_ms is not None or wanted.anchors or len(trusted) > 1:
            message = "--alone, --anchor, --ledger, --through, --only-keys and several keys"
            raise wrong_usage(f"{message} are for exports.")
        _verify_proof(first, trusted[0], as_json=as_json)
        return
    exports = audit_files.all_exports(wanted.exports)
    if not wanted.alone:
        web = Web(trusted, through_ms=through_ms, only_keys=wanted.only_keys)
        audit_web.verify(place, exports, web, anchors, ledger=wanted.ledger, as_json=as_json)
        return
    if len(exports) > 1 or len(trusted) > 1 or more:
        raise wrong_usage("--alone is for one export and one key.")
    with audit_files.opened(exports[0]) as streams:
        checking = Verification(trusted[0], streams.keys, through_ms=through_ms)
        report = checking.run(streams.checkpoints, streams.entries, anchors.lines)
    audit_report.check_judged([report], through_ms, anchors)
    audit_report.say(report, as_json=as_json, anchors=anchors, through_ms=through_ms)


def export(place: Place, to: Path | None, into: Path | None, *, as_json: bool) -> None:
    """Write everything that is sealed."""
    if (to is None) == (into is None):
        raise wrong_usage("Name either a new directory or, with --into, one for all replicas.")
    reading = EvidenceReading(place.data_dir)
    keys = reading.keys()
    # What is sealed while this runs would make the files disagree.
    through = reading.newest().body.n
    where = to or audit_web.place_in(into or Path(), place, read_keys(keys)[0].id)
    count = audit_files.write(
        where, keys, reading.checkpoints(through=through), reading.entries(through=through)
    )
    if as_json:
        output.print_json({"path": str(where), "records": count, "checkpoints": through + 1})
    else:
        output.say(f"{where}: {count} records under {through + 1} checkpoints.")


def prove(
    place: Place,
    call: str | None,
    entry: int | None,
    first: int | None,
    second: int | None,
    to: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write a proof."""
    if [call, entry, first].count(None) != 2:
        raise wrong_usage("Name a call or, with --entry, a record or, with --from, a checkpoint.")
    reading = EvidenceReading(place.data_dir)
    if first is not None:
        document = write_document(reading.continues(first, second))
    else:
        from federation.cli import audit_store  # noqa: PLC0415 - a third of a second of imports

        reading.keys()
        document = write_document(
            audit_store.include(place, reading, call)
            if call is not None
            else audit_store.include_entry(place, reading, entry or 0)
        )
    if to is None:
        sys.stdout.write(document.decode())
        return
    try:
        to.write_bytes(document)
    except OSError as error:
        raise CommandFailed(f"{to} cannot be written: {error.strerror}.") from error
    if as_json:
        output.print_json({"path": str(to)})
    else:
        output.say(f"{to}: verify it with `federation-verify {to} --key KEY`.")


def checkpoint(place: Place, *, now: bool, as_json: bool) -> None:
    """Show the newest checkpoint, after making one if wished."""
    reading = EvidenceReading(place.data_dir)
    if now:
        _make(place)
    keys = {key.id: key for key in read_keys(reading.keys())}
    newest = reading.newest()
    body = newest.body
    public = keys[body.key].public.hex() if body.key in keys else ""
    short = checkpoint_line(newest.raw, newest.signature).decode().rstrip("\n")
    if as_json:
        whole = {"checkpoint": body.n, "size": body.size, "root": body.root, "at_ms": body.at_ms}
        output.print_json({**whole, "key": body.key, "public": public, "line": short})
        return
    output.facts(
        [
            ("Checkpoint", body.n),
            ("Records", body.size),
            ("Root", body.root),
            ("At", audit_report.at(body.at_ms)),
            ("Public key", public),
        ]
    )
    output.say(f"\n{short}")


def rotate_key(place: Place, *, as_json: bool) -> None:
    """Replace the signing key."""
    EvidenceReading(place.data_dir).keys()
    key = rotate(place.data_dir / "evidence", int(time.time() * 1000))
    if as_json:
        output.print_json({"key": key.id, "public": key.public.hex(), "n": key.n})
    else:
        output.facts([("Key", key.id), ("Public key", key.public.hex())])
        output.note("It signs from the next checkpoint on. Its predecessor's secret is destroyed.")


def wish(place: Place) -> None:
    """Have the gateway that runs make a checkpoint and anchor it, and wait until it has."""
    wanted = place.data_dir / "evidence" / "wanted"
    try:
        wanted.write_text(f"{time.time_ns()}", "ascii")
    except OSError as error:
        raise CommandFailed(f"{wanted} cannot be written: {error.strerror}.") from error
    end = time.monotonic() + WAIT_S
    while wanted.exists():
        if time.monotonic() > end:
            raise CommandFailed("The gateway makes no checkpoint: its log says why.")
        time.sleep(0.05)


def _make(place: Place) -> None:
    if place.holder() is not None:
        wish(place)
        return
    from federation.cli import audit_store  # noqa: PLC0415 - a third of a second of imports

    audit_store.seal(place)


def _verify_data(place: Place, keys: Sequence[bytes], anchors: list[bytes]) -> Report:
    """The log in the data directory, and the store's index against it."""
    trusted = keys[0] if keys else None
    files = (place.data_dir / "federation.db", place.data_dir / "evidence" / "index.db")
    if not any(path.is_file() for path in files):
        output.note("There is no store here: the log was held against none.")
        return check_log(place.data_dir, None, trusted, anchors)
    from federation.cli import audit_store  # noqa: PLC0415 - a third of a second of imports

    return audit_store.check(place, trusted, anchors)


def _verify_proof(path: Path, trusted: bytes, *, as_json: bool) -> None:
    data = path.read_bytes() if path.stat().st_size <= PROOF_BYTES else b""
    document = read_document(data)
    if document is None:
        said = f"{audit_files.shown(path)} is neither an export nor a proof."
        raise CommandFailed(said, exit_code=Exit.USAGE)
    report = Report(keys=len(document.keys))
    if (finding := judge(document, trusted)) is not None:
        report.findings.append(finding)
    audit_report.say(report, as_json=as_json, proof=type(document).__name__.lower())


def _moment(text: str | None) -> int | None:
    if text is None or _UNIX_MS.fullmatch(text):
        return None if text is None else int(text)
    from federation.cli.audit_query import moment  # noqa: PLC0415 - a third of a second of imports

    return moment(text)
