"""A turn as the Lua script takes it, and what it answers; pure.

The trap: a script's keys must lie in one slot of a Redis cluster, and a slot has one tenant. A
turn is therefore split by tenants. No ask spans two, for all of its pots are one tenant's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from federation.domain.budgets import Lease, Pot, Standing, pot_tenant
from federation.pricing.pots import Answer, Ask, Gone, Granted, Played, Short, Turn

Totals = tuple[str, str, str, str]


class _Answer(msgspec.Struct):
    gone: bool = False
    short: tuple[int, str, bool] | None = None
    leases: list[Totals] = []
    tight: bool = False


class Result(msgspec.Struct):
    """The script's answer; numbers of pots begin at 1, as in Lua."""

    missing: list[int] = []
    answers: Any = None
    standings: list[tuple[str, bool, str, str, str, str]] = []
    leases: Any = None

    def __post_init__(self) -> None:
        # An empty list is an empty object in Lua's JSON.
        self.answers = msgspec.convert(self.answers or [], list[_Answer])
        self.leases = self.leases or []


class Part:
    """What a turn asks of one tenant's pots."""

    def __init__(self) -> None:
        self.pots: list[str] = []
        self.caps: dict[str, Pot] = {}
        """The limits that all asks name, also of writers that ask in vain."""
        self.asks: list[Ask] = []
        self.places: list[int] = []
        """Where its asks stand in the turn."""
        self.turn = Turn()
        self.ending: list[tuple[str, str]] = []

    def json(self) -> bytes:
        """The script's first argument."""
        number = {pot: n for n, pot in enumerate(self.pots, 1)}
        caps = [[number[name], str(pot.cap_nano), pot.hard] for name, pot in self.caps.items()]
        return msgspec.json.encode(
            {
                "notes": [
                    [
                        number[note.pot],
                        note.writer,
                        str(note.spent_nano),
                        str(note.returned_nano),
                        str(note.overrun_nano),
                    ]
                    for note in self.turn.notes
                ],
                "closes": [[number[pot], writer] for writer, pot in self.ending],
                "caps": caps,
                "asks": [
                    {
                        "writer": ask.writer,
                        "ahead": ask.ahead,
                        "waits": ask.waits,
                        "wants": [
                            [number[want.pot.id], str(want.least_nano), str(want.wish_nano)]
                            for want in ask.wants
                        ],
                    }
                    for ask in self.asks
                ],
                "sharers": max(1, self.turn.sharers),
            }
        )

    def lease(self, row: Any) -> dict[str, Any]:
        """A changed lease as a row of the relational store."""
        n, writer, granted, spent, returned, overrun, closed = row
        return {
            "writer": writer,
            "pot": self.pots[n - 1],
            "granted_nano": int(granted),
            "spent_nano": int(spent),
            "returned_nano": int(returned),
            "overrun_nano": int(overrun),
            "closed": closed,
        }

    def read(self, result: Result) -> list[tuple[str, int]]:
        """The pots whose leases changed, with the generation that this was decided in."""
        changed = {row[0] for row in result.leases}
        return [(self.pots[n - 1], int(result.standings[n - 1][5])) for n in changed]


def parts(turn: Turn, ending: Collection[tuple[str, str]], gone: set[str]) -> list[Part]:
    """A turn by tenants. `ending` are the open leases (writer, pot) of writers that close;
    writers that are `gone` ask in vain."""
    split: dict[str, Part] = {}
    pots: dict[str, set[str]] = {}

    def part(pot: str) -> Part:
        tenant = pot_tenant(pot)
        pots.setdefault(tenant, set()).add(pot)
        return split.setdefault(tenant, Part())

    notes: dict[str, list[Any]] = {}
    for note in turn.notes:
        part(note.pot)
        notes.setdefault(pot_tenant(note.pot), []).append(note)
    closes = {(writer, pot) for writer, pot in ending}
    closes |= {(each.writer, each.pot) for each in turn.notes if each.writer in turn.closes}
    for writer, pot in sorted(closes):
        part(pot).ending.append((writer, pot))
    for place, ask in enumerate(turn.asks):
        for want in ask.wants:
            chosen = part(want.pot.id)
            chosen.caps[want.pot.id] = want.pot
        if ask.writer in gone or ask.writer in turn.closes:
            continue
        chosen.asks.append(ask)
        chosen.places.append(place)
    for tenant, each in split.items():
        each.pots = sorted(pots[tenant])
        each.turn = Turn(notes=tuple(notes.get(tenant, ())), sharers=turn.sharers)
    return list(split.values())


def played(turn: Turn, results: Iterable[tuple[Part, Result]]) -> Played:
    """The answers of all parts, in the order of the turn's asks."""
    answers: list[Answer] = [Gone()] * len(turn.asks)
    standings: dict[str, Standing] = {}
    for part, result in results:
        for place, ask, said in zip(part.places, part.asks, result.answers, strict=True):
            answers[place] = _answer(part, ask, said)
        for pot, row in zip(part.pots, result.standings, strict=True):
            standings[pot] = Standing(
                pot, int(row[0]), row[1], int(row[2]), int(row[3]), int(row[4])
            )
    return Played(tuple(answers), standings)


def _answer(part: Part, ask: Ask, said: _Answer) -> Answer:
    if said.gone:
        return Gone()
    if said.short is not None:
        n, left, hopeless = said.short
        return Short(part.pots[n - 1], int(left), hopeless)
    leases = []
    for want, totals in zip(ask.wants, said.leases, strict=True):
        granted, spent, returned, overrun = map(int, totals)
        leases.append(Lease(ask.writer, want.pot.id, granted, spent, returned, overrun))
    return Granted(tuple(leases), said.tight)
