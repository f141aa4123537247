"""Reads single members of items by type, and says which one is wrong where one is.

Both faces use it: a client gets the message with the field's path, a provider's answer that
fails here is garbled. Strings are decoded from their own bytes, so lone surrogates and bad
escapes come to light here and not earlier.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from federation.dialects.malformed import missing
from federation.dialects.tokenizer import Members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.glance import Glance

T = TypeVar("T")

_STRING: Final = msgspec.json.Decoder(str)
_TEXT: Final = msgspec.json.Decoder(str | None)
_OBJECT: Final = msgspec.json.Decoder(Members)
_LIST: Final = msgspec.json.Decoder(list[Raw] | None)
NULL: Final = Raw(b"null")


def written(body: bytes, glance: Glance, name: str) -> bytes:
    """A member of a request's body as it was written; `null` where it is not there."""
    span = glance.spans.get(name)
    return body[span.value : span.end] if span is not None else b"null"


def needed_text(item: Members, name: str, where: str) -> str:
    """A string that must be there."""
    raw = item.get(name)
    if raw is None:
        raise missing(joined(where, name))
    try:
        return _STRING.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(error, joined(where, name)) from None


def text(item: Members, name: str, where: str) -> str:
    """A string, empty where there is none or null."""
    raw = item.get(name)
    if raw is None:
        return ""
    try:
        return _TEXT.decode(raw) or ""
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(error, joined(where, name)) from None


def text_or_nothing(raw: Raw | None) -> str:
    """A string, empty for anything else: for what is only a remark."""
    try:
        return _STRING.decode(raw) if raw is not None else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def inner(raw: Raw, where: str) -> Members:
    """The members of an object that another one holds."""
    return decoded(_OBJECT, raw, where)


def items_of(item: Members, name: str, where: str) -> list[Raw]:
    """An array's values, none where there is none or null."""
    raw = item.get(name)
    return [] if raw is None else decoded(_LIST, raw, joined(where, name)) or []


def decoded(decoder: msgspec.json.Decoder[T], raw: Raw, where: str) -> T:
    """Raw JSON as the decoder's type. Raises `InvalidRequest` that names the field."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error, where) from None


def joined(where: str, name: str) -> str:
    """The path of a member; `where` is empty for one of the body's own."""
    return f"{where}.{name}" if where else name


def _unreadable(error: Exception, where: str) -> InvalidRequest:
    if isinstance(error, msgspec.ValidationError):
        return wrong_type(error, where)
    return InvalidRequest(
        f"'{where}' holds text that is not valid Unicode, or is nested too deeply.",
        code="invalid_json",
        param=where,
    )


def rest(item: Members, known: frozenset[str]) -> dict[str, Raw]:
    """The members that nothing here reads, without nulls."""
    if item.keys() <= known:
        return {}
    return {name: raw for name, raw in item.items() if name not in known and raw != NULL}
