"""The promise itself, of the `Till` alone: the stores are held to it by tests/contract."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.budgets import Pot
from federation.pricing.pots import Ask, Granted, Note, Till, Turn, Want, size

POTS = [Pot("acme/b1/-/0", 1000), Pot("acme/b2/-/0", 300)]
WRITERS = ["w1", "w2"]

steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ahead", "spend", "close"]),
        st.sampled_from(WRITERS),
        st.sampled_from([(0,), (1,), (0, 1)]),
        st.integers(0, 300),
        st.integers(0, 2000),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=300)
@given(steps=steps, sharers=st.integers(1, 5))
def test_spent_and_reserved_never_pass_the_cap_while_bills_respect_their_bounds(
    steps: list[tuple[str, str, tuple[int, ...], int, int]], sharers: int
) -> None:
    till = Till({}, {})
    for kind, writer, chosen, amount, wish in steps:
        notes: tuple[Note, ...] = ()
        asks: tuple[Ask, ...] = ()
        if kind == "spend":
            notes = tuple(
                Note(
                    writer,
                    lease.pot,
                    lease.spent_nano + min(amount, lease.reserved_nano),
                    lease.returned_nano + min(wish, max(0, lease.reserved_nano - amount)),
                )
                for n in chosen
                if (lease := till.leases.get((writer, POTS[n].id))) is not None and not lease.closed
            )
        elif kind != "close":
            wants = tuple(Want(POTS[n], amount, amount + wish) for n in chosen)
            asks = (Ask(writer, 1, wants, ahead=kind == "ahead", waits=True),)
        before = dict(till.leases)
        closes = (writer,) if kind == "close" else ()
        (answer, *_) = (*till.play(Turn(notes, closes, asks, sharers)).answers, None)
        for pot in till.pots.values():
            assert 0 <= pot.spent_nano + pot.reserved_nano <= pot.cap_nano
            assert pot.overrun_nano == 0
            leases = [lease for lease in till.leases.values() if lease.pot == pot.pot]
            assert pot.spent_nano == sum(lease.spent_nano for lease in leases)
            assert pot.reserved_nano == sum(lease.reserved_nano for lease in leases)
            assert all(lease.reserved_nano >= 0 for lease in leases)
        if asks and not isinstance(answer, Granted):
            assert {k: v for k, v in till.leases.items() if v.granted_nano} == {
                k: v for k, v in before.items() if v.granted_nano
            }


@given(
    least=st.integers(0, 1000),
    wish=st.integers(0, 10**6),
    left=st.integers(-(10**6), 10**6),
    sharers=st.integers(1, 9),
)
def test_a_lease_is_what_is_needed_or_a_fair_part_of_what_is_left(
    least: int, wish: int, left: int, sharers: int
) -> None:
    want = Want(POTS[0], least, wish)
    ahead, _ = size(want, True, left, sharers)
    amount, tight = size(want, False, left, sharers)
    assert least <= amount <= max(least, wish)
    assert amount == least or amount * 2 * sharers <= left
    assert ahead == 0 or ahead * 2 * sharers <= left
    assert not tight or (amount, ahead) == (least, 0)
