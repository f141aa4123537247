from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.control.provider_limits import WINDOW_MS, Allowances, limits_of
from federation.domain.catalogue import Deployment, Limits, Model, Provider, Tier
from federation.schema.link import LeaseAsk

NAME = "rpm/acme"


def allowances(limit: int) -> Allowances:
    made = Allowances()
    made.limit({NAME: limit})
    return made


@settings(deadline=None)
@given(
    limit=st.integers(0, 200),
    workers=st.integers(1, 8),
    asks=st.lists(
        st.tuples(st.integers(1, 50), st.integers(0, 3 * WINDOW_MS)), min_size=1, max_size=200
    ),
    restart_at=st.integers(0, 200),
)
def test_workers_together_never_get_more_than_the_limit_in_a_window(
    limit: int, workers: int, asks: list[tuple[int, int]], restart_at: int
) -> None:
    now = allowances(limit)
    granted: dict[int, int] = {}
    for n, (amount, at_ms) in enumerate(sorted(asks, key=lambda ask: ask[1])):
        if n == restart_at:
            heir = allowances(limit)
            heir.restore(now.state())
            now = heir
        grant = now.grant(LeaseAsk(NAME, amount), workers, at_ms)
        assert 0 <= grant.amount <= amount
        assert grant.expires_ms > at_ms
        assert grant.expires_ms % WINDOW_MS == 0
        granted[at_ms // WINDOW_MS] = granted.get(at_ms // WINDOW_MS, 0) + grant.amount
    assert all(total <= limit for total in granted.values())


def test_a_limit_is_handed_out_whole_to_those_who_go_on_asking() -> None:
    now = allowances(100)
    assert sum(now.grant(LeaseAsk(NAME, 8), 4, 0).amount for _ in range(60)) == 100


def test_no_worker_takes_all_that_is_left_while_others_are_there() -> None:
    assert allowances(40).grant(LeaseAsk(NAME, 40), 4, 0).amount == 10
    assert allowances(40).grant(LeaseAsk(NAME, 40), 1, 0).amount == 40


def test_less_than_is_of_use_is_not_granted_and_more_than_a_fair_part_is() -> None:
    now = allowances(30_000)
    assert now.grant(LeaseAsk(NAME, 20_000, 20_000), 4, 0).amount == 20_000
    assert now.grant(LeaseAsk(NAME, 20_000, 20_000), 4, 0).amount == 0
    assert now.grant(LeaseAsk(NAME, 10_000, 10_000), 4, 0).amount == 10_000
    assert allowances(40).grant(LeaseAsk(NAME, 8, 3), 4, 0).amount == 8


def test_a_new_window_begins_with_the_whole_limit() -> None:
    now = allowances(5)
    now.grant(LeaseAsk(NAME, 5), 1, 0)
    assert now.grant(LeaseAsk(NAME, 5), 1, WINDOW_MS - 1).amount == 0
    assert now.grant(LeaseAsk(NAME, 5), 1, WINDOW_MS).amount == 5


def test_a_lowered_limit_counts_what_was_granted_before() -> None:
    now = allowances(10)
    now.grant(LeaseAsk(NAME, 6), 1, 0)
    now.limit({NAME: 5})
    assert now.grant(LeaseAsk(NAME, 5), 1, 1).amount == 0


def test_what_has_no_limit_is_granted() -> None:
    assert Allowances().grant(LeaseAsk("rpm/free", 8), 4, 0).amount == 8


def test_a_state_that_cannot_be_read_begins_anew() -> None:
    now = allowances(5)
    now.grant(LeaseAsk(NAME, 5), 1, 0)
    now.restore(b"garbage")
    assert now.grant(LeaseAsk(NAME, 5), 1, 0).amount == 5


def test_limits_are_the_providers_requests_and_tokens_of_a_minute() -> None:
    acme = Provider("acme", "Acme", Tier.FRONTIER, "openai", "https://a", limits=Limits(rpm=60))
    beta = replace(acme, id="beta", limits=Limits(tpm=10))
    deployments = [
        Deployment(f"{provider.id}/{model}", provider, Model(model), usable=True)
        for provider in (acme, beta)
        for model in ("a", "b")
    ]
    assert limits_of(deployments) == {"rpm/acme": 60, "tpm/beta": 10}
