"""Which master key a store goes with.

Virtual keys, sign-ins, stored responses and the sealing keys of replicas are hashed or sealed
under the master key. A start with another one would refuse every client, and say nothing of
the reason; so a store holds a mark of its key, from which nothing of the key can be told. The
trap is a key that is made because its file is missing: only a store without a mark gets one.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, text

from federation.errors import ConfigError, Problem
from federation.storage import secrets
from federation.storage.engine import reading, writing
from federation.storage.secrets import MASTER_VARIABLE, Reader

_AGAIN: Final = (
    f"put the one back that goes with this store, as a file or in {MASTER_VARIABLE}; where it is "
    "lost, `federation db accept-master` lets the gateway start without it"
)
_FIND: Final = text("SELECT mark FROM master_marks WHERE id = 1")
_FIRST: Final = text("INSERT INTO master_marks (id, mark) VALUES (1, :mark) ON CONFLICT DO NOTHING")
_REPLACE: Final = text(
    """
    INSERT INTO master_marks (id, mark) VALUES (1, :mark)
    ON CONFLICT (id) DO UPDATE SET mark = excluded.mark
    """
)
_LIVING: Final = text("SELECT COUNT(*) FROM virtual_keys WHERE revoked_ms IS NULL")


def agreed_master(engine: Engine, data: Path, environ: Mapping[str, str], vault: Reader) -> bytes:
    """The master key, which a store without a mark is marked with, and which is made where nobody
    has one yet. Raises `ConfigError` where the store goes with another, or with one that is not
    there: one from before there were marks does if it knows virtual keys."""
    master, marked = secrets.master_key(data, environ, vault), _marked(engine)
    where = str(secrets.master_key_file(data))
    if master is None and (marked is not None or _living(engine)):
        raise ConfigError([Problem(where, None, f"is missing: {_AGAIN}")])
    master = master or secrets.made_master_key(data)
    if marked is None:
        with writing(engine) as connection:
            connection.execute(_FIRST, {"mark": _mark(master)})
        marked = _marked(engine)
    if marked != _mark(master):
        named = MASTER_VARIABLE if environ.get(MASTER_VARIABLE) else where
        raise ConfigError([Problem(named, None, f"is not the master key of this store: {_AGAIN}")])
    return master


def current_master(data: Path, environ: Mapping[str, str], vault: Reader) -> tuple[bytes, bool]:
    """The master key that is there, whatever any store goes with; and whether it was made now,
    because there was none."""
    found = secrets.master_key(data, environ, vault)
    return (secrets.made_master_key(data), True) if found is None else (found, False)


def accept_master(engine: Engine, master: bytes, *, made: bool) -> int | None:
    """Let a store go with this master key, and how many virtual keys open nothing from now on;
    None where nothing tells that it went with another. `made`: it was made just now."""
    with writing(engine) as connection:
        marked = connection.execute(_FIND).scalar()
        connection.execute(_REPLACE, {"mark": _mark(master)})
        living = int(connection.execute(_LIVING).scalar_one())
    if marked is None:
        return (living or None) if made else None
    return None if marked == _mark(master) else living


def _marked(engine: Engine) -> str | None:
    with reading(engine) as connection:
        return connection.execute(_FIND).scalar()


def _living(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(_LIVING).scalar_one())


def _mark(master: bytes) -> str:
    return hmac.digest(master, b"federation/master-mark/1", "sha256").hex()
