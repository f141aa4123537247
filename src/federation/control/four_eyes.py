"""Whether who approves is another person than who proposed.

The trap: a key is no person. Whoever made it, or gave it a new secret, has seen its secret and can
ask as it, so behind a key stand all of these, and those behind them. Where the admin key is among
them, or a key of which nobody noted who made it, it may be anybody: then two cannot be told apart,
and nothing is approved, unless the operator has named who approves. Who has signed in is kept by
pseudonyms, of which an erasure gives them another: they are compared by all that they have had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from federation.control.askers import Askers, Known
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.domain.asker import ANONYMOUS
from federation.domain.hands import Hand, How, person_of
from federation.errors import Forbidden

FEDERATION: Final = "federation"
"""Who proposes where a rule or a file does. It never approves."""
OPERATORS: Final = frozenset(("admin", "operator"))
"""The admin key, and the command line on the data directory in which that key lies."""
CODE: Final = "four_eyes"
_UNKNOWN: Final = ""
_WAY: Final = (
    "Propose and approve signed in as two people (`federation login`), or with keys that they made "
    "signed in; or have the operator name who approves, under governance.approvers."
)


class Hands(Protocol):
    """The store of keys, as far as this is about it."""

    def hands(self, keys: Collection[str]) -> Sequence[Hand]:
        """Who is behind these keys: all who ever were."""
        ...


class FourEyes:
    """Tells two from one. `approvers` are those whom the operator named, keys by their ids and
    people by name; where there are none, anybody approves who is known to be another person.
    Raises `Unavailable` where `askers` do."""

    def __init__(
        self,
        hands: Hands,
        askers: Askers,
        approvers: Callable[[], frozenset[str]],
        errands: Errands,
    ) -> None:
        self._hands = hands
        self._askers = askers
        self._approvers = approvers
        self._errands = errands

    async def check(self, asker: VirtualKey, proposed_by: str) -> None:
        """Raise `Forbidden` where this asker may not approve what was proposed under this id."""
        await self._errands.run(self._check, asker, proposed_by)

    async def person(self, asker: VirtualKey) -> str:
        """Who proposes, for `is_own`."""
        return await self._errands.run(self._askers.person, asker)

    async def is_own(self, asker: VirtualKey, proposer: str) -> bool:
        """Whether the same person proposed, or the same key of nobody; see `person`."""
        return await self._errands.run(self._is_own, asker, proposer)

    def _is_own(self, asker: VirtualKey, proposer: str) -> bool:
        if asker.user and proposer == f"user {asker.tenant}/{asker.user}":
            return True  # as it was kept before there were pseudonyms
        return proposer in self._askers.known([self._askers.person(asker)]).ids

    def _check(self, asker: VirtualKey, proposed_by: str) -> None:
        check_somebody(asker)
        named = self._approvers()
        own = self._vouched_for(asker, named) if named else self._behind(asker.id)
        if proposed_by == FEDERATION:
            return
        other = self._behind(proposed_by)
        if asker.id == proposed_by:
            raise Forbidden("Somebody else has to approve what you proposed.", code=CODE)
        if (own.ids & other.ids) - OPERATORS - {_UNKNOWN}:
            message = "Somebody else has to approve this: your key and the one that proposed it "
            raise Forbidden(f"{message}have been in the same hands.", code=CODE)
        if own.erased and other.erased:
            message = "Behind both your key and the one that proposed this is somebody who was "
            raise Forbidden(f"{message}erased, perhaps the same person. {_WAY}", code=CODE)
        if not named:
            _check_people(own.ids, other.ids)

    def _vouched_for(self, asker: VirtualKey, named: frozenset[str]) -> Known:
        """Who is behind one whom the operator named: that key or person alone. Raises
        `Forbidden` for others, and where others gave the key a new secret since it was made."""
        if not self._askers.known([asker.id]).ids & named:
            message = "The operator has named who approves, under governance.approvers: others."
            raise Forbidden(message, code=CODE)
        rows = self._hands.hands([asker.id])
        if any(each.how is How.ROTATED for each in rows):
            message = (
                "Somebody else gave this key a new secret, so it is not only its holder's any "
                "more. Have a new key made, and named under governance.approvers."
            )
            raise Forbidden(message, code=CODE)
        return self._askers.known({asker.id, *(each.hand for each in rows if each.how is How.HELD)})

    def _behind(self, first: str) -> Known:
        """All who can ask under this id: keys, people, the operators, and perhaps others."""
        found, left = {first}, _keys([first])
        while left:
            rows: dict[str, list[Hand]] = defaultdict(list)
            for row in self._hands.hands(left):
                rows[row.key].append(row)
            if any(all(row.how is not How.MADE for row in rows[key]) for key in left):
                found.add(_UNKNOWN)
            more = {row.hand for each in rows.values() for row in each} - found
            found |= more
            left = _keys(more)
        return self._askers.known(found)


def check_somebody(asker: VirtualKey) -> None:
    """Raise `Forbidden` where whoever comes is the same asker."""
    if asker is ANONYMOUS:
        message = "At an open gateway everybody is the same person: nobody can approve."
        raise Forbidden(message, code=CODE)


def _check_people(own: frozenset[str], other: frozenset[str]) -> None:
    """Raise `Forbidden` where one of two may be anybody. Nothing else is behind both."""
    if _UNKNOWN in own | other:
        whose = "your key" if _UNKNOWN in own else "the key that proposed this"
        raise Forbidden(f"Nobody noted who made {whose}. {_WAY}", code=CODE)
    if (own | other) & OPERATORS:
        whose = "Your key" if own & OPERATORS else "The key that proposed this"
        message = f"{whose} is the admin key or came from it, so it may be anybody's."
        raise Forbidden(f"{message} {_WAY}", code=CODE)


def _keys(ids: Collection[str]) -> list[str]:
    """Those of these that are keys with somebody behind them."""
    return [
        each
        for each in ids
        if each not in OPERATORS and each != _UNKNOWN and person_of(each) is None
    ]
