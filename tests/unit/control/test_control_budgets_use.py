"""What metrics tell of budgets: the fullest pot of each, of the present period alone."""

from __future__ import annotations

import pytest

from federation.control import budgets_use
from federation.control.budgets_use import BudgetUse
from federation.domain.budgets import EACH, Budget, BudgetBook, Period, Scope, Standing, pot_of

DAY_MS = 86_400_000
NOW = 20_000 * DAY_MS + 5
DAILY = Budget("users", "acme", Scope.USER, EACH, 100, Period.DAILY)
WHOLE = Budget("all", "acme", Scope.TENANT, "acme", 1000)
BOOK = BudgetBook((DAILY, WHOLE))


def stands(budget: Budget, subject: str, at_ms: int, spent: int) -> Standing:
    pot, _ = pot_of(budget, subject, at_ms)
    return Standing(pot.id, pot.cap_nano, True, spent, 0)


def test_the_fullest_pot_tells_of_its_budget() -> None:
    use = BudgetUse()
    use.hear(
        [
            stands(DAILY, "ada", NOW, 40),
            stands(DAILY, "bob", NOW, 90),
            stands(WHOLE, "acme", NOW, 1),
        ]
    )
    use.hear([stands(DAILY, "ada", NOW, 50)])
    assert use.shares(BOOK, NOW + 1) == {("acme", "users"): 0.9, ("acme", "all"): 0.001}


def test_a_period_that_is_over_and_a_budget_that_is_gone_are_not_told_of() -> None:
    use = BudgetUse()
    use.hear([stands(DAILY, "ada", NOW, 90), stands(WHOLE, "acme", NOW, 500)])
    assert use.shares(BOOK, NOW + DAY_MS) == {("acme", "all"): 0.5}
    assert use.shares(BudgetBook(()), NOW) == {}
    assert use.shares(BOOK, NOW + DAY_MS) == {}


def test_a_budget_of_nothing_is_used_up_and_too_many_pots_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = Budget("none", "acme", Scope.TENANT, "acme", 0)
    use = BudgetUse()
    use.hear([stands(nothing, "acme", NOW, 0)])
    assert use.shares(BudgetBook((nothing,)), NOW) == {("acme", "none"): 1.0}
    monkeypatch.setattr(budgets_use, "_MOST", 1)
    use.hear([stands(DAILY, "ada", NOW, 1), stands(WHOLE, "acme", NOW, 1)])
    use.hear([stands(WHOLE, "acme", NOW, 2)])
    assert use.shares(BOOK, NOW) == {("acme", "all"): 0.002}
