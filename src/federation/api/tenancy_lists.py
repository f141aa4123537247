"""What lists and items of tenancy have in common: parameters, cursors, entity tags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Protocol, TypeVar

from fastapi import Header, Query, Response

from federation.control.control import Control
from federation.control.permissions import reach
from federation.control.tenancy_cursors import Cursors
from federation.control.tenancy_tags import Kept, tag_of
from federation.domain.access import VirtualKey
from federation.errors import InvalidRequest
from federation.storage.tenancy_entries import Place

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=2048, description="`next` of the page before.")]
InTenant = Annotated[
    str | None,
    Query(alias="tenant", min_length=1, max_length=128, description="Left out: your own."),
]
MadeIn = Annotated[
    str | None,
    Query(
        alias="tenant",
        min_length=1,
        max_length=128,
        description="Left out: the one in the body, or your own.",
    ),
]
OfTenant = Annotated[
    str | None,
    Query(
        alias="tenant",
        min_length=1,
        max_length=128,
        description="Left out: all that you can see.",
    ),
]
Whose = Annotated[
    str | None,
    Query(
        alias="tenant",
        min_length=1,
        max_length=128,
        description="Needed only where you see several tenants that have this id.",
    ),
]
OfTeam = Annotated[str | None, Query(alias="team", max_length=128)]
OfUser = Annotated[str | None, Query(alias="user", max_length=128)]
IfMatch = Annotated[
    str | None,
    Header(max_length=1024, description="The `ETag` of the state that is to be changed."),
]


class Dated(Protocol):
    """What can be listed from the oldest on."""

    @property
    def id(self) -> str:
        """Its id, unique in its tenant."""
        ...

    @property
    def tenant(self) -> str:
        """Whose it is."""
        ...

    @property
    def created_ms(self) -> int:
        """When it was made."""
        ...


D = TypeVar("D", bound=Dated)


class Pages:
    """The pages of one list, as one asker may see it. Raises `NotFound`."""

    def __init__(
        self, control: Control, asker: VirtualKey, kind: str, tenant: str | None, *more: str | None
    ) -> None:
        self._cursors = Cursors(control.keys.ring.hash_key)
        self._bound = (kind, reach(asker, tenant), *more)

    def after(self, cursor: str | None) -> Place | None:
        """Where the page before ended."""
        return self._cursors.read(cursor, *self._bound)

    def next(self, end: Place | None) -> str | None:
        """The cursor of the page after."""
        return None if end is None else self._cursors.write(end, *self._bound)

    def cut(self, seen: Iterable[D], cursor: str | None, limit: int) -> tuple[list[D], str | None]:
        """A page of what is held in memory, oldest first, and the cursor of the page after."""
        after = self.after(cursor)
        found = [each for each in sorted(seen, key=_place) if after is None or _place(each) > after]
        page = found[:limit]
        return page, self.next(_place(page[-1])) if len(found) > limit else None


def _place(each: Dated) -> Place:
    return each.created_ms, f"{each.id} {each.tenant}"


def named(asked: str | None, said: str | None) -> str | None:
    """The tenant that a query (`asked`) or its body (`said`) names; None where neither does.
    Raises `InvalidRequest` where they name two."""
    if asked is not None and said is not None and asked != said:
        message = f"The query names the tenant '{asked}', the body '{said}'. Which is meant?"
        raise InvalidRequest(message, param="tenant")
    return said if asked is None else asked


def tagged(response: Response, kept: Kept) -> None:
    """Say in which state an object is."""
    response.headers["etag"] = tag_of(kept)
