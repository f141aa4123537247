"""Every row of the compiled catalogue, as it is shipped: one test a row, each of all checks."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import astuple
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from federation.catalogue.quirks import QUIRKS
from federation.catalogue.reader import load
from federation.domain.catalogue import Ability, DataUse, Model, Price, Provider, Rates, Tier
from federation.domain.quirks import SHAPES

CATALOGUE = load()
PROVIDERS = list(CATALOGUE.values())
COUNTED_AT_NO_FEE = {"web_fetch"}
MODELS = [(provider, model) for provider in PROVIDERS for model in provider.models]


def priced(price: Price) -> list[Rates]:
    return [price.rates, *(t.rates for t in price.tiers), *(w.rates for w in price.windows)]


def amounts(price: Price) -> list[int]:
    rates = [amount for each in priced(price) for amount in astuple(each) if amount is not None]
    return rates + [usd for unit, usd in price.units.items() if unit not in COUNTED_AT_NO_FEE]


def test_there_are_at_least_sixty_providers_in_all_seven_tiers() -> None:
    tiers = Counter(provider.tier for provider in PROVIDERS)
    assert len(PROVIDERS) >= 60
    assert set(tiers) == set(Tier)
    assert min(tiers.values()) >= 3


def test_most_rows_have_high_confidence_and_none_has_low() -> None:
    confidences = Counter(provider.confidence for provider in PROVIDERS)
    assert set(confidences) == {"high", "medium"}
    assert confidences["high"] >= 60


def test_the_catalogue_is_keyed_and_sorted_by_id() -> None:
    assert list(CATALOGUE) == sorted(CATALOGUE)
    assert all(key == provider.id for key, provider in CATALOGUE.items())


def check_a_provider_has_a_sane_address(row: Provider) -> None:
    if row.base_url.startswith("{"):
        assert row.quirks["placeholders"]
        return
    parts = urlsplit(row.base_url)
    assert parts.hostname
    assert not parts.query
    assert not row.base_url.endswith("/")
    on_this_machine = parts.hostname in {"localhost", "127.0.0.1"}
    assert parts.scheme == ("http" if on_this_machine else "https")


def check_a_placeholder_in_an_address_has_a_name_that_can_be_filled(row: Provider) -> None:
    for name in re.findall(r"\{([^}]*)\}", row.base_url):
        assert re.fullmatch(r"[a-z_]+", name)


def check_a_provider_signs_in_by_named_variables(row: Provider) -> None:
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in row.env)
    assert len(set(row.env)) == len(row.env)
    if not row.local:
        assert row.env, "a provider that is not ours needs a credential"
    if row.auth.scheme in {"bearer", "header"}:
        assert row.auth.name == row.auth.name.lower()
        assert row.auth.name


def check_a_provider_says_where_its_facts_come_from(row: Provider) -> None:
    assert row.sources
    assert len(set(row.sources)) == len(row.sources)
    assert date.fromisoformat(row.as_of) <= date(2026, 12, 31)


def check_a_provider_claims_only_known_places_and_certifications(row: Provider) -> None:
    assert row.certifications <= {"soc2", "iso27001", "hipaa", "gdpr"}
    assert all(re.fullmatch(r"us|eu|uk|apac|cn|other|local|[a-z]{2}", r) for r in row.regions)
    assert (row.regions == ("local",)) == row.local


def check_a_local_server_is_private_and_asks_for_nothing(row: Provider) -> None:
    if not row.local:
        assert not row.quirks.get("auth_optional")
        return
    assert row.data_use is DataUse.NONE
    assert row.auth.scheme == "none" or row.quirks["auth_optional"] is True
    assert urlsplit(row.base_url).hostname in {"localhost", "127.0.0.1"}


def check_a_provider_has_unique_model_names(row: Provider) -> None:
    names = [name for model in row.models for name in (model.id, *model.aliases)]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def check_a_provider_uses_only_documented_quirks(row: Provider) -> None:
    for quirks in (row.quirks, *(model.quirks for model in row.models)):
        assert set(quirks) <= set(QUIRKS)
        assert [word for word, value in quirks.items() if not SHAPES[word].fits(value)] == []


def test_every_quirk_has_a_meaning_and_says_what_values_it_takes() -> None:
    assert set(SHAPES) == set(QUIRKS)


def check_an_address_for_every_region_cannot_be_used_without_its_placeholder(row: Provider) -> None:
    if "{region}" in row.base_url or "{location}" in row.base_url:
        assert row.regions == (), "the operator's region decides"


def check_a_model_names_its_family_and_operations(row: Provider, model: Model) -> None:
    assert model.id
    assert model.family == model.family.lower()
    assert model.operations
    assert model.input_modalities


def check_a_price_is_never_negative_and_never_free_but_at_home(row: Provider, model: Model) -> None:
    found = amounts(model.price)
    assert all(amount >= 0 for amount in found)
    if not row.local:
        assert all(found), "an unknown price is left out, not zero"
    if found:
        assert model.price.source
        assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", model.price.as_of)


def check_a_cached_token_is_not_dearer_than_a_fresh_one(row: Provider, model: Model) -> None:
    for rates in priced(model.price):
        if rates.cached is not None and rates.input is not None:
            assert rates.cached <= rates.input


def check_a_long_context_tier_names_every_rate_that_the_base_names(
    row: Provider, model: Model
) -> None:
    base = model.price.rates
    for tier in model.price.tiers:
        for key in ("input", "output", "cached", "cache_write", "cache_write_long"):
            known, above = getattr(base, key), getattr(tier.rates, key)
            assert (known is None) == (above is None)
            if known is not None:
                assert above > known
        if model.context is not None:
            assert 0 < tier.above <= model.context


def check_a_model_that_retires_is_still_served_on_the_day_of_its_row(
    row: Provider, model: Model
) -> None:
    if model.retires is not None:
        assert date.fromisoformat(model.retires) > date.fromisoformat(row.as_of)


def check_limits_of_a_model_fit_its_context(row: Provider, model: Model) -> None:
    if model.context is not None:
        assert model.context > 0
        assert (model.max_input or 0) <= model.context
    assert model.max_output is None or model.max_output > 0


def check_a_model_that_chats_has_a_quality_with_a_source_and_a_deviation(
    row: Provider, model: Model
) -> None:
    if "chat" not in model.operations:
        return
    assert "default" in model.quality
    for quality in model.quality.values():
        assert 0 < quality.mean < 1
        assert 0.03 <= quality.deviation <= 0.3
        assert quality.source


def check_an_assumed_speed_is_marked_as_one(row: Provider, model: Model) -> None:
    assert (model.speed is not None) == bool(model.quirks.get("speed_assumed"))
    if model.speed is not None:
        assert model.speed.first_token_ms > 0
        assert model.speed.tokens_per_s > 0


def check_a_model_that_refuses_sampling_does_not_claim_it(row: Provider, model: Model) -> None:
    if model.quirks.get("sampling") == "drop":
        assert Ability.SAMPLING not in model.abilities
    if Ability.FORCED_TOOLS in model.abilities:
        assert Ability.TOOLS in model.abilities


def test_one_family_at_several_hosts_has_one_quality() -> None:
    by_family: dict[str, set[tuple[str, float]]] = {}
    for _, model in MODELS:
        if model.operations == ("chat",):
            default = model.quality["default"]
            if "price class" not in default.source and "no evidence" not in default.source:
                by_family.setdefault(model.family, set()).add((default.source, default.mean))
    assert [family for family, found in by_family.items() if len(found) > 1] == []


def test_a_global_inference_profile_is_not_offered_under_a_regional_row() -> None:
    for row, model in MODELS:
        if model.id.startswith("global."):
            assert row.id == "bedrock_global"


def test_sources_that_disagree_on_a_price_are_kept() -> None:
    disputed = [model for _, model in MODELS if "price_disputed" in model.quirks]
    assert len(disputed) >= 5
    for model in disputed:
        others = model.quirks["price_disputed"]
        assert isinstance(others, dict)
        for rates in others.values():
            assert all(Decimal(usd) > 0 for usd in rates.values())


def test_the_maker_of_a_plain_model_id_is_known_for_the_frontier() -> None:
    makers = {model.id: row.id for row, model in MODELS if model.maker}
    assert makers["gpt-6.1-sol"] == "openai"
    assert makers["claude-opus-5-5"] == "anthropic"
    assert makers["deepseek-v4-pro"] == "deepseek"


PROVIDER_CHECKS = (
    check_a_provider_has_a_sane_address,
    check_a_placeholder_in_an_address_has_a_name_that_can_be_filled,
    check_a_provider_signs_in_by_named_variables,
    check_a_provider_says_where_its_facts_come_from,
    check_a_provider_claims_only_known_places_and_certifications,
    check_a_local_server_is_private_and_asks_for_nothing,
    check_a_provider_has_unique_model_names,
    check_a_provider_uses_only_documented_quirks,
    check_an_address_for_every_region_cannot_be_used_without_its_placeholder,
)

MODEL_CHECKS = (
    check_a_model_names_its_family_and_operations,
    check_a_price_is_never_negative_and_never_free_but_at_home,
    check_a_cached_token_is_not_dearer_than_a_fresh_one,
    check_a_long_context_tier_names_every_rate_that_the_base_names,
    check_a_model_that_retires_is_still_served_on_the_day_of_its_row,
    check_limits_of_a_model_fit_its_context,
    check_a_model_that_chats_has_a_quality_with_a_source_and_a_deviation,
    check_an_assumed_speed_is_marked_as_one,
    check_a_model_that_refuses_sampling_does_not_claim_it,
)


@pytest.mark.parametrize("row", PROVIDERS, ids=lambda row: row.id)
def test_a_provider_row_passes_every_check(row: Provider) -> None:
    for check in PROVIDER_CHECKS:
        check(row)


@pytest.mark.parametrize(
    ("row", "model"), MODELS, ids=[f"{row.id}/{model.id}" for row, model in MODELS]
)
def test_a_model_row_passes_every_check(row: Provider, model: Model) -> None:
    for check in MODEL_CHECKS:
        check(row, model)
