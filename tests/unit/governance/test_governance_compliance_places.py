"""A report asks of a provider what the rule asks of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.domain.catalogue import DataUse, Provider, Tier
from federation.domain.policies import AnyRule, Certified, Policy, Use
from federation.governance.compliance import Kept, Period, Proof, Tally, controls

OWN = Provider("own", "own", Tier.OPENSOURCE, "openai", "http://10.0.0.1/v1", local=True)


def sent(rule: AnyRule, provider: Provider) -> dict[str, int]:
    tally = Tally()
    tally.take("c1", "ok", ["p@1+0"], ["own/m"], {}, {}, {}, simulated=False, hashed="made")
    period = Period(
        0, 1, "", tally, (Policy("p", (rule,)),), {"own": provider}, Proof(True), Kept(), {}, 1
    )
    (shown,) = controls([rule], period)
    return dict(shown.counts)


@pytest.mark.parametrize(
    ("rule", "shows"),
    [
        (Certified(names=("soc2",)), {"certifications": frozenset({"soc2"})}),
        (Use(allowed=(DataUse.NONE,)), {"data_use": DataUse.NONE}),
    ],
)
def test_a_host_of_our_own_has_to_show_what_the_rule_demands(
    rule: AnyRule, shows: dict[str, object]
) -> None:
    assert sent(rule, OWN)["sent elsewhere"] == 1
    assert sent(rule, replace(OWN, **shows))["sent where it is met"] == 1  # type: ignore[arg-type]
