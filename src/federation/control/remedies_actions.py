"""The actions of remedies on keys and providers: doing them, and putting back what was before.

The traps: each may be done twice, by a replica that took over from one which died in the middle,
so everything here may be repeated; and what is done may have been changed since by somebody else,
whose change is not ours to undo. So what was before and what is put in its place are written down
before anything is changed, and a change is made only where one of the two still stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from federation.control.changes import Noting
from federation.control.keys import KeyDesk
from federation.control.providers import ProviderDesk
from federation.control.tenancy_ports import IssuedKeys
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.errors import FederationError, InvalidRequest, NotFound
from federation.storage.entries import Override

UNDONE: Final = frozenset({"disable_key", "disable_provider"})
"""What can be put back."""


class _Plan(msgspec.Struct, frozen=True):
    """What a key or provider was, and what a remedy makes of it: times at which a key ends (None:
    never), or decisions about a provider (None: its file counts)."""

    was: int | Override | None
    put: int | Override | None


_decode = msgspec.json.Decoder(_Plan).decode


class RemedyActions:
    """Does what a remedy says, and undoes it. `seen` tells the tenant whose keys somebody may
    see, None for all."""

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

    async def before(self, by: str, action: str, subject: str, kept: str = "") -> str:
        """What `do` and `undo` go by, as it is now: what was, and what `by` puts in its place;
        empty where nothing can be undone. It is `kept` where somebody who died has done that.
        """
        if action not in UNDONE:
            return ""
        is_now = await self._now(action, subject)
        plan = _read(kept)
        if plan is not None and plan.put == is_now:
            return kept
        now_ms = self._now_ms()
        put: int | Override = now_ms
        if action == "disable_provider":
            put = Override(subject, enabled=False, changed_ms=now_ms, changed_by=by)
        elif isinstance(is_now, int) and is_now <= now_ms:
            # It has ended, and is not to live longer; but each remedy must know its own mark.
            put = is_now + 1
        return msgspec.json.encode(_Plan(is_now, put)).decode()

    async def do(self, asker: VirtualKey | None, action: str, subject: str, before: str) -> None:
        """Carry an action out. Raises `NotFound`, `InvalidRequest` where it is none that is done
        here or somebody came in between, and what the desks raise."""
        if action in UNDONE:
            plan = _read(before)
            swapped = plan and await self._swap(asker, action, subject, plan.put, plan.was)
            if not swapped:
                message = f"'{subject}' was changed by somebody else just now. Try again."
                raise _changed(message, "changed_meanwhile")
        elif action == "revoke_key":
            assert asker is not None  # noqa: S101 - somebody approved it
            await self._keys.revoke(asker, subject)
        else:
            raise InvalidRequest(f"Nobody here does '{action}'.", param="action")

    async def check_reject(self, action: str, subject: str) -> None:
        """Raise `InvalidRequest` where what is to be rejected is done, and done for good."""
        if action != "revoke_key":
            return
        key = await self._errands.run(self._issued.find, subject, None)
        if key is not None and key.revoked_ms is not None:
            message = f"The key '{subject}' is revoked already, for good: approve the remedy."
            raise _changed(message)

    async def undo(self, asker: VirtualKey, action: str, subject: str, before: str) -> None:
        """Put back what was before. Raises `NotFound`, and `InvalidRequest` where somebody else
        has changed it since: then it stays as they want it."""
        plan = _read(before)
        if plan is None:
            raise _changed(f"What '{subject}' was before was not kept: it stays as it is.")
        if action == "disable_key":
            key = await self._errands.run(self._issued.find, subject, None)
            if key is not None and key.revoked_ms is not None:
                raise _changed(f"The key '{subject}' is revoked, for good.")
        if not await self._swap(asker, action, subject, plan.was, plan.put):
            message = (
                f"'{subject}' was changed by somebody else since: it stays as it is. If that was "
                "another remedy, undo that one first."
            )
            raise _changed(message)

    async def _now(self, action: str, subject: str) -> int | Override | None:
        if action == "disable_provider":
            return await self._providers.decided(subject)
        key = await self._errands.run(self._issued.find, subject, None)
        return None if key is None else key.expires_ms

    async def _swap(
        self,
        asker: VirtualKey | None,
        action: str,
        subject: str,
        after: int | Override | None,
        was: int | Override | None,
    ) -> bool:
        """Put `after` where `was` is; False where it is neither of them."""
        if action == "disable_key":
            assert not isinstance(after, Override)  # noqa: S101 - its plan was made for a key
            return await self._end_key(asker, subject, after, was)
        assert not isinstance(after, int)  # noqa: S101 - nor is a decision a time
        assert not isinstance(was, int)  # noqa: S101
        if await self._providers.swap(subject, after, was):
            return True
        return await self._providers.decided(subject) == after

    async def _end_key(
        self,
        asker: VirtualKey | None,
        key: str,
        at_ms: int | None,
        was_ms: int | Override | None,
    ) -> bool:
        """Let a key expire then; False where another time was set for it than the former one."""
        found: list[VirtualKey] = []

        def edit(before: VirtualKey) -> VirtualKey:
            found[:] = [before]
            ours = before.expires_ms == was_ms
            return replace(before, expires_ms=at_ms) if ours else before

        tenant = None if asker is None else self._seen(asker)
        noting = Noting(edit)
        if await self._errands.run(self._issued.change, tenant, key, noting) is None:
            raise NotFound(f"There is no key '{key}' that was issued here.", param="subject")
        noting.note()
        await self._keys.refresh()
        return found[0].expires_ms in (was_ms, at_ms)


def _read(plan: str) -> _Plan | None:
    """A plan as it was kept; None for what is none, as of an earlier version."""
    try:
        return _decode(plan)
    except msgspec.DecodeError:
        return None


def _changed(message: str, code: str = "not_undoable") -> FederationError:
    return InvalidRequest(message, status=409, code=code)
