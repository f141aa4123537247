"""Values of the canonical form, made from the types alone, with a value planted in one string at a
time: a member that is added is planted in without anybody's doing.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from federation.guardrails.visitor import OURS

MAIL = "jane.doe@example.org"


def planted(hint: Any, place: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """A value of the type for each string in it, with a value planted in that string."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if depth > 9:
        return
    if hint is str:
        yield place, MAIL
    elif hint is Raw:
        for form in ({"a": [MAIL]}, {MAIL: 1}, MAIL, [[{"a": {"b": MAIL}}]]):
            yield f"{place}={form}", Raw(json.dumps(form).encode())
    elif origin in (typing.Union, types.UnionType):
        for each in inner:
            yield from planted(each, place, depth)
    elif origin is tuple:
        for at, value in planted(inner[0], place, depth + 1):
            yield at, (value,)
    elif origin is dict:
        yield f"{place} (name)", {MAIL: bare(inner[1])}
        for at, value in planted(inner[1], place, depth + 1):
            yield at, {"a": value}
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield from planted_in(hint, place, depth)
    else:
        assert hint in (int, float, bool, type(None)), f"{place}: nobody plants in {hint}"


def planted_in(part: type[msgspec.Struct], place: str, depth: int) -> Iterator[tuple[str, Any]]:
    """The same for a structure, but for the members that nobody is told."""
    whole = bare(part)
    for name, each in typing.get_type_hints(part).items():
        if name not in OURS.get(part, ()):
            for at, value in planted(each, f"{place}.{part.__name__}.{name}", depth + 1):
                yield at, msgspec.structs.replace(whole, **{name: value})


def bare(hint: Any) -> Any:
    """A value of the type without anything in it."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        needed = [each for each in msgspec.structs.fields(hint) if each.required]
        hints = typing.get_type_hints(hint)
        return hint(**{each.name: bare(hints[each.name]) for each in needed})
    return Raw(b"{}") if hint is Raw else () if typing.get_origin(hint) is tuple else ""
