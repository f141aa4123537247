"""Bytes on the link: frames, and the snapshot and key ring that they carry.

Safe for a worker to import. The trap: a snapshot is packed with each provider once and
deployments that point at it. Packed as it stands, every deployment would carry its
provider's row, and each worker would hold hundreds of copies.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec

from federation.domain.approvals import Granted
from federation.domain.budgets import Budget
from federation.domain.catalogue import Deployment, Model, Provider
from federation.domain.limits import Limit
from federation.domain.policies import Policy
from federation.domain.routes import Route, Settings
from federation.domain.sign_in import TokenRing
from federation.domain.snapshot import KeyRing, Snapshot
from federation.schema.link import FRAME_LIMIT, FromWorker, ToWorker

Frame = TypeVar("Frame")

_encode = msgspec.msgpack.Encoder().encode

from_worker = msgspec.msgpack.Decoder(FromWorker)
to_worker = msgspec.msgpack.Decoder(ToWorker)


class _Place(msgspec.Struct, array_like=True):
    id: str
    provider: int
    model: Model
    usable: bool
    enabled: bool


class _Packed(msgspec.Struct, array_like=True):
    version: int
    digest: str
    settings: Settings
    providers: list[Provider]
    deployments: list[_Place]
    routes: dict[str, Route]
    secrets: dict[str, str]
    policies: tuple[Policy, ...] = ()
    store_regions: tuple[str, ...] = ()
    approvals: tuple[Granted, ...] = ()


_snapshot = msgspec.msgpack.Decoder(_Packed)
_ring = msgspec.msgpack.Decoder(KeyRing)
_tokens = msgspec.msgpack.Decoder(TokenRing)
_budgets = msgspec.msgpack.Decoder(tuple[Budget, ...])
_limits = msgspec.msgpack.Decoder(tuple[tuple[Limit, ...], dict[str, str]])


def frame(message: FromWorker | ToWorker) -> bytes:
    """A message as it travels: four bytes of length, then MessagePack."""
    body = _encode(message)
    return len(body).to_bytes(4, "big") + body


async def read_frame(
    reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[Frame]
) -> Frame | None:
    """The next message, or None at a clean or torn end of the stream.

    Raises `msgspec.DecodeError` for what is no message of this version, or is too long.
    """
    try:
        length = int.from_bytes(await reader.readexactly(4), "big")
        if length > FRAME_LIMIT:
            raise msgspec.DecodeError(f"a frame of {length} bytes")
        return decoder.decode(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def pack_snapshot(snapshot: Snapshot) -> bytes:
    """A snapshot for `SnapshotFrame`; equal snapshots give equal bytes."""
    index: dict[str, int] = {}
    providers: list[Provider] = []
    places = []
    for deployment in snapshot.deployments:
        provider = deployment.provider
        if provider.id not in index:
            index[provider.id] = len(providers)
            providers.append(provider)
        places.append(
            _Place(
                deployment.id,
                index[provider.id],
                deployment.model,
                deployment.usable,
                deployment.enabled,
            )
        )
    return msgspec.msgpack.encode(
        _Packed(
            snapshot.version,
            snapshot.digest,
            snapshot.settings,
            providers,
            places,
            snapshot.routes,
            snapshot.secrets,
            snapshot.policies,
            snapshot.store_regions,
            snapshot.approvals,
        ),
        order="deterministic",
    )


def unpack_snapshot(payload: bytes) -> Snapshot:
    """The inverse of `pack_snapshot`; deployments of one provider share its object."""
    packed = _snapshot.decode(payload)
    providers = packed.providers
    return Snapshot(
        packed.version,
        packed.digest,
        packed.settings,
        tuple(
            Deployment(
                place.id, providers[place.provider], place.model, place.usable, place.enabled
            )
            for place in packed.deployments
        ),
        packed.routes,
        packed.secrets,
        packed.policies,
        packed.store_regions,
        packed.approvals,
    )


def pack_ring(ring: KeyRing) -> bytes:
    """A key ring for `KeyRingFrame`."""
    return _encode(ring)


def unpack_ring(payload: bytes) -> KeyRing:
    """The inverse of `pack_ring`."""
    return _ring.decode(payload)


def pack_tokens(ring: TokenRing) -> bytes:
    """A token ring for `TokenRingFrame`."""
    return _encode(ring)


def unpack_tokens(payload: bytes) -> TokenRing:
    """The inverse of `pack_tokens`."""
    return _tokens.decode(payload)


def pack_budgets(budgets: tuple[Budget, ...]) -> bytes:
    """Budgets for `BudgetsFrame`."""
    return _encode(budgets)


def unpack_budgets(payload: bytes) -> tuple[Budget, ...]:
    """The inverse of `pack_budgets`."""
    return _budgets.decode(payload)


def pack_limits(limits: tuple[Limit, ...], tiers: dict[str, str]) -> bytes:
    """Limits, and the tiers of the tenants that tiers limit, for `LimitsFrame`."""
    return _encode((limits, tiers))


def unpack_limits(payload: bytes) -> tuple[tuple[Limit, ...], dict[str, str]]:
    """The inverse of `pack_limits`."""
    return _limits.decode(payload)
