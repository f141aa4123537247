"""The work of `federation audit`. Everything is read from files, whether a gateway runs or not.

The trap: a verification of the data directory itself trusts the key that lies in it. It
finds damage and slips, not a forger who owns the machine; only an export, judged with a key
and anchors from elsewhere, does that.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from federation.cli import audit_files, output
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.control.evidence_checking import check_log
from federation.control.evidence_reading import EvidenceReading
from federation.control.notary_keys import rotate
from federation.evidence.checkpoints import checkpoint_line
from federation.evidence.documents import judge, read_document, write_document
from federation.evidence.findings import Finding, Report
from federation.evidence.signing import read_keys
from federation.evidence.verify import Verification

WAIT_S = 30.0
PROOF_BYTES = 16 * 1024 * 1024


def verify(
    place: Place, export: Path | None, key: str | None, anchors: tuple[Path, ...], *, as_json: bool
) -> None:
    """Judge an export, a proof or the data directory; raises `CommandFailed` for what is bad."""
    kept = audit_files.anchor_lines(anchors)
    if export is None:
        report = _verify_data(place, key, kept)
    else:
        if key is None:
            raise CommandFailed(
                "Say with --key which public key you trust.",
                hint="A key that comes with an export proves nothing.",
                code="usage",
                exit_code=Exit.USAGE,
            )
        trusted = audit_files.trusted_key(key)
        if export.is_file() and export.suffix != ".tar":
            _verify_proof(export, trusted, as_json=as_json)
            return
        with audit_files.opened(export) as streams:
            checking = Verification(trusted, streams.keys)
            report = checking.run(streams.checkpoints, streams.entries, kept)
    _say(report, as_json=as_json)


def export(place: Place, to: Path, *, as_json: bool) -> None:
    """Write everything that is sealed."""
    reading = EvidenceReading(place.data_dir)
    keys = reading.keys()
    # What is sealed while this runs would make the files disagree.
    through = reading.newest().body.n
    count = audit_files.write(
        to, keys, reading.checkpoints(through=through), reading.entries(through=through)
    )
    if as_json:
        output.print_json({"path": str(to), "records": count, "checkpoints": through + 1})
    else:
        output.say(f"{to}: {count} records under {through + 1} checkpoints.")


def prove(
    place: Place,
    call: str | None,
    first: int | None,
    second: int | None,
    to: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write a proof."""
    reading = EvidenceReading(place.data_dir)
    if (call is None) == (first is None):
        message = "Name either a call or, with --from, a checkpoint."
        raise CommandFailed(message, code="usage", exit_code=Exit.USAGE)
    if call is None:
        document = write_document(reading.continues(first or 0, second))
    else:
        from federation.cli import audit_store  # noqa: PLC0415 - a third of a second of imports

        reading.keys()
        document = write_document(audit_store.include(place, reading, call))
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
        _make(place, reading)
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
            ("At", _at(body.at_ms)),
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


def _make(place: Place, reading: EvidenceReading) -> None:
    """Have the gateway that runs make a checkpoint, or make it ourselves where none does."""
    directory = place.data_dir / "evidence"
    if place.holder() is None:
        from federation.cli import audit_store  # noqa: PLC0415 - a third of a second of imports

        audit_store.seal(place)
        return
    wish = directory / "wanted"
    try:
        wish.write_text(f"{time.time_ns()}", "ascii")
    except OSError as error:
        raise CommandFailed(f"{wish} cannot be written: {error.strerror}.") from error
    end = time.monotonic() + WAIT_S
    while wish.exists():
        if time.monotonic() > end:
            raise CommandFailed("The gateway makes no checkpoint: its log says why.")
        time.sleep(0.05)
    reading.newest()


def _verify_data(place: Place, key: str | None, anchors: list[bytes]) -> Report:
    """The log in the data directory, and the store's index against it."""
    trusted = None if key is None else audit_files.trusted_key(key)
    files = (place.data_dir / "federation.db", place.data_dir / "evidence" / "index.db")
    if not any(path.is_file() for path in files):
        return check_log(place.data_dir, None, trusted, anchors)
    from federation.cli import audit_store  # noqa: PLC0415 - a third of a second of imports

    return audit_store.check(place, trusted, anchors)


def _verify_proof(path: Path, trusted: bytes, *, as_json: bool) -> None:
    data = path.read_bytes() if path.stat().st_size <= PROOF_BYTES else b""
    document = read_document(data)
    if document is None:
        raise CommandFailed(f"{path} is neither an export nor a proof.")
    report = Report(keys=len(document.keys))
    if (finding := judge(document, trusted)) is not None:
        report.findings.append(finding)
    _say(report, as_json=as_json, proof=type(document).__name__.lower())


def _say(report: Report, *, as_json: bool, proof: str = "") -> None:
    """Print what was found. Raises `CommandFailed` where there is anything."""
    findings: list[dict[str, Any]] = [asdict(each) for each in report.findings]
    if report.good and as_json:
        output.print_json({"verified": True, "proof": proof} | asdict(report))
    elif report.good and proof:
        output.say(f"The {proof} proof holds.", "green")
    elif report.good:
        output.facts(
            [
                ("Records", report.records),
                ("Checkpoints", report.checkpoints),
                ("Keys", report.keys),
                ("Anchors", report.anchors),
                ("From", _at(report.first_ms)),
                ("Through", _at(report.last_ms)),
                ("Longest silence", f"{report.longest_silence_ms / 1000:.0f} s"),
                ("Root", report.root),
            ]
        )
        output.say("Verified: every record is what was signed.", "green")
    else:
        raise CommandFailed(
            "Not verified.\n" + "\n".join(f"  {_told(each)}" for each in report.findings),
            code="not_verified",
            details={"findings": findings},
        )


def _told(finding: Finding) -> str:
    return f"[{finding.kind}] {finding.message}"


def _at(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
