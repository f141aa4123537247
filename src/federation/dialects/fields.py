"""A request's fields one by one: their types, and which of them matter to the rules.

Every field is in one of four groups. Typed ones are decoded; governed ones change what a rule
may have decided, unless their value is neutral; free ones are known and change nothing of the
kind; all others are unlisted, and the operator says whether such may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw

from federation.dialects.governed import Governed
from federation.dialects.malformed import read_string
from federation.dialects.tokenizer import Members, members, wrong_type
from federation.errors import InvalidRequest

Decoders: TypeAlias = Mapping[str, msgspec.json.Decoder[Any]]
Judged: TypeAlias = tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]
"""Values of typed fields, the names of governed and those of unlisted ones."""

_LONGEST_NAME: Final = 64


def decoders(types: Mapping[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """A decoder for each field's type."""
    return {name: msgspec.json.Decoder(kind, strict=strict) for name, kind in types.items()}


@dataclass(frozen=True, slots=True)
class Fields:
    """What a dialect knows of the members of a request; made once, at import."""

    types: Decoders
    governed: Mapping[str, Governed]
    free: frozenset[str]
    objects: frozenset[str] = frozenset()
    """Fields whose members are read: a duplicate in them is refused too."""
    spares: Mapping[str, Callable[[Raw], bool]] = field(default_factory=dict)
    """Governed fields that are harmless with more values than a list can hold."""

    plain: frozenset[str] = field(init=False)
    """Fields that are done with once their type is right."""

    def __post_init__(self) -> None:
        # A frozen dataclass sets what it works out by itself like this.
        plain = frozenset(self.types) - frozenset(self.governed) - self.objects
        object.__setattr__(self, "plain", plain)


def read_fields(found: Members, fields: Fields) -> Judged:
    """Judge a body's members. Raises `InvalidRequest` with the field."""
    values: dict[str, Any] = {}
    governed: list[str] = []
    unlisted: list[str] = []
    types, plain = fields.types, fields.plain
    name = ""
    try:
        for name, raw in found.items():
            decoder = types.get(name)
            if decoder is not None:
                value = values[name] = decoder.decode(raw)
                if name in plain:
                    continue
                if name in fields.objects and value is not None:
                    members(bytes(raw), name)
            rule = fields.governed.get(name)
            if rule is not None:
                if not rule.allows(raw) and not _is_spared(name, raw, fields):
                    governed.append(name)
            elif decoder is None and name not in fields.free:
                unlisted.append(name)
    except msgspec.ValidationError as error:
        raise wrong_type(error, name) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequest(
            f"'{name}' holds text that is not valid Unicode.", code="invalid_json", param=name
        ) from None
    return values, tuple(governed), tuple(unlisted)


def _is_spared(name: str, raw: Raw, fields: Fields) -> bool:
    spares = fields.spares.get(name)
    return spares is not None and spares(raw)


def hosted_tools(tools: Iterable[Members]) -> tuple[str, ...]:
    """Governed names of the tools that the caller does not run itself; one without a type is
    a function of the caller's."""
    names: dict[str, None] = {}
    for index, found in enumerate(tools):
        kind = found.get("type")
        if kind is not None:
            name = read_string(kind, f"tools[{index}].type")
            if name != "function":
                names[f"tools.{name[:_LONGEST_NAME]}"] = None
    return tuple(names)
