"""The configuration in force: read, compiled, given a version, read again when it changes.

All of it blocks but `snapshot` and the other attributes. The trap: a file that has become
bad changes nothing. What was in force stays so, and `problems` says what is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from federation.config.settings import Loaded
from federation.config.watch import Fingerprint
from federation.control.frames import pack_snapshot
from federation.control.policies_checked import check_policies
from federation.control.ports import OverrideStore, VersionStore
from federation.control.snapshots import compile_snapshot, without_secrets
from federation.domain.catalogue import Deployment, Provider
from federation.domain.snapshot import Snapshot
from federation.errors import ConfigError, NotFound, Problem
from federation.routing.fleet import facts_known
from federation.storage.entries import ConfigVersion

log = logging.getLogger(__name__)

_AT_START = {
    "server": "host, port and workers",
    "storage": "the database, Redis and the replica",
    "telemetry": "the level and form of the log",
    "evidence": "anchors and the times of the evidence log",
    "sealing": "the root, the keys' directory and the tombstones",
}
"""Sections that are read when the gateway starts, and what in them waits for that."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of files and environment."""

    loaded: Loaded
    secrets: dict[str, str] = field(repr=False)
    warnings: tuple[Problem, ...] = ()


def unchanged(loaded: Loaded) -> Loaded:
    """Where nothing is ever added to what was read."""
    return loaded


class Configuration:
    """What is in force now. `read` reads everything anew, or raises `ConfigError`;
    `look` takes the fingerprint of its files and of the further ones that it is given; `added`
    puts in what operators decided at run time."""

    def __init__(
        self,
        read: Callable[[], Reading],
        look: Callable[[Iterable[Path]], Fingerprint],
        overrides: OverrideStore,
        versions: VersionStore,
        clock: Callable[[], float],
        added: Callable[[Loaded], Loaded] = unchanged,
    ) -> None:
        self._read = read
        self._added = added
        self._look = look
        self._overrides = overrides
        self._versions = versions
        self._clock = clock
        self._kept: ConfigVersion | None = None
        """Ours: the newest may be another replica's, which has other settings."""
        self._behind = False
        """Something was decided and could not be compiled."""
        self.reading = read()
        self._started = self.reading.loaded
        _check(self.reading.loaded)
        self._seen = look(self.reading.loaded.files)
        self.problems: tuple[Problem, ...] = ()
        self.loaded_ms = int(clock() * 1000)
        self.snapshot = self._compile(self.reading)
        self._tell()

    def changed(self) -> bool:
        """Whether any file differs from the last time that this was asked, or what was decided
        since is not in force because the store did not take it."""
        now = self._seen.again()
        differs = now.differs(self._seen)
        self._seen = now
        return differs or self._behind

    def reload(self) -> bool:
        """Read everything again; whether something else is now in force.

        Never raises for what an operator wrote: see `problems`.
        """
        # Before the reading: a change between the two is then seen as one.
        self._seen = self._look(self.reading.loaded.files)
        try:
            reading = self._read()
            _check(reading.loaded, self.reading.loaded)
            self._check_left(reading.loaded)
        except ConfigError as error:
            self.problems = tuple(error.problems)
            for problem in error.problems:
                log.error("configuration refused", extra=_place(problem))  # noqa: TRY400
            # What was decided holds for what is in force, whatever the files say now.
            return self._behind and self.recompile()
        self.problems = ()
        before = self.reading
        self.reading = reading
        for name in _differing(before.loaded, reading.loaded):
            log.warning(
                "waits for the next start", extra={"section": name, "what": _AT_START[name]}
            )
        if before.loaded.files != reading.loaded.files:
            self._seen = self._look(reading.loaded.files)
        changed = self.recompile()
        if changed or before.loaded.access != reading.loaded.access:
            self.loaded_ms = int(self._clock() * 1000)
            log.info("configuration reloaded", extra={"version": self.snapshot.version})
            self._tell()
            return True
        return False

    def _check_left(self, loaded: Loaded) -> None:
        """Refuse files that say nothing more of anybody who could serve a call: an empty file, or
        one that is half written, looks just like a decision. To switch a provider off, or to take
        its credential, is one. Raises `ConfigError`."""
        served = {each.provider.id for each in self.snapshot.deployments if _serves(each)}
        if served and not served & self._added(loaded).providers.keys():
            message = (
                "every provider that could serve a call is gone; those in force stay. Put one "
                "back, or stop and start the gateway to run without"
            )
            raise ConfigError([Problem("providers", None, message)])

    def waiting(self) -> tuple[Problem, ...]:
        """What the files say now and is not in force before the gateway is stopped and started."""
        return tuple(
            Problem(name, None, f"{_AT_START[name]}: what was saved waits for the next start")
            for name in _differing(self._started, self.reading.loaded)
        )

    def provider(self, name: str) -> Provider:
        """The row of a provider, as it was read. Raises `NotFound`."""
        row = self.reading.loaded.providers.get(name)
        if row is None:
            raise NotFound(f"There is no provider '{name}'.", param="provider")
        return row

    def recompile(self) -> bool:
        """Compile again with the overrides as they are now; whether anything is different."""
        before, self._behind = self.snapshot, True
        self.snapshot = self._compile(self.reading)
        self._behind = False
        return before != self.snapshot

    def _compile(self, reading: Reading) -> Snapshot:
        overrides = self._overrides.list()
        loaded = self._added(reading.loaded)
        snapshot = compile_snapshot(loaded, overrides, reading.secrets, 0)
        version = self._kept
        if version is None or version.digest != snapshot.digest:
            version = self._versions.latest()
        if version is None or version.digest != snapshot.digest:
            body = pack_snapshot(without_secrets(snapshot))
            now_ms = int(self._clock() * 1000)
            version = self._versions.add(snapshot.digest, now_ms, body)
        self._kept = version
        return replace(snapshot, version=version.version)

    def _tell(self) -> None:
        """Log what an operator should know of what is in force: warnings, and whom `auto` may
        choose among, which is less than what can be used where too little is known."""
        for problem in (*self.reading.loaded.warnings, *self.reading.warnings):
            log.warning("configuration", extra=_place(problem))
        serving = [each for each in self.snapshot.deployments if _serves(each)]
        anybody = self.snapshot.settings.auto_unknown
        uses = {each.provider.id for each in serving if anybody or facts_known(each)}
        left_out = {each.provider.id for each in serving} - uses
        log.log(
            logging.WARNING if left_out and not uses else logging.INFO,
            "what auto uses",
            extra={"providers": sorted(uses), "region_or_data_use_unknown": sorted(left_out)},
        )


def _differing(before: Loaded, after: Loaded) -> list[str]:
    return [name for name in _AT_START if getattr(before, name) != getattr(after, name)]


def _serves(deployment: Deployment) -> bool:
    return deployment.usable and deployment.enabled and deployment.provider.enabled


def _check(loaded: Loaded, before: Loaded | None = None) -> None:
    """Refuse policies that cannot be compiled, and that all of them are gone: a volume that is
    not mounted looks just like a decision. Raises `ConfigError`."""
    check_policies(loaded.policies)
    gone = before is not None and before.policies and not loaded.policies
    if gone and loaded.policies_required is not False:
        message = (
            "every policy is gone; those in force stay. Put them back, or say 'governance: "
            "{required: false}' in federation.yaml"
        )
        raise ConfigError([Problem("policies", None, message)])


def _place(problem: Problem) -> dict[str, object]:
    return {"where": problem.where, "line": problem.line, "problem": problem.message}
