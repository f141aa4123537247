"""Residency classes: which place lies in which, and which place meets which demand.

The trap: nothing is guessed. A word that is neither a class nor a two-letter country in
lower case is `unknown`, and `unknown` meets no demand, not even one that names it. A
deployment's regions say where its data *may* be processed, so all of them must meet it.

Sources: ISO 3166-1 (codes), the list of the European Union's member states.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

UNKNOWN: Final = "unknown"
CLASSES: Final = frozenset({"us", "eu", "uk", "apac", "cn", "other", "local"})

# fmt: off
_EUROPEAN_UNION = (
    "at", "be", "bg", "hr", "cy", "cz", "dk", "ee", "fi", "fr", "de", "gr", "hu", "ie", "it",
    "lv", "lt", "lu", "mt", "nl", "pl", "pt", "ro", "sk", "si", "es", "se",
)
_ASIA_PACIFIC = ("au", "id", "in", "jp", "kr", "my", "nz", "ph", "sg", "th", "tw", "vn")
# fmt: on

# The mainland's data law reaches Hong Kong and Macao, so they are `cn`; a demand for `apac`
# must never lead there.
COUNTRY_CLASS: Final[dict[str, str]] = (
    dict.fromkeys(_EUROPEAN_UNION, "eu")
    | dict.fromkeys(_ASIA_PACIFIC, "apac")
    | {"gb": "uk", "hk": "cn", "mo": "cn"}
)
_ONE_PLACE: Final = {"uk": "gb", "gb": "uk"}
"""A class of one country is that country."""


def class_of(place: str) -> str:
    """The class of a class's name or a country's code; `other` where none lists the country,
    `unknown` for any other word (upper case included)."""
    if place in CLASSES:
        return place
    if len(place) == 2 and place.isascii() and place.isalpha() and place.islower():
        return COUNTRY_CLASS.get(place, "other")
    return UNKNOWN


def meets(place: str, demanded: Iterable[str]) -> bool:
    """Whether data processed at `place` stays within the classes and countries demanded."""
    found = class_of(place)
    if found == UNKNOWN:
        return False
    allowed = frozenset(demanded)
    return place in allowed or found in allowed or _ONE_PLACE.get(place) in allowed


def all_meet(places: Iterable[str], demanded: Iterable[str]) -> bool:
    """Whether every place does; no place at all is an unknown one, and does not."""
    known, allowed = tuple(places), tuple(demanded)
    return bool(known) and all(meets(place, allowed) for place in known)
