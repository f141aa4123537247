"""What was found in texts that come again: a conversation is sent anew with each of its turns.

The traps: a text may hold anything, so neither it nor any value of it is kept, only a digest and
places; and what is kept has a bound that no caller can raise.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from federation.guardrails.entities import Span

_SHORTEST, _LONGEST = 512, 64 * 1024
"""Characters: shorter texts are read as quickly as they are known again, longer ones are rare."""
MOST_TEXTS: Final = 4096
MOST_SPANS: Final = 32
"""Of one text."""


class Readings:
    """The places that were found in the last texts. May be used by several threads at once."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Span, ...]] = OrderedDict()

    def of(self, key: bytes | None) -> list[Span] | None:
        """What was found in the text with this key; None where that is not known."""
        spans = self._known.pop(key, None) if key is not None else None
        if key is None or spans is None:
            return None
        self._known[key] = spans  # as the newest
        return list(spans)

    def keep(self, key: bytes | None, spans: Sequence[Span]) -> None:
        """Keep what was found, in the place of the text that was asked for least lately."""
        if key is None or len(spans) > MOST_SPANS:
            return
        while len(self._known) >= MOST_TEXTS:
            self._known.popitem(last=False)  # in one step: other threads change it meanwhile
        self._known[key] = tuple(spans)


def key_of(text: str, *, escaped: bool) -> bytes | None:
    """What a text that was read in this way is known by; None for one that is not kept."""
    if not _SHORTEST <= len(text) <= _LONGEST:
        return None
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    return digest + b"e" if escaped else digest
