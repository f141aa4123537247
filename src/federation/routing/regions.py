"""Region classes: which place satisfies which residency demand.

The trap: a deployment's regions say where its data *may* be processed, so a demand is met
only when every one of them is allowed. A place that nobody stated meets no demand.
"""

from __future__ import annotations

from collections.abc import Iterable

CLASSES = frozenset({"us", "eu", "uk", "apac", "cn", "other", "local"})

# fmt: off
_EUROPEAN_UNION = (
    "at", "be", "bg", "hr", "cy", "cz", "dk", "ee", "fi", "fr", "de", "gr", "hu", "ie", "it",
    "lv", "lt", "lu", "mt", "nl", "pl", "pt", "ro", "sk", "si", "es", "se",
)
_ASIA_PACIFIC = ("au", "id", "in", "jp", "kr", "my", "nz", "ph", "sg", "th", "tw", "vn")
# fmt: on

# Hong Kong and Macao answer to the mainland's data law, so a demand for `apac` must not
# reach them.
_CLASS_OF = (
    dict.fromkeys(_EUROPEAN_UNION, "eu")
    | dict.fromkeys(_ASIA_PACIFIC, "apac")
    | {"gb": "uk", "hk": "cn", "mo": "cn"}
)


def class_of(region: str) -> str:
    """The class that a class name or a two-letter country belongs to; unlisted is `other`."""
    name = region.lower()
    return name if name in CLASSES else _CLASS_OF.get(name, "other")


def satisfies(region: str, allowed: Iterable[str]) -> bool:
    """Whether data processed in `region` stays within the allowed classes and countries."""
    name = region.lower()
    wanted = {place.lower() for place in allowed}
    return name in wanted or class_of(name) in wanted or ("gb" in wanted and name == "uk")
