"""What meters count: token buckets, windows and slots, exact and pure.

Here and not in `resilience`, because the stores play it inside their transactions, as they do
`pricing.pots`, and they may import nothing above this floor; Redis plays the same in Lua.

* Token bucket: the continuous-state leaky bucket of ITU-T I.371 annex A, which decides exactly
  as its twin, the virtual scheduling of GCRA. The level is counted in tokens times the window's
  milliseconds and leaks `amount` of these each millisecond, so nothing is ever rounded.
* Sliding window: a log of the calls, told apart by 1/250 of the window. What may still lie in the
  window counts, so no stretch of its length ever holds more than the amount.
* Fixed window: one count from one multiple of the window to the next, or for a calendar month.
* Slots: what is under way, by who holds it.

The trap: replicas' clocks differ and are set. Time that runs back a little counts as none; by
more than `SKEW_MS` it is believed, or a meter would stand still until the old time came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from federation.domain.limits import Meter, Method, window_at

CELLS = 250
SKEW_MS = 60_000
SOON_MS = 20
"""Who came in vain comes again after this at the earliest, unless the bucket is smaller."""
SLOT_WAIT_MS = 1000
"""When a slot will be free is not known."""
PARKED_MS = 500
"""How long a worker may keep what it took of a bucket ahead of need."""


@dataclass(slots=True)
class State:
    """What a meter has counted; a new one has counted nothing."""

    level: int = 0
    at_ms: int = 0
    """When the level was that, of a bucket; when the window began, of a fixed one."""
    cells: dict[int, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Want:
    """What one call needs of a meter, and what would save the next round trips."""

    meter: Meter
    least: int
    wish: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A worker's wants, met all or none. `holder` has the slots: see `Hold`."""

    holder: str
    wants: tuple[Want, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Used beyond what was taken (more than 0), or given back (less)."""

    meter: Meter
    amount: int
    holder: str = ""
    """Of slots: whose."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A holder has so many slots now; a total, so it may be said twice."""

    meter: Meter
    holder: str
    slots: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything that one transaction does, in this order."""

    now_ms: int
    notes: tuple[Note, ...] = ()
    holds: tuple[Hold, ...] = ()
    asks: tuple[Ask, ...] = ()
    sharers: int = 1
    """How many workers live on the same meters."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was given of one meter, and how it stands then."""

    amount: int
    left: int
    reset_ms: int
    """Until nothing is used any more."""
    lasts_ms: int
    """How long it may be spent; what is left then goes back."""


@dataclass(frozen=True, slots=True)
class Given:
    """An ask that was met, in the order of its wants."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Short:
    """The meter that keeps an ask waiting longest, and how long."""

    meter: str
    left: int
    wait_ms: int
    reset_ms: int


Answer = Given | Short


def advance(meter: Meter, state: State, now_ms: int) -> None:
    """Let what is over be over."""
    if meter.method is Method.TOKEN_BUCKET:
        if now_ms > state.at_ms:
            leaked = min(state.level, meter.amount * min(now_ms - state.at_ms, 1 << 42))
            state.level -= leaked
            state.at_ms = now_ms
        elif state.at_ms - now_ms > SKEW_MS:
            state.at_ms = now_ms
    elif meter.method is Method.FIXED_WINDOW:
        start, _ = window_at(meter.window_ms, now_ms)
        if start > state.at_ms or state.at_ms - now_ms > SKEW_MS:
            state.level, state.at_ms = 0, start
    elif meter.method is Method.SLIDING_WINDOW:
        cell, cells = cells_of(meter)
        this = now_ms // cell
        ahead = this + SKEW_MS // cell + 1
        state.cells = {
            at: count for at, count in state.cells.items() if this - cells <= at <= ahead
        }
        state.level = sum(state.cells.values())


def left(meter: Meter, state: State) -> int:
    """How much can be taken; negative after more was used than taken."""
    if meter.method is Method.TOKEN_BUCKET:
        return (meter.burst * meter.window_ms - state.level) // meter.window_ms
    if meter.method is Method.SLOTS:
        return meter.amount - sum(state.held.values())
    return meter.amount - state.level


def take(meter: Meter, state: State, amount: int, now_ms: int, holder: str = "") -> None:
    """Count so much, whether there is room or not; less than 0 gives back."""
    if meter.method is Method.TOKEN_BUCKET:
        state.level = max(0, state.level + amount * meter.window_ms)
    elif meter.method is Method.SLOTS:
        state.held[holder] = max(0, state.held.get(holder, 0) + amount)
    elif meter.method is Method.FIXED_WINDOW:
        state.level = max(0, state.level + amount)
    else:
        _log(meter, state, amount, now_ms)


def wait_ms(meter: Meter, state: State, amount: int, now_ms: int) -> int:
    """How long until so much can be taken, if nobody else takes any."""
    lack = amount - left(meter, state)
    if lack <= 0:
        return 0
    if meter.method is Method.TOKEN_BUCKET:
        over = state.level + (amount - meter.burst) * meter.window_ms
        return -(-over // meter.amount)
    if meter.method is Method.SLOTS:
        return SLOT_WAIT_MS
    if meter.method is Method.FIXED_WINDOW:
        return max(1, window_at(meter.window_ms, max(now_ms, state.at_ms))[1] - now_ms)
    cell, cells = cells_of(meter)
    for at in sorted(state.cells):
        lack -= state.cells[at]
        if lack <= 0:
            return max(1, (at + cells + 1) * cell - now_ms)
    return meter.window_ms


def reset_ms(meter: Meter, state: State, now_ms: int) -> int:
    """How long until nothing is used any more; the end of the window for a fixed one."""
    if meter.method is Method.TOKEN_BUCKET:
        return -(-state.level // meter.amount)
    if meter.method is Method.SLOTS:
        return 0
    if meter.method is Method.FIXED_WINDOW:
        return max(0, window_at(meter.window_ms, max(now_ms, state.at_ms))[1] - now_ms)
    cell, cells = cells_of(meter)
    return max(0, (max(state.cells) + cells + 1) * cell - now_ms) if state.cells else 0


def lasts_ms(meter: Meter, now_ms: int) -> int:
    """How long what is taken now may be spent. A window's worth is spent in the window; what
    slides is spent at once, or calls would come later than they are counted."""
    if meter.method is Method.FIXED_WINDOW:
        return max(1, window_at(meter.window_ms, now_ms)[1] - now_ms)
    if meter.method is Method.SLIDING_WINDOW:
        return max(1, min(PARKED_MS, meter.window_ms // 200))
    return PARKED_MS


def pause_ms(meter: Meter, wait: int) -> int:
    """When to ask again at the earliest. A bucket is not asked for each drop, but often enough
    never to run over; calls that fail give back, so nothing is waited for long."""
    if meter.method is Method.TOKEN_BUCKET:
        drops = meter.burst * meter.window_ms // (4 * meter.amount)
        wait = max(wait, min(SOON_MS, drops))
    elif meter.method is Method.SLOTS:
        wait = SOON_MS
    return min(max(wait, 1), 1000)


def soon(meter: Meter) -> int:
    """What all workers together may hold ahead of need: a tenth of a second's worth, or a
    five-hundredth of all."""
    window_ms = meter.window_ms or 31 * 86_400_000
    return max(meter.amount * 100 // window_ms, meter.amount // 500) if meter.amount else 0


def size(meter: Meter, want: Want, left_now: int, sharers: int) -> int:
    """How much to give of what is left: what the next tenth of a second may need, so that what
    lies idle in workers' hands is never worth counting."""
    share = left_now // (2 * max(1, sharers))
    if meter.method is Method.SLOTS:
        share //= 2
    else:
        share = min(share, soon(meter) // max(1, sharers))
    return max(want.least, min(want.wish, share))


@dataclass(slots=True)
class Board:
    """The meters of one turn: loaded, played, and then saved where they changed."""

    states: dict[str, State]
    changed: set[str] = field(default_factory=set)

    def play(self, turn: Turn) -> tuple[Answer, ...]:
        """Play a turn; every meter that `touched` names must be loaded, if it exists."""
        for note in turn.notes:
            state = self._at(note.meter, turn.now_ms)
            take(note.meter, state, note.amount, turn.now_ms, note.holder)
            self.changed.add(note.meter.id)
        for hold in turn.holds:
            state = self._at(hold.meter, turn.now_ms)
            state.held[hold.holder] = hold.slots
            if not hold.slots:
                del state.held[hold.holder]
            self.changed.add(hold.meter.id)
        return tuple(self._answer(ask, turn) for ask in turn.asks)

    def _at(self, meter: Meter, now_ms: int) -> State:
        state = self.states.get(meter.id)
        if state is None:
            state = self.states[meter.id] = State()
        advance(meter, state, now_ms)
        return state

    def _answer(self, ask: Ask, turn: Turn) -> Answer:
        now_ms = turn.now_ms
        states = [self._at(want.meter, now_ms) for want in ask.wants]
        worst: Short | None = None
        for want, state in zip(ask.wants, states, strict=True):
            found = left(want.meter, state)
            if want.least > found:
                wait = wait_ms(want.meter, state, want.least, now_ms)
                if worst is None or wait > worst.wait_ms:
                    reset = reset_ms(want.meter, state, now_ms)
                    worst = Short(want.meter.id, found, wait, reset)
        if worst is not None:
            return worst
        parts = []
        for want, state in zip(ask.wants, states, strict=True):
            meter = want.meter
            amount = size(meter, want, left(meter, state), turn.sharers)
            take(meter, state, amount, now_ms, ask.holder)
            self.changed.add(meter.id)
            parts.append(
                Part(
                    amount,
                    left(meter, state),
                    reset_ms(meter, state, now_ms),
                    lasts_ms(meter, now_ms),
                )
            )
        return Given(tuple(parts))


def touched(turn: Turn) -> dict[str, Meter]:
    """The meters that a turn reads, by id."""
    found = {note.meter.id: note.meter for note in turn.notes}
    found.update({hold.meter.id: hold.meter for hold in turn.holds})
    found.update(_asked(turn.asks))
    return found


def _asked(asks: Iterable[Ask]) -> Iterable[tuple[str, Meter]]:
    return ((want.meter.id, want.meter) for ask in asks for want in ask.wants)


def ends_ms(meter: Meter, state: State, now_ms: int) -> int | None:
    """When a meter may be forgotten, for it would be as a new one; None: not by time."""
    if meter.method is Method.SLOTS:
        return None if state.held else now_ms
    # A clock that is behind must still find what another one has counted.
    return now_ms + max(0, reset_ms(meter, state, now_ms)) + SKEW_MS


def cells_of(meter: Meter) -> tuple[int, int]:
    """How long a cell of a sliding window is, and how many of them the window has."""
    cell = max(1, meter.window_ms // CELLS)
    return cell, -(-meter.window_ms // cell)


def _log(meter: Meter, state: State, amount: int, now_ms: int) -> None:
    cell, _ = cells_of(meter)
    this = now_ms // cell
    if amount >= 0:
        if amount:
            state.cells[this] = state.cells.get(this, 0) + amount
    else:
        for at in sorted(state.cells, reverse=True):
            back = min(-amount, state.cells[at])
            state.cells[at] -= back
            amount += back
            if not state.cells[at]:
                del state.cells[at]
            if not amount:
                break
    state.level = sum(state.cells.values())
