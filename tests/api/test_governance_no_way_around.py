"""No way around: whatever fails, no byte of a call reaches whom the policies keep out.

Random places, evidence, prices and hosts in several languages, misbehaving at random; random
policies, strategies, names and clients. Who is allowed is worked out here once more, from the
facts of each deployment and a sentence of Python for each rule, without sets or memos.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from governed_world import bind, hand, policy
from lab_world import CLIENTS, LabWorld, lab_world

from federation.domain import policies as rule
from federation.domain.catalogue import DataUse, Deployment, Price, Rates
from federation.domain.policies import AnyRule, Mode, Policy, Privacy
from federation.domain.routes import Deadlines, Route, Target

_QUICK = Deadlines(connect_s=0.5, first_token_s=0.5, idle_s=0.3, total_s=5.0)
_PLAYS = ("", ":cut-9", ":reset", ":500", ":503-once", ":inband-5", ":malformed-7", ":429-after-0",
          ":reset-11", ":cut-30-once", ":no-finish", ":401", ":garbage")  # fmt: skip
_VOICES = ("lab-prefill", "lab-same", "lab-other", "lab-ignores")
_DIALECTS = ("openai", "anthropic", "gemini")
_EU = {"eu", "de", "fr"}
_REGIONS = ((), ("eu",), ("de",), ("us",), ("us", "eu"), ("EU",), ("cn",), ("hk",), ("mars",))

Allows = Callable[[Deployment], bool]


@dataclass(frozen=True)
class Binding:
    """A rule, who passes it, and whom its policy binds."""

    demand: AnyRule
    allows: Allows
    attach: dict[str, Any]
    mode: Mode

    def binds(self, tenant: str, team: str, name: str) -> bool:
        callers = {"tenants": tenant, "teams": team, "routes": name}
        return self.mode is Mode.ENFORCE and all(
            callers[kind].lower() in [word.lower() for word in words]
            for kind, words in self.attach.items()
        )


def _rules(random: Random, names: list[str]) -> list[tuple[AnyRule, Allows]]:
    """Every kind of rule that looks at deployments, each with what it means."""
    some = random.sample(names, 2)
    hosts = tuple(name.partition("/")[0] for name in some)
    return [
        (
            rule.Residency(places=("eu",)),
            lambda d: bool(d.provider.regions) and set(d.provider.regions) <= _EU,
        ),
        (
            rule.Residency(places=("us", "eu")),
            lambda d: bool(d.provider.regions) and set(d.provider.regions) <= _EU | {"us"},
        ),
        (rule.Residency(places=()), lambda _: False),
        (rule.Certified(names=("soc2",)), lambda d: "soc2" in d.provider.certifications),
        (rule.Use(allowed=(DataUse.NONE,)), lambda d: d.provider.data_use is DataUse.NONE),
        (
            rule.PrivacyLevel(level=Privacy.INTERNAL),
            lambda d: d.provider.data_use is DataUse.NONE,
        ),
        (rule.AllowedProviders(names=hosts), lambda d: d.provider.id in hosts),
        (rule.DeniedProviders(names=hosts), lambda d: d.provider.id not in hosts),
        (rule.AllowedModels(names=tuple(some)), lambda d: d.id in some),
        (rule.DeniedModels(names=(some[0].upper(),)), lambda d: d.id != some[0]),
        (
            rule.MaxPrice(output=9_000_000_000),
            lambda d: (d.model.price.rates.output or 10**12) <= 9_000_000_000,
        ),
        (
            rule.Prohibited(classes=("phi",), at=(hosts[0],)),
            lambda d: d.provider.id != hosts[0],
        ),
        (
            rule.DeploymentCondition(expression='"soc2" in deployment.certifications'),
            lambda d: "soc2" in d.provider.certifications,
        ),
        (rule.AllowedOperations(names=("embeddings",)), lambda _: False),
        (rule.Condition(expression='tags.missing == "x"'), lambda _: False),
        (rule.Logged(), lambda _: True),
        (rule.Durable(), lambda _: True),
    ]


def _bindings(random: Random, names: list[str]) -> list[Binding]:
    attachments: list[dict[str, Any]] = [
        {},
        {},
        {"tenants": ("acme",)},
        {"tenants": ("other",)},
        {"teams": ("Legal",)},
        {"routes": ("chat",)},
        {"tenants": ("ACME",), "teams": ("legal", "it")},
    ]
    modes = [Mode.ENFORCE, Mode.ENFORCE, Mode.ENFORCE, Mode.REPORT]
    return [
        Binding(
            *random.choice(_rules(random, names)), random.choice(attachments), random.choice(modes)
        )
        for _ in range(random.randint(1, 3))
    ]


def _changed(random: Random, row: Deployment) -> Deployment:
    """The deployment with other facts."""
    price = random.choice([None, 1_000_000_000, 9_000_000_000, 20_000_000_000])
    return replace(
        row,
        provider=replace(
            row.provider,
            regions=random.choice(_REGIONS),
            certifications=frozenset(random.sample(["soc2", "SOC2", "gdpr"], 1)),
            data_use=random.choice(list(DataUse)),
        ),
        model=replace(row.model, price=Price(Rates(input=1, output=price)), aliases=("alias",)),
    )


async def _calls(world: LabWorld, random: Random) -> None:
    names = [row.id for row in world.deployments]
    bindings = _bindings(random, names)
    policies: list[Policy] = [
        policy(each.demand, name=f"p{at}", mode=each.mode, **each.attach)
        for at, each in enumerate(bindings)
    ]
    bind(world.running, *policies, alter=lambda _, row: _changed(random, row))
    rows = world.running.world.current().snapshot.deployments
    for _ in range(4):
        key = hand(
            world.running,
            tenant=random.choice(["acme", "other"]),
            team=random.choice(["", "legal", "LEGAL"]),
        )
        name = random.choice(["chat", "lots", "auto", "alias", random.choice(names)])
        allowed = {
            row.id
            for row in rows
            if all(b.allows(row) for b in bindings if b.binds(key.tenant, key.team, name))
        }
        before = len(world.seen())
        told = await world.ask(
            random.choice(CLIENTS), stream=random.random() < 0.6, model=name, within_s=20.0
        )
        await world.settled()
        asked = {f"{seen.provider}" for seen in world.seen()[before:]}
        reachable = {name.partition("/")[0] for name in allowed}
        assert asked <= reachable, (asked, reachable, name, policies)
        ended = world.ended
        assert {each.deployment for each in ended.attempts} <= allowed
        assert allowed or (not asked and told.status == 403), (told.status, told.error)


@pytest.mark.parametrize("seed", range(40))
async def test_no_byte_reaches_whom_the_policies_keep_out(seed: int) -> None:
    random = Random(seed)
    targets = [
        f"{random.choice(_DIALECTS)}/{random.choice(_VOICES)}{random.choice(_PLAYS)}"
        for _ in range(random.randint(2, 5))
    ]
    if random.random() < 0.3:
        targets[0] = "refused"
    every = tuple(Target(f"p{at}/{_model(target)}") for at, target in enumerate(targets))
    strategy = random.choice(
        ["priority", "round_robin", "speed", "weighted_random", "cost_optimized"]
    )
    lots = Route("lots", strategy, every, deadlines=_QUICK)
    async with lab_world(*targets, deadlines=_QUICK, more=(lots,), pace_s=0.0, slow_s=1.0) as world:
        await asyncio.wait_for(_calls(world, random), 60.0)


def _model(target: str) -> str:
    return "lab-same" if target == "refused" else target.partition("/")[2]
