"""Users' names within other texts: sessions and tags are free text, and may name people too.

The trap: a question's tag is one text, and which of its words were users only the workers knew.
So a tag may have several readings, and a name that was a part of a word is none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from federation.domain.pseudonyms import is_pseudonym

_MOST_PARTS: Final = 12
_WORD: Final = re.compile(r"\w(?:[\w.@+'-]*\w)?")
_WITHIN: Final = re.compile(r"(?<!\w)p_[0-9a-f]{32}(?!\w)")


def pseudonyms_in(text: str) -> list[str]:
    """Those that stand in a text as words of it, as users do in sessions and tags."""
    return _WITHIN.findall(text)


def with_names(text: str, names: Mapping[str, str]) -> str:
    """The text with a name in the place of each pseudonym that has one here."""
    return _WITHIN.sub(lambda found: names.get(found[0], found[0]), text)


def parts_of(tag: str) -> list[str]:
    """What may be users in a tag `name=value`, the longest first: its value, addresses and words,
    as they are written and in small letters. Of a long one the first dozen."""
    value = tag.partition("=")[2]
    words = [word for word in _WORD.findall(tag) if not is_pseudonym(word)]
    words = [value, *(word for word in words if "@" in word), *words]
    some = list(dict.fromkeys(word for word in words if word))[:_MOST_PARTS]
    both = dict.fromkeys((*some, *(word.casefold() for word in some)))
    return sorted(both, key=len, reverse=True)
