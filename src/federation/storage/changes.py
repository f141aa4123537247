"""What operators change at run time, and every configuration that was ever in force."""

from __future__ import annotations

import zlib
from dataclasses import asdict

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from federation.storage.engine import reading, replacing, writing
from federation.storage.entries import ConfigVersion, Override
from federation.storage.tables import config_versions, provider_overrides


class SqlOverrides:
    """Runtime decisions about providers; implements `control.ports.OverrideStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self) -> list[Override]:
        """Every override, by provider."""
        query = select(provider_overrides).order_by(provider_overrides.c.provider)
        with reading(self._engine) as connection:
            return [Override(*row) for row in connection.execute(query)]

    def save(self, override: Override) -> None:
        """Keep an override in the place of any for the same provider."""
        with writing(self._engine) as connection:
            connection.execute(replacing(provider_overrides), asdict(override))

    def swap(self, provider: str, after: Override | None, was: Override | None) -> bool:
        """Keep `after` (None: no override) for a provider whose override is `was`; False, and
        nothing kept, where it is another by now, also by another replica's hand."""
        same = provider_overrides.c.provider == provider
        query = select(provider_overrides).where(same).with_for_update()
        with writing(self._engine) as connection:
            row = connection.execute(query).one_or_none()
            if (None if row is None else Override(*row)) != was:
                return False
            if row is not None:
                connection.execute(delete(provider_overrides).where(same))
            try:
                with connection.begin_nested():
                    if after is not None:
                        connection.execute(insert(provider_overrides), asdict(after))
            except IntegrityError:  # there was none to hold fast, and somebody put theirs in
                return False
        return True


class SqlVersions:
    """Configuration versions, which only grow; implements `control.ports.VersionStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latest(self) -> ConfigVersion | None:
        """The newest version, or None in a new store."""
        columns = (config_versions.c.version, config_versions.c.digest, config_versions.c.at_ms)
        query = select(*columns).order_by(config_versions.c.version.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else ConfigVersion(*row)

    def add(self, digest: str, at_ms: int, body: bytes) -> ConfigVersion:
        """Keep a configuration under the next version. `body` holds no secret."""
        row = {"digest": digest, "at_ms": at_ms, "body": zlib.compress(body)}
        with writing(self._engine) as connection:
            result = connection.execute(insert(config_versions), row)
        key = result.inserted_primary_key
        assert key is not None  # noqa: S101  a single insert has one
        return ConfigVersion(int(key[0]), digest, at_ms)

    def body(self, version: int) -> bytes | None:
        """A version's content as it was given, or None."""
        query = select(config_versions.c.body).where(config_versions.c.version == version)
        with reading(self._engine) as connection:
            found = connection.scalar(query)
        return None if found is None else zlib.decompress(found)
