"""A snapshot's deployments as sets, one for each answer that a rule may ask for.

A set is an integer with a bit for each deployment, indexed like `Snapshot.deployments`. Where
a fact is missing the answer depends on who asks: a deployment is *surely* within what a rule
admits only if its facts say so, and *possibly* within what a rule forbids unless they say no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from federation.domain.catalogue import DataUse, Deployment, Price, Rates
from federation.domain.policies import MaxPrice, Privacy
from federation.domain.regions import UNKNOWN, all_meet, class_of, meets

_SAFE: Final = frozenset({"soc2", "iso27001"})
_GENERATING: Final = frozenset({"chat", "responses", "completions"})
"""Operations whose output is billed in tokens."""
_WHOLE: Final = 1000


class Census:
    """What rules ask of deployments, answered with sets."""

    __slots__ = (
        "_answers",
        "_exact",
        "_loose",
        "_providers",
        "deployments",
        "everything",
        "ids",
        "levels",
        "local",
    )

    def __init__(self, deployments: tuple[Deployment, ...]) -> None:
        self.deployments = deployments
        self.ids = tuple(deployment.id for deployment in deployments)
        self.everything = (1 << len(deployments)) - 1
        # Hundreds of policies ask the same few questions.
        self._answers: dict[object, int] = {}
        self._exact = self._index(_names)
        self._loose = self._index(_loose_names)
        self._providers = self._index(lambda each: (each.provider.id, each.id))
        self.local = self.where(lambda each: each.provider.local)
        internal = self.local | self.where(_unused)
        confidential = internal & (self.local | self.where(_evidenced))
        self.levels: dict[str, int] = {
            Privacy.PUBLIC.value: self.everything,
            Privacy.INTERNAL.value: internal,
            Privacy.CONFIDENTIAL.value: confidential,
            Privacy.RESTRICTED.value: self.local,
        }

    def where(self, holds: Callable[[Deployment], bool]) -> int:
        """The deployments of which it holds."""
        return sum(1 << index for index, each in enumerate(self.deployments) if holds(each))

    def _index(self, names: Callable[[Deployment], Iterable[str]]) -> dict[str, int]:
        table: dict[str, int] = {}
        for index, each in enumerate(self.deployments):
            for name in names(each):
                table[name] = table.get(name, 0) | 1 << index
        return table

    def _answer(self, question: object, holds: Callable[[Deployment], bool]) -> int:
        found = self._answers.get(question)
        if found is None:
            found = self._answers[question] = self.where(holds)
        return found

    def members(self, mask: int) -> Iterator[int]:
        """The indexes in a set, ascending."""
        return (index for index in range(len(self.ids)) if mask >> index & 1)

    def resident_in(self, places: tuple[str, ...]) -> int:
        """Those known to process data in none but these places."""
        return self._answer(("in", places), lambda each: all_meet(each.provider.places, places))

    def certified(self, names: tuple[str, ...]) -> int:
        """Those with an evidenced certification of every name."""
        wanted = frozenset(names)
        return self._answer(wanted, lambda each: wanted <= each.provider.certifications)

    def using(self, allowed: tuple[DataUse, ...]) -> int:
        """Those whose known use of data is among the allowed."""
        uses = frozenset(allowed) - {DataUse.UNKNOWN}
        return self._answer(("use", uses), lambda each: each.provider.data_use in uses)

    def surely(self, selectors: Iterable[str]) -> int:
        """Those whose facts put them into one of the selectors, as written."""
        mask = 0
        for selector in selectors:
            mask |= self._selected(selector, sure=True)
        return mask

    def possibly(self, selectors: Iterable[str]) -> int:
        """Those that no fact keeps out of all selectors; ids in any case of letters."""
        mask = 0
        for selector in selectors:
            mask |= self._selected(selector, sure=False)
        return mask

    def _selected(self, selector: str, *, sure: bool) -> int:
        kind, _, word = selector.partition(":")
        if selector == "*":
            return self.everything
        if selector == "local":
            return self.local
        if selector == "remote":
            return self.everything & ~self.local
        if kind == "tier" and word:
            return self._answer(("tier", word), lambda each: each.provider.tier.value == word)
        if kind == "region" and word:
            if sure:
                return self.resident_in((word,))
            return self._answer(("near", word), lambda each: _may_be_in(each, word))
        if sure:
            return self._providers.get(selector, 0)
        loose = selector.casefold()
        return sum(mask for name, mask in self._providers.items() if name.casefold() == loose)

    def named(self, names: tuple[str, ...]) -> int:
        """Those that one of these names covers, exactly as written."""
        return self._matching("exactly", self._exact, names)

    def like(self, names: tuple[str, ...]) -> int:
        """Those that one of these names may mean: in any case, at any host, in any variant."""
        return self._matching("loosely", self._loose, tuple(name.casefold() for name in names))

    def _matching(self, how: str, table: dict[str, int], patterns: tuple[str, ...]) -> int:
        mask = 0
        for pattern in patterns:
            if "*" not in pattern:
                mask |= table.get(pattern, 0)
                continue
            found = self._answers.get((how, pattern))
            if found is None:
                found = self._answers[how, pattern] = _among(table, pattern)
            mask |= found
        return mask

    def priced(self, rule: MaxPrice, *, any_class: bool = False) -> int:
        """Those that can never charge more than the rule's caps, in the usual class of service or
        in any that has a price."""
        tokens = (rule.input, rule.output, rule.cache_write, rule.cache_write_long)
        cap = ("price", tokens, rule.units, any_class)
        return self._answer(cap, lambda each: _within(each, rule, any_class=any_class))


def _among(table: dict[str, int], pattern: str) -> int:
    first, *middle, last = pattern.split("*")
    mask = 0
    for name, found in table.items():
        if _fits(name, first, middle, last):
            mask |= found
    return mask


def _fits(name: str, first: str, middle: list[str], last: str) -> bool:
    """Whether the pieces between the stars stand in a name in this order; one pass."""
    end = len(name) - len(last)
    if not name.startswith(first) or not name.endswith(last) or end < len(first):
        return False
    at = len(first)
    for piece in middle:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _unused(each: Deployment) -> bool:
    return each.provider.data_use is DataUse.NONE


def _evidenced(each: Deployment) -> bool:
    regions = each.provider.places
    known = bool(regions) and all(class_of(region) != UNKNOWN for region in regions)
    return known and bool(_SAFE & each.provider.certifications)


def _may_be_in(each: Deployment, place: str) -> bool:
    regions = each.provider.places
    if not regions or class_of(place) == UNKNOWN:
        return True
    return any(
        class_of(region) == UNKNOWN or meets(region, (place,)) or meets(place, (region,))
        for region in regions
    )


def _names(each: Deployment) -> tuple[str, ...]:
    model, provider = each.model, each.provider.id
    return (each.id, model.id, *model.aliases, *(f"{provider}/{name}" for name in model.aliases))


def _loose_names(each: Deployment) -> set[str]:
    """Every way to write it: hosts put the maker's name before a model's, variants behind."""
    names = {*_names(each), each.model.name, each.model.family}
    tails = {name.rpartition("/")[2] for name in names}
    bare = {name.partition(":")[0] for name in names | tails}
    return {name.casefold() for name in names | tails | bare if name}


def _within(each: Deployment, rule: MaxPrice, *, any_class: bool) -> bool:
    price = each.model.price
    lists = (price.rates, *(t.rates for t in price.tiers), *(w.rates for w in price.windows))
    fees = permille = _dearest(each, price)
    if any_class and price.service_tiers:
        permille = -(-permille * max(_WHOLE, *price.service_tiers.values()) // _WHOLE)
    if rule.input is not None and not _under(rule.input, lists, "input", permille):
        return False
    generates = bool(_GENERATING & set(each.operations))
    if rule.output is not None and not _under(
        rule.output, lists, "output", permille, needed=generates
    ):
        return False
    if not _writes_under(rule, lists, permille, generates=generates):
        return False
    return all(
        unit not in price.units or price.units[unit] * fees <= cap * _WHOLE
        for unit, cap in rule.units
    )


def _under(
    cap: int, lists: tuple[Rates, ...], name: str, permille: int, *, needed: bool = True
) -> bool:
    rates: list[int | None] = [getattr(each, name) for each in lists]
    if not needed and rates[0] is None:
        rates = rates[1:]
    return all(_caps(cap, rate, permille) for rate in rates)


def _writes_under(
    rule: MaxPrice, lists: tuple[Rates, ...], permille: int, *, generates: bool
) -> bool:
    """Whether writing into a cache stays under the caps, by the rules of a charge: without a rate
    of its own it costs what input does; where only the usual kind has one, the price of what is
    kept longer is unknown. That refuses under a cap of its own, and not under the one on all
    writing: most such lists sell no other kind. Only what generates has a cache to write to."""
    most, most_long = rule.cache_write, rule.cache_write_long
    for each in lists:
        own, long = each.cache_write, each.cache_write_long
        if own is None and long is None:
            if not generates:
                continue
            own = long = each.input
        usual = each.input if own is None else own
        if most is not None and not _caps(most, usual, permille):
            return False
        cap = most_long if most_long is not None or long is None else most
        if cap is not None and not _caps(cap, long, permille):
            return False
    return True


def _caps(cap: int, rate: int | None, permille: int) -> bool:
    return rate is not None and rate * permille <= cap * _WHOLE


def _dearest(each: Deployment, price: Price) -> int:
    """The largest factor, in thousandths, that its regions may put on a price."""
    region = each.provider.priced_in
    if region is not None:
        return price.multipliers.get(region, _WHOLE)
    return max((_WHOLE, *price.multipliers.values()))
