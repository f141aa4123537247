"""Random and hand-made deployments, policies and calls for the tests of governance."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from routing_world import NOON_MS, deployment

from federation.domain.catalogue import DataUse, Deployment, Price, Rates, Tier, Window
from federation.domain.policies import (
    AllowedModels,
    AllowedOperations,
    AllowedProviders,
    AnyRule,
    Approval,
    Attachment,
    Certified,
    Condition,
    DeniedModels,
    DeniedOperations,
    DeniedProviders,
    DeploymentCondition,
    Durable,
    Encryption,
    Guard,
    Guardrails,
    Hours,
    Logged,
    MaxCost,
    MaxPrice,
    Mode,
    Payloads,
    Pii,
    PiiAction,
    PiiExcluded,
    Policy,
    Privacy,
    PrivacyLevel,
    Prohibited,
    Residency,
    Retention,
    StoreResidency,
    Use,
)
from federation.domain.policies import Window as Open
from federation.governance.facts import CallFacts

MILLION = 1_000_000_000
"""A dollar for a million tokens."""
ALWAYS = ((0, 0), (4_000_000_000_000, 0))
_PLACES = ("us", "eu", "uk", "apac", "cn", "other", "local", "de", "gb", "hk", "br", "EU", "mars")
_PROVIDERS = ("acme", "beta", "gamma", "Acme", "ACME/LARGE", "beta/small")
_SELECTORS = (*_PROVIDERS, "*", "local", "remote", "tier:chinese", "region:cn", "region:eu")
_MODELS = (
    "large",
    "*m*l*",
    "*/lar*e",
    "small",
    "LARGE",
    "acme/large",
    "lar*",
    "*",
    "none",
    "quick",
)
_CLASSES = ("pii", "phi", "pci")
_CALLERS = ("acme", "ACME", "other", "")


def policy(*rules: AnyRule, name: str = "p", mode: Mode = Mode.ENFORCE, **attach: Any) -> Policy:
    """A policy of these rules, attached as said."""
    return Policy(name, rules, mode, attach=Attachment(**attach), digest="0" * 64)


def facts(**known: Any) -> CallFacts:
    """A chat of the tenant acme at noon, looked through and found to hold nothing."""
    given: dict[str, Any] = {
        "tenant": "acme",
        "operation": "chat",
        "at_ms": NOON_MS,
        "data_classes": frozenset(),
    }
    return CallFacts(**(given | known))


def some(*options: str, least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(options), min_size=least, max_size=3, unique=True).map(tuple)


_amounts = st.none() | st.sampled_from([0, MILLION, 5 * MILLION, 9 * MILLION])
_rates = st.builds(Rates, input=_amounts, output=_amounts)
_prices = st.builds(
    Price,
    rates=_rates,
    windows=st.lists(_rates.map(lambda r: Window((1,), 0, 60, r)), max_size=1).map(tuple),
    multipliers=st.sampled_from([{}, {"us": 1100}, {"eu": 900, "de": 2000}]),
    units=st.sampled_from([{}, {"image": 40_000_000}]),
)


@st.composite
def deployments(draw: st.DrawFn) -> tuple[Deployment, ...]:
    """One to three deployments, about each of which anything may be known."""
    names = some("acme/large", "acme/small", "beta/small", "gamma/big", "beta/large", least=1)
    return tuple(
        [
            deployment(
                name,
                aliases=draw(st.sampled_from([(), ("quick",)])),
                context=draw(st.sampled_from([None, 8_000, 128_000])),
                operations=draw(st.sampled_from([("chat",), ("embeddings",)])),
                price=draw(_prices),
                p_regions=draw(some(*_PLACES)),
                p_certifications=frozenset(draw(some("soc2", "hipaa", "SOC2", "iso27001"))),
                p_data_use=draw(st.sampled_from(list(DataUse))),
                p_local=draw(st.booleans()),
                p_tier=draw(st.sampled_from([Tier.CHINESE, Tier.CLOUD])),
            )
            for name in draw(names)
        ]
    )


_windows = st.builds(
    Open,
    zone=st.just("UTC"),
    shifts=st.sampled_from([ALWAYS, ((0, 120), (NOON_MS + 1, 0)), ()]),
    days=st.sampled_from([(1, 2, 3, 4, 5), (6, 7), (1, 2, 3, 4, 5, 6, 7)]),
    start=st.integers(0, 1440),
    end=st.integers(0, 1440),
)
_whens = st.sampled_from(
    ["", "", "", 'tags.team == "legal"', "text_bytes > 100", 'tenant != "acme" || stream']
)
_conditions = st.sampled_from(
    ["text_bytes < 1000", '"pii" in data_classes', 'tags["team"] == "legal"', "max_output < 10"]
)
_about = st.sampled_from(
    ["deployment.context > 9000", '"soc2" in deployment.certifications', "!deployment.local"]
)
_actions = st.sampled_from(list(PiiAction))
rules: st.SearchStrategy[AnyRule] = st.one_of(
    st.builds(Residency, places=some(*_PLACES), when=_whens),
    st.builds(StoreResidency, places=some("eu", "us", "de", least=1)),
    st.builds(Certified, names=some("soc2", "hipaa", least=1), when=_whens),
    st.builds(PrivacyLevel, level=st.sampled_from(list(Privacy)), when=_whens),
    st.builds(Use, allowed=st.sampled_from([(DataUse.NONE,), (), tuple(DataUse)])),
    st.builds(Prohibited, classes=some(*_CLASSES, least=1), at=some(*_SELECTORS, least=1)),
    st.builds(AllowedProviders, names=some(*_SELECTORS)),
    st.builds(DeniedProviders, names=some(*_SELECTORS, least=1), when=_whens),
    st.builds(AllowedModels, names=some(*_MODELS)),
    st.builds(DeniedModels, names=some(*_MODELS, least=1)),
    st.builds(AllowedOperations, names=some("chat", "Chat", "embeddings")),
    st.builds(DeniedOperations, names=some("chat", "EMBEDDINGS", least=1)),
    st.builds(Hours, windows=st.lists(_windows, min_size=1, max_size=2).map(tuple)),
    st.builds(
        MaxPrice,
        input=_amounts,
        output=_amounts,
        units=st.sampled_from([(), (("image", 50_000_000),), (("image", 40_000_000),)]),
    ),
    st.builds(Approval, name=st.sampled_from(["legal", "cto"]), at=some(*_SELECTORS, least=1)),
    st.builds(Condition, expression=_conditions, when=_whens),
    st.builds(DeploymentCondition, expression=_about),
    st.builds(MaxCost, nano=st.integers(0, 9)),
    st.builds(
        Pii,
        action=st.none() | _actions,
        types=st.dictionaries(st.sampled_from(["email", "card"]), _actions).map(
            lambda found: tuple(sorted(found.items()))
        ),
        block_on_failure=st.booleans(),
        when=_whens,
    ),
    st.builds(PiiExcluded),
    st.builds(
        Guardrails,
        guards=st.builds(
            Guard, st.sampled_from(["pii", "injection"]), st.booleans(), st.integers(0, 1000)
        ).map(lambda guard: (guard,)),
    ),
    st.builds(Logged),
    st.builds(Durable),
    st.builds(Retention, days=st.integers(1, 9)),
    st.builds(
        Payloads, keep=st.sampled_from([True, False, "hashes"]), days=st.none() | st.integers(1, 9)
    ),
    st.just(Encryption(algorithm="aes-256-gcm")),
)
_attachments = st.builds(
    Attachment,
    tenants=some("acme", "OTHER"),
    teams=some("legal"),
    keys=some("k1"),
    routes=some("fast"),
)


@st.composite
def policies(draw: st.DrawFn) -> tuple[Policy, ...]:
    """Up to four policies, bound to anybody, enforced or watching."""
    count = draw(st.integers(0, 4))
    return tuple(
        Policy(
            f"p{at}",
            tuple(draw(st.lists(rules, min_size=1, max_size=3))),
            draw(st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.REPORT])),
            attach=draw(_attachments),
        )
        for at in range(count)
    )


calls: st.SearchStrategy[CallFacts] = st.builds(
    CallFacts,
    tenant=st.sampled_from(_CALLERS),
    operation=st.sampled_from(["chat", "CHAT", "embeddings", ""]),
    at_ms=st.sampled_from([0, NOON_MS, NOON_MS + 40_000_000, NOON_MS + 200_000_000]),
    key=st.sampled_from(["k1", "k2", ""]),
    team=st.sampled_from(["legal", "LEGAL", "", None]),
    route=st.sampled_from(["fast", "auto", ""]),
    privacy=st.sampled_from([None, None, *(level.value for level in Privacy), "Restricted", "x"]),
    data_classes=st.none() | some(*_CLASSES, "other").map(frozenset),
    approvals=some("legal", "cto", "Legal").map(frozenset),
    tags=st.sampled_from([{}, {"team": "legal"}, {"team": "it"}]),
    stream=st.booleans(),
    text_bytes=st.sampled_from([0, 500, 5000]),
    max_output=st.sampled_from([None, 5, 50]),
)
stores = st.sampled_from([(), ("eu",), ("de",), ("us", "eu"), ("EU",)])
