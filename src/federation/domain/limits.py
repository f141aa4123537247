"""Limits: how much may be asked in which stretch of time, and who is bound by them.

A limit never counts by itself. What is counted on is a **meter**: one limit for one tenant,
team, user, key or route. The trap is the tenant `EVERY`: a limit of a tenant, team, user or key
there binds each of them for itself in every tenant; one of a route or of the platform counts
all tenants together, so its meter is nobody's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import msgspec

from federation.domain.budgets import EACH, Period, span
from federation.domain.owned import OwnedId
from federation.domain.tenancy import TIERS, Tier
from federation.errors import InvalidRequest

EVERY: Final = "*"
"""As a tenant: this limit is the operator's, and about every tenant."""
SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86_400
MONTH: Final = 0
"""As a window: the calendar month in UTC, whatever its length."""
LONGEST_S: Final = 31 * DAY
_MOST: Final = 1 << 40
_EXACT: Final = 1 << 53
"""Redis counts in doubles: what a bucket holds must be exact in them."""
_CACHED: Final = 8192
_WORDS: Final = {SECOND: "second", MINUTE: "minute", HOUR: "hour", DAY: "day", MONTH: "month"}


class LimitScope(str, Enum):
    """What a limit is attached to."""

    PLATFORM = "platform"
    """Everything that goes through the gateway; only for the tenant `EVERY`."""
    TENANT = "tenant"
    TEAM = "team"
    USER = "user"
    KEY = "key"
    ROUTE = "route"
    """What a name leads to: a model or route, by whichever name a call gives it."""


class Counted(str, Enum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    """Input and output."""
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    CONCURRENCY = "concurrency"
    """Calls that are under way at the same time."""


class Method(str, Enum):
    """How it is counted; `pricing.meters` has the algorithms."""

    TOKEN_BUCKET = "token_bucket"  # noqa: S105  no secret
    SLIDING_WINDOW = "sliding_window"
    FIXED_WINDOW = "fixed_window"
    SLOTS = "slots"
    """Of calls under way: there is no window."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So much of something in a window, for whom it is attached to."""

    id: str
    tenant: str
    scope: LimitScope
    subject: str
    """The id of a team, user or key, a route's name, or `EACH`."""
    counts: Counted
    amount: int
    window_s: int = MINUTE
    method: Method = Method.TOKEN_BUCKET
    burst: int = 0
    """Of a token bucket: how much at once; 0 is the whole amount."""
    tier: str = ""
    """Binds only tenants of this tier; empty binds all."""
    created_ms: int = 0


@dataclass(frozen=True, slots=True)
class Meter:
    """What one limit counts for one subject."""

    id: str
    """`tenant/limit/whose`; whose is hashed, for clients choose the names of routes. Where the
    limit is `EVERY` tenant's and the meter is not, a `*` stands before the limit's id: a tenant
    may have given the same id to one of its own."""
    method: Method
    amount: int
    burst: int
    window_ms: int
    """0 is the calendar month."""
    counts: Counted = Counted.REQUESTS
    whose: str = ""
    """For people: whom it is about."""

    @property
    def most(self) -> int:
        """What can be had at once when nothing is used."""
        return self.burst if self.method is Method.TOKEN_BUCKET else self.amount


class Caller(msgspec.Struct, frozen=True):
    """On whose account a call is counted; an empty name is nobody's."""

    tenant: str
    key: str = ""
    team: str = ""
    user: str = ""
    route: str = ""
    """The model or route that the call names, by the one name that it is counted under."""
    names: tuple[str, ...] = ()
    """The names in limits that the call's own name leads to nothing but."""


def checked(limit: Limit) -> Limit:
    """The limit itself, where it can be kept. Raises `InvalidRequest`."""
    if not 0 <= limit.amount <= _MOST:
        raise InvalidRequest("An amount is a whole number of 0 or more.", param="amount")
    if not limit.subject or len(limit.subject) > 256:
        raise InvalidRequest("Name the subject in at most 256 characters.", param="subject")
    if (limit.counts is Counted.CONCURRENCY) is not (limit.method is Method.SLOTS):
        message = "Concurrency is counted in slots, and nothing else is."
        raise InvalidRequest(message, param="method")
    if limit.method is not Method.SLOTS:
        _check_window(limit)
    if (limit.scope is LimitScope.PLATFORM) and limit.tenant != EVERY:
        raise InvalidRequest("The platform's limits are about every tenant: '*'.", param="tenant")
    if limit.tenant == EVERY and limit.scope is not LimitScope.ROUTE and limit.subject != EACH:
        message = "A limit for every tenant has the subject '*', except where it is a route's."
        raise InvalidRequest(message, param="subject")
    return limit


def _check_window(limit: Limit) -> None:
    if not 0 <= limit.window_s <= LONGEST_S:
        message = "A window is 1 second to 31 days, or a calendar month."
        raise InvalidRequest(message, param="window")
    if limit.window_s == MONTH and limit.method is not Method.FIXED_WINDOW:
        message = "A calendar month is a fixed window."
        raise InvalidRequest(message, param="method")
    if limit.burst and limit.method is not Method.TOKEN_BUCKET:
        raise InvalidRequest("Only a token bucket has a burst.", param="burst")
    if not 0 <= limit.burst <= _MOST or (limit.method is Method.TOKEN_BUCKET and not limit.amount):
        message = "A token bucket fills: its amount is 1 or more, its burst 0 or more."
        raise InvalidRequest(message, param="burst")
    if max(limit.burst, limit.amount) * limit.window_s * 4000 > _EXACT:
        message = "So much in so long a window cannot be counted exactly: shorten the window."
        raise InvalidRequest(message, param="amount")


def window_of(written: object) -> int:
    """Seconds of a window that somebody wrote: a word, or a number of seconds.

    Raises `InvalidRequest`.
    """
    text = str(written).strip()
    for seconds, word in _WORDS.items():
        if text == word:
            return seconds
    if text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= LONGEST_S:
        return int(text)
    words = ", ".join(_WORDS.values())
    raise InvalidRequest(f"Write {words} or a number of seconds.", param="window")


def window_word(window_s: int) -> str:
    """A window as `window_of` reads it."""
    return _WORDS.get(window_s, str(window_s))


def method_of(counts: Counted, window_s: int) -> Method:
    """How it is counted where nobody said."""
    if counts is Counted.CONCURRENCY:
        return Method.SLOTS
    return Method.FIXED_WINDOW if window_s == MONTH else Method.TOKEN_BUCKET


def window_at(window_ms: int, at_ms: int) -> tuple[int, int]:
    """When the fixed window around a moment begins and ends."""
    if window_ms == MONTH:
        start, end = span(Period.MONTHLY, "UTC", at_ms)
        return start, end or start
    start = at_ms - at_ms % window_ms
    return start, start + window_ms


def worded(window_s: int) -> str:
    """A window as people say it: `a minute`, `15 seconds`."""
    if window_s in _WORDS:
        word = _WORDS[window_s]
        return f"an {word}" if word == "hour" else f"a {word}"
    for unit in (DAY, HOUR, MINUTE):
        if window_s % unit == 0:
            return f"{window_s // unit} {_WORDS[unit]}s"
    return f"{window_s} seconds"


def pausing(wait_s: float) -> str:
    """A wait as people say it."""
    seconds = max(1, -int(-wait_s // 1))
    if seconds < 2 * MINUTE:
        return f"{seconds} s"
    if seconds < 2 * HOUR:
        return f"{-(-seconds // MINUTE)} minutes"
    return f"{-(-seconds // HOUR)} hours"


def at_utc(at_ms: int) -> bytes:
    """A moment in RFC 3339, in UTC."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def tier_limits() -> tuple[Limit, ...]:
    """What the tiers bind their tenants to, as limits of each of them."""
    windows = ((60, MINUTE), (1000, HOUR), (10_000, DAY))
    found = [
        _of_tier(Tier.COMMUNITY, _WORDS[window], amount, window, Method.TOKEN_BUCKET)
        for amount, window in windows
    ]
    for tier, quota in TIERS.items():
        if quota.requests_month is not None:
            found.append(_of_tier(tier, "month", quota.requests_month, MONTH, Method.FIXED_WINDOW))
    return tuple(found)


def _of_tier(tier: Tier, name: str, amount: int, window_s: int, method: Method) -> Limit:
    scope, counts = LimitScope.TENANT, Counted.REQUESTS
    named = f"tier.{tier.value}.{name}"
    return Limit(named, EVERY, scope, EACH, counts, amount, window_s, method, tier=tier.value)


def quota_limit(tenant: str, requests_month: int) -> Limit:
    """What a tenant of its own terms may ask in a month."""
    scope, counts = LimitScope.TENANT, Counted.REQUESTS
    named = f"tier.custom.{tenant}"
    fixed = Method.FIXED_WINDOW
    return Limit(named, tenant, scope, tenant, counts, requests_month, MONTH, fixed)


def meter_of(limit: Limit, tenant: str, subject: str) -> Meter:
    """The meter that a subject of a tenant is counted on."""
    place, name = tenant, limit.id
    if limit.tenant == EVERY:
        if limit.scope in (LimitScope.PLATFORM, LimitScope.ROUTE):
            place = EVERY
        else:
            name = EVERY + name
    whose = "-"
    if limit.subject == EACH:
        whose = hashlib.blake2b(subject.encode(), digest_size=12).hexdigest()
    return Meter(
        f"{place}/{name}/{whose}",
        limit.method,
        limit.amount,
        limit.burst or limit.amount,
        limit.window_s * 1000,
        limit.counts,
        limit.scope.value
        if limit.scope is LimitScope.PLATFORM
        else f"{limit.scope.value} {subject}",
    )


class LimitBook:
    """Every limit in force: by what it is attached to, and by its tenant and id. `tiers` has
    each tenant's tier."""

    def __init__(
        self, limits: Iterable[Limit] = (), tiers: Mapping[str, str] | None = None
    ) -> None:
        self._limits: dict[tuple[str, LimitScope, str], list[Limit]] = {}
        self.tiers = dict(tiers or {})
        self.limits: dict[OwnedId, Limit] = {}
        for limit in limits:
            self.limits[limit.tenant, limit.id] = limit
            place = (limit.tenant, limit.scope, limit.subject)
            self._limits.setdefault(place, []).append(limit)
        self._routes: dict[str, frozenset[str]] = {}
        for tenant, scope, subject in self._limits:
            if scope is LimitScope.ROUTE and subject != EACH:
                self._routes[tenant] = self._routes.get(tenant, frozenset()) | {subject}
        self.on = bool(self.limits)
        """Whether there is any limit at all."""
        self._found: dict[Caller, tuple[Meter, ...]] = {}

    def routes(self, tenant: str) -> frozenset[str]:
        """The models and routes that limits of a tenant, or of every tenant, name."""
        return self._routes.get(tenant, frozenset()) | self._routes.get(EVERY, frozenset())

    def meters(self, caller: Caller) -> tuple[Meter, ...]:
        """What a call is counted on, in the order of the meters' ids."""
        found = self._found.get(caller)
        if found is None:
            if len(self._found) >= _CACHED:
                self._found.clear()
            found = self._found[caller] = self._look(caller)
        return found

    def _look(self, caller: Caller) -> tuple[Meter, ...]:
        tier = self.tiers.get(caller.tenant, "")
        meters: dict[str, Meter] = {}
        for scope, subject in _subjects(caller):
            names = {subject, *caller.names} if scope is LimitScope.ROUTE else {subject}
            for tenant in (caller.tenant, EVERY):
                for named in (*names, EACH):
                    for limit in self._limits.get((tenant, scope, named), ()):
                        if limit.tier in ("", tier):
                            whose = subject if named == EACH else named
                            meter = meter_of(limit, caller.tenant, whose)
                            meters[meter.id] = meter
        return tuple(meters[name] for name in sorted(meters))


def meter_limit(meter: str) -> OwnedId:
    """The limit of a meter, by the meter's id."""
    tenant, limit, _ = meter.rsplit("/", 2)
    return (EVERY, limit[1:]) if limit.startswith(EVERY) else (tenant, limit)


def meter_tenant(meter: str) -> str:
    """The tenant to which a meter belongs, by its id; `EVERY` is nobody."""
    return meter.rsplit("/", 2)[0]


def _subjects(caller: Caller) -> list[tuple[LimitScope, str]]:
    named = (
        (LimitScope.PLATFORM, EVERY),
        (LimitScope.TENANT, caller.tenant),
        (LimitScope.TEAM, caller.team),
        (LimitScope.USER, caller.user),
        (LimitScope.KEY, caller.key),
        (LimitScope.ROUTE, caller.route),
    )
    return [(scope, subject) for scope, subject in named if subject]
