"""The queue of what workers report and ask about money, until the next turn of the store. Pure.

A turn is one transaction (`pricing.pots`). Everything that comes while one is under way goes into
the next one together, so a store that takes a millisecond for a transaction serves thousands of
calls a second. An ask whose money may still be freed stays and is tried again in its place, until
its time is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from federation.pricing.pots import Answer, Ask, Note, Played, Short, Turn

PER_TURN = 512
"""New asks in one turn: a few milliseconds."""
POLL_S = 0.05
"""How often waiting asks are tried though nothing was heard: another replica frees too."""

Reply = Callable[[Answer | None], None]
"""Takes the answer; None where the store could not be asked."""


@dataclass(slots=True)
class _Waiting:
    ask: Ask
    until_s: float
    reply: Reply


class MoneyQueue:
    """One control process's queue. The caller plays one turn after another."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], Note] = {}
        self._closes: dict[str, None] = {}
        self._waiting: list[_Waiting] = []
        """Those that were tried before, in their order."""
        self._asks: deque[_Waiting] = deque()
        self._playing: list[_Waiting] = []
        self._turn = Turn()
        self._again_s = 0.0
        """When those that wait are tried again at the latest."""
        self._news = False

    def ask(self, ask: Ask, until_s: float, reply: Reply) -> None:
        """An ask, to be answered once: at the latest in the first turn after `until_s`."""
        self._asks.append(_Waiting(ask, until_s, reply))
        self._news = True

    def note(self, notes: Iterable[Note]) -> None:
        """Totals that workers or their journals tell."""
        for note in notes:
            place = (note.writer, note.pot)
            known = self._notes.get(place)
            self._notes[place] = note if known is None else _latest(known, note)
            self._news = True

    def close(self, writer: str) -> None:
        """A writer is gone; what it spent was noted before, and its asks are nobody's."""
        self._closes[writer] = None
        self._asks = deque(each for each in self._asks if each.ask.writer != writer)
        self._waiting = [each for each in self._waiting if each.ask.writer != writer]
        self._news = True

    def due_s(self, now_s: float) -> float | None:
        """In how many seconds a turn is due; None while nothing waits."""
        if self._news:
            return 0.0
        return max(0.0, self._again_s - now_s) if self._waiting else None

    def next(self, now_s: float, sharers: int) -> Turn:
        """The next turn. It must end in `played` or `failed` before the next is asked for."""
        fresh = [self._asks.popleft() for _ in range(min(PER_TURN, len(self._asks)))]
        self._playing, self._waiting = self._waiting + fresh, []
        asks = tuple(replace(each.ask, waits=each.until_s > now_s) for each in self._playing)
        self._turn = Turn(tuple(self._notes.values()), tuple(self._closes), asks, sharers)
        self._notes, self._closes = {}, {}
        self._news = bool(self._asks)
        self._again_s = now_s + POLL_S
        return self._turn

    def played(self, played: Played) -> set[str]:
        """Hand out the answers. The pots for whose money somebody waits now."""
        wanted: set[str] = set()
        pairs = zip(self._playing, self._turn.asks, played.answers, strict=True)
        for waiting, ask, answer in pairs:
            if not (isinstance(answer, Short) and ask.waits) or answer.hopeless:
                waiting.reply(answer)
            elif ask.writer not in self._closes:
                self._waiting.append(waiting)
                wanted.add(answer.pot)
        self._playing = []
        return wanted

    def failed(self, now_s: float) -> Sequence[Reply]:
        """The store did not take the turn. It comes again, but for asks whose time is over:
        theirs are the replies that are returned."""
        notes, self._notes = (*self._turn.notes, *self._notes.values()), {}
        self.note(notes)
        self._closes = dict.fromkeys((*self._turn.closes, *self._closes))
        self._waiting = [each for each in self._playing if each.until_s > now_s]
        lost = [each.reply for each in self._playing if each.until_s <= now_s]
        self._playing, self._news = [], True
        return lost


def _latest(one: Note, other: Note) -> Note:
    return Note(
        one.writer,
        one.pot,
        max(one.spent_nano, other.spent_nano),
        max(one.returned_nano, other.returned_nano),
        max(one.overrun_nano, other.overrun_nano),
    )
