"""Every store against a model: any sequence of turns, by two replicas, with losses in between.

The model is the pure `Till` itself, which the properties in tests/unit/pricing hold to the
promise; the stores must say the same, turn by turn.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from money_stores import KINDS, MoneyWorld, money_world
from redis_server import redis_server

from federation.domain.budgets import Pot, Standing, pot_budget
from federation.pricing.pots import Ask, Note, Till, Turn, Want

POTS = [
    Pot("acme/b1/-/0", 1000),
    Pot("acme/b2/-/0", 500),
    Pot("acme/b3/-/0", 100, hard=False),
    Pot("acme/b4/-/0", 3 << 60),
]
WRITERS = ["w1", "w2", "w3"]
amounts = st.one_of(st.integers(0, 400), st.sampled_from([1 << 53, (1 << 53) + 1]))


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    pots = draw(st.lists(st.sampled_from(POTS), min_size=1, max_size=4, unique=True))
    wants = []
    for pot in pots:
        least = draw(amounts)
        wants.append(Want(pot, least, least + draw(amounts)))
    return Ask(
        draw(st.sampled_from(WRITERS)), 1, tuple(wants), draw(st.booleans()), draw(st.booleans())
    )


@st.composite
def notes(draw: st.DrawFn) -> Note:
    pot = draw(st.sampled_from(POTS)).id
    return Note(draw(st.sampled_from(WRITERS)), pot, draw(amounts), draw(amounts), draw(amounts))


turns = st.builds(
    Turn,
    st.lists(notes(), max_size=3).map(tuple),
    st.lists(st.sampled_from(WRITERS), max_size=1).map(tuple),
    st.lists(asks(), max_size=3).map(tuple),
    st.integers(1, 9),
)


class StoreMachine(RuleBasedStateMachine):
    """One store and the model, side by side."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        place = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.world: MoneyWorld = self.stack.enter_context(money_world(self.kind, Path(place)))
        self.stores = [self.world.replica(), self.world.replica()]
        self.model = Till({}, {})

    @rule(turn=turns, which=st.integers(0, 1))
    def play(self, turn: Turn, which: int) -> None:
        said = self.stores[which].turn(turn)
        expected = self.model.play(turn)
        assert said.answers == expected.answers
        for pot, standing in said.standings.items():
            assert standing == expected.standings[pot]

    @rule()
    def another_process(self) -> None:
        self.stores[0] = self.world.replica()

    @precondition(lambda self: self.kind == "redis")
    @rule()
    def redis_loses_its_memory(self) -> None:
        redis_server().wipe()

    @invariant()
    def everything_stands_as_in_the_model(self) -> None:
        for pot in POTS:
            told = {each.pot: each for each in self.stores[1].standings(*pot_budget(pot.id))}
            known = self.model.pots.get(pot.id)
            if known is not None and known != Standing(pot.id, 0, True, 0, 0):
                assert told[pot.id] == known
        held = [lease for _, lease in sorted(self.model.leases.items()) if not lease.closed]
        assert self.stores[1].leases() == held

    def teardown(self) -> None:
        self.stack.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_store_plays_as_the_model_does(kind: str) -> None:
    machine = type(f"{kind}Machine", (StoreMachine,), {"kind": kind})
    few = settings(
        max_examples=60 if kind == "memory" else 10,
        stateful_step_count=20,
        phases=(Phase.generate,),  # to shrink one takes minutes where a server is asked
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(machine, settings=few)


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_that_a_dead_worker_names_counts_like_any_other(kind: str, tmp_path: Path) -> None:
    pot = POTS[0]
    with money_world(kind, tmp_path) as world:
        store, model = world.replica(), Till({}, {})
        for turn in (
            Turn((Note("w1", pot.id, 5, 0, 5),), (), (), 1),
            Turn((), ("w1",), (), 1),
            Turn((), (), (Ask("w1", 1, (Want(pot, 1, 1),), False, False),), 1),
        ):
            assert store.turn(turn).answers == model.play(turn).answers
        assert store.standings("acme", "b1") == [model.pots[pot.id]]
        assert store.standings("acme", "b1")[0].cap_nano == pot.cap_nano
