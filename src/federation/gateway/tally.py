"""Per-deployment sums of what calls did, kept apart from the meter until a report is due.

A call touches ten metrics; looking each up by name and labels would cost more than its
routing. A tally is found once and added to in place, and becomes metrics once a second.

The trap is whose the tokens and the money are: a call counts where it was answered, but what a
deployment used before another one took over is that deployment's own, as in the ledger's sums.
"""

from __future__ import annotations

from bisect import bisect_left

from federation.domain.money import NANO
from federation.schema.records import AttemptRecord, CallEnded
from federation.telemetry import metrics
from federation.telemetry.meter import Meter

_LATENCY = metrics.LATENCY_S
_OVERHEAD = metrics.OVERHEAD_S
_KINDS = ("input", "output", "cached", "cache_write", "reasoning")


def _empty(bounds: tuple[float, ...]) -> list[float]:
    return [0.0] * (len(bounds) + 2)


class _Calls:
    """Calls of one operation and outcome that one deployment answered."""

    __slots__ = ("count", "overhead", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = _empty(_LATENCY)
        self.overhead = _empty(_OVERHEAD)


class _Attempts:
    """Attempts of one result on one deployment."""

    __slots__ = ("cost_nano", "count", "first_byte", "tokens")

    def __init__(self) -> None:
        self.count = 0
        self.cost_nano = 0
        self.tokens = [0] * len(_KINDS)
        self.first_byte = _empty(_LATENCY)


class Tallies:
    """The sums of one worker since its last report."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str, str], _Calls] = {}
        self._attempts: dict[tuple[str, str], _Attempts] = {}
        self._findings: dict[str, int] = {}

    def call(self, record: CallEnded) -> None:
        """Add a call that has ended, and its attempts."""
        key = (record.operation, record.outcome, record.deployment)
        sums = self._calls.get(key)
        if sums is None:
            sums = self._calls[key] = _Calls()
        sums.count += 1
        for found, times in record.findings.items():
            self._findings[found] = self._findings.get(found, 0) + times
        upstream_ms = 0.0
        for attempt in record.attempts:
            upstream_ms += attempt.total_ms
            self._attempt(attempt)
        seconds = record.duration_ms / 1000.0
        counts = sums.seconds
        counts[bisect_left(_LATENCY, seconds)] += 1.0
        counts[-1] += seconds
        # Attempts may run side by side: a histogram's sum that fell would look like a restart.
        overhead = max(0.0, seconds - upstream_ms / 1000.0)
        counts = sums.overhead
        counts[bisect_left(_OVERHEAD, overhead)] += 1.0
        counts[-1] += overhead

    def _attempt(self, attempt: AttemptRecord) -> None:
        key = (attempt.deployment, attempt.error)
        sums = self._attempts.get(key)
        if sums is None:
            sums = self._attempts[key] = _Attempts()
        sums.count += 1
        usage, tokens = attempt.usage, sums.tokens
        tokens[0] += usage.input
        tokens[1] += usage.output
        if usage.cached or usage.cache_write or usage.reasoning:
            tokens[2] += usage.cached
            tokens[3] += usage.cache_write
            tokens[4] += usage.reasoning
        if attempt.cost_nano:
            sums.cost_nano += attempt.cost_nano
        if attempt.first_byte_ms:
            seconds = attempt.first_byte_ms / 1000.0
            counts = sums.first_byte
            counts[bisect_left(_LATENCY, seconds)] += 1.0
            counts[-1] += seconds

    def pour(self, meter: Meter) -> None:
        """Turn the sums into metrics and begin anew."""
        for (operation, outcome, deployment), sums in self._calls.items():
            provider, _, model = deployment.partition("/")
            meter.add(metrics.REQUESTS, (operation, outcome, provider, model), sums.count)
            meter.absorb(metrics.REQUEST_SECONDS, (operation, provider), sums.seconds)
            meter.absorb(metrics.OVERHEAD_SECONDS, (operation,), sums.overhead)
        for (deployment, error), tried in self._attempts.items():
            provider, _, model = deployment.partition("/")
            meter.add(metrics.ATTEMPTS, (provider, model, error or "ok"), tried.count)
            meter.absorb(metrics.FIRST_BYTE_SECONDS, (provider, model), tried.first_byte)
            for kind, tokens in zip(_KINDS, tried.tokens, strict=True):
                if tokens:
                    meter.add(metrics.TOKENS, (kind, provider, model), tokens)
            if tried.cost_nano:
                meter.add(metrics.COST, (provider, model), tried.cost_nano / NANO)
        for found, times in self._findings.items():
            kind, _, action = found.rpartition(":")
            meter.add(metrics.FINDINGS, (kind, action), times)
        self._calls.clear()
        self._attempts.clear()
        self._findings.clear()
