"""Whether a host of our own has so much to do that a call should go elsewhere. Pure.

The trap is a host whose row says nothing of how much it does at a time: nothing ever waits for
it here, however long its own queue has become, so only its tokens in flight can tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.domain.routes import Overflow


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker has given a host to do."""

    running: int
    waiting: int
    tokens: int
    """What the running attempts are expected to read and write."""
    limit: int | None
    """Attempts at a time; None where the row does not say."""
    call_s: float
    """How long a call takes there, by what was measured."""


def predicted_wait_s(load: Load) -> float:
    """How long the next call would wait for its turn: it moves up whenever one of those that
    run side by side ends. 0 where nobody says how many that are."""
    if load.limit is None:
        return 0.0
    ahead = load.running + load.waiting - load.limit + 1
    return max(ahead, 0) * load.call_s / load.limit


def crowded(load: Load, rules: Overflow) -> bool:
    """Whether the next call should spill."""
    full = load.limit is not None and load.running >= load.limit
    if full and load.waiting >= rules.max_queue:
        return True
    if rules.max_tokens is not None and load.tokens >= rules.max_tokens:
        return True
    return predicted_wait_s(load) > rules.max_wait_s
