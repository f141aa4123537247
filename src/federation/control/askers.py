"""Who asks, as it is kept: people who have signed in by their pseudonyms, keys by their ids.

The trap: what is kept of a person outlives the name. After an erasure they come back under another
pseudonym, and are the same person all the same: whose name is known, of them all pseudonyms are.
Of an erased one nobody knows whose it was, and then nobody can be told from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from federation.control.pseudonyms import PseudonymDesk
from federation.domain.access import VirtualKey
from federation.domain.hands import person_id, person_of
from federation.domain.pseudonyms import is_pseudonym


@dataclass(frozen=True, slots=True)
class Known:
    """All ids of some askers. `erased` are those of them who may be anybody of their tenant."""

    ids: frozenset[str]
    erased: frozenset[str]


class Askers:
    """Knows people by all of their ids. Every method blocks, and raises `Unavailable` where the
    keys to a tenant's pseudonyms cannot be reached."""

    def __init__(self, names: PseudonymDesk) -> None:
        self._names = names

    def as_kept(self, asker: VirtualKey) -> VirtualKey:
        """Who asks, under the id by which records and stores know them."""
        if person_of(asker.id) is None:
            return asker
        return replace(asker, id=self._id(asker.tenant, asker.user))

    def kept(self, asker: str) -> str:
        """The id of a key or person, given by name, as it is kept."""
        found = person_of(asker)
        return asker if found is None or is_pseudonym(found[1]) else self._id(*found)

    def person(self, asker: VirtualKey) -> str:
        """Whose a key is, as it is kept; one that is nobody's is by itself."""
        return self._id(asker.tenant, asker.user) if asker.user else f"key {asker.id}"

    def known(self, ids: Iterable[str]) -> Known:
        """These with all others of the same people, by name (as before there were pseudonyms)
        and by pseudonym."""
        every, erased = set(ids), set[str]()
        for each in tuple(every):
            found = person_of(each)
            if found is None:
                continue
            tenant, user = found
            called = self._names.ever(tenant, user)
            every |= {person_id(tenant, name) for name in called}
            if not called:
                erased.add(each)
        return Known(frozenset(every), frozenset(erased))

    def _id(self, tenant: str, user: str) -> str:
        return person_id(tenant, self._names.note(tenant, user))
