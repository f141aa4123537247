"""Names for pseudonyms, shown to callers that may know them, and the route that looks one up.

The trap: a file that somebody takes away keeps its pseudonyms, because nothing can be erased
from it. And who is looked up is in a body: addresses are logged on their way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from federation.api.access import Asker, ControlPlane
from federation.api.models import Strict
from federation.api.tenancy_lists import MadeIn, named
from federation.control.control import Control
from federation.control.permissions import home
from federation.control.pseudonym_words import pseudonyms_in, with_names
from federation.domain.access import VirtualKey
from federation.domain.hands import person_id, person_of
from federation.domain.pseudonyms import is_pseudonym
from federation.errors import InvalidRequest, NotFound
from federation.schema.records import CallEnded
from federation.storage.entries import CallEntry

M = TypeVar("M", bound=BaseModel)

router = APIRouter(tags=["data"])

_Name = Annotated[str | None, Field(min_length=1, max_length=1000)]


class NameBody(Strict):
    """Either whose pseudonym is asked for, or whose name."""

    tenant: Annotated[str | None, Field(max_length=128, description="Left out: your own.")] = None
    user: _Name = None
    subject: _Name = None


class NameView(BaseModel):
    """A user and the pseudonym under which records name them now."""

    object: Literal["name"] = "name"
    tenant: str
    user: str | None = Field(description="null: erased, or nobody that a call has named.")
    subject: str


@router.post("/v1/admin/data/names")
async def name(
    control: ControlPlane, asker: Asker, body: NameBody, tenant: MadeIn = None
) -> NameView:
    """Who is behind a pseudonym, or which one a user has. That you asked is put on record."""
    place = home(asker, named(tenant, body.tenant))
    if (body.user is None) == (body.subject is None):
        raise InvalidRequest("Send a user, or a subject.")
    if body.user is not None:
        found = await subjects(control, place, body.user)
        if found[0] == body.user:
            raise NotFound("No call of this tenant has named anybody yet.")
        await asked(control, asker, place, found[0])
        return NameView(tenant=place, user=body.user, subject=found[0])
    subject = body.subject or ""
    if not is_pseudonym(subject):
        # Whom somebody looked up stands in the log for ever: it must not be a name.
        message = "A subject is a pseudonym, p_ and 32 digits. Send a name as 'user'."
        raise InvalidRequest(message, param="subject")
    await asked(control, asker, place, subject)
    names = await shown(control, asker, place, [subject])
    return NameView(tenant=place, user=names.get(subject), subject=subject)


async def asked(control: Control, asker: VirtualKey, tenant: str, subject: str) -> None:
    """Put on record whom somebody looked up."""
    if control.names is not None:
        await control.names.asked(asker, tenant, subject)


async def subjects(control: Control, tenant: str | None, user: str) -> tuple[str, ...]:
    """What records may call a user."""
    return (user,) if control.names is None else await control.names.subjects(tenant, user)


async def askers(control: Control, tenant: str | None, asker: str) -> tuple[str, ...]:
    """The ids by which records may call a key, or somebody who has signed in: `user:TENANT/NAME`.
    `tenant` is the only one that is seen, None all of them."""
    found = person_of(asker)
    if found is None or tenant not in (None, found[0]):
        return (asker,)
    called = await subjects(control, *found)
    return tuple(person_id(found[0], user) for user in called)


async def with_people(control: Control, asker: VirtualKey, view: M) -> M:
    """The view with names in the ids of people, as far as the asker may know them."""
    told = view.model_dump()
    ids = {each for each in _texts(told) if person_of(each) is not None}
    names = await shown(control, asker, None, {who for each in ids for who in pseudonyms_in(each)})
    if not names:
        return view
    return view.model_validate(_named(told, {each: with_names(each, names) for each in ids}))


async def tags(control: Control, tenant: str | None, tag: str) -> tuple[str, ...]:
    """What records may call a tag."""
    return (tag,) if control.names is None else await control.names.tags(tenant, tag)


async def shown(
    control: Control, asker: VirtualKey, tenant: str | None, wanted: Iterable[str]
) -> Mapping[str, str]:
    """Names by pseudonym, as far as the asker may know them."""
    if control.names is None:
        return {}
    return await control.names.shown(asker, tenant, wanted)


async def revealed(
    control: Control, asker: VirtualKey, tenant: str | None, entries: Sequence[CallEntry]
) -> list[CallEntry]:
    """Ledger entries with names in the place of pseudonyms, as far as the asker may know them."""
    names = await shown(control, asker, tenant, {who for entry in entries for who in _of(entry)})
    return [_revealed(entry, names) for entry in entries] if names else list(entries)


def _texts(told: object) -> Iterator[str]:
    """Every text in a view."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict | list):
        for each in told.values() if isinstance(told, dict) else told:
            yield from _texts(each)


def _named(told: object, names: Mapping[str, str]) -> object:
    """The view with other texts in the place of these."""
    if isinstance(told, dict):
        return {name: _named(each, names) for name, each in told.items()}
    if isinstance(told, list):
        return [_named(each, names) for each in told]
    return names.get(told, told) if isinstance(told, str) else told


def _of(entry: CallEntry) -> list[str]:
    """Everybody whom a call's record names."""
    record = entry.record
    if not isinstance(record, CallEnded):
        return pseudonyms_in(record.key)
    texts = (record.key, record.session, *record.tags, *record.tags.values())
    return [record.user, *(who for text in texts for who in pseudonyms_in(text))]


def _revealed(entry: CallEntry, names: Mapping[str, str]) -> CallEntry:
    record = entry.record
    key = with_names(record.key, names)
    if not isinstance(record, CallEnded):
        return CallEntry(entry.n, entry.outcome, msgspec.structs.replace(record, key=key))
    tags = {with_names(k, names): with_names(v, names) for k, v in record.tags.items()}
    session, user = with_names(record.session, names), names.get(record.user, record.user)
    told = msgspec.structs.replace(record, key=key, user=user, session=session, tags=tags)
    return CallEntry(entry.n, entry.outcome, told)
