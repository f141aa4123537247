"""Makes a call that stands alone of one that continues a stored response or points to its items.

The trap: two bodies may come of it. One holds the states as their maker gave them and may
only be forwarded to that maker; the other holds them in envelopes and is what a translation
reads. Where nothing was sealed they are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from msgspec import Raw, structs

from federation.dialects.openai_responses.client import CLIENT
from federation.dialects.openai_responses.state import (
    previous_of,
    references_of,
    store_asked,
    with_items,
)
from federation.dialects.splice import splice
from federation.domain.routes import Settings
from federation.errors import FederationError, Forbidden, InvalidRequest, NotFound, PayloadTooLarge
from federation.gateway.responses.history import History, history, referred, unpack
from federation.gateway.responses.store import ResponseStore
from federation.gateway.threads import off_loop, weight
from federation.schema.glance import Edits, Glance
from federation.schema.http import ClientRequest
from federation.schema.storing import LONGEST, RUNNING, TOO_LARGE, TOO_LONG, Held

_MOST_REFERENCES = 1000
_PREVIOUS = "previous_response_id"


@dataclass(frozen=True, slots=True)
class Opened:
    """A call as its client meant it, and as it goes on."""

    said: ClientRequest
    """What the client sent."""
    glance: Glance
    """Of what was sent."""
    keep: bool
    """The answer is to be kept."""
    background: bool
    """The client wants to fetch the answer instead of waiting for it."""
    previous: str
    request: ClientRequest
    """What goes to a provider of this dialect."""
    read: ClientRequest
    """What a translation reads."""
    going: Glance
    """Of what goes on."""
    makers: frozenset[str]
    references: Mapping[str, Raw] = field(default_factory=dict)


async def opened(
    request: ClientRequest,
    tenant: str,
    settings: Settings,
    store: ResponseStore,
    key: bytes,
    may_keep: Callable[[Glance], bool],
) -> Opened:
    """Look at a call and put in what it leans on. `may_keep` says whether policies let its
    content be kept.

    Raises `Forbidden` for a wish to keep what policies forbid, `NotFound` for what is not there
    or not this tenant's, `InvalidRequest` or `PayloadTooLarge` for a conversation over a limit,
    and `Unavailable` where control cannot be asked.
    """
    size = weight(request.body)
    call = await off_loop(size, partial(_looked, request, settings, may_keep))
    wanted = references_of(call.going, call.request.body)
    deny = settings.deny_fields
    if (call.previous and _PREVIOUS in deny) or (wanted and "input.item_reference" in deny):
        return call  # the rules for governed fields refuse it
    if not (call.previous or wanted):
        return call
    past = await _past(call.previous, tenant, store, key)
    items = await _items(wanted, tenant, store, key)
    size = max(size, sum(map(len, past.read)))
    return await off_loop(size, partial(_joined, call, past, items, settings))


def _looked(
    request: ClientRequest, settings: Settings, may_keep: Callable[[Glance], bool]
) -> Opened:
    """The call without what is ours to do: to keep it, and to answer in the background."""
    body = request.body
    glance = CLIENT.glance(request)
    asked = store_asked(glance, body)
    keep = _keeps(asked, settings)
    if keep and not may_keep(glance):
        if asked:
            raise Forbidden(
                "A policy forbids that content is kept: leave 'store' out, or say false.",
                code="payloads_not_kept",
                param="store",
            )
        keep = False
    call = Opened(
        said=request,
        glance=glance,
        keep=keep,
        background="background" in glance.governed and _allowed("background", settings),
        previous=previous_of(glance, body),
        request=request,
        read=request,
        going=glance,
        makers=frozenset(),
    )
    # A provider is told to keep nothing; where the call says nothing, its echo would not
    # be true without this.
    values = {"store": b"false"} if (call.keep if asked else not call.keep) else {}
    values = {} if asked is False else values
    drop = ("background",) if call.background else ()
    if not values and not drop:
        return call
    request = structs.replace(
        request, body=splice(body, glance.spans, glance.end, Edits(values, drop)), sent=body
    )
    return replace(call, request=request, read=request, going=CLIENT.glance(request))


def _keeps(asked: bool | None, settings: Settings) -> bool:
    """Whether an answer is kept. What the operator does not allow stays in the body, where
    the rules for governed fields refuse it."""
    if asked is False or "store" in settings.deny_fields:
        return False
    return settings.responses.store or (asked is True and "store" in settings.allow_fields)


def _allowed(name: str, settings: Settings) -> bool:
    return name in settings.allow_fields and name not in settings.deny_fields


def _joined(
    call: Opened, past: History, items: Mapping[str, History], settings: Settings
) -> Opened:
    glance, request = call.going, call.request
    read_items = {name: item.read[0] for name, item in items.items()}
    given_items = {name: item.forwarded[0] for name, item in items.items()}
    read = with_items(glance, request.body, past.read, read_items)
    if len(read) > settings.listener.body_bytes:
        raise _too_long(f"{settings.listener.body_bytes} bytes")
    given = with_items(glance, request.body, past.forwarded, given_items)
    going = structs.replace(request, body=given, sent=call.said.body)
    return replace(
        call,
        request=going,
        read=going if read == given else structs.replace(going, body=read),
        going=CLIENT.glance(going),
        makers=frozenset(past.makers.union(*(item.makers for item in items.values()))),
        references=read_items,
    )


async def _past(previous: str, tenant: str, store: ResponseStore, key: bytes) -> History:
    if not previous:
        return History()
    found = await store.chain(tenant, previous)
    if found.fault:
        raise _unfit(previous, found.fault)
    if found.held[-1].status in RUNNING:
        raise InvalidRequest(
            f"The response '{previous[:80]}' is not finished: wait for it before you go on.",
            code="previous_response_not_finished",
            param=_PREVIOUS,
        )
    return await _unpacked(found.held, key)


async def _unpacked(held: tuple[Held, ...], key: bytes) -> History:
    def made() -> History:
        return history([unpack(each.payload) for each in held], key)

    return await off_loop(_size(held), made)


async def _items(
    wanted: tuple[str, ...], tenant: str, store: ResponseStore, key: bytes
) -> dict[str, History]:
    if not wanted:
        return {}
    if len(wanted) > _MOST_REFERENCES:
        raise InvalidRequest(
            f"A call may point to {_MOST_REFERENCES} items; send the content of others.",
            code="too_many_items",
            param="input",
        )
    owners = await store.owners(tenant, wanted)

    def made() -> dict[str, History]:
        return referred([unpack(each.payload) for each in owners], wanted, key)

    found = await off_loop(_size(owners), made)
    for name in wanted:
        if name not in found:
            raise NotFound(
                f"The item '{name[:80]}' is not kept here. Only items of kept answers can be "
                "pointed to: send its content instead.",
                code="item_not_found",
                param="input",
            )
    return found


def _size(held: Sequence[Held]) -> int:
    return sum(len(each.payload) for each in held)


def _unfit(previous: str, fault: str) -> FederationError:
    if fault == TOO_LONG:
        return _too_long(f"{LONGEST} responses")
    if fault == TOO_LARGE:
        return _too_long("the size of a body")
    return NotFound(
        f"The previous response '{previous[:80]}' is not kept here, or a response before it is "
        "not any more. Send the conversation in 'input' instead.",
        code="previous_response_not_found",
        param=_PREVIOUS,
    )


def _too_long(limit: str) -> FederationError:
    return PayloadTooLarge(
        f"The conversation so far is over the limit ({limit}). Begin anew, with a summary of it "
        "in 'input'.",
        code="conversation_too_long",
        param=_PREVIOUS,
    )
