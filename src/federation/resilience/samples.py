"""The last measurements of one deployment, and true percentiles over them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from msgspec import Struct

WINDOW = 256
"""Samples kept for a deployment."""
WINDOW_S = 300.0
"""Older samples say nothing of today's load."""


class Sample(Struct, frozen=True, gc=False):
    """One successful attempt. A negative value was not measured."""

    at_s: float
    first_ms: float
    total_ms: float
    tokens_per_s: float


class Percentiles(NamedTuple):
    """Nearest-rank percentiles in milliseconds."""

    p50: float
    p95: float
    p99: float


Samples = deque[Sample]


def fresh() -> Samples:
    """An empty window."""
    return deque(maxlen=WINDOW)


def expire(samples: Samples, now_s: float) -> None:
    """Forget what is older than the window."""
    oldest = now_s - WINDOW_S
    while samples and samples[0].at_s < oldest:
        samples.popleft()


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of ascending values: one that was really measured."""
    return ordered[max(ceil(share * len(ordered)), 1) - 1]


def percentiles(values: Sequence[float]) -> Percentiles | None:
    """P50, P95 and P99 of values in any order; None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return Percentiles(
        percentile(ordered, 0.50), percentile(ordered, 0.95), percentile(ordered, 0.99)
    )


def shrunk(measured: float, count: int, prior: float, weight: float) -> float:
    """A mean of what was measured and what was expected before, by number of samples."""
    return (measured * count + prior * weight) / (count + weight)
