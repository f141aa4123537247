"""What remedies do to keys and providers, and how it is put back.

The trap: each may be done twice, by a replica that took over from one which died in the middle.
So everything here may be repeated, and what was before is read before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from federation.control.keys import KeyDesk
from federation.control.providers import ProviderDesk
from federation.control.tenancy_ports import IssuedKeys
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.errors import InvalidRequest, NotFound

UNDONE: Final = frozenset({"disable_key", "disable_provider"})
"""What can be put back."""


class _Before(msgspec.Struct, frozen=True):
    """What a key or provider was, to be put back."""

    expires_ms: int | None = None
    enabled: bool = True


_read = msgspec.json.Decoder(_Before).decode


class Deeds:
    """Does and undoes; `seen` is the tenant whose keys somebody reaches, None for all."""

    def __init__(
        self,
        keys: KeyDesk,
        issued: IssuedKeys,
        providers: ProviderDesk,
        seen: Callable[[VirtualKey], str | None],
        now_ms: Callable[[], int],
        errands: Errands,
    ) -> None:
        self._keys = keys
        self._issued = issued
        self._providers = providers
        self._seen = seen
        self._now_ms = now_ms
        self._errands = errands

    async def before(self, action: str, subject: str) -> str:
        """What `undo` will put back, as it is now; empty where nothing can be."""
        if action not in UNDONE:
            return ""
        key = None
        if action == "disable_key":
            key = await self._errands.run(self._issued.find, subject, None)
        return msgspec.json.encode(_Before(None if key is None else key.expires_ms)).decode()

    async def do(self, asker: VirtualKey | None, action: str, subject: str) -> None:
        """Carry an action out. Raises `NotFound`, `InvalidRequest` where it is none that is done
        here, and what the desks raise."""
        if action == "disable_key":
            await self._end_key(asker, subject, self._now_ms())
            return
        assert asker is not None  # noqa: S101 - somebody approved it
        if action == "revoke_key":
            await self._keys.revoke(asker, subject)
        elif action == "disable_provider":
            await self._providers.disable(subject, asker)
        else:
            raise InvalidRequest(f"Nobody here does '{action}'.", param="action")

    async def check_reject(self, action: str, subject: str) -> None:
        """Raise `InvalidRequest` where what is to be rejected is done, and done for good."""
        if action != "revoke_key":
            return
        key = await self._errands.run(self._issued.find, subject, None)
        if key is not None and key.revoked_ms is not None:
            message = f"The key '{subject}' is revoked already, for good: approve the remedy."
            raise InvalidRequest(message, status=409, code="not_undoable")

    async def undo(self, asker: VirtualKey, action: str, subject: str, before: str) -> None:
        """Put back what was before. Raises as `do` does."""
        was = _read(before)
        if action == "disable_key":
            await self._end_key(asker, subject, was.expires_ms)
        elif was.enabled:
            await self._providers.enable(subject, asker, force=True)

    async def _end_key(self, asker: VirtualKey | None, key: str, at_ms: int | None) -> None:
        """Let a key expire then."""

        def edit(before: VirtualKey) -> VirtualKey:
            return replace(before, expires_ms=at_ms)

        tenant = None if asker is None else self._seen(asker)
        if await self._errands.run(self._issued.change, tenant, key, edit) is None:
            raise NotFound(f"There is no key '{key}' that was issued here.", param="subject")
        await self._keys.refresh()
