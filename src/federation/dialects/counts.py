"""What every dialect does with a provider's counts besides naming them.

Counts come from outside and decide what is billed, so a strict reader goes first. Where it
refuses, one odd member (a list for an object, `10.0`, `"10"`) must not lose the rest: a call
whose tokens are unknown is estimated, and an estimate is never the bill.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, TypeVar, get_args

import msgspec
from msgspec import Meta, Raw, Struct

from federation.domain.money import usd_to_nano
from federation.errors import UpstreamGarbled

T = TypeVar("T", bound=Struct)

MOST_COUNTED: Final = 100_000_000
"""Tokens of one answer, at most: ten times what any model reads and writes. More is no count: to
believe it would book millions, and sums would overflow."""
Count = Annotated[int, Meta(ge=0, le=MOST_COUNTED)] | None

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_USUAL: Final = frozenset(
    ("", "default", "standard", "standard_only", "auto", "on_demand", "unspecified",
     "traffic_type_unspecified")
)  # fmt: skip
_PREFIX: Final = "on_demand_"
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_NUMBER: Final = msgspec.json.Decoder(Decimal)
_COUNT: Final[msgspec.json.Decoder[int | None]] = msgspec.json.Decoder(Count)
_MOST_USD: Final = Decimal(1_000_000)


def read_leniently(decoder: msgspec.json.Decoder[T], raw: bytes | Raw) -> T | None:
    """The counts of an object, without its members that are none; None where nothing is one."""
    try:
        return decoder.decode(raw)
    except _UNREADABLE:
        pass
    try:
        return _salvaged(msgspec.json.decode(raw), decoder.type)
    except _UNREADABLE:
        return None


def read_counted(decoder: msgspec.json.Decoder[T], body: bytes, deployment: str) -> T:
    """The answer to a call for a count of tokens. Raises `UpstreamGarbled` where it holds none."""
    try:
        return decoder.decode(body)
    except _UNREADABLE:
        raise UpstreamGarbled(f"{deployment} answered without a count.") from None


def count_at(path: str, raw: Raw) -> int | None:
    """The count at a dotted path of an object; None where there is none that makes sense."""
    try:
        return _COUNT.decode(_at(path, raw))
    except (KeyError, *_UNREADABLE):
        return None


def cost_at(path: str, raw: Raw) -> int | None:
    """The price that a host itself names at a dotted path, in nano-dollars; None where it names
    none that makes sense. It is read from the number's text, because a float would round it."""
    try:
        usd = _NUMBER.decode(_at(path, raw))
    except (KeyError, InvalidOperation, *_UNREADABLE):
        return None
    return usd_to_nano(usd) if usd.is_finite() and 0 <= usd <= _MOST_USD else None


def billed_tier(word: str | None) -> str:
    """The class of service that a provider says it billed; empty for its usual one."""
    tier = (word or "").lower()
    return "" if tier in _USUAL else tier.removeprefix(_PREFIX)


def _at(path: str, raw: Raw) -> Raw:
    """The value at a dotted path. Raises `KeyError`, and what a decoder does."""
    value = raw
    for name in path.split("."):
        value = _OBJECT.decode(value)[name]
    return value


def _salvaged(value: object, kind: type[T]) -> T | None:
    if not isinstance(value, dict):
        return None
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in value:
            continue
        item = value[field.encode_name]
        try:
            found[field.name] = msgspec.convert(item, field.type, strict=False)
        except (msgspec.ValidationError, RecursionError):
            inner = next((t for t in get_args(field.type) if _is_struct(t)), None)
            part = _salvaged(item, inner) if inner is not None else None
            if part is not None:
                found[field.name] = part
    return kind(**found) if found else None


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)
