"""Limits of a control process: what is set, over the store in which all replicas count."""

from __future__ import annotations

from collections.abc import Callable

from federation.bootstrap.sharing import Sharing
from federation.control.limiting import Limiting
from federation.control.limits import LimitDesk
from federation.control.limits_ports import MeterStore
from federation.control.tenancy_ports import TenancyStore
from federation.control.threads import Errands
from federation.domain.limits import Limit
from federation.storage.engine import Stores
from federation.storage.limits_sql import SqlLimits, SqlMeters


def open_meters(stores: Stores, sharing: Sharing) -> MeterStore:
    """Where is counted: Redis where there is one, else the database. What a power loss may take
    back of the last second is not worth a wait for the disk."""
    shared = sharing.redis
    if shared is None:
        return SqlMeters(stores.quick)
    # As in `bootstrap.sharing`: the client takes long to import.
    from federation.storage.limits_redis import RedisMeters  # noqa: PLC0415

    return RedisMeters(shared.client, SqlMeters(stores.quick))


def open_limiting(
    stores: Stores,
    sharing: Sharing,
    tenancy: TenancyStore,
    defaults: Callable[[], tuple[Limit, ...]],
    errands: Errands,
) -> Limiting:
    """The limits in force, and who counts for them."""
    meters = open_meters(stores, sharing)
    desk = LimitDesk(SqlLimits(stores.durable), meters, tenancy, defaults, errands)
    return Limiting(sharing.replica, meters, desk)
