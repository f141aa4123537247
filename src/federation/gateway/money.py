"""Money of a worker's calls: whose budgets bind one, and its attempts' way to the purse.

Where nobody set a budget a call pays for one look at an empty set. The trap: what cannot be
told afterwards (a price that nobody knows) is charged as what was reserved, never as nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from federation.domain.access import VirtualKey
from federation.domain.budgets import Budget, BudgetBook, Pot, Scope, Spender
from federation.errors import Unavailable
from federation.gateway.call import Account, AnyCall
from federation.ports import Budgets
from federation.schema.glance import Ask


class Money:
    """The budgets in force, and the purse from which calls reserve; one for each worker."""

    __slots__ = ("_named", "book", "purse")

    def __init__(self, purse: Budgets | None = None) -> None:
        self.purse = purse
        self.follow(())

    def follow(self, budgets: Iterable[Budget]) -> None:
        """Obey these budgets from now on; calls under way keep what they reserved."""
        self.book = BudgetBook(budgets)
        self._named = bool(self.book.scopes & {Scope.SESSION, Scope.TAG})

    def pots(self, call: AnyCall) -> tuple[Pot, ...]:
        """What a call is charged to. It stays with the day in which it began."""
        if not self.book.scopes:
            return ()
        return self.book.pots(self._spender(call.key, call.glance.ask), call.started_ms)

    async def reserve(
        self, call: AnyCall, pots: Sequence[Pot], amount_nano: int, wait_s: float
    ) -> str:
        """Reserve for one more attempt of a call; the name of what it holds. Raises as
        `ports.Budgets.reserve` does."""
        if self.purse is None:
            raise Unavailable("This worker has no purse.", code="budgets_unavailable")
        call.account.holds += 1
        hold = f"{call.id}/{call.account.holds}"
        await self.purse.reserve(hold, pots, amount_nano, wait_s)
        return hold

    def settle(self, account: Account, hold: str, cost_nano: int) -> None:
        """Charge what an attempt cost, and keep the totals for the call's record."""
        if self.purse is not None:
            account.pots.update(self.purse.settle(hold, cost_nano).totals)

    def _spender(self, key: VirtualKey, ask: Ask) -> Spender:
        # A name that a client gives itself would let it out of a budget for users.
        user = key.user or f"key:{key.id}"
        if not self._named:
            return Spender(key.tenant, key.id, key.team, user)
        tags = tuple([f"{name}={value}" for name, value in ask.tags.items()])
        return Spender(key.tenant, key.id, key.team, user, ask.session, tags)


def hardest(pots: Iterable[Pot]) -> Pot | None:
    """A pot that may refuse a call, if there is any."""
    return next((pot for pot in pots if pot.hard), None)
