"""What every glance at a JSON body does: lay it out, check types, sort fields into lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from msgspec import Meta, Raw

from federation.dialects.ask import read_ask
from federation.dialects.fields import Fields, decoders, read_fields
from federation.dialects.governed import Governed
from federation.dialects.malformed import missing
from federation.dialects.openai.tables import GOVERNED, LISTED
from federation.dialects.storage import FILE_FIELD, in_storage
from federation.dialects.tokenizer import CROWD, Members, layout
from federation.schema.glance import Ask, Span
from federation.schema.http import ClientRequest

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Short = Annotated[str, Meta(max_length=512)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Object = dict[str, Raw]

NULL: Final = Raw(b"null")
_OWN: Final = "federation"


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was looked at."""

    found: Members
    spans: dict[str, Span]
    end: int
    values: dict[str, Any]
    governed: tuple[str, ...]
    unlisted: tuple[str, ...]
    ask: Ask


def known(
    types: Mapping[str, Any],
    *,
    governed: Mapping[str, Governed] | None = None,
    listed: tuple[str, ...] = (),
) -> Fields:
    """A dialect's fields with their types, and what hosts of every kind have besides."""
    return Fields(decoders(types), {**GOVERNED, **(governed or {})}, LISTED | {*listed, _OWN})


def look(request: ClientRequest, fields: Fields, *, crowd: int = CROWD) -> Body:
    """Look at a body. Raises `InvalidRequest` with the field, `PayloadTooLarge`."""
    found, spans, end = layout(request.body, crowd)
    values, governed, unlisted = read_fields(found, fields)
    ask = read_ask(found.get(_OWN), request.headers)
    return Body(found, spans, end, values, governed, unlisted, ask)


def required(body: Body, *names: str) -> None:
    """Raise `InvalidRequest` for a field that is missing or null."""
    for name in names:
        if body.values.get(name) is None:
            raise missing(name)


def stored(addresses: list[str]) -> tuple[str, ...]:
    """The governed field that stands for objects under our account, where an address is of one."""
    return (FILE_FIELD,) if any(map(in_storage, addresses)) else ()


def utf8_size(texts: list[str]) -> int:
    """UTF-8 bytes of some texts."""
    return sum([len(text) if text.isascii() else len(text.encode()) for text in texts])


def extras(body: Members, read: frozenset[str]) -> dict[str, Raw]:
    """The members that no canonical field holds."""
    return {name: raw for name, raw in body.items() if name not in read and name != _OWN}


def first_byte(raw: Raw) -> bytes:
    """The byte that says of which kind a JSON value is, without copying the value."""
    return bytes(memoryview(raw)[:1])
