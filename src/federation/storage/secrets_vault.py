"""Secrets that lie in a Vault: read once, kept for a while, read again before anyone asks.

The trap is a Vault that is away. What was read last goes on being used for a stated time
(`secrets.lifetime_s`), counted from the last reading that succeeded; after that the secret is
gone, and whoever needs it says so. Nothing here is ever written to a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from federation.errors import ConfigError, Unavailable

LIMIT = 65_536
REST_S = 5.0
"""How long a Vault that did not answer is left alone: each question may take as long."""


class Kv(Protocol):
    """The part of `storage.vault.Vault` that is needed here."""

    def secret(
        self, mount: str, path: str, version: int | None = None
    ) -> tuple[Mapping[str, Any], int]:
        """The fields of a secret, and its version."""
        ...


@dataclass(slots=True)
class _Kept:
    value: str | None = field(repr=False)
    remark: str
    read_s: float
    """When the Vault last said so."""


class VaultSecrets:
    """References of the form `MOUNT/PATH#FIELD`. `opened` connects, with the first question;
    `clock` counts seconds that never go back. Thread-safe."""

    def __init__(self, opened: Callable[[], Kv], clock: Callable[[], float]) -> None:
        self.lifetime_s = 3600.0
        self._opened = opened
        self._clock = clock
        self._kv: Kv | None = None
        self._kept: dict[str, _Kept] = {}
        self._told: dict[str, str | None] = {}
        self._away_until = float("-inf")
        self._lock = Lock()
        """Held for a moment only, around what is known."""
        self._asking = Lock()
        """Held while the Vault is asked: its client is not for several threads."""

    def read(self, reference: str) -> tuple[str | None, str]:
        """The secret as it was read last, and a remark for the operator; asks the Vault only
        for what was never read, and waits for no other answer. Never raises."""
        with self._lock:
            known = reference in self._kept
        if not known:
            self._ask(reference)
        with self._lock:
            value, remark = self._now(reference)
            self._told[reference] = value
            return value, remark

    def refresh(self) -> bool:
        """Read every known secret again; whether any is another now, or gone, than `read` last
        told."""
        with self._lock:
            known = list(self._kept)
        for reference in known:
            self._ask(reference)
        with self._lock:
            return any(self._now(each)[0] != told for each, told in self._told.items())

    def _now(self, reference: str) -> tuple[str | None, str]:
        kept = self._kept[reference]
        if kept.value is not None and self._clock() - kept.read_s > self.lifetime_s:
            return None, f"{kept.remark}; what was read last is older than its lifetime"
        return kept.value, kept.remark

    def _ask(self, reference: str) -> None:
        """Have the Vault say it; nobody who reads another one waits meanwhile."""
        mount, _, rest = reference.partition("/")
        path, _, name = rest.rpartition("#")
        value: object = None
        try:
            with self._asking:
                fields, version = self._fields(mount, path)
        except (Unavailable, ConfigError) as error:
            remark, answered = f"vault:{reference} cannot be read: {error}", False
        else:
            remark, answered = f"vault:{reference} is not there (version {version})", True
            value = fields.get(name)
        with self._lock:
            before = self._kept.get(reference)
            if before is not None and not answered:
                before.remark = remark
            elif not isinstance(value, str) or not value.strip() or len(value) > LIMIT:
                self._kept[reference] = _Kept(None, remark, self._clock())
            else:
                self._kept[reference] = _Kept(value.strip(), "", self._clock())

    def _fields(self, mount: str, path: str) -> tuple[Mapping[str, Any], int]:
        now = self._clock()
        if now < self._away_until:
            raise Unavailable("The Vault did not answer a moment ago.")
        try:
            if self._kv is None:
                self._kv = self._opened()
            return self._kv.secret(mount, path)
        except Unavailable:
            self._away_until = self._clock() + REST_S
            raise
