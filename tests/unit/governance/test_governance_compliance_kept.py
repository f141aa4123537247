"""A report says of what is kept no more than can be told without opening it."""

from __future__ import annotations

from federation.domain.policies import Payloads, Policy
from federation.governance.compliance import Kept, Period, Proof, Shown, Tally, controls

RULE = Payloads(keep=False)


def shown(kept: Kept) -> Shown:
    policies = (Policy("p", (RULE,)),)
    (found,) = controls([RULE], Period(0, 1, "", Tally(), policies, {}, Proof(True), kept, {}, 1))
    return found


def test_what_is_kept_of_calls_may_be_hashes_and_is_not_called_contents() -> None:
    found = shown(Kept(contents=3))
    assert (
        dict(found.counts)["kept contents of calls or hashes of them, sealed with AES-256-GCM"] == 3
    )
    (gap,) = (each for each in found.gaps if "3 calls" in each)
    assert "contents of 3 calls of the period, or hashes of them, are kept" in gap.lower()
    assert "federation data show" in gap


def test_where_nothing_is_kept_nothing_is_said_of_it() -> None:
    assert not [gap for gap in shown(Kept()).gaps if "kept" in gap]
