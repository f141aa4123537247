"""The limits that providers set us, granted to workers in slices. Pure: the clock is an argument.

Windows are fixed minutes, as providers count. The trap: a slice counts as used once it is
granted, whether the worker spends it or not, for it may be spent at any moment until the window
ends. Only so can the workers together never exceed a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from federation.domain.catalogue import Deployment
from federation.schema.link import LeaseAsk, LeaseGrant

WINDOW_MS = 60_000


def limits_of(deployments: Iterable[Deployment]) -> dict[str, int]:
    """The limits to keep, by the names that workers ask under: `rpm/<provider>`, `tpm/...`."""
    providers = {each.provider.id: each.provider.limits for each in deployments}
    return {
        name: amount
        for provider, limits in providers.items()
        for name, amount in limits.wanted(provider, limits.rpm or 0, limits.tpm or 0)
    }


class Allowances:
    """What may be granted, and what was granted in the current window."""

    def __init__(self) -> None:
        self._limits: Mapping[str, int] = {}
        self._window = 0
        self._granted: dict[str, int] = {}

    def limit(self, limits: Mapping[str, int]) -> None:
        """Put these limits in force. What is granted already stays granted."""
        self._limits = dict(limits)

    def grant(self, ask: LeaseAsk, sharers: int, now_ms: int) -> LeaseGrant:
        """A slice for one of `sharers` workers: a fair part of what is left, or 0.

        It is never less than what is of use to the worker, though that be more than a fair part:
        what it could not spend would be lost to all. A name without a limit is granted in full.
        """
        window = now_ms // WINDOW_MS
        if window != self._window:
            self._window, self._granted = window, {}
        expires_ms = (window + 1) * WINDOW_MS
        limit = self._limits.get(ask.name)
        if limit is None:
            return LeaseGrant(ask.name, ask.amount, expires_ms)
        granted = self._granted.get(ask.name, 0)
        left = max(0, limit - granted)
        least = max(1, min(ask.least, ask.amount))
        amount = min(ask.amount, max(least, left // max(1, sharers)), left)
        if amount < least:
            amount = 0
        self._granted[ask.name] = granted + amount
        return LeaseGrant(ask.name, amount, expires_ms)

    def take_back(self, grant: LeaseGrant) -> None:
        """Undo a grant that was not handed out."""
        if grant.name in self._granted:
            self._granted[grant.name] -= grant.amount

    def state(self) -> bytes:
        """What was granted in the current window, for the next control process."""
        return msgspec.json.encode((self._window, self._granted))

    def restore(self, state: bytes) -> None:
        """Take over from a control process that is gone; what cannot be read is ignored.

        Ignoring errs on the generous side for at most a minute.
        """
        try:
            self._window, self._granted = msgspec.json.decode(
                state, type=tuple[int, dict[str, int]]
            )
        except msgspec.DecodeError:
            self._window, self._granted = 0, {}
