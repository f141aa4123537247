"""What policies cost a call: `python -m bench.policies [--policies 500] [--deployments 200]`.

One process, no sockets. A line for each case, in microseconds of CPU: the median of many
rounds that take turns, so that caches are as cold as in a worker that does other things too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

from federation.dialects.openai.glance import glance
from federation.domain.access import Role, VirtualKey
from federation.domain.catalogue import DataUse, Deployment, Model, Price, Provider, Rates, Tier
from federation.domain.policies import (
    AllowedModels,
    AnyRule,
    Approval,
    Attachment,
    Certified,
    Condition,
    DeniedProviders,
    Hours,
    Logged,
    MaxPrice,
    Pii,
    PiiAction,
    PiiExcluded,
    Policy,
    Privacy,
    PrivacyLevel,
    Prohibited,
    Residency,
    Use,
    Window,
)
from federation.gateway.ruled import Ruled, facts_of
from federation.governance.conditions import on_call
from federation.governance.explain import reasons, refusals
from federation.governance.facts import CallFacts
from federation.governance.rulebook import Rulebook
from federation.schema.http import ClientRequest

NOW_MS = 1_795_262_400_000
_ROUNDS = 60
_ZONE = ((0, 60), (4_000_000_000_000, 0))
_LONG = (
    'tenant == "t1" && (tags.team == "legal" || tags.team == "it") && text_bytes < 100000 '
    '&& operation in ["chat", "embeddings"] && !("phi" in data_classes) && hour >= 0'
)
_BODY = (
    b'{"model":"auto","messages":[{"role":"user","content":"Hello"}],'
    b'"federation":{"tags":{"team":"it"},"data_classes":["pii"]}}'
)
_GLANCE = glance(ClientRequest("POST", "/v1/chat/completions", "", {}, _BODY))
_KEY = VirtualKey("k1", b"", "k", "t1", Role.DEVELOPER, 0)


def fleet(count: int, rng: Random) -> tuple[Deployment, ...]:
    """Deployments with every kind of fact, some missing."""
    made = []
    for at in range(count):
        provider = Provider(
            id=f"p{at % 40}",
            name="",
            tier=rng.choice(list(Tier)),
            dialect="openai",
            base_url="https://host.example/v1",
            regions=rng.choice([(), ("us",), ("eu",), ("de",), ("us", "eu"), ("cn",)]),
            certifications=frozenset(rng.sample(["soc2", "hipaa", "gdpr"], rng.randint(0, 3))),
            data_use=rng.choice(list(DataUse)),
            local=at % 20 == 0,
        )
        price = Price(Rates(rng.randint(1, 9) * 10**9, rng.randint(1, 30) * 10**9))
        model = Model(id=f"model-{at}", family=f"family-{at % 30}", price=price)
        made.append(Deployment(f"{provider.id}/{model.id}", provider, model, usable=True))
    return tuple(made)


def policies(count: int, rng: Random) -> tuple[Policy, ...]:
    """Policies of four rules each, every second one bound to a tenant."""
    return tuple(
        Policy(
            f"policy-{at}",
            tuple(_rule(rng, at) for _ in range(4)),
            attach=Attachment(tenants=(f"t{at % 50}",) if at % 2 else ()),
            digest=f"{at:064x}",
        )
        for at in range(count)
    )


def _rule(rng: Random, at: int) -> AnyRule:
    window = Window("Europe/Berlin", _ZONE, (1, 2, 3, 4, 5, 6), at % 60, 1380 + at % 60)
    rules: list[AnyRule] = [
        Residency(places=("us", "eu", "local")),
        Certified(names=("soc2",)),
        Use(allowed=(DataUse.NONE, DataUse.TRAINS)),
        PrivacyLevel(level=Privacy.INTERNAL),
        DeniedProviders(names=(f"p{at % 39 + 1}",)),
        AllowedModels(names=("model-*", f"gpt-{at}")),
        MaxPrice(input=9 * 10**9, output=40 * 10**9),
        Prohibited(classes=("phi", f"x-{at}"), at=("remote",)),
        Approval(name=f"approval-{at % 20}", at=("tier:chinese",)),
        Hours(windows=(window,)),
        Pii(action=rng.choice(list(PiiAction)), types=(("email", PiiAction.MASK),)),
        PiiExcluded(),
        Logged(),
    ]
    return rng.choice(rules)


def measured(work: Callable[[], object], times: int) -> float:
    """Microseconds of CPU for one."""
    began = time.process_time_ns()
    for _ in range(times):
        work()
    return (time.process_time_ns() - began) / times / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=500)
    parser.add_argument("--deployments", type=int, default=200)
    given = parser.parse_args()
    rng = Random(7)
    every, written = fleet(given.deployments, rng), policies(given.policies, rng)
    conditional = Policy("cel", (Condition(expression=_LONG),), digest="c" * 64)
    plain, with_cel = Rulebook(written, every), Rulebook((*written, conditional), every)
    call = CallFacts(
        "t1", "chat", NOW_MS, data_classes=frozenset({"pii"}), tags={"team": "it"}, route="auto"
    )
    others = [replace(call, tenant=f"t{at}", route=f"r{at % 7}") for at in range(100)]
    turn = iter(range(10**9))
    condition = on_call(_LONG)
    cases: dict[str, Callable[[], object]] = {
        "the same caller again": lambda: plain.rule(call),
        "a hundred callers in turn": lambda: plain.rule(others[next(turn) % 100]),
        "with a CEL condition of six terms": lambda: with_cel.rule(call),
        "that condition alone": lambda: condition.verdict(call),
        "build the facts of a call": lambda: CallFacts("t1", "chat", NOW_MS, tags={"a": "b"}),
        "a call, from its glance": lambda: Ruled.under(plain, _facts(plain)),
        "the same with the CEL condition": lambda: Ruled.under(with_cel, _facts(with_cel)),
    }
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(_ROUNDS):
        for name, work in cases.items():
            found[name].append(measured(work, 500))
    print(f"{given.policies} policies, {given.deployments} deployments; CPU in us, median (worst)")
    for name, values in found.items():
        print(f"  {name:36} {statistics.median(values):8.2f} ({max(values):.2f})")
    scope = plain.scope(("t1", "", "", ""))
    slow = {
        "a new minute (once a minute)": (lambda: scope._rule(call), 20),  # noqa: SLF001
        "a new kind of caller": (lambda: _fresh(plain).rule(call), 5),
        "say why a call is refused": (lambda: refusals(plain, call, (1 << 200) - 1), 5),
        "explain every deployment": (lambda: reasons(plain, call), 5),
        "compile all (once a snapshot)": (lambda: Rulebook(written, every), 2),
    }
    for name, (work, times) in slow.items():
        print(f"  {name:36} {measured(work, times):8.0f}")


def _facts(book: Rulebook) -> CallFacts:
    """The facts of the call in `_BODY`, as the gateway gathers them."""
    return facts_of(_GLANCE, _KEY, "chat", "auto", NOW_MS, whole=book.conditional)


def _fresh(book: Rulebook) -> Rulebook:
    """The same rulebook with nothing remembered."""
    book._scopes.clear()  # noqa: SLF001
    book._seen.clear()  # noqa: SLF001
    return book


if __name__ == "__main__":
    main()
