"""The compiled rulebook against an evaluator that looks at one deployment, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

import governance_world as world
import pytest
from governance_world import facts, policy
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_world import NOON_MS, deployment

from federation.domain import policies as rule
from federation.domain.catalogue import DataUse, Deployment, Price, Rates, Window
from federation.domain.policies import AnyRule, Mode, Policy, Privacy
from federation.errors import ConfigError
from federation.governance.conditions import on_call, on_deployment
from federation.governance.explain import reasons
from federation.governance.facts import CallFacts
from federation.governance.obligations import merged, obligations_of, reportable
from federation.governance.rulebook import Rulebook

Store = tuple[str, ...]
_KNOWN = {"us", "eu", "uk", "apac", "cn", "other", "local", "de", "gb", "hk", "br"}
_CLASS = {"de": "eu", "gb": "uk", "hk": "cn", "br": "other"}


def may_serve(each: Deployment, every: tuple[Policy, ...], call: CallFacts, store: Store) -> bool:
    """The rules one by one, in the words of the specification."""
    return asked_for(each, call.privacy) and all(
        passes(each, demand, call, store)
        for one in every
        if one.mode is Mode.ENFORCE and binds(one, call)
        for demand in one.rules
        if not demand.when or on_call(demand.when).verdict(call) != 0
    )


def binds(one: Policy, call: CallFacts) -> bool:
    at = one.attach
    return all(
        not names or name is None or name.lower() in [each.lower() for each in names]
        for names, name in (
            (at.tenants, call.tenant),
            (at.teams, call.team),
            (at.keys, call.key),
            (at.routes, call.route),
        )
    )


def asked_for(each: Deployment, level: str | None) -> bool:
    if level is None:
        return True
    return level in [known.value for known in Privacy] and keeps(each, Privacy(level))


def keeps(each: Deployment, level: Privacy) -> bool:
    provider = each.provider
    if level is Privacy.PUBLIC or provider.local:
        return True
    if level is Privacy.RESTRICTED or provider.data_use is not DataUse.NONE:
        return False
    placed = bool(provider.regions) and set(provider.regions) <= _KNOWN
    evidenced = bool({"soc2", "iso27001"} & provider.certifications)
    return level is Privacy.INTERNAL or (placed and evidenced)


def regions(each: Deployment) -> tuple[str, ...]:
    return each.provider.regions or (("local",) if each.provider.local else ())


def lies_in(place: str, wanted: tuple[str, ...]) -> bool:
    known = [each for each in wanted if each in _KNOWN]
    one = {"uk": "gb"}.get(place, place)
    return place in _KNOWN and (place in known or _CLASS.get(place, place) in known or one in known)


def within(places: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return bool(places) and all(lies_in(place, wanted) for place in places)


def selected(each: Deployment, selector: str, *, sure: bool) -> bool:
    provider = each.provider
    if selector in ("*", "local", "remote"):
        return selector == "*" or provider.local == (selector == "local")
    kind, _, word = selector.partition(":")
    if kind == "tier":
        return provider.tier.value == word
    if kind == "region" and sure:
        return within(regions(each), (word,))
    if kind == "region":
        here = regions(each)
        return not here or any(
            place not in _KNOWN or lies_in(place, (word,)) or lies_in(word, (place,))
            for place in here
        )
    if sure:
        return selector in (provider.id, each.id)
    return selector.lower() in (provider.id.lower(), each.id.lower())


def called(each: Deployment, name: str, *, sure: bool) -> bool:
    own = [each.id, each.model.id, *each.model.aliases]
    own += [f"{each.provider.id}/{alias}" for alias in each.model.aliases]
    if sure:
        return any(fnmatchcase(word, name) for word in own)
    return any(fnmatchcase(word.lower(), name.lower()) for word in own)


def affordable(each: Deployment, cap: rule.MaxPrice) -> bool:
    price = each.model.price
    here = each.provider.regions
    factor = max([1000, *price.multipliers.values()])
    if len(here) == 1:
        factor = price.multipliers.get(here[0], 1000)
    lists = [price.rates, *(window.rates for window in price.windows)]

    def under(limit: int | None, rates: list[int | None]) -> bool:
        if limit is None:
            return True
        return all(rate is not None and rate * factor <= limit * 1000 for rate in rates)

    written = [rates.output for rates in lists]
    if "chat" not in each.operations and written[0] is None:
        written = written[1:]
    return (
        under(cap.input, [rates.input for rates in lists])
        and under(cap.output, written)
        and all(price.units.get(unit, 0) * factor <= most * 1000 for unit, most in cap.units)
    )


def opens(window: rule.Window, at_ms: int) -> bool:
    shifts = [shift for shift in window.shifts if shift[0] <= at_ms]
    if not shifts or len(shifts) == len(window.shifts):
        return False
    minutes = at_ms // 60_000 + shifts[-1][1]
    today, minute = (minutes // 1440 + 3) % 7 + 1, minutes % 1440
    yesterday = 7 if today == 1 else today - 1
    if window.start < window.end:
        return today in window.days and window.start <= minute < window.end
    late, early = minute >= window.start, minute < window.end
    return (today in window.days and late) or (yesterday in window.days and early)


def passes(each: Deployment, demand: AnyRule, call: CallFacts, store: Store) -> bool:
    match demand:
        case rule.Residency():
            return within(regions(each), demand.places) and (
                not store or within(store, demand.places)
            )
        case rule.StoreResidency():
            return within(store, demand.places)
        case rule.Certified():
            return all(name in each.provider.certifications for name in demand.names)
        case rule.PrivacyLevel():
            return keeps(each, demand.level)
        case rule.Use():
            use = each.provider.data_use
            return use is not DataUse.UNKNOWN and use in demand.allowed
        case rule.Prohibited():
            held = call.data_classes
            there = any(selected(each, name, sure=False) for name in demand.at)
            return not there or (held is not None and not held & set(demand.classes))
        case rule.Approval():
            there = any(selected(each, name, sure=False) for name in demand.at)
            return not there or demand.name in call.approvals
        case rule.MaxPrice():
            return affordable(each, demand)
        case rule.Hours():
            return any(opens(window, call.at_ms) for window in demand.windows)
        case rule.Condition():
            return on_call(demand.expression).verdict(call) == 1
        case rule.DeploymentCondition():
            return on_deployment(demand.expression).verdict(each) == 1
        case _:
            return passes_names(each, demand, call)


def passes_names(each: Deployment, demand: AnyRule, call: CallFacts) -> bool:
    match demand:
        case rule.AllowedProviders():
            return any(selected(each, name, sure=True) for name in demand.names)
        case rule.DeniedProviders():
            return not any(selected(each, name, sure=False) for name in demand.names)
        case rule.AllowedModels():
            return any(called(each, name, sure=True) for name in demand.names)
        case rule.DeniedModels():
            return not any(called(each, name, sure=False) for name in demand.names)
        case rule.AllowedOperations():
            return call.operation in demand.names
        case rule.DeniedOperations():
            denied = [name.lower() for name in demand.names]
            return bool(call.operation) and call.operation.lower() not in denied
        case _:
            return True


def allowed(book: Rulebook, call: CallFacts) -> set[str]:
    return {book.census.ids[index] for index in book.census.members(book.rule(call).mask)}


@settings(max_examples=120, deadline=None)
@given(
    world.deployments(),
    world.policies(),
    st.lists(world.calls, min_size=1, max_size=5),
    world.stores,
)
def test_masks_equal_an_evaluator_that_looks_at_one_rule_at_a_time(
    every: tuple[Deployment, ...], written: tuple[Policy, ...], asked: list[CallFacts], store: Store
) -> None:
    book = Rulebook(written, every, store)
    for call in [*asked, *asked]:  # what is remembered of one call must not answer another
        expected = {each.id for each in every if may_serve(each, written, call, store)}
        assert allowed(book, call) == expected


@settings(max_examples=60, deadline=None)
@given(world.deployments(), world.policies(), world.policies(), world.calls)
def test_another_policy_never_allows_more_and_never_asks_for_less(
    every: tuple[Deployment, ...],
    written: tuple[Policy, ...],
    more: tuple[Policy, ...],
    call: CallFacts,
) -> None:
    more = tuple(replace(each, name=f"more-{each.name}") for each in more)
    before = Rulebook(written, every).rule(call)
    after = Rulebook((*more, *written), every).rule(call)
    assert after.mask | before.mask == before.mask
    old, new = before.obligations, after.obligations
    assert new.logged >= old.logged
    assert new.durable >= old.durable
    assert new.pii_block_on_failure >= old.pii_block_on_failure
    assert new.listed_fields_only >= old.listed_fields_only
    assert new.retention_days >= old.retention_days
    assert new.encryption >= old.encryption
    assert set(new.residency) >= set(old.residency)
    assert {guard.name for guard in new.guards} >= {guard.name for guard in old.guards}
    order = list(rule.PiiAction)
    for kind in ("email", "card", "iban"):
        was, now = old.pii_action(kind), new.pii_action(kind)
        assert was is None or (now is not None and order.index(now) <= order.index(was))
    for was_most, now_most in (
        (old.max_cost_nano, new.max_cost_nano),
        (old.payload_days, new.payload_days),
    ):
        assert was_most is None or (now_most is not None and now_most <= was_most)
    assert old.keep_payloads is not False or new.keep_payloads is False


@settings(max_examples=60, deadline=None)
@given(world.deployments(), world.policies(), world.calls)
def test_report_mode_never_removes_and_never_obliges(
    every: tuple[Deployment, ...], written: tuple[Policy, ...], call: CallFacts
) -> None:
    watching = tuple(replace(each, mode=Mode.REPORT) for each in written)
    free = Rulebook((), every).rule(call)
    watched = Rulebook(watching, every).rule(call)
    assert (watched.mask, watched.obligations) == (free.mask, free.obligations)
    enforced = Rulebook(tuple(replace(each, mode=Mode.ENFORCE) for each in written), every)
    out = 0
    for _, removed in watched.watched:
        out |= removed
    assert free.mask & ~out == enforced.rule(call).mask
    assert watched.would == enforced.rule(call).obligations
    assert (enforced.rule(call).looks, free.looks) == ((), ())
    asked, would = merged(each for _, each in watched.looks), reportable(watched.would)
    assert (asked.pii, asked.pii_types, asked.guards) == (would.pii, would.pii_types, would.guards)


def test_a_rule_in_report_mode_asks_of_content_what_it_asks_itself() -> None:
    mail = rule.Pii(types=(("email", rule.PiiAction.BLOCK),), max_characters=10)
    card = rule.Pii(types=(("card", rule.PiiAction.LOG),), block_on_failure=False)
    guards = rule.Guardrails(guards=(rule.Guard("canary"), rule.Guard("secrets")))
    seldom = rule.PiiExcluded(when='"pii" in data_classes')
    only = rule.Guardrails(guards=(rule.Guard("canary"),))
    written = (
        policy(mail, name="force"),
        policy(card, guards, rule.Retention(days=9), name="a", mode=Mode.REPORT),
        policy(mail, card, seldom, name="b", mode=Mode.REPORT),
        policy(only, rule.Logged(), name="c", mode=Mode.REPORT),
    )
    book = Rulebook(written, _EVERYWHERE)
    ruling = book.rule(facts(data_classes=frozenset()))
    looks = dict(ruling.looks)
    assert list(looks) == ["a.pii", "a.guardrails", "b.pii"], "a canary would have to be put in"
    assert looks["a.pii"] == obligations_of(card), "nobody else's demands, nor other duties"
    assert looks["a.guardrails"].guards == (rule.Guard("secrets"),)
    assert looks["b.pii"] == merged((obligations_of(mail), obligations_of(card)))
    assert ruling.obligations == obligations_of(mail)
    more = book.rule(facts(data_classes=frozenset({"pii"})))
    assert list(dict(more.looks)) == [*looks, "b.pii_exclusion_required"]


@settings(max_examples=60, deadline=None)
@given(world.deployments(), world.policies(), world.calls, world.stores, st.randoms())
def test_rules_explanations_and_the_mask_never_differ(
    every: tuple[Deployment, ...],
    written: tuple[Policy, ...],
    call: CallFacts,
    store: Store,
    shuffle: st.DataObject,
) -> None:
    book = Rulebook(written, every, store)
    ruling = book.rule(call)
    narrowed = book.census.everything
    for name, who in ruling.rules:
        assert name.startswith("policy:")
        narrowed &= who
    assert narrowed == ruling.mask
    kept_out = {
        name for name, said in reasons(book, call).items() if any(each.enforced for each in said)
    }
    assert kept_out == set(book.census.ids) - allowed(book, call)
    mixed = list(written)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]
    again = Rulebook(tuple(mixed), every, store).rule(call)
    assert (again.mask, again.obligations) == (ruling.mask, ruling.obligations)


_EVERYWHERE = (
    deployment("eu/a", p_regions=("de",), p_certifications=frozenset({"soc2"})),
    deployment("us/a", p_regions=("us",), p_certifications=frozenset({"SOC2"})),
    deployment("hk/a", p_regions=("hk",)),
    deployment("caps/a", p_regions=("EU",)),
    deployment("void/a", p_regions=(), p_data_use=DataUse.UNKNOWN),
    deployment("odd/a", p_regions=("unknown",)),
    deployment("both/a", p_regions=("eu", "us")),
    deployment("own/a", p_regions=(), p_local=True, p_data_use=DataUse.UNKNOWN),
)


@pytest.mark.parametrize(
    ("demand", "left"),
    [
        (rule.Residency(places=("eu",)), {"eu/a"}),
        (rule.Residency(places=("EU",)), set()),
        (rule.Residency(places=()), set()),
        (rule.Residency(places=("unknown",)), set()),
        (rule.Residency(places=("apac",)), set()),
        (rule.Residency(places=("cn",)), {"hk/a"}),
        (rule.Residency(places=("eu", "us")), {"eu/a", "us/a", "both/a"}),
        (rule.Residency(places=("local",)), {"own/a"}),
        (rule.Certified(names=("soc2",)), {"eu/a"}),
        (rule.Certified(names=("SOC2",)), {"us/a"}),
        (rule.AllowedProviders(names=()), set()),
        (rule.AllowedProviders(names=("EU",)), set()),
        (rule.AllowedProviders(names=("region:eu",)), {"eu/a"}),
        (rule.AllowedModels(names=("A",)), set()),
        (rule.AllowedOperations(names=()), set()),
        (rule.AllowedOperations(names=("Chat",)), set()),
        (rule.DeniedOperations(names=("CHAT",)), set()),
        (rule.DeniedModels(names=("A",)), set()),
        (rule.DeniedProviders(names=("remote",)), {"own/a"}),
        (rule.Use(allowed=()), set()),
        (rule.Use(allowed=(DataUse.UNKNOWN,)), set()),
        (rule.PrivacyLevel(level=Privacy.RESTRICTED), {"own/a"}),
        (rule.PrivacyLevel(level=Privacy.CONFIDENTIAL), {"own/a", "eu/a"}),
        (rule.MaxPrice(input=1), set()),
        (rule.Condition(expression='tags["missing"] != "x"'), set()),
        (rule.StoreResidency(places=("eu",)), set()),
    ],
    # A set has no order of its own, and every process of the tests must see the same names.
    ids=lambda given: str(sorted(given) if isinstance(given, set) else given)[:60],
)
def test_a_missing_or_odd_fact_is_never_taken_for_yes(demand: AnyRule, left: set[str]) -> None:
    assert allowed(Rulebook((policy(demand),), _EVERYWHERE), facts()) == left


def test_a_denial_of_a_region_reaches_everybody_who_may_be_there() -> None:
    book = Rulebook((policy(rule.DeniedProviders(names=("region:eu",))),), _EVERYWHERE)
    assert allowed(book, facts()) == {"us/a", "hk/a", "own/a"}


def test_a_denied_model_is_denied_at_every_host_and_in_every_variant() -> None:
    hosts = (
        deployment("acme/gpt-9"),
        deployment("hub/openai/gpt-9:free"),
        deployment("hub/GPT-9"),
        deployment("acme/gpt-90"),
    )
    book = Rulebook((policy(rule.DeniedModels(names=("Gpt-9",))),), hosts)
    assert allowed(book, facts()) == {"acme/gpt-90"}


def test_a_call_that_nobody_classified_may_hold_any_class() -> None:
    book = Rulebook((policy(rule.Prohibited(classes=("phi",), at=("remote",))),), _EVERYWHERE)
    everyone = {each.id for each in _EVERYWHERE}
    assert allowed(book, facts(data_classes=frozenset({"pii"}))) == everyone
    assert allowed(book, facts(data_classes=frozenset({"phi"}))) == {"own/a"}
    assert allowed(book, facts(data_classes=None)) == {"own/a"}


def test_an_unknown_team_obeys_every_team_and_case_lets_nobody_out() -> None:
    book = Rulebook((policy(rule.Residency(places=()), teams=("Legal",)),), _EVERYWHERE)
    for team, free in (("legal", False), ("LEGAL", False), (None, False), ("it", True), ("", True)):
        assert bool(allowed(book, facts(team=team))) is free


def test_a_when_that_cannot_be_decided_counts_as_true() -> None:
    book = Rulebook((policy(rule.Residency(places=(), when='tags.team == "legal"')),), _EVERYWHERE)
    assert allowed(book, facts(tags={"team": "it"}))
    assert not allowed(book, facts(tags={"team": "legal"}))
    assert not allowed(book, facts(tags={}))


def test_an_approval_opens_what_it_names_and_nothing_else() -> None:
    needed = rule.Approval(name="overseas", at=("region:us",))
    book = Rulebook((policy(needed),), _EVERYWHERE)
    closed = {"us/a", "both/a", "void/a", "odd/a", "caps/a"}
    assert {each.id for each in _EVERYWHERE} - allowed(book, facts()) == closed
    assert allowed(book, facts(approvals=frozenset({"Overseas", "other"}))).isdisjoint(closed)
    assert closed <= allowed(book, facts(approvals=frozenset({"overseas"})))
    assert book.rule(facts()).obligations.approvals == ("overseas",)


def test_a_price_that_rises_at_some_hour_or_place_is_judged_by_its_height() -> None:
    cheap = deployment("acme/a", p_regions=("us",))
    dear = replace(
        cheap,
        id="acme/b",
        model=replace(
            cheap.model,
            price=replace(
                cheap.model.price,
                windows=(Window((1,), 0, 60, Rates(9 * world.MILLION, None)),),
            ),
        ),
    )
    cap = policy(rule.MaxPrice(input=2 * world.MILLION))
    assert allowed(Rulebook((cap,), (cheap, dear)), facts()) == {"acme/a"}


def test_writing_into_a_cache_has_caps_of_its_own() -> None:
    def priced(name: str, **rates: int | None) -> Deployment:
        plain = deployment(f"acme/{name}", p_regions=("us",))
        price = replace(plain.model.price, rates=Rates(1_000, 1_000, **rates))
        return replace(plain, model=replace(plain.model, price=price))

    many = (
        priced("no-extra"),
        priced("dear", cache_write=1_250),
        priced("dear-long", cache_write=1_000, cache_write_long=2_000),
        priced("cheap-long", cache_write=1_000, cache_write_long=1_000),
        priced("sound", cache_write=None, cache_write_long=1_500),
    )
    unknown = replace(many[0], id="acme/unknown")
    unknown = replace(unknown, model=replace(unknown.model, price=Price()))
    embeds = replace(
        unknown, id="acme/embeds", model=replace(unknown.model, operations=("embeddings",))
    )

    def left(usual: int | None = None, long: int | None = None) -> set[str]:
        cap = rule.MaxPrice(cache_write=usual, cache_write_long=long)
        book = Rulebook((policy(cap),), (*many, unknown, embeds))
        return {name.partition("/")[2] for name in allowed(book, facts())}

    assert left(1_000) == {"no-extra", "cheap-long", "embeds"}
    assert left(1_250) == {"no-extra", "dear", "cheap-long", "embeds"}
    # What is kept longer is unknown of `dear`, and its own cap alone says so.
    assert left(long=1_500) == {"no-extra", "cheap-long", "sound", "embeds"}
    assert left(1_000, 2_000) == {
        "no-extra", "dear-long", "cheap-long", "sound", "embeds",
    }  # fmt: skip


def test_a_window_in_which_writing_is_dear_counts() -> None:
    plain = deployment("acme/a", p_regions=("us",))
    nights = Window((1,), 0, 60, Rates(1_000, 1_000, cache_write=9_000))
    price = Price(rates=Rates(1_000, 1_000), windows=(nights,))
    dear = replace(plain, model=replace(plain.model, price=price))
    book = Rulebook((policy(rule.MaxPrice(cache_write=8_999)),), (dear,))
    assert allowed(book, facts()) == set()


def test_a_class_of_service_counts_for_calls_that_may_ask_for_one() -> None:
    plain = deployment("acme/a", p_regions=("us",))
    prices = replace(plain.model.price, service_tiers={"flex": 500, "priority": 1750})
    classy = replace(plain, id="acme/b", model=replace(plain.model, price=prices))
    usual = prices.rates.input
    assert usual is not None
    both = {"acme/a", "acme/b"}
    book = Rulebook((policy(rule.MaxPrice(input=usual)),), (plain, classy))
    assert allowed(book, facts()) == both
    assert allowed(book, facts(any_class=True)) == {"acme/a"}
    high = Rulebook((policy(rule.MaxPrice(input=2 * usual)),), (plain, classy))
    assert allowed(high, facts(any_class=True)) == both


def test_every_condition_that_cannot_be_used_is_named_with_its_line() -> None:
    broken = policy(
        rule.Condition(expression="tenant", file="policies/a.yaml", line=7),
        rule.Residency(places=("eu",), when="nobody == 1", file="policies/a.yaml", line=9),
        rule.DeploymentCondition(expression="tenant == 'x'", file="policies/a.yaml", line=11),
    )
    with pytest.raises(ConfigError) as caught:
        Rulebook((broken,), _EVERYWHERE)
    assert [problem.line for problem in caught.value.problems] == [7, 9, 11]


def test_memos_stay_small_whatever_clients_send() -> None:
    book = Rulebook((policy(rule.Prohibited(classes=("phi",), at=("*",))),), _EVERYWHERE)
    for at in range(3000):
        asked = facts(route=f"r{at}", privacy=f"x{at}", data_classes=frozenset({f"c{at}"}))
        assert book.rule(asked).mask == 0
    assert len(book._seen) <= 2048
    assert len(book._scopes) == 1
    assert len(book.scope(("acme", "", "", ""))._rulings) == 1


def test_hours_end_where_they_say_and_reach_over_midnight() -> None:
    night = rule.Window("UTC", world.ALWAYS, (1,), 22 * 60, 6 * 60)  # Monday night
    monday = NOON_MS - 5 * 86_400_000 - 12 * 3_600_000  # NOON_MS is a Saturday
    book = Rulebook((policy(rule.Hours(windows=(night,))),), _EVERYWHERE)
    for hour, is_open in ((21.99, False), (22, True), (29.99, True), (30, False), (5, False)):
        assert bool(allowed(book, facts(at_ms=monday + int(hour * 3_600_000)))) is is_open, hour
