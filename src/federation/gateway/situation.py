"""Makes a `Situation` of a snapshot: everything that calls need of it is prepared once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from federation.credentials.parts import secret_texts
from federation.credentials.plans import ByToken, PerRequest, Signature
from federation.credentials.signers import plan
from federation.dialects.carriage import maker_of
from federation.dialects.operations import passthrough
from federation.dialects.operations import upstream as operation_upstream
from federation.dialects.operations.table import OPERATION_CLIENTS, OPERATION_UPSTREAMS, serves
from federation.dialects.origins import Origins
from federation.dialects.table import UPSTREAMS
from federation.domain.catalogue import Deployment, Provider
from federation.domain.snapshot import Snapshot
from federation.errors import ConfigError
from federation.gateway.reply import marks
from federation.gateway.world import Line, OperationLine, PassageLine, Situation
from federation.governance.rulebook import Rulebook
from federation.routing.fleet import Fleet

log = logging.getLogger(__name__)

_DIALECTS = frozenset(dialect for _, dialect in OPERATION_UPSTREAMS)


@dataclass(frozen=True, slots=True)
class _SignIn:
    """What a provider's sign-in comes to: constant parts, and what is done to each request."""

    headers: tuple[tuple[bytes, bytes], ...]
    query: str
    secret: str
    private: bool
    signing: PerRequest | ByToken | None


def situate(
    snapshot: Snapshot,
    today: date,
    via: bytes = b"federation",
    origins: Origins | None = None,
) -> Situation:
    """Prepare a snapshot for calls; costs some milliseconds. `origins` outlive snapshots.

    A deployment that cannot be prepared (an address still holding a placeholder, a sign-in
    that this build does not know) is logged once and never asked. Raises `ConfigError` for
    policies that cannot be compiled: better nobody is served than anybody without them.
    """
    lines: list[Line | None] = []
    operations: dict[str, dict[int, OperationLine]] = {}
    deployments: list[Deployment] = []
    origins = Origins() if origins is None else origins
    for index, item in enumerate(snapshot.deployments):
        line, others = _prepared(item, snapshot, via)
        if line is not None:
            line.upstream.origin = origins.of(line.upstream.forwards, line.maker)
        for operation, other in others.items():
            operations.setdefault(operation, {})[index] = other
        spoken = item.provider.dialect in UPSTREAMS or item.provider.dialect in _DIALECTS
        known = line is not None or bool(others)
        lines.append(line)
        deployments.append(item if known or not spoken else replace(item, usable=False))
    snapshot = replace(snapshot, deployments=tuple(deployments))
    fleet = Fleet.of(snapshot, frozenset(UPSTREAMS), today)
    return Situation(
        snapshot=snapshot,
        fleet=fleet,
        book=Rulebook(snapshot.policies, snapshot.deployments, snapshot.store_regions),
        lines=tuple(lines),
        marks=tuple(marks(item) for item in deployments),
        operations=operations,
        fleets=_fleets(fleet, today),
        passages=_passages(snapshot, fleet, via),
    )


def _fleets(fleet: Fleet, today: date) -> dict[tuple[str, str], Fleet]:
    return {
        (operation, client): fleet.offering(
            operation,
            frozenset(spoken for spoken in _DIALECTS if serves(operation, client, spoken)),
            today,
        )
        for operation, client in OPERATION_CLIENTS
    }


def _prepared(
    item: Deployment, snapshot: Snapshot, via: bytes
) -> tuple[Line | None, Mapping[str, OperationLine]]:
    """How a deployment is asked for a chat, and for every other operation that it offers."""
    provider = item.provider
    prepare = UPSTREAMS.get(provider.dialect)
    offered = [
        codec
        for operation in item.operations
        if (codec := OPERATION_UPSTREAMS.get((operation, provider.dialect))) is not None
    ]
    if not item.usable or (prepare is None and not offered):
        return None, {}
    line = None
    others = {}
    try:
        how = _sign_in(provider, snapshot, via)
        if prepare is not None:
            upstream = prepare(
                item,
                snapshot.settings,
                headers=how.headers,
                query=how.query,
                secret=how.secret,
                private=how.private,
            )
            line = Line(
                upstream,
                maker_of(upstream.forwards, provider.id),
                how.signing,
                tuple(
                    form.encode()
                    for text in secret_texts(how.secret)
                    for form in {text, text.replace("/", "\\/")}
                ),
            )
        for codec in offered:
            other = operation_upstream.prepare(
                codec,
                item,
                headers=how.headers,
                query=how.query,
                secret=how.secret,
                private=how.private,
                read_error=line.upstream.decode_error if line is not None else None,
            )
            others[codec.operation] = OperationLine(other, how.signing)
    except (ConfigError, ValueError) as error:
        log.warning("deployment unusable", extra={"deployment": item.id, "reason": str(error)})
        return None, {}
    return line, others


def _passages(snapshot: Snapshot, fleet: Fleet, via: bytes) -> dict[str, PassageLine]:
    """The rows that the operator lets clients through to, and that let something through."""
    found: dict[str, PassageLine] = {}
    for item in snapshot.deployments:
        provider = item.provider
        named = provider.id in snapshot.settings.passthrough
        if not named or provider.id in found or not (item.usable and item.enabled):
            continue
        try:
            how = _sign_in(provider, snapshot, via)
            passages = passthrough.prepare(
                provider,
                headers=how.headers,
                query=how.query,
                secret=how.secret,
                private=how.private,
            )
        except (ConfigError, ValueError) as error:
            log.warning("no pass-through", extra={"provider": provider.id, "reason": str(error)})
            continue
        found[provider.id] = PassageLine(passages, fleet.of_providers((provider.id,)), how.signing)
    return found


def _sign_in(provider: Provider, snapshot: Snapshot, via: bytes) -> _SignIn:
    """Raises `ConfigError` or `ValueError` for a sign-in that cannot be used."""
    secret = snapshot.secrets.get(provider.id, "")
    signing = plan(provider, secret)
    constant = signing if isinstance(signing, Signature) else Signature()
    return _SignIn(
        headers=((b"via", b"1.1 " + via), *constant.headers),
        query=constant.query,
        secret=secret,
        private=provider.private or provider.local,
        signing=None if isinstance(signing, Signature) else signing,
    )
