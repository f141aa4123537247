"""What is kept of a response, and a conversation made of what was kept. Pure.

The trap is reasoning. Its sealed state means something to its maker alone, and a provider
refuses an item of reasoning that has none. So a conversation exists twice: for the maker's
own bytes with the states as they are, and for reading with each state in an envelope that
names its maker.

Reference: https://platform.openai.com/docs/guides/reasoning
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.carriage import maker_of
from federation.dialects.envelopes import PREFIX, Letter, enclose
from federation.dialects.openai_responses.fields import text_or_nothing
from federation.dialects.openai_responses.state import Stored, conversation
from federation.dialects.openai_responses.tables import NAME
from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout
from federation.schema.glance import Edits
from federation.schema.storing import COMPLETED, FAILED, RUNNING

_ITEMS_NAMED: Final = 256
"""Items of one answer by which it can be found again."""
_LOST: Final = {"code": "server_error", "message": "The process that worked on it has ended."}
_MARK: Final = b'"reasoning"'
_NOBODY: Final = ""
"""Made what no provider takes as it stands: the call must be read."""
_REASONING: Final = Raw(_MARK)
_json: Final = msgspec.json.encode


class Kept(msgspec.Struct, frozen=True):
    """A stored response with the provider that answered."""

    stored: Stored
    provider: str = ""


class _Item(msgspec.Struct):
    id: str | None = None


class _Response(msgspec.Struct):
    output: list[Raw] = []
    status: str = ""


_KEPT: Final = msgspec.json.Decoder(Kept)
_ITEM: Final = msgspec.json.Decoder(_Item)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_RESPONSE: Final = msgspec.json.Decoder(_Response)


@dataclass(slots=True)
class History:
    """A conversation as it goes into a call."""

    forwarded: list[Raw] = field(default_factory=list)
    read: list[Raw] = field(default_factory=list)
    makers: set[str] = field(default_factory=set)
    """Who made the states in `forwarded`; nobody else may get it."""


def pack(kept: Kept) -> bytes:
    """What control keeps."""
    return _json(kept)


def unpack(payload: bytes) -> Kept:
    """What was kept."""
    return _KEPT.decode(payload)


def status_of(stored: Stored) -> str:
    """How a response ended."""
    return _RESPONSE.decode(stored.response).status or COMPLETED


def names_of(stored: Stored) -> tuple[str, ...]:
    """The ids of an answer's items."""
    output = _RESPONSE.decode(stored.response).output[:_ITEMS_NAMED]
    return tuple(name for raw in output if (name := _ITEM.decode(raw).id))


def history(chain: Iterable[Kept], key: bytes) -> History:
    """The conversation of these responses, oldest first. `key` is the one of envelopes."""
    found = History()
    for kept in chain:
        items = conversation([kept.stored])
        own = len(kept.stored.input)
        # What a client sent is sent again as it was; only answers have a known maker.
        found.forwarded += items[:own]
        found.read += items[:own]
        for raw in items[own:]:
            _add(found, raw, kept.provider, key)
    return found


def referred(owners: Iterable[Kept], wanted: Iterable[str], key: bytes) -> dict[str, History]:
    """The items of these names, each with what it is in a call."""
    names = frozenset(wanted)
    found: dict[str, History] = {}
    for kept in owners:
        for raw in _RESPONSE.decode(kept.stored.response).output:
            name = _ITEM.decode(raw).id
            if name is not None and name in names:
                item = found[name] = History()
                _add(item, raw, kept.provider, key)
                if not item.forwarded:
                    item.forwarded, item.makers = item.read, {_NOBODY}
    return found


def as_it_is(stored: Stored, status: str) -> Stored:
    """A response with the status that it has by now: one whose worker died, or that was
    cancelled, was not written anew."""
    told = _RESPONSE.decode(stored.response).status
    if told == status or told not in RUNNING:
        return stored
    values = {"status": _json(status)}
    if status == FAILED:
        values["error"] = _json(_LOST)
    return with_members(stored, values)


def with_members(stored: Stored, values: dict[str, bytes]) -> Stored:
    """A response with other values (rendered JSON) of some of its members."""
    body = bytes(stored.response)
    _, spans, end = layout(body)
    changed = Raw(splice(body, spans, end, Edits(values)))
    return msgspec.structs.replace(stored, response=changed)


def _add(found: History, raw: Raw, provider: str, key: bytes) -> None:
    item: dict[str, Any] = _MEMBERS.decode(raw) if _MARK in bytes(raw) else {}
    sealed = text_or_nothing(item.get("encrypted_content"))
    if item.get("type") != _REASONING or sealed.startswith(PREFIX):
        found.forwarded.append(raw)
        found.read.append(raw)
    elif not sealed:
        found.read.append(raw)
    else:
        maker = maker_of(NAME, provider)
        letter = Letter(maker, text_or_nothing(item.get("id")), sealed=sealed)
        found.makers.add(maker)
        found.forwarded.append(raw)
        found.read.append(Raw(_json(item | {"encrypted_content": enclose(letter, key)})))
