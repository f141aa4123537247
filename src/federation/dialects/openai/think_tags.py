"""Takes `<think>` blocks out of content, whole or as it streams.

Some hosts write reasoning into the text between tags. Only blocks at the beginning count
(white space before, between and after them goes with them): further down the words are the
model's own, it may be writing about tags. A tag may be cut anywhere between two pieces.

Reference: https://platform.minimax.io/docs/guides/text-m2-function-call
"""

from __future__ import annotations

from typing import Final, TypeAlias

Piece: TypeAlias = tuple[bool, str]
"""Whether it is reasoning, and the text."""

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"
_BEFORE, _INSIDE, _AFTER = range(3)


class ThinkSplitter:
    """Splits the content of one choice; holds back what may be part of a tag."""

    __slots__ = ("_fresh", "_held", "_place", "_seen")

    def __init__(self) -> None:
        self._place = _BEFORE
        self._held = ""
        self._seen = False
        self._fresh = True

    def feed(self, text: str) -> list[Piece]:
        """The pieces that are certain now."""
        if self._place == _AFTER:
            return [(False, text)] if text else []
        pieces: list[Piece] = []
        self._held += text
        while self._held and self._step(pieces):
            pass
        return pieces

    def rest(self) -> list[Piece]:
        """What was held back, when the content is over."""
        held, self._held = self._held, ""
        if self._place == _INSIDE:
            held = held.strip() if self._fresh else held.rstrip()
            return [(True, held)] if held else []
        if self._seen:
            held = held.lstrip()
        return [(False, held)] if held else []

    def _step(self, pieces: list[Piece]) -> bool:
        """Go on by one tag or to the end of what is held; False where more must come."""
        if self._place == _BEFORE:
            return self._look_for_opening(pieces)
        if self._fresh:
            self._held = self._held.lstrip()
        end = self._held.find(_CLOSE)
        if end >= 0:
            thought = self._held[:end].rstrip()
            if thought:
                pieces.append((True, thought))
            self._held = self._held[end + len(_CLOSE) :]
            self._place = _BEFORE
            return True
        certain = len(self._held) - _overlap(self._held, _CLOSE)
        thought = self._held[:certain].rstrip()
        if thought:
            pieces.append((True, thought))
            self._held = self._held[len(thought) :]
            self._fresh = False
        return False

    def _look_for_opening(self, pieces: list[Piece]) -> bool:
        bare = self._held.lstrip()
        if bare.startswith(_OPEN):
            self._held = bare[len(_OPEN) :]
            self._place = _INSIDE
            self._seen = self._fresh = True
            return True
        if _OPEN.startswith(bare):
            return False
        pieces.append((False, bare if self._seen else self._held))
        self._held = ""
        self._place = _AFTER
        return False


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of the text may be the beginning of the tag."""
    for length in range(min(len(tag) - 1, len(text)), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0


def split_content(text: str) -> list[Piece]:
    """The pieces of a whole content."""
    splitter = ThinkSplitter()
    return splitter.feed(text) + splitter.rest()
