"""One meter's part in a worker's hands: plain arithmetic, no clock of its own.

The trap: a part has an end. What was taken of a fixed window means nothing in the next one, so
what comes back from a call counts only where it was taken after `since_s`.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.domain.limits import Counted, Meter, Method
from federation.schema.limits import MeterPart, MeterWant

FIRST = 4
MOST = 1024
_OFTEN_S = 0.25
_IDLE_S = 0.5
_FORGET_S = 120.0
_NEVER = 1e18


@dataclass(slots=True)
class HeldPart:
    """What a worker holds of a meter; `free` is what no call has taken."""

    meter: Meter
    free: int = 0
    until_s: float = _NEVER
    """When what is free may not be spent any more."""
    ahead: int = 0
    """With less than this, more is asked for ahead of need."""
    wishing: bool = False
    since_s: float = -1.0
    """When its present window began, as far as that matters."""
    dry_until_s: float = -1.0
    """Nothing can be had before."""
    ready_s: float = -1.0
    """When a call may come again."""
    left: int = 0
    """What nobody had taken at `told_s`."""
    told_s: float = 0.0
    reset_s: float = 0.0
    calls: int = 0
    """Of slots: how many calls have one."""
    waiting: int = 0
    """Calls that wait for control."""
    used_s: float = 0.0
    chunk: int = FIRST
    slots: bool = False
    """It is of calls under way."""
    tokens: bool = False
    """What a call needs of it is only known after the call."""
    amount_text: bytes = b""
    most: int = 0
    per_s: float = 0.0
    """What flows back into a bucket each second."""
    _wished_s: float = -1e9

    def __post_init__(self) -> None:
        self.follow(self.meter)

    def follow(self, meter: Meter) -> None:
        """Its limit may have changed."""
        self.meter = meter
        self.slots = meter.counts is Counted.CONCURRENCY
        self.tokens = not self.slots and meter.counts is not Counted.REQUESTS
        self.amount_text = b"%d" % meter.amount
        self.most = meter.most
        bucket = meter.method is Method.TOKEN_BUCKET
        self.per_s = meter.amount * 1000.0 / meter.window_ms if bucket else 0.0

    def want(self, least: int, wish: int = 0) -> MeterWant:
        """What to tell control of it."""
        meter = self.meter
        return MeterWant(
            meter.id, meter.method.value, meter.amount, meter.burst, meter.window_ms, least, wish
        )

    def wish(self, need: int, now_s: float) -> int:
        """How much to ask for in one go: more of what is asked for often."""
        often = now_s - self._wished_s < _OFTEN_S
        self.chunk = min(MOST, self.chunk * 2) if often else max(FIRST, self.chunk // 2)
        self._wished_s = now_s
        return max(need, 1) * self.chunk

    def credit(self, part: MeterPart, now_s: float) -> None:
        """Take in what control gave."""
        self.free += part.amount
        if part.lasts_ms and self.meter.method is not Method.SLOTS:
            self.until_s = now_s + part.lasts_ms / 1000.0
        self.left, self.told_s = part.left, now_s
        self.reset_s = now_s + part.reset_ms / 1000.0
        self.dry_until_s = -1.0
        # Asking ahead pays only where control gave more than a call needed.
        self.ahead = part.amount // 2

    def expire(self, now_s: float) -> int:
        """Its time is over: what is to be given back."""
        back, self.free = self.free, 0
        self.until_s = _NEVER
        if self.meter.method is Method.FIXED_WINDOW:
            self.since_s = now_s
            self.left = self.meter.amount
            return 0
        return back

    def remaining(self, now_s: float) -> int:
        """What may still be had, as far as this worker knows."""
        found = self.left + self.free
        if self.per_s:
            found += int((now_s - self.told_s) * self.per_s)
        if found > self.most:
            return self.most
        return max(0, found)

    def idle(self, now_s: float) -> bool:
        """Whether no call needed it for a while."""
        return now_s - self.used_s > _IDLE_S and not self.wishing

    def over(self, now_s: float) -> bool:
        """Whether nothing is left to do or tell."""
        old = now_s - self.used_s > _FORGET_S
        return old and not (self.calls or self.waiting or self.free or self.wishing)
