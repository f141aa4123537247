"""Call ids for a host that takes only nine letters or digits.

An id that already has this form is kept, so the host's own ids pass through. Any other is
replaced by a digest of itself: the same id gets the same replacement in every call of a
conversation, which keeps the host's prompt cache, and two ids never share one.

Reference: https://docs.mistral.ai/capabilities/function_calling/
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

_SHORT: Final = re.compile(r"[A-Za-z0-9]{9}")
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 9


class ShortIds:
    """The replacements within one request."""

    __slots__ = ("_given", "_taken")

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def short(self, call_id: str) -> str:
        """The id that stands for this one."""
        given = self._given.get(call_id)
        if given is None:
            given = self._make(call_id)
            self._given[call_id] = given
            self._taken.add(given)
        return given

    def _make(self, call_id: str) -> str:
        made = call_id if _SHORT.fullmatch(call_id) else digest(call_id)
        while made in self._taken:
            made = digest(made + call_id)
        return made


def digest(text: str) -> str:
    """Nine letters or digits that depend on the text alone."""
    number = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
    letters = []
    for _ in range(_LENGTH):
        number, rest = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return "".join(letters)


def made_id(response_id: str, choice: int, place: int) -> str:
    """An id for a call that a host gave none: unique in a conversation, the same for a whole
    answer and its stream."""
    return "call_" + digest(f"{response_id}/{choice}/{place}")
