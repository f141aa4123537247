"""One pot's lease in a worker's hands: plain arithmetic on totals that only grow.

The trap: a lease may be forgotten when nothing is left to tell of it, and its pot asked for
again. Its totals then go on where control knows them to stand, so what was spent meanwhile is
not told before they are known. The totals of a pot that was never held before begin at nothing:
what control knows of them it read in our own journal.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.domain.budgets import Pot
from federation.schema.money import PotTotals, PotWant

IDLE_S = 10.0
"""What a pot's calls did not need for so long goes back."""
FORGET_S = 600.0
CALLS = 16
MOST_CALLS = 512
_AGAIN_S = 1.0
_SAFE = -1


@dataclass(slots=True)
class HeldLease:
    """The lease of one pot; `free` is what no call has reserved."""

    pot: Pot
    used_s: float
    free: int = 0
    granted: int = 0
    spent: int = 0
    returned: int = 0
    overrun: int = 0
    calls: int = 0
    """How many calls hold a part of it or wait for one."""
    tight: bool = False
    """Others wait for money of this pot: what a call leaves over goes back at once."""
    again: bool = False
    """It was held before and forgotten."""
    fresh: bool = True
    """Control has not said yet how the totals stand."""
    wishing: bool = False
    """More than a call needs was asked for, and is not here yet."""
    ahead: int = CALLS // 2
    """With money for fewer calls than this, more is asked for ahead of need."""
    _report: int = _SAFE
    _chunk: int = CALLS // 2
    _wished_s: float = -1e9

    def totals(self, report: int) -> PotTotals:
        """What to tell in this report."""
        self._report = report
        return PotTotals(self.pot.id, self.granted, self.spent, self.returned, self.overrun)

    @property
    def known(self) -> bool:
        """Whether the totals are those of all that this worker spent."""
        return not (self.fresh and self.again)

    def acknowledged(self, report: int) -> None:
        """Control has in its store what was told up to this report."""
        if 0 < self._report <= report:
            self._report = _SAFE

    def charge(self, reserved: int, cost: int) -> None:
        """A call that had reserved so much cost so much."""
        self.calls -= 1
        self.spent += cost
        self.free += reserved - cost
        if self.free < 0:
            # The rest is what other calls have reserved, and stays theirs. A soft pot comes
            # here too, after calls that it did not stop while control was away.
            self.overrun -= self.free
            self.free = 0
        self._report = 0

    def give_back(self) -> bool:
        """Return what no call has reserved; False where there is nothing."""
        if self.free <= 0:
            return False
        self.returned += self.free
        self.free = 0
        self._report = 0
        return True

    def credit(self, known: PotTotals) -> None:
        """Take in what control granted. Idempotent, for it is a total."""
        if self.fresh:
            self.fresh = False
            self.granted = known.spent_nano + known.returned_nano - known.overrun_nano
            if self.again:
                self.spent += known.spent_nano
                self.returned += known.returned_nano
                self.overrun += known.overrun_nano
            else:
                self.overrun -= self.granted
        more = known.granted_nano - self.granted
        self.granted += more
        self.free += more

    def want(self, least: int, wish: int) -> PotWant:
        """What to ask control for."""
        return PotWant(self.pot.id, self.pot.cap_nano, self.pot.hard, least, wish)

    def chunk(self, amount: int, now_s: float) -> int:
        """How much to ask for in one go: more for a pot that is asked for often, and no more than
        a call needs of one that has plenty and is asked because another has not."""
        if self.tight or self.wishing or self.free >= amount * self.ahead:
            return amount
        often = now_s - self._wished_s < _AGAIN_S
        self._chunk = min(MOST_CALLS, self._chunk * 2) if often else CALLS
        self._wished_s = now_s
        self.ahead = self._chunk // 2
        return amount * self._chunk

    def idle(self, now_s: float) -> bool:
        """Whether no call needed it for a while."""
        return now_s - self.used_s > IDLE_S and not self.wishing

    def over(self, now_s: float) -> bool:
        """Whether nothing is left to do or tell."""
        old = now_s - self.used_s > FORGET_S
        return old and self._report == _SAFE and not (self.calls or self.free or self.wishing)
