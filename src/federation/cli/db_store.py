"""Which store a command means: the data directory's own, or the one that its configuration names.

The trap: other gateways may be at work on a shared one. Only a change of their own data
directory's can be seen by its lock; whoever lives on a shared store says so in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.cli.failures import CommandFailed
from federation.cli.place import Place
from federation.config import document
from federation.config.stores import StoreAddresses, peek_stores
from federation.errors import NotFound
from federation.storage.engine import FILE, LOCAL, Stores, opened_stores
from federation.storage.read_only import is_read_only, opened_read_only
from federation.storage.sealing_keys import STORE
from federation.storage.store_file import is_empty


def addresses(place: Place) -> StoreAddresses:
    """What the configuration says. Raises `ConfigError`."""
    return peek_stores(place.config_dir, place.environ)


@contextmanager
def stores(place: Place) -> Iterator[Stores]:
    """The stores of a place, up to date. Raises `ConfigError`, `Unavailable`."""
    with opened_stores(place.data_dir, addresses(place).database) as opened:
        yield opened


@contextmanager
def empty(place: Place) -> Iterator[Stores]:
    """As `stores`, also where the place had a store that is not there. Raises `CommandFailed` where
    one is."""
    database = addresses(place).database
    if database is None and not is_empty(own_file(place.data_dir, shared=False)):
        raise CommandFailed(f"There is a store in {place.data_dir}.", code="conflict")
    with opened_stores(place.data_dir, database, anew=True) as opened:
        yield opened


@contextmanager
def existing(place: Place) -> Iterator[Stores]:
    """As `stores`, where there is one already. Raises `NotFound`."""
    if not is_there(place):
        raise NotFound(f"There is no store in {place.data_dir}.")
    with stores(place) as opened:
        yield opened


@contextmanager
def readable(place: Place) -> Iterator[Stores]:
    """As `existing`, for who only reads: also on media that cannot be written."""
    own = addresses(place)
    path = own_file(place.data_dir, shared=own.database is not None)
    if path.is_file() and is_read_only(path):
        with opened_read_only(place.data_dir, own.database) as opened:
            yield opened
        return
    with existing(place) as opened:
        yield opened


def is_there(place: Place) -> bool:
    """Whether a gateway has ever kept anything here."""
    shared = addresses(place).database is not None
    return own_file(place.data_dir, shared=shared).is_file()


def own_file(data: Path, *, shared: bool) -> Path:
    """The SQLite file in a data directory."""
    return data / (LOCAL if shared else FILE)


def own_keys(place: Place) -> Path:
    """The SQLite file with the sealing keys of a gateway that shares no store. Raises
    `ConfigError`."""
    path = place.config_dir / "federation.yaml"
    whole = document.read(path, str(path))
    section = whole.at(("sealing",)) if isinstance(whole.value, dict) else None
    named = section.get("directory") if isinstance(section, dict) else None
    return (Path(named) if isinstance(named, str) else place.data_dir / "keys") / STORE
