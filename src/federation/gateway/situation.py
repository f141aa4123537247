"""From a snapshot to a situation: everything that can be prepared is prepared once."""

from __future__ import annotations

from datetime import date

from federation.dialects.table import DIALECTS
from federation.domain.snapshot import Snapshot
from federation.gateway.reply import marks
from federation.gateway.world import Situation
from federation.routing.fleet import Fleet


def situate(snapshot: Snapshot, today: date) -> Situation:
    """Prepare a snapshot for calls. Costs some milliseconds."""
    wires = tuple(
        DIALECTS[item.provider.dialect].prepare(
            item, snapshot.secrets.get(item.provider.id), private=item.provider.private
        )
        if item.provider.dialect in DIALECTS and item.usable
        else None
        for item in snapshot.deployments
    )
    return Situation(
        snapshot=snapshot,
        fleet=Fleet.of(snapshot, frozenset(DIALECTS), today),
        wires=wires,
        marks=tuple(marks(item) for item in snapshot.deployments),
    )
