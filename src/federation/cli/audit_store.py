"""The parts of `federation audit` that need the store; an export is judged without them."""

from __future__ import annotations

import time
from pathlib import Path

from federation.cli.place import Place
from federation.control.evidence_reading import EvidenceReading
from federation.control.notary import Notary
from federation.errors import NotFound
from federation.evidence.documents import Inclusion
from federation.evidence.findings import Finding
from federation.storage import engine
from federation.storage.evidence_index import SqlEvidence


def include(place: Place, reading: EvidenceReading, call: str) -> Inclusion:
    """The proof that a call is in the log. Raises `NotFound`."""
    with engine.opened(database(place)) as store:
        return reading.include(SqlEvidence(store), call)


def seal(place: Place) -> None:
    """Make a checkpoint over all that was written; no gateway may be running."""
    with engine.opened(database(place)) as store:
        notary = Notary(place.data_dir, SqlEvidence(store), (), time.time)
        notary.open()
        notary.close()


def check(place: Place, reading: EvidenceReading, through: int) -> list[Finding]:
    """What the store says otherwise than the log."""
    with engine.opened(database(place)) as store:
        return list(reading.check_index(SqlEvidence(store), through))


def database(place: Place) -> Path:
    """The store's file. Raises `NotFound`."""
    path = place.data_dir / "federation.db"
    if not path.is_file():
        raise NotFound(f"There is no store in {place.data_dir}.")
    return path
