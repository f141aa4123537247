"""Which rules serve a demand: those that are as strict, and none of which that is in doubt."""

from __future__ import annotations

import pytest

from federation.config.policies_packs import pack_names, pack_rules
from federation.domain import policies as rule
from federation.domain.catalogue import DataUse
from federation.domain.policies import AnyRule, Guard, PiiAction, PiiPattern, Privacy
from federation.governance.strictness import at_least

EUROPE = rule.Residency(places=("eu", "local"))
TOKENS = rule.Pii(action=PiiAction.TOKENIZE)
MASKS = rule.Pii(action=PiiAction.MASK, types=(("ssn", PiiAction.REDACT),))
REMOTE = rule.Prohibited(classes=("genetic", "phi"), at=("remote",))
OWN = PiiPattern("badge", "B[0-9]{6}")
NIGHT = rule.Window("UTC", (), (1, 2), 0, 60)
DAY = rule.Window("UTC", (), (1, 2), 60, 120)
STRICTER: list[tuple[AnyRule, AnyRule]] = [
    (rule.Residency(places=("eu",)), EUROPE),
    (rule.Residency(places=("local",)), EUROPE),
    (rule.Residency(places=("de", "fr")), EUROPE),
    (rule.StoreResidency(places=("de",)), rule.StoreResidency(places=("eu",))),
    (rule.Use(allowed=()), rule.Use(allowed=(DataUse.NONE,))),
    (rule.PrivacyLevel(level=Privacy.RESTRICTED), rule.PrivacyLevel(level=Privacy.INTERNAL)),
    (rule.Certified(names=("soc2", "hipaa")), rule.Certified(names=("soc2",))),
    (rule.Pii(action=PiiAction.BLOCK), TOKENS),
    (rule.Pii(action=PiiAction.REDACT, types=(("email", PiiAction.TOKENIZE),)), TOKENS),
    (rule.Pii(action=PiiAction.REDACT), MASKS),
    (rule.Pii(action=PiiAction.TOKENIZE, max_characters=9, patterns=(OWN,)), TOKENS),
    (rule.PiiExcluded(), TOKENS),
    (rule.Pii(action=PiiAction.BLOCK), rule.PiiExcluded()),
    (rule.Prohibited(classes=("genetic", "minors", "phi"), at=("remote",)), REMOTE),
    (rule.Prohibited(classes=("genetic", "phi"), at=("*",)), REMOTE),
    (rule.AllowedProviders(names=("a",)), rule.AllowedProviders(names=("a", "b"))),
    (rule.DeniedModels(names=("a", "b")), rule.DeniedModels(names=("a",))),
    (rule.Hours(windows=(NIGHT,)), rule.Hours(windows=(NIGHT, DAY))),
    (
        rule.MaxPrice(input=5, output=5, units=(("image", 3),)),
        rule.MaxPrice(input=6, units=(("image", 4),)),
    ),
    (rule.MaxPrice(cache_write=5, cache_write_long=6), rule.MaxPrice(cache_write=6)),
    (rule.MaxPrice(cache_write_long=5), rule.MaxPrice(cache_write_long=6)),
    (rule.MaxCost(nano=5), rule.MaxCost(nano=6)),
    (
        rule.Guardrails(guards=(Guard("injection", threshold=300), Guard("secrets"))),
        rule.Guardrails(guards=(Guard("injection"),)),
    ),
    (rule.Retention(days=4000), rule.Retention(days=2555)),
    (rule.Payloads(keep=False), rule.Payloads(keep=True, days=30)),
    (rule.Payloads(keep=False), rule.Payloads(keep="hashes", days=30)),
    (rule.Payloads(keep="hashes", days=30), rule.Payloads(keep=True, days=30)),
    (rule.Payloads(keep=True, days=7), rule.Payloads(keep=True, days=30)),
    (rule.Approval(name="dpo"), rule.Approval(name="dpo", at=("remote",))),
]
WEAKER: list[tuple[AnyRule, AnyRule]] = [(demand, strict) for strict, demand in STRICTER]
UNLIKE: list[tuple[AnyRule, AnyRule]] = [
    (rule.MaxPrice(input=5), rule.MaxPrice(cache_write=5)),
    (rule.MaxPrice(cache_write=5), rule.MaxPrice(cache_write_long=5)),
    (rule.MaxPrice(cache_write=5, cache_write_long=7), rule.MaxPrice(cache_write=6)),
    (rule.Residency(places=("eu", "us")), EUROPE),
    (rule.Residency(places=("moon",)), EUROPE),
    (rule.StoreResidency(places=("eu",)), EUROPE),
    (rule.Pii(action=PiiAction.BLOCK, block_on_failure=False), TOKENS),
    (rule.Pii(action=PiiAction.BLOCK, types=(("email", PiiAction.LOG),)), TOKENS),
    (rule.Pii(types=(("email", PiiAction.BLOCK),)), TOKENS),
    (rule.Pii(action=PiiAction.TOKENIZE), rule.Pii(action=PiiAction.TOKENIZE, patterns=(OWN,))),
    (TOKENS, rule.PiiExcluded()),
    (rule.Residency(places=("eu",), when="call.user == 'x'"), EUROPE),
    (rule.Guardrails(guards=(Guard("secrets"),)), rule.Guardrails(guards=(Guard("injection"),))),
    (rule.Encryption(algorithm="rot13"), rule.Encryption(algorithm="aes-256-gcm")),
    (rule.Condition(expression="a"), rule.Condition(expression="b")),
    (rule.Approval(name="ciso"), rule.Approval(name="dpo")),
]


@pytest.mark.parametrize(("one", "demand"), STRICTER)
def test_a_stricter_rule_serves(one: AnyRule, demand: AnyRule) -> None:
    assert at_least(one, demand)


@pytest.mark.parametrize(("one", "demand"), [*WEAKER, *UNLIKE])
def test_a_weaker_or_another_rule_does_not(one: AnyRule, demand: AnyRule) -> None:
    assert not at_least(one, demand)


@pytest.mark.parametrize("name", sorted(pack_names()))
def test_a_rule_of_a_pack_serves_itself_and_no_rule_of_another_kind(name: str) -> None:
    rules = pack_rules(name)
    for one in rules:
        served = [each for each in rules if at_least(one, each)]
        assert one in served
        assert {type(each) for each in served} <= {type(one), rule.Pii, rule.PiiExcluded}


def test_a_demand_that_holds_sometimes_is_served_by_one_that_always_does() -> None:
    sometimes = rule.Residency(places=("eu", "local"), when="call.stream")
    assert at_least(EUROPE, sometimes)
    assert at_least(sometimes, sometimes)
    assert not at_least(sometimes, EUROPE)
