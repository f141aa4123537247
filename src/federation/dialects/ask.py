"""What a call asks of the gateway itself: the `federation` object and its headers.

The object and the headers say the same things. Where both speak of one thing and differ,
the call is refused: a header may have been put there by someone else than the body's
author, and neither may silently loosen what the other asked for.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.tokenizer import Members, members, wrong_type
from federation.domain.policies import DATA_CLASSES, OWN_CLASS, Privacy
from federation.errors import InvalidRequest
from federation.schema.glance import Ask, Constraints
from federation.schema.http import Headers

_ASK: Final = msgspec.json.Decoder(Ask)
_PREFIX = b"x-federation-"
_STARTS: Final = frozenset((b"x-f", b"x-r", b"x-m", b"x-t", b"x-e"))
"""How the names in `HEADERS` begin: a cheap sieve over every call's headers."""
_LONGEST = 256
_MOST_TAGS = 50
_MOST_CLASSES = 50
_PREFERENCE: Final = "constraints.provider_preference"
_LISTS: Final = ("data_residency", "provider_preference")
_LEVELS: Final = tuple(level.value for level in Privacy)


def read_ask(raw: Raw | None, headers: Headers) -> Ask:
    """The asks of body and headers, joined. Raises `InvalidRequest` naming the place."""
    spoken = [name for name in headers if name[:3] in _STARTS]
    said = _read_headers(spoken, headers) if spoken else None
    if raw is None or raw == _NULL:
        return _checked(_joined(Ask(), said)) if said else _NOTHING
    return _checked(_joined(_read_object(raw), said or {}))


_NOTHING: Final = Ask()
_NULL: Final = Raw(b"null")


def _read_object(raw: Raw) -> Ask:
    found = members(bytes(raw), "federation")
    if "constraints" in found:
        raw = with_lists(raw, found, "federation.constraints")
    if "tags" in found:
        members(bytes(found["tags"]), "federation.tags")
    try:
        return _ASK.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, "federation") from None


def with_lists(raw: Raw, found: Members, where: str) -> Raw:
    """The object `raw`, of `found` members, with lists in the place of single names in its
    `constraints`: most calls allow one place. Raises `InvalidRequest` where those are no object."""
    constraints = members(bytes(found["constraints"]), where)
    single = {
        name: [constraints[name]]
        for name in _LISTS
        if name in constraints and bytes(constraints[name]).startswith(b'"')
    }
    if not single:
        return raw
    return Raw(msgspec.json.encode({**found, "constraints": {**constraints, **single}}))


def _text(value: str) -> str:
    return value


def _flag(value: str) -> bool:
    flag = _FLAGS.get(value.lower())
    if flag is None:
        raise ValueError("true or false")
    return flag


def _cascade(value: str) -> str | None:
    """The strategy that the older header wishes for; None where it wishes for none."""
    return "cascade" if _flag(value) else None


def _number(value: str) -> float:
    if not _NUMBER.fullmatch(value):
        raise ValueError("a number")
    return float(value)


def _names(value: str) -> tuple[str, ...]:
    return tuple(name for part in value.split(",") if (name := part.strip()))


def _classes(value: str) -> tuple[str, ...]:
    """An empty header says nothing rather than "nothing": a proxy may have emptied it."""
    if value.strip() == _NO_CLASS:
        return ()
    classes = _names(value)
    if not classes:
        raise ValueError(f"classes of data with commas between them, or '{_NO_CLASS}'")
    return classes


def _tags(value: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for pair in _names(value):
        name, equals, content = pair.partition("=")
        if not equals or not name.strip() or name.strip() in tags:
            raise ValueError("name=value pairs with commas between them, each name once")
        tags[name.strip()] = content.strip()
    return tags


def _count(value: str) -> int:
    if not _COUNT.fullmatch(value):
        raise ValueError("a whole number")
    return int(value)


def _rank(value: str) -> int:
    if len(value) != 1 or value not in "12345":
        raise ValueError("a number from 1 (critical) to 5")
    return int(value)


_NO_CLASS = "none"
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

HEADERS: Final[dict[bytes, tuple[str, Callable[[str], Any]]]] = {
    b"x-federation-strategy": ("strategy", _text),
    b"x-routing-strategy": ("strategy", _text),
    b"x-enable-cascade": ("strategy", _cascade),
    b"x-federation-session": ("session", _text),
    b"x-federation-user": ("user", _text),
    b"x-federation-tags": ("tags", _tags),
    b"x-federation-metadata": ("metadata", _flag),
    b"x-federation-strict": ("strict", _flag),
    b"x-federation-timeout-ms": ("timeout_ms", _count),
    b"x-timeout-ms": ("timeout_ms", _count),
    b"x-federation-priority": ("priority", _rank),
    b"x-federation-privacy": ("privacy", _text),
    b"x-federation-data-classes": ("data_classes", _classes),
    b"x-federation-max-cost": ("constraints.max_cost", _number),
    b"x-max-budget": ("constraints.max_cost", _number),
    b"x-federation-max-latency-ms": ("constraints.max_latency_ms", _number),
    b"x-federation-data-residency": ("constraints.data_residency", _names),
    b"x-federation-gdpr-required": ("constraints.gdpr_required", _flag),
    b"x-federation-soc2-required": ("constraints.soc2_required", _flag),
    b"x-federation-hipaa-required": ("constraints.hipaa_required", _flag),
    b"x-federation-provider-preference": ("constraints.provider_preference", _names),
}
"""Header to the member of `Ask` that it sets, and how its text is read."""


def _read_headers(names: list[bytes], headers: Headers) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for header in names:
        known = HEADERS.get(header)
        if known is None:
            if header.startswith(_PREFIX):
                raise _unknown(header)
            continue
        member, read = known
        shown = header.decode("latin-1")
        try:
            value = read(headers[header].decode())
        except UnicodeDecodeError:
            raise InvalidRequest(f"The header {shown} is not UTF-8.", param=shown) from None
        except ValueError as error:
            raise InvalidRequest(f"The header {shown} must be {error}.", param=shown) from None
        if value is not None and said.setdefault(member, value) != value:
            raise _conflict(member)
    return said


def _joined(ask: Ask, said: dict[str, Any]) -> Ask:
    top: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for member, value in said.items():
        outer, _, name = member.partition(".")
        owner = ask.constraints if name else ask
        now = getattr(owner, name or outer)
        if outer == "tags":
            if any(now.get(tag, content) != content for tag, content in value.items()):
                raise _conflict(member)
            value = {**now, **value}
        elif now != value and not _unsaid(member, now):
            raise _conflict(member)
        (inner if name else top)[name or outer] = value
    if inner:
        top["constraints"] = structs.replace(ask.constraints, **inner)
    return structs.replace(ask, **top)


def _unsaid(member: str, now: Any) -> bool:
    """Whether the body leaves it open. The trap is what looks empty and is not: a cost or a time of
    0, which equals False, allows nothing, a list without a class says that there are none, and
    one without a place that nowhere is right."""
    if now is None or now is False or now == "":
        return True
    return member == _PREFERENCE and now == ()


def _checked(ask: Ask) -> Ask:
    rules: Constraints = ask.constraints
    for name, number in (("max_cost", rules.max_cost), ("max_latency_ms", rules.max_latency_ms)):
        if number is not None and not (math.isfinite(number) and number >= 0):
            raise _refused(f"constraints.{name}", "must be a number that is not negative")
    texts = {"strategy": ask.strategy or "", "session": ask.session, "user": ask.user}
    for name, text in texts.items():
        if len(text) > _LONGEST:
            raise _refused(name, f"is longer than {_LONGEST} characters")
    if len(ask.tags) > _MOST_TAGS:
        raise _refused("tags", f"has more than {_MOST_TAGS} entries")
    if any(len(part) > _LONGEST for pair in ask.tags.items() for part in pair):
        raise _refused("tags", f"has a name or value longer than {_LONGEST} characters")
    if ask.privacy is not None and ask.privacy not in _LEVELS:
        raise _refused("privacy", f"must be one of {', '.join(_LEVELS)}")
    if ask.data_classes is not None:
        _check_classes(ask.data_classes)
    return ask


def _check_classes(classes: tuple[str, ...]) -> None:
    """A class that is misspelled would keep data from nobody."""
    if len(classes) > _MOST_CLASSES:
        raise _refused("data_classes", f"has more than {_MOST_CLASSES} entries")
    for name in classes:
        if name not in DATA_CLASSES and not (name.startswith(OWN_CLASS) and len(name) <= _LONGEST):
            known = ", ".join(DATA_CLASSES)
            raise _refused(
                "data_classes", f"may hold {known} and names that begin with '{OWN_CLASS}'"
            )


def _refused(member: str, problem: str) -> InvalidRequest:
    param = f"federation.{member}"
    return InvalidRequest(f"'{param}' {problem}.", param=param)


def _conflict(member: str) -> InvalidRequest:
    return InvalidRequest(
        f"'federation.{member}' is given twice with different values, in headers or in the "
        "body and a header. Say it once.",
        code="conflicting_ask",
        param=f"federation.{member}",
    )


def _unknown(header: bytes) -> InvalidRequest:
    shown = header.decode("latin-1")[:80]
    near = difflib.get_close_matches(shown, [name.decode() for name in HEADERS], n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return InvalidRequest(f"The header {shown} is not known.{hint}", param=shown)
