"""Which stores a gateway shares with others: PostgreSQL, Redis, and its own name among replicas.

The trap: an address holds a password. In a file it may stand only without one; with one it
comes from a variable or a file of its own, is read here, and shows in no repr and no message.
Found out quickly and without Pydantic, for the store is opened before all else is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from federation.config import document, environment
from federation.config.credentials import resolve_credential
from federation.config.environment import Environment
from federation.config.quantities import store_address, whole_address
from federation.errors import ConfigError, Problem

DATABASE_VARIABLE = "FEDERATION_DATABASE_URL"
REDIS_VARIABLE = "FEDERATION_REDIS_URL"
REPLICA_VARIABLE = "FEDERATION_REPLICA"
_DATABASE = (("postgresql", "postgres"), "postgresql://user@host:5432/name")
_REDIS = (("redis", "rediss"), "redis://host:6379/0")
_REPLICA = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}\Z")

database = store_address(*_DATABASE)
redis = store_address(*_REDIS)


def replica(value: object) -> str:
    """A replica's name."""
    if not isinstance(value, str) or not _REPLICA.match(value):
        raise ValueError("should be 1 to 100 letters, digits, - _ . : or /")
    return value


@dataclass(frozen=True, slots=True)
class StoreAddresses:
    """Whole addresses, passwords included; None where a gateway keeps its own store."""

    database: str | None = field(default=None, repr=False)
    redis: str | None = field(default=None, repr=False)
    replica: str | None = None


def peek_stores(
    config_dir: Path, environ: Mapping[str, str], env_file: Path | None = None
) -> StoreAddresses:
    """The addresses as files and environment say; the environment wins.

    Raises `ConfigError` where one of them cannot be used, and where the file cannot be read: it
    may name a store, and none of our own must be taken for it. What else stands in the file is
    for `load` to judge.
    """
    found = environment.gather(environ, env_file)
    whole = document.read(config_dir / "federation.yaml", str(config_dir / "federation.yaml"))
    section = whole.at(("storage",)) if isinstance(whole.value, dict) else None
    written = section if isinstance(section, dict) else {}
    problems = list(whole.problems)

    def one(key: str, variable: str, check: Callable[[object], str]) -> str | None:
        given: object = f"env:{variable}" if found.values.get(variable, "").strip() else None
        given = given or written.get(key)
        if given is None:
            return None
        try:
            return check(given)
        except ValueError as error:
            problems.append(whole.problem(("storage", key), f"'storage.{key}' {error}"))
            return None

    addresses = StoreAddresses(
        _address(one("database", DATABASE_VARIABLE, database), *_DATABASE, found, problems),
        _address(one("redis", REDIS_VARIABLE, redis), *_REDIS, found, problems),
        found.values.get(REPLICA_VARIABLE, "").strip() or one("replica", "", replica),
    )
    if addresses.redis is not None and addresses.database is None and not problems:
        message = "'storage.redis' is for replicas: it needs 'storage.database'"
        problems.append(whole.problem(("storage", "redis"), message))
    if problems:
        raise ConfigError(problems)
    return addresses


def _address(
    given: str | None,
    schemes: tuple[str, ...],
    example: str,
    found: Environment,
    problems: list[Problem],
) -> str | None:
    """The address itself, behind a reference or not."""
    if given is None or not given.startswith(("env:", "file:")):
        return given
    address = resolve_credential(given, found.values)
    if address is None:
        problems.append(Problem(given, None, "is not set or cannot be read"))
        return None
    try:
        return whole_address(address, schemes, example)
    except ValueError as error:
        problems.append(Problem(given, None, str(error)))
        return None
