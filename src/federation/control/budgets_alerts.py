"""Which budgets have something to tell: thresholds that were passed, and overruns. Pure.

The trap: a control process that starts anew finds pots that passed a threshold long ago. The
store knows which alert was told, so what is due here is only asked for there. Overruns are
told again by a new process: better twice than never.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from federation.domain.budgets import BudgetBook, Standing, pot_budget

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a budget's owner should hear."""

    budget: str
    pot: str
    percent: int
    """The threshold that was passed; 0 for an overrun."""
    cap_nano: int
    spent_nano: int
    overrun_nano: int = 0
    """What was billed above its reservation since the last alarm."""
    overruns_nano: int = 0
    """The same since the pot began."""


class Alarms:
    """What this process has seen of each pot."""

    def __init__(self) -> None:
        self._percents: dict[str, int] = {}
        self._overruns: dict[str, int] = {}

    def due(self, book: BudgetBook, standings: Iterable[Standing]) -> list[Alarm]:
        """Alarms that are due, each once for this process."""
        found = []
        for pot in standings:
            budget = book.budgets.get(pot_budget(pot.pot))
            if budget is None:
                continue
            percent = _passed(budget.alerts, pot)
            if percent > self._percents.get(pot.pot, 0):
                self._percents[pot.pot] = percent
                found.append(Alarm(budget.id, pot.pot, percent, pot.cap_nano, pot.spent_nano))
            over = pot.overrun_nano - self._overruns.get(pot.pot, 0)
            if over > 0:
                self._overruns[pot.pot] = pot.overrun_nano
                total = pot.overrun_nano
                found.append(
                    Alarm(budget.id, pot.pot, 0, pot.cap_nano, pot.spent_nano, over, total)
                )
        if len(self._percents) > _MOST:
            self._percents.clear()  # the store keeps alerts from being told twice
            self._overruns.clear()
        return found

    def again(self, alarm: Alarm) -> None:
        """The store could not be asked about an alarm: it is due once more."""
        if alarm.percent:
            self._percents.pop(alarm.pot, None)
        else:
            self._overruns[alarm.pot] = alarm.overruns_nano - alarm.overrun_nano


def _passed(alerts: tuple[int, ...], pot: Standing) -> int:
    passed = (each for each in alerts if pot.spent_nano * 100 >= each * pot.cap_nano)
    return max(passed, default=0) if pot.cap_nano else 0
