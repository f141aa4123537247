"""From a snapshot to a situation: everything that can be prepared is prepared once."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date

from federation.credentials.plans import Signature
from federation.credentials.signers import plan
from federation.dialects.carriage import maker_of
from federation.dialects.table import UPSTREAMS
from federation.domain.catalogue import Deployment
from federation.domain.snapshot import Snapshot
from federation.errors import ConfigError
from federation.gateway.reply import marks
from federation.gateway.world import Line, Situation
from federation.routing.fleet import Fleet

log = logging.getLogger(__name__)


def situate(snapshot: Snapshot, today: date, via: bytes = b"federation") -> Situation:
    """Prepare a snapshot for calls; costs some milliseconds.

    A deployment that cannot be prepared (an address still holding a placeholder, a sign-in
    that this build does not know) is logged once and never asked.
    """
    lines = tuple(_line(item, snapshot, via) for item in snapshot.deployments)
    snapshot = replace(
        snapshot,
        deployments=tuple(
            replace(item, usable=False)
            if line is None and item.provider.dialect in UPSTREAMS
            else item
            for item, line in zip(snapshot.deployments, lines, strict=True)
        ),
    )
    return Situation(
        snapshot=snapshot,
        fleet=Fleet.of(snapshot, frozenset(UPSTREAMS), today),
        lines=lines,
        marks=tuple(marks(item) for item in snapshot.deployments),
    )


def _line(item: Deployment, snapshot: Snapshot, via: bytes) -> Line | None:
    provider = item.provider
    prepare = UPSTREAMS.get(provider.dialect)
    if prepare is None or not item.usable:
        return None
    secret = snapshot.secrets.get(provider.id, "")
    try:
        signing = plan(provider, secret)
        constant = signing if isinstance(signing, Signature) else Signature()
        upstream = prepare(
            item,
            snapshot.settings,
            headers=((b"via", b"1.1 " + via), *constant.headers),
            query=constant.query,
            secret=secret,
            private=provider.private or provider.local,
        )
    except (ConfigError, ValueError) as error:
        log.warning("deployment unusable", extra={"deployment": item.id, "reason": str(error)})
        return None
    return Line(
        upstream,
        maker_of(upstream.forwards, provider.id),
        None if isinstance(signing, Signature) else signing,
    )
