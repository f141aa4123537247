from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.pricing.reconcile import Finding, Post, Tolerance, reconcile, summed

DAY = Post("2026-01-01", "p", "m")
OTHER = Post("2026-01-02", "p", "m")
EXACT = Tolerance(0, 0)


def finding(invoice: int, ledger: int, tolerance: Tolerance) -> Finding:
    return reconcile({DAY: invoice}, {DAY: ledger}, tolerance)[0].finding


def test_a_difference_within_either_tolerance_agrees() -> None:
    assert finding(100, 101, EXACT) is Finding.DRIFTS
    assert finding(100, 101, Tolerance(0, 1)) is Finding.AGREES
    assert finding(100, 101, Tolerance(10_000, 0)) is Finding.AGREES
    assert finding(100, 102, Tolerance(10_000, 1)) is Finding.DRIFTS


def test_what_one_side_does_not_know_is_found_on_both_sides() -> None:
    found = reconcile({DAY: 5}, {OTHER: 7}, Tolerance(10**9, 10**9))
    assert [(each.post, each.finding, each.drift_nano) for each in found] == [
        (DAY, Finding.ONLY_INVOICE, 5),
        (OTHER, Finding.ONLY_LEDGER, -7),
    ]


def test_nothing_on_one_side_alone_is_no_finding() -> None:
    assert reconcile({}, {DAY: 0}, EXACT) == []


def test_lines_of_one_post_are_added() -> None:
    assert summed([(DAY, 1), (OTHER, 2), (DAY, 3)]) == {DAY: 4, OTHER: 2}


_side = st.dictionaries(
    st.builds(Post, st.sampled_from("12"), st.just("p"), st.sampled_from("ab")),
    st.integers(-(10**12), 10**12),
)


@settings(deadline=None)
@given(_side, _side)
def test_drifts_add_up_to_the_difference_of_both_sides(
    invoice: dict[Post, int], ledger: dict[Post, int]
) -> None:
    found = reconcile(invoice, ledger, EXACT)
    total = sum(invoice.values()) - sum(ledger.values())
    assert sum(each.drift_nano for each in found) == total
