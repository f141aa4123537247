"""Strategies: each puts the candidates in an order, and never drops one.

The first is asked first; the rest is the fallback chain. A strategy is a pure function of
its `Choice` (which holds the random source and the turn), so that a decision can be
replayed. The second value it returns is each place's probability of standing first, which
off-policy estimates divide by; an empty tuple means that the first was certain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from msgspec import Struct

from federation.domain.live import Live
from federation.domain.routes import Weights
from federation.routing.fleet import Slate
from federation.routing.ring import Ring
from federation.routing.sheets import Sheet

LOCAL_FIRST = "local_first"
_PREFERENCE = 0.05
"""What a preferred provider's score gains: it decides among near equals and no more."""


class Choice(Struct):
    """All that a strategy may look at: at least one candidate, with scores for strategies that
    want them."""

    slate: Slate
    live: Live
    order: tuple[int, ...]
    """The route's order of its targets, if it has one."""
    shares: dict[int, float]
    key: Callable[[], str]
    """What a sticky strategy sticks to; empty where the call has nothing of the kind."""
    turns: Callable[[], int]
    """Takes the next turn of this target."""
    rng: Random
    ring: Callable[[Slate], Ring]
    totals: list[float]
    """The scores of the sheet's rows."""
    sheet: Sheet | None = None
    """For strategies that score, whose rows they are."""
    local: int = 0
    """The hosts of our own, as a set."""
    overflow: tuple[int, ...] = ()
    """The deployments of each provider that calls may spill to, as sets, in the order of turns."""
    preferred: tuple[int, ...] = ()
    """For each member of the slate, its provider's rank of preference, 0 for none."""


Order = tuple[list[int], tuple[float, ...]]
"""Deployment indexes in the order to try; probabilities of standing first, in that order."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to order, and whether it wants scores (and under which weights)."""

    order: Callable[[Choice], Order]
    scores: bool = False
    weights: Weights | None = None
    """None: the route's or the operator's."""
    fixed: bool = False
    """The order depends on nothing but who is left and the route."""


def by_score(choice: Choice) -> Order:
    """Highest score first; equal scores keep their index order."""
    sheet, totals, preferred = choice.sheet, choice.totals, choice.preferred
    if sheet is None:
        return list(choice.slate.indexes), ()
    if not preferred:
        return sheet.order(totals), ()
    most = max(preferred) + 1
    worth = {
        index: total + (_PREFERENCE * (most - rank) / most if rank else 0.0)
        for index, total, rank in zip(
            choice.slate.indexes, sheet.spread(totals), preferred, strict=True
        )
    }
    return sorted(worth, key=worth.__getitem__, reverse=True), ()


def by_priority(choice: Choice) -> Order:
    """As the route lists them."""
    return as_listed(choice.order, choice.slate), ()


def by_turns(choice: Choice) -> Order:
    """Each in its turn."""
    listed = as_listed(choice.order, choice.slate)
    start = choice.turns() % len(listed)
    return listed[start:] + listed[:start], ()


def by_lot(choice: Choice) -> Order:
    """Drawn without replacement, each with the share that the route gives it."""
    # Efraimidis and Spirakis 2006: sorting by log(u)/w draws exactly by weight, place by
    # place. A share of zero never stands before a positive one.
    listed = as_listed(choice.order, choice.slate)
    shares = [max(choice.shares.get(index, 1.0), 0.0) for index in listed]
    draw = choice.rng.random
    keys = {
        index: math.log(1.0 - draw()) / share if share else -math.inf
        for index, share in zip(listed, shares, strict=True)
    }
    whole = sum(shares)
    order = sorted(listed, key=keys.__getitem__, reverse=True)
    if not whole:
        return order, ()
    odds = dict(zip(listed, shares, strict=True))
    return order, tuple([odds[index] / whole for index in order])


def by_latency(choice: Choice) -> Order:
    """Lowest live 95th percentile of whole latency first."""
    return sorted(choice.slate.indexes, key=choice.live.p95_ms.__getitem__), ()


def by_connections(choice: Choice) -> Order:
    """Fewest running attempts first; equals are drawn, or the first would get all."""
    inflight, draw = choice.live.inflight, choice.rng.random
    indexes = choice.slate.indexes
    order = sorted(indexes, key=lambda index: (inflight[index], draw()))
    fewest = inflight[order[0]]
    ties = sum(1 for index in indexes if inflight[index] == fewest)
    return order, tuple([1.0 / ties if inflight[index] == fewest else 0.0 for index in order])


def by_hash(choice: Choice) -> Order:
    """The key's place on the ring, then along it; without a key, a random place."""
    indexes, ring = choice.slate.indexes, choice.ring(choice.slate)
    key = choice.key()
    if key:
        return [indexes[place] for place in ring.order(key)], ()
    drawn = ring.order(str(choice.rng.getrandbits(64)))
    return [indexes[place] for place in drawn], (1.0 / len(indexes),) * len(indexes)


def by_place(choice: Choice) -> Order:
    """Our own hosts while they keep up, the least busy first; then those that calls may spill
    to, in turn; then the rest."""
    listed = as_listed(choice.order, choice.slate)
    crowded, inflight = choice.live.crowded, choice.live.inflight
    own = [index for index in listed if choice.local >> index & 1]
    own.sort(key=inflight.__getitem__)
    ready = [index for index in own if index not in crowded]
    away = [index for index in listed if not choice.local >> index & 1]
    spill = [some for mask in choice.overflow if (some := [i for i in away if mask >> i & 1])]
    if not choice.overflow:
        spill = [[index] for index in away]
    if not ready and spill:
        start = choice.turns() % len(spill)
        spill = spill[start:] + spill[:start]
    order = ready + [index for some in spill for index in some]
    order += [index for index in own if index in crowded]
    named = set(order)
    return order + [index for index in away if index not in named], ()


def as_listed(order: tuple[int, ...], slate: Slate) -> list[int]:
    """The members in a route's order; in their own where it gives none."""
    if not order:
        return list(slate.indexes)
    return [index for index in order if index in slate.places]


STRATEGIES: dict[str, Strategy] = {
    "quality_first": Strategy(by_score, scores=True),
    "cost_optimized": Strategy(by_score, scores=True, weights=Weights(0.1, 0.05, 0.8, 0.05)),
    "speed": Strategy(by_score, scores=True, weights=Weights(0.1, 0.8, 0.05, 0.05)),
    "balanced": Strategy(by_score, scores=True, weights=Weights(0.25, 0.25, 0.25, 0.25)),
    "priority": Strategy(by_priority, fixed=True),
    "round_robin": Strategy(by_turns),
    "weighted_random": Strategy(by_lot),
    "least_latency": Strategy(by_latency),
    "least_connections": Strategy(by_connections),
    "consistent_hash": Strategy(by_hash),
    LOCAL_FIRST: Strategy(by_place),
}


def cooling_last(order: list[int], slate: Slate, live: Live, now_s: float) -> list[int]:
    """Move who is cooling down behind the others, the soonest back first."""
    down = live.down_until
    if max(slate.pick(down)) <= now_s:
        return order
    ready = [index for index in order if down[index] <= now_s]
    cooling = sorted([i for i in order if down[i] > now_s], key=down.__getitem__)
    return ready + cooling
