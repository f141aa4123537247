from __future__ import annotations

from federation.control.acceptance import LOCKED_S, Acceptance
from federation.errors import StoreLocked, Unavailable

LOCKED = StoreLocked("canceling statement due to lock timeout")


def test_who_refuses_is_told_at_once_and_until_a_write_is_taken() -> None:
    store = Acceptance()
    store.refused(Unavailable("The disk is full."), 5.0)
    assert not store.good
    store.refused(LOCKED, 6.0)
    assert not store.good
    store.took()
    assert store.good


def test_a_lock_is_told_only_where_it_goes_on() -> None:
    store = Acceptance()
    for at_s in (0.0, LOCKED_S / 2, LOCKED_S - 1):
        store.refused(LOCKED, at_s)
        assert store.good
    store.took()
    store.refused(LOCKED, LOCKED_S + 1)
    assert store.good
    store.refused(LOCKED, 2 * LOCKED_S + 1)
    assert not store.good
