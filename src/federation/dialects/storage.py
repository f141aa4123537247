"""Addresses in a provider's own storage (`gs://`, `oss://`): it opens them with our account.

Whoever names one reads what others may have put there, so they are governed like the ids of
stored files. The trap: `gs:\\/\\/bucket` and `\\u0067s://bucket` are the same address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.tokenizer import members

_STORAGE: Final = re.compile(
    r"\s*(?!https?:|data:)[a-z][a-z0-9+.-]{1,19}:/", re.IGNORECASE | re.ASCII
)
_HEAD: Final = 64
_LIST: Final = msgspec.json.Decoder(list[Raw])
_STRING: Final = msgspec.json.Decoder(str)
_QUOTE, _BRACE, _BRACKET, _BACKSLASH = b'"{[\\'
_WORDS: Final = ("type", "text")


FILE_FIELD: Final = "content.file"
"""The governed field's name in languages whose vendors have no word of their own for it."""


def in_storage(address: str) -> bool:
    """Whether an address is one that not everybody can open."""
    return _STORAGE.match(address) is not None


def names_storage(part: Mapping[str, Raw], where: str) -> bool:
    """Whether a content part holds an address that not everybody can open. Of a picture that is
    written out only the beginning is looked at. Raises `InvalidRequest` for a duplicate key in an
    object within the part, which is at `where` in its body."""
    waiting = [(value, f"{where}.{name}") for name, value in part.items() if name not in _WORDS]
    while waiting:
        value, place = waiting.pop()
        view = memoryview(value)
        if view[0] == _QUOTE:
            if in_storage(_beginning(value, view)):
                return True
        elif view[0] == _BRACE:
            found = members(bytes(view), place)
            waiting += [(each, f"{place}.{name}") for name, each in found.items()]
        elif view[0] == _BRACKET:
            waiting += [(each, place) for each in _LIST.decode(value)]
    return False


def _beginning(text: Raw, view: memoryview) -> str:
    head = bytes(view[1:_HEAD])
    if _BACKSLASH in head and not head.startswith(b"data:"):
        return _STRING.decode(text)
    return head.decode("utf-8", "replace")
