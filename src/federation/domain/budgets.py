"""Budgets: who may spend how much in which stretch of time.

A budget never counts by itself. What is counted against is a **pot**: the money of one budget
in one period, for a budget of `EACH` also of one subject. A new period is another pot, so
nothing is ever reset, a call that began before midnight is charged to the day in which it
began, and a clock that steps back finds the old counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from federation.domain.owned import OwnedId
from federation.errors import InvalidRequest

EACH: Final = "*"
"""As a subject: everyone of this scope has the whole limit for itself."""
_CACHED: Final = 4096
_LONGEST_MS: Final = 366 * 86_400_000


class Scope(str, Enum):
    """What a budget is attached to, from the widest to the narrowest."""

    TENANT = "tenant"
    TEAM = "team"
    USER = "user"
    KEY = "key"
    SESSION = "session"
    TAG = "tag"


class Period(str, Enum):
    """After which time a budget begins anew; a week begins on Monday."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit in money. A hard one refuses calls, a soft one only tells."""

    id: str
    tenant: str
    scope: Scope
    subject: str
    """The id of a team, user or key, a session's name, a tag as `name=value`, or `EACH`."""
    limit_nano: int
    period: Period = Period.TOTAL
    zone: str = "UTC"
    """The IANA time zone in which a period begins at midnight."""
    hard: bool = True
    alerts: tuple[int, ...] = (50, 80, 95)
    """Percents of the limit at which somebody is told."""
    created_ms: int = 0


@dataclass(frozen=True, slots=True)
class Pot:
    """The money of one budget in one period."""

    id: str
    """`tenant/budget/subject/start`, the subject hashed: clients choose the names of sessions."""
    cap_nano: int
    hard: bool = True
    end_ms: int | None = None
    """When its period is over; None is never."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a pot stands. What is reserved may still be spent or come back."""

    pot: str
    cap_nano: int
    hard: bool
    spent_nano: int
    reserved_nano: int
    overrun_nano: int = 0
    """What providers billed above what was reserved for it; part of what is spent."""

    @property
    def left_nano(self) -> int:
        """What can be reserved now; negative after an overrun or under a lowered limit."""
        return self.cap_nano - self.spent_nano - self.reserved_nano


@dataclass(frozen=True, slots=True)
class Lease:
    """Money of one pot in the hands of one worker, as totals that only ever grow.

    Because they only grow, a report that arrives twice, late or out of order does no harm.
    """

    writer: str
    """The worker's journal, which tells what was spent if the worker dies."""
    pot: str
    granted_nano: int = 0
    spent_nano: int = 0
    returned_nano: int = 0
    overrun_nano: int = 0
    """Spent without having been granted, because a bill was above its bound."""
    closed: bool = False
    """The worker is gone, and what it held went back into the pot."""

    @property
    def reserved_nano(self) -> int:
        """What the worker still holds."""
        if self.closed:
            return 0
        return self.granted_nano + self.overrun_nano - self.returned_nano - self.spent_nano


class Spender(msgspec.Struct, frozen=True):
    """On whose account a call is; an empty name is nobody's."""

    tenant: str
    key: str = ""
    team: str = ""
    user: str = ""
    session: str = ""
    tags: tuple[str, ...] = ()
    """As `name=value`."""


def checked(budget: Budget) -> Budget:
    """The budget itself, where it can be kept. Raises `InvalidRequest`."""
    if not 0 <= budget.limit_nano < 1 << 62:
        raise InvalidRequest("A limit is an amount of 0 USD or more.", param="limit_usd")
    if not budget.subject or len(budget.subject) > 256:
        raise InvalidRequest("Name the subject in at most 256 characters.", param="subject")
    if budget.scope is Scope.TAG and budget.subject != EACH and EACH in budget.subject:
        raise InvalidRequest(
            "A tag is a whole name=value, as in job=nightly: set a budget for each value. Only '*' "
            "alone stands for more, and gives each tag the whole limit.",
            param="subject",
        )
    if any(not 0 < percent <= 100 for percent in budget.alerts):
        raise InvalidRequest("Alerts are percents from 1 to 100.", param="alerts")
    try:
        ZoneInfo(budget.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest(
            "This time zone is not known here; write one of IANA's, as in 'Europe/Berlin'.",
            param="zone",
        ) from None
    return budget


def span(period: Period, zone: str, at_ms: int) -> tuple[int, int | None]:
    """When the period around a moment begins and ends; the end is in the next one.

    A day begins at the first moment that has its date there, also where clocks are changed
    at midnight.
    """
    if period is Period.TOTAL:
        return 0, None
    place = ZoneInfo(zone)
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(place)
    first, last = _dates(period, moment.date())
    start = _midnight_ms(first, place)
    return start, _midnight_ms(last, place)


def _dates(period: Period, day: date) -> tuple[date, date]:
    if period is Period.DAILY:
        return day, day + timedelta(days=1)
    if period is Period.WEEKLY:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    if period is Period.MONTHLY:
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1)
    return date(day.year, 1, 1), date(day.year + 1, 1, 1)


def _midnight_ms(day: date, place: ZoneInfo) -> int:
    # A midnight that the clocks leap over is read with the offset before the leap, and that
    # is the moment of the leap; one that comes twice is meant the first time (PEP 495).
    return int(datetime(day.year, day.month, day.day, tzinfo=place).timestamp()) * 1000


@lru_cache(_CACHED)
def pot_tenant(pot: str) -> str:
    """The tenant to which a pot belongs, by its id."""
    return pot.rsplit("/", 3)[0]


def pot_budget(pot: str) -> OwnedId:
    """The budget of a pot, by the pot's id."""
    tenant, budget, _, _ = pot.rsplit("/", 3)
    return tenant, budget


def pot_end_ms(pot: str, budget: Budget | None) -> int | None:
    """When a pot's period is over, the latest that it may be where its budget is gone; None is
    never."""
    start_ms = int(pot.rsplit("/", 1)[1])
    if not start_ms:
        return None
    if budget is None:
        return start_ms + _LONGEST_MS
    return span(budget.period, budget.zone, start_ms)[1]


def told(at_ms: int) -> str:
    """A moment as clients are told it, in UTC."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def pot_of(budget: Budget, subject: str, at_ms: int) -> tuple[Pot, int]:
    """The pot that a subject spends from at a moment, and since when."""
    start, end = span(budget.period, budget.zone, at_ms)
    whose = "-"
    if budget.subject == EACH:
        whose = hashlib.blake2b(subject.encode(), digest_size=12).hexdigest()
    name = f"{budget.tenant}/{budget.id}/{whose}/{start}"
    return Pot(name, budget.limit_nano, budget.hard, end), start


class BudgetBook:
    """Every budget in force: by what it is attached to, and by its tenant and id."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self._attached: dict[tuple[str, Scope, str], list[Budget]] = {}
        self.budgets: dict[OwnedId, Budget] = {}
        for budget in budgets:
            self.budgets[budget.tenant, budget.id] = budget
            place = (budget.tenant, budget.scope, budget.subject)
            self._attached.setdefault(place, []).append(budget)
        self.scopes = frozenset(budget.scope for budget in self.budgets.values())
        """What any budget is attached to; empty where there is none."""
        self._found: dict[Spender, tuple[int, int, tuple[Pot, ...]]] = {}

    def pots(self, spender: Spender, at_ms: int) -> tuple[Pot, ...]:
        """What a call of `spender` at this moment is charged to, in the order of their ids."""
        if not self._attached:
            return ()
        found = self._found.get(spender)
        if found is None or not found[0] <= at_ms < found[1]:
            if len(self._found) >= _CACHED:
                self._found.clear()
            found = self._found[spender] = self._look(spender, at_ms)
        return found[2]

    def _look(self, spender: Spender, at_ms: int) -> tuple[int, int, tuple[Pot, ...]]:
        since, until = 0, 1 << 62
        pots: dict[str, Pot] = {}
        for scope, subject in _subjects(spender):
            for named in (subject, EACH):
                for budget in self._attached.get((spender.tenant, scope, named), ()):
                    pot, start = pot_of(budget, subject, at_ms)
                    since = max(since, start)
                    until = until if pot.end_ms is None else min(until, pot.end_ms)
                    pots[pot.id] = pot
        return since, until, tuple(pots[name] for name in sorted(pots))


def _subjects(spender: Spender) -> list[tuple[Scope, str]]:
    named = (
        (Scope.TENANT, spender.tenant),
        (Scope.TEAM, spender.team),
        (Scope.USER, spender.user),
        (Scope.KEY, spender.key),
        (Scope.SESSION, spender.session),
        *((Scope.TAG, tag) for tag in spender.tags),
    )
    return [(scope, subject) for scope, subject in named if subject]
