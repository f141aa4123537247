"""What every glance at a JSON body does: lay it out, check types, sort fields into lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.ask import read_ask
from federation.dialects.openai.tables import GOVERNED, LISTED, Governed
from federation.dialects.tokenizer import CROWD, Members, layout, wrong_type
from federation.errors import InvalidRequest
from federation.schema.glance import Ask, Span
from federation.schema.http import ClientRequest

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Short = Annotated[str, Meta(max_length=512)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Object = dict[str, Raw]

NULL: Final = Raw(b"null")
_OWN: Final = "federation"


@dataclass(frozen=True, slots=True)
class Known:
    """What an operation's dialect knows of request fields.

    `fields` are the types of its own. `governed` change what a rule may have decided, with
    the values that change nothing. `listed` are of other hosts and change nothing of the kind.
    """

    fields: Mapping[str, msgspec.json.Decoder[Any]]
    governed: Mapping[str, Governed]
    listed: frozenset[str]


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
) -> Known:
    """A dialect's fields with their types, and what hosts of every kind have besides."""
    fields = {name: msgspec.json.Decoder(kind) for name, kind in types.items()}
    return Known(fields, {**GOVERNED, **(governed or {})}, LISTED | frozenset(listed))


def look(request: ClientRequest, table: Known, *, crowd: int = CROWD) -> Body:
    """Look at a body. Raises `InvalidRequest` with the field, `PayloadTooLarge`."""
    found, spans, end = layout(request.body, crowd)
    values: dict[str, Any] = {}
    governed: list[str] = []
    unlisted: list[str] = []
    name = ""
    try:
        for name, raw in found.items():
            decoder = table.fields.get(name)
            if decoder is not None:
                values[name] = decoder.decode(raw)
            if name in table.governed:
                if not _is_neutral(table.governed[name], raw):
                    governed.append(name)
            elif decoder is None and name not in table.listed and name != _OWN:
                unlisted.append(name)
    except msgspec.ValidationError as error:
        raise wrong_type(error, name) from None
    ask = read_ask(found.get(_OWN), request.headers)
    return Body(found, spans, end, values, tuple(governed), tuple(unlisted), ask)


def required(body: Body, *names: str) -> None:
    """Raise `InvalidRequest` for a field that is missing or null."""
    for name in names:
        if body.values.get(name) is None:
            raise missing(name)


def missing(name: str) -> InvalidRequest:
    """The refusal of a call without a field that it needs."""
    return InvalidRequest(f"'{name}' is missing.", code="missing_field", param=name)


def utf8_size(texts: list[str]) -> int:
    """UTF-8 bytes of some texts."""
    return sum([len(text) if text.isascii() else len(text.encode()) for text in texts])


def extras(body: Members, read: frozenset[str]) -> dict[str, Raw]:
    """The members that no canonical field holds."""
    return {name: raw for name, raw in body.items() if name not in read and name != _OWN}


def _is_neutral(rule: Governed, raw: Raw) -> bool:
    data = bytes(raw)
    return data in rule.neutral or (len(data) < 64 and b"".join(data.split()) in rule.neutral)


def first_byte(raw: Raw) -> bytes:
    """The byte that says of which kind a JSON value is, without copying the value."""
    return bytes(memoryview(raw)[:1])
