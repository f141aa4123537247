"""The arithmetic of pots and leases: what one turn of the store does to them, exact and pure.

A pot is the money of one budget in one period; a lease is the part of a pot that a worker holds,
to spend without asking. A turn is one transaction: reports come in, dead workers' leases are
closed, and then asks are answered in their order. Each store loads the rows, lets a `Till` play
the turn and saves what changed, so that all of them decide alike (Redis plays it in Lua, held
against this by tests).

The promise for a hard pot is `spent + reserved <= cap` after every turn, as long as no bill is
above what was reserved for it and the cap is not lowered. Two rules are easily overlooked. An
ask that waits for money keeps those behind it from the same pots, or a large call would starve
among small ones. And a lease is larger than what its call needs only while there is plenty.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from federation.domain.budgets import Lease, Pot, Standing


@dataclass(frozen=True, slots=True)
class Want:
    """Money of one pot: what one call needs, and what would save the next round trips."""

    pot: Pot
    least_nano: int
    wish_nano: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A worker's wants, met all or none of them."""

    writer: str
    n: int
    """The worker's number for it; the answer carries it."""
    wants: tuple[Want, ...]
    ahead: bool = False
    """For calls to come: it is never short, and given nothing where money is tight."""
    waits: bool = False
    """It will come again if money may still be freed, so nobody overtakes it meanwhile."""


@dataclass(frozen=True, slots=True)
class Note:
    """A worker's totals for one pot, as in `Lease`; may come late, twice or out of order."""

    writer: str
    pot: str
    spent_nano: int
    returned_nano: int = 0
    overrun_nano: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything that one transaction does, in this order."""

    notes: tuple[Note, ...] = ()
    closes: tuple[str, ...] = ()
    """Writers that are gone; what they spent was noted before."""
    asks: tuple[Ask, ...] = ()
    sharers: int = 1
    """How many workers live on the same pots."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The worker's leases as they are now, in the order of the wants."""

    leases: tuple[Lease, ...]
    tight: bool = False
    """Little is left somewhere: what is not needed should come back at once."""


@dataclass(frozen=True, slots=True)
class Short:
    """A pot that has too little now."""

    pot: str
    left_nano: int
    hopeless: bool
    """No return can help: it is spent."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The writer was taken for dead and what it held given away: it must not spend any more."""


Answer = Granted | Short | Gone


@dataclass(frozen=True, slots=True)
class Played:
    """The answers, one for each ask, and how every pot stands that was touched."""

    answers: tuple[Answer, ...]
    standings: dict[str, Standing]


def size(want: Want, ahead: bool, left_nano: int, sharers: int) -> tuple[int, bool]:
    """How much to lease of what is left, and whether money is tight.

    A share of the half that is left, so that leases shrink as the cap comes near and end as
    reservations of single calls.
    """
    share = max(0, left_nano) // (2 * max(1, sharers))
    least = 0 if ahead else want.least_nano
    if share < 4 * want.least_nano:
        return least, True
    return max(least, min(want.wish_nano, share)), False


@dataclass(slots=True)
class Till:
    """Pots and leases for one turn: what was loaded, and in place of it what is to be saved."""

    pots: dict[str, Standing]
    leases: dict[tuple[str, str], Lease]
    changed_pots: set[str] = field(default_factory=set)
    changed_leases: set[tuple[str, str]] = field(default_factory=set)

    def play(self, turn: Turn) -> Played:
        """Play a turn. Every pot and lease that `touched` names must be loaded, if it exists."""
        for note in turn.notes:
            self._note(note)
        gone = set(turn.closes)
        for lease in list(self.leases.values()):
            if lease.writer in gone and not lease.closed:
                self._put(lease, replace(lease, closed=True))
        gone.update(lease.writer for lease in self.leases.values() if lease.closed)
        for want in (want for ask in turn.asks for want in ask.wants):
            self._cap(want.pot)
        blocked: set[str] = set()
        answers = tuple(
            Gone() if ask.writer in gone else self._answer(ask, turn.sharers, blocked)
            for ask in turn.asks
        )
        return Played(answers, dict(self.pots))

    def _note(self, note: Note) -> None:
        place = (note.writer, note.pot)
        lease = self.leases.get(place, Lease(note.writer, note.pot))
        granted = lease.granted_nano
        if place not in self.leases:
            # The store that granted it is gone, and this one is made anew from journals: who has
            # spent had the money.
            granted = note.spent_nano + note.returned_nano - note.overrun_nano
        spent = max(lease.spent_nano, note.spent_nano)
        returned, overrun = lease.returned_nano, max(lease.overrun_nano, note.overrun_nano)
        if lease.closed:
            # Its money went back, so what it spends now was never reserved.
            overrun = max(overrun, lease.overrun_nano + spent - lease.spent_nano)
        else:
            returned = max(returned, note.returned_nano)
            overrun = max(overrun, spent + returned - granted)
        self._put(lease, Lease(*place, granted, spent, returned, overrun, lease.closed))

    def _put(self, old: Lease, new: Lease) -> None:
        place = (old.writer, old.pot)
        if new == old and place in self.leases:
            return
        pot = self.pots.get(old.pot) or Standing(old.pot, 0, True, 0, 0)
        self.pots[old.pot] = replace(
            pot,
            spent_nano=pot.spent_nano + new.spent_nano - old.spent_nano,
            reserved_nano=pot.reserved_nano + new.reserved_nano - old.reserved_nano,
            overrun_nano=pot.overrun_nano + new.overrun_nano - old.overrun_nano,
        )
        self.leases[place] = new
        self.changed_pots.add(old.pot)
        self.changed_leases.add(place)

    def _cap(self, pot: Pot) -> None:
        """Count against the cap that is in force now."""
        found = self.pots.get(pot.id)
        if found is None:
            found = Standing(pot.id, pot.cap_nano, pot.hard, 0, 0)
        elif (found.cap_nano, found.hard) == (pot.cap_nano, pot.hard):
            return
        self.pots[pot.id] = replace(found, cap_nano=pot.cap_nano, hard=pot.hard)
        self.changed_pots.add(pot.id)

    def _answer(self, ask: Ask, sharers: int, blocked: set[str]) -> Answer:
        short = None if ask.ahead else self._short(ask, blocked)
        if short is not None:
            if ask.waits and not short.hopeless:
                blocked.update(want.pot.id for want in ask.wants)
            return short
        leases, tight = [], False
        for want in ask.wants:
            lease, scarce = self._grant(ask, want, sharers, want.pot.id in blocked)
            leases.append(lease)
            tight = tight or scarce
        return Granted(tuple(leases), tight)

    def _short(self, ask: Ask, blocked: set[str]) -> Short | None:
        """The pot that keeps an ask from being met; one that it cannot wait for comes first."""
        found = None
        for want in ask.wants:
            pot, least = self.pots[want.pot.id], want.least_nano
            if not pot.hard or not least:
                continue
            if least > pot.cap_nano - pot.spent_nano:
                return Short(pot.pot, pot.left_nano, hopeless=True)
            if found is None and (least > pot.left_nano or pot.pot in blocked):
                found = Short(pot.pot, pot.left_nano, hopeless=False)
        return found

    def _grant(self, ask: Ask, want: Want, sharers: int, blocked: bool) -> tuple[Lease, bool]:
        pot = self.pots[want.pot.id]
        lease = self.leases.get((ask.writer, pot.pot), Lease(ask.writer, pot.pot))
        amount, tight = max(want.least_nano, want.wish_nano), False
        if pot.hard:
            left = 0 if blocked else pot.left_nano
            amount, tight = size(want, ask.ahead, left, sharers)
        more = replace(lease, granted_nano=lease.granted_nano + amount)
        self._put(lease, more)
        return more, tight


def touched(turn: Turn) -> tuple[set[str], set[tuple[str, str]]]:
    """The pots and leases that a turn reads: beyond these, open leases of writers that it
    closes, and one that is closed of each writer that asks, if there is any."""
    leases = {(note.writer, note.pot) for note in turn.notes}
    leases.update(_asked(turn.asks))
    return {pot for _, pot in leases}, leases


def _asked(asks: Iterable[Ask]) -> Iterable[tuple[str, str]]:
    return ((ask.writer, want.pot.id) for ask in asks for want in ask.wants)
