"""The health board of one worker: what it saw of each deployment, for routing to read.

Outcomes are noted by deployment id, so that they survive a new snapshot and may come from
other workers. The columns of `Live` are indexed like the snapshot that `follow` was last
given; `inflight` and `down_until` change at once, the rest at most four times a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

from federation.domain.catalogue import Deployment, Speed
from federation.domain.live import Live
from federation.errors import (
    UpstreamDiverged,
    UpstreamLooped,
    UpstreamOversized,
    UpstreamRejected,
)
from federation.resilience.circuit import Breaker, Circuit
from federation.resilience.recovery import HURRIED, PACED
from federation.resilience.retries import RetryBudget
from federation.resilience.samples import (
    Percentiles,
    Sample,
    Samples,
    expire,
    fresh,
    percentiles,
    shrunk,
)
from federation.schema.http import NO_CONNECTION, NO_DESCRIPTOR
from federation.schema.link import Measure

PROBED = "probed"
"""`Measure.error` of who answered a question that is no call: see `Breaker.probed`."""
REFRESH_S = 0.25
_AGING_S = 5.0
"""How often a deployment that nobody calls is looked at, because samples grow old."""
NEUTRAL = frozenset(
    {
        UpstreamRejected.code,
        UpstreamDiverged.code,
        UpstreamLooped.code,
        UpstreamOversized.code,
        NO_CONNECTION,
        NO_DESCRIPTOR,
        PACED,
        HURRIED,
        "canceled",
    }
)
"""`Measure.error` words that say nothing about the deployment's health: the caller's own fault, a
call that went in a circle, another answer than the one to be mended, one larger than we take
(unless the call allowed no such thing), a connection for which this process had no descriptor, or
of which it had as many as it may, a 429 that says when to come back, a deadline that only the
client was in a hurry for (`recovery.blame`), a client that hung up."""

_UNSTATED_SPEED = Speed(first_token_ms=900.0, tokens_per_s=50.0)
_PRIOR_WEIGHT = 8.0
"""Samples that the catalogue's expectation counts for."""
_SUCCESS_WEIGHT = 5.0
_MEMORY_S = 300.0
"""Time in which an outcome loses all but 1/e of its weight in the success rate."""
USUAL_ANSWER = 300
"""Output tokens of the call that `p95_ms` expects before any was measured."""
_FEW_TOKENS = 16
_STREAMED = 0.1
"""An answer of which at least this part arrived after its first byte was streamed."""
_SLOW_MS = 1000.0
_ERRONEOUS = 0.5
_ERROR_CALLS = 5


class Health(str, Enum):
    """What an operator is told of a deployment."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    DISABLED = "disabled"


class _Entry:
    """All that is known of one deployment."""

    __slots__ = (
        "begun",
        "breaker",
        "checked_s",
        "dirty",
        "disabled",
        "good",
        "index",
        "inflight",
        "noted_s",
        "prior",
        "retries",
        "samples",
        "seen",
    )

    def __init__(self, index: int, prior: Speed, *, disabled: bool) -> None:
        self.index = index
        self.prior = prior
        self.disabled = disabled
        self.breaker = Breaker()
        self.retries = RetryBudget()
        self.begun = 0
        self.samples: Samples = fresh()
        self.good = 0.0
        self.seen = 0.0
        self.noted_s = 0.0
        self.checked_s = 0.0
        self.inflight = 0
        self.dirty = False


class HealthBoard:
    """Outcomes in, `Live` columns out.

    Times are monotonic seconds, given by the caller. `begin` and `end` take the time of
    the last `live` or `note`: a decision reads `live` just before it begins an attempt.
    """

    __slots__ = ("_active", "_entries", "_live", "_now_s", "_refreshed_s")

    def __init__(self, deployments: Sequence[Deployment] = ()) -> None:
        self._entries: dict[str, _Entry] = {}
        self._active: set[str] = set()
        self._live = Live([], [], [], [], [], [], [])
        self._refreshed_s = -math.inf
        self._now_s = 0.0
        self.follow(deployments)

    def follow(self, deployments: Sequence[Deployment]) -> None:
        """Follow a new snapshot. What was seen of a deployment that stays is kept; one that
        left is forgotten, and attempts still running on it end without a trace."""
        entries: dict[str, _Entry] = {}
        for index, deployment in enumerate(deployments):
            prior = deployment.model.speed or _UNSTATED_SPEED
            disabled = not (deployment.enabled and deployment.provider.enabled)
            entry = self._entries.get(deployment.id)
            if entry is None:
                entry = _Entry(index, prior, disabled=disabled)
            else:
                entry.index, entry.prior, entry.disabled = index, prior, disabled
            entries[deployment.id] = entry
        self._entries = entries
        self._active &= entries.keys()
        each = list(entries.values())
        self._live = Live(
            first_token_ms=[entry.prior.first_token_ms for entry in each],
            tokens_per_s=[max(entry.prior.tokens_per_s, 0.1) for entry in each],
            p95_ms=[_expected_ms(entry.prior) for entry in each],
            success=[1.0] * len(each),
            inflight=[entry.inflight for entry in each],
            down_until=[0.0] * len(each),
            p99_first_ms=[0.0] * len(each),
        )
        for name in self._active:
            entries[name].dirty = True
        self._refreshed_s = -math.inf

    def live(self, now_s: float) -> Live:
        """The columns as of now. The lists are the board's own: read them, keep none."""
        self._now_s = now_s
        if now_s - self._refreshed_s >= REFRESH_S:
            self._refreshed_s = now_s
            for name in self._active:
                entry = self._entries[name]
                if entry.dirty or now_s - entry.checked_s >= _AGING_S:
                    self._refresh(entry, now_s)
        return self._live

    def begin(self, deployment: str) -> None:
        """An attempt starts. Each needs exactly one `end`."""
        entry = self._entries.get(deployment)
        if entry is not None:
            entry.begun += 1
            entry.inflight += 1
            self._live.inflight[entry.index] = entry.inflight
            if not entry.breaker.is_closed:
                entry.breaker.begin(self._now_s)
                self._show(entry, self._now_s)

    @property
    def columns(self) -> Live:
        """What `live` returned last."""
        return self._live

    def may_retry(self, deployment: str, now_s: float) -> bool:
        """Whether the deployment may be asked again for a call that it failed; counts it.
        Never while its circuit is open: the failure may have been the one that opened it."""
        entry = self._entries.get(deployment)
        if entry is None:
            return True
        return entry.breaker.is_closed and entry.retries.spend(entry.begun, now_s)

    def could_retry(self, deployment: str, now_s: float) -> bool:
        """What `may_retry` would say now, which counts."""
        entry = self._entries.get(deployment)
        if entry is None:
            return True
        return entry.breaker.is_closed and entry.retries.allows(entry.begun, now_s)

    def may_return(self, deployment: str, now_s: float) -> bool:
        """Whether the deployment may be asked once more where all others have failed, too;
        counts it. An open circuit keeps nobody away then, for the least doubtful is asked; in a
        half-open one the probe is to decide."""
        entry = self._entries.get(deployment)
        if entry is None:
            return True
        half = entry.breaker.state(now_s) is Circuit.HALF_OPEN
        return not half and entry.retries.spend(entry.begun, now_s)

    def end(self, deployment: str) -> None:
        """An attempt is over, however it ended; `note` says what came of it."""
        entry = self._entries.get(deployment)
        if entry is not None:
            entry.inflight = max(entry.inflight - 1, 0)
            self._live.inflight[entry.index] = entry.inflight
            if not entry.breaker.is_closed:
                entry.breaker.end()
                self._show(entry, self._now_s)

    def cool(self, deployment: str, until_s: float, now_s: float) -> None:
        """Let a deployment rest until then (Retry-After, a refused credential)."""
        entry = self._entries.get(deployment)
        if entry is not None:
            entry.breaker.cool(until_s)
            self._active.add(deployment)
            self._show(entry, now_s)

    def note(self, measure: Measure, now_s: float) -> None:
        """Count an outcome, one's own or another worker's."""
        entry = self._entries.get(measure.deployment)
        if entry is None or (not measure.ok and measure.error in NEUTRAL):
            return
        self._now_s = now_s
        if measure.error == PROBED:
            entry.breaker.probed(now_s)
            self._show(entry, now_s)
            return
        self._active.add(measure.deployment)
        entry.dirty = True
        closed = entry.breaker.is_closed
        fade = math.exp((entry.noted_s - now_s) / _MEMORY_S) if entry.seen else 0.0
        entry.noted_s = now_s
        entry.seen = entry.seen * fade + 1.0
        if measure.ok:
            entry.good = entry.good * fade + 1.0
            entry.breaker.succeed(now_s)
            # An answer without tokens (or of an unknown number) took no representative time.
            if measure.output_tokens > 0:
                entry.samples.append(_sample(measure, now_s, entry.prior))
        else:
            entry.good *= fade
            entry.breaker.fail(now_s)
        if not (closed and measure.ok):
            self._show(entry, now_s)

    def health(self, deployment: str, now_s: float) -> Health:
        """The state of one deployment; `unknown` for a name that is not on the board."""
        entry = self._entries.get(deployment)
        if entry is None:
            return Health.UNKNOWN
        if entry.disabled:
            return Health.DISABLED
        breaker = entry.breaker
        if breaker.state(now_s) is not Circuit.CLOSED:
            return Health.UNHEALTHY
        rate = breaker.error_rate(now_s)
        expire(entry.samples, now_s)
        if not breaker.outcomes and not entry.samples:
            return Health.UNKNOWN
        if rate > _ERRONEOUS and breaker.outcomes >= _ERROR_CALLS:
            return Health.DEGRADED
        first = percentiles([s.first_ms for s in entry.samples if s.first_ms >= 0.0])
        slow = first is not None and first.p50 > entry.prior.first_token_ms + _SLOW_MS
        return Health.DEGRADED if slow else Health.HEALTHY

    def known(self) -> list[tuple[str, int]]:
        """Who is busy or was heard of, and how many attempts run there."""
        return [
            (name, entry.inflight)
            for name, entry in self._entries.items()
            if entry.inflight or name in self._active
        ]

    def circuit(self, deployment: str, now_s: float) -> Circuit:
        """The circuit's state; closed for a name that is not on the board."""
        entry = self._entries.get(deployment)
        return entry.breaker.state(now_s) if entry is not None else Circuit.CLOSED

    def first_byte(self, deployment: str, now_s: float) -> Percentiles | None:
        """True percentiles of the time to the first byte; None where nothing was measured."""
        samples = self._samples(deployment, now_s)
        return percentiles([sample.first_ms for sample in samples if sample.first_ms >= 0.0])

    def whole(self, deployment: str, now_s: float) -> Percentiles | None:
        """True percentiles of the whole duration; None where nothing was measured."""
        return percentiles([sample.total_ms for sample in self._samples(deployment, now_s)])

    def answers_since(self, deployment: str, since_s: float) -> bool:
        """Whether an attempt succeeded after that time."""
        entry = self._entries.get(deployment)
        return entry is not None and bool(entry.samples) and entry.samples[-1].at_s > since_s

    def _samples(self, deployment: str, now_s: float) -> Samples:
        entry = self._entries.get(deployment)
        if entry is None:
            return fresh()
        expire(entry.samples, now_s)
        return entry.samples

    def _show(self, entry: _Entry, now_s: float) -> None:
        self._live.down_until[entry.index] = entry.breaker.down_until(now_s)

    def _refresh(self, entry: _Entry, now_s: float) -> None:
        entry.dirty = False
        entry.checked_s = now_s
        expire(entry.samples, now_s)
        live, index, prior = self._live, entry.index, entry.prior
        live.version += 1
        self._show(entry, now_s)
        first = [s.first_ms for s in entry.samples if s.first_ms >= 0.0]
        rates = [s.tokens_per_s for s in entry.samples if s.tokens_per_s > 0.0]
        whole = [s.total_ms for s in entry.samples]
        slowest = percentiles(first)
        live.p99_first_ms[index] = slowest.p99 if slowest is not None else 0.0
        live.first_token_ms[index] = _median(first, prior.first_token_ms)
        live.tokens_per_s[index] = max(_median(rates, prior.tokens_per_s), 0.1)
        seen = percentiles(whole)
        expected = _expected_ms(prior)
        live.p95_ms[index] = (
            shrunk(seen.p95, len(whole), expected, _PRIOR_WEIGHT) if seen else expected
        )
        fade = math.exp((entry.noted_s - now_s) / _MEMORY_S)
        live.success[index] = (entry.good * fade + _SUCCESS_WEIGHT) / (
            entry.seen * fade + _SUCCESS_WEIGHT
        )


def _median(values: list[float], prior: float) -> float:
    seen = percentiles(values)
    return shrunk(seen.p50, len(values), prior, _PRIOR_WEIGHT) if seen else prior


def _expected_ms(prior: Speed) -> float:
    return prior.first_token_ms + 1000.0 * USUAL_ANSWER / max(prior.tokens_per_s, 0.1)


def _sample(measure: Measure, now_s: float, prior: Speed) -> Sample:
    """What an attempt says of the two speeds.

    A whole answer arrives at once (or its first byte was not seen), which says nothing of
    the first token: a long one is read as the expected wait plus its tokens, a short one as
    waiting only.
    """
    total, first, tokens = measure.total_ms, measure.first_byte_ms, measure.output_tokens
    writing = total - first
    if first > 0.0 and writing >= _STREAMED * total:
        rate = 1000.0 * tokens / max(writing, 0.001) if tokens >= _FEW_TOKENS else -1.0
        return Sample(now_s, first, total, rate)
    if tokens < _FEW_TOKENS:
        return Sample(now_s, total, total, -1.0)
    writing = max(total - prior.first_token_ms, total / 2, 0.001)
    return Sample(now_s, -1.0, total, 1000.0 * tokens / writing)
