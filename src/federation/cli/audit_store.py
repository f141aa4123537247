"""The parts of `federation audit` that need the store; an export is judged without them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from federation.cli.db_store import existing, readable
from federation.cli.place import Place
from federation.control.evidence_checking import check_log
from federation.control.evidence_reading import EvidenceReading
from federation.control.notary import Notary
from federation.evidence.documents import Inclusion
from federation.evidence.findings import Report
from federation.storage.anchors import Anchor
from federation.storage.engine import Stores
from federation.storage.evidence_calls import Apart, SpooledCalls
from federation.storage.evidence_index import SqlEvidence


def include(place: Place, reading: EvidenceReading, call: str) -> Inclusion:
    """The proof that a call is in the log. Raises `NotFound`."""
    with readable(place) as stores:
        return reading.include(index(stores), call)


def include_entry(place: Place, reading: EvidenceReading, n: int) -> Inclusion:
    """The proof that the record at a place is in the log. Raises `NotFound`."""
    with readable(place) as stores:
        return reading.include_entry(index(stores), n)


def seal(place: Place, anchors: Sequence[Anchor] | None = None) -> None:
    """Make a checkpoint over all that was written; no gateway may be running. It is handed to
    these anchors alone: a copy of the data must not speak to those of the original."""
    with existing(place) as stores:
        notary = Notary(place.data_dir, index(stores), anchors, time.time)
        notary.open()
        notary.close()


def check(place: Place, trusted: bytes | None, anchors: Sequence[bytes]) -> Report:
    """The log where it lies, and what the store says otherwise than it."""
    with readable(place) as stores:
        return check_log(place.data_dir, index(stores), trusted, anchors)


def apart(
    place: Place, calls: SpooledCalls, ends_ms: Mapping[str, int], all_ms: int
) -> Iterator[Apart]:
    """Calls of which the ledger and logs that were read say not the same."""
    with readable(place) as stores:
        yield from calls.against(index(stores).ledger(), ends_ms, all_ms)


def index(stores: Stores) -> SqlEvidence:
    """The index of this gateway's log, and the ledger that it may share."""
    return SqlEvidence(stores.local, stores.quick)
