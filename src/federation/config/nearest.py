"""The nearest valid word to a misspelled one, for error messages that say what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 40


def nearest(word: str, words: Iterable[str]) -> str:
    """`: did you mean 'x'?`, or nothing where no word is near."""
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f": did you mean '{found[0]}'?" if found else ""


def listed(words: Iterable[str]) -> str:
    """The words as a phrase, cut where there are too many to help."""
    ordered = sorted(words)
    if len(ordered) > _SHOWN:
        return ", ".join(ordered[:_SHOWN]) + ", ..."
    return ", ".join(ordered)


def unknown_word(what: str, word: str, words: Iterable[str]) -> str:
    """A sentence for a word that is not in a list."""
    known = list(words)
    hint = nearest(word, known)
    return f"unknown {what} '{word[:80]}'{hint or f' (known: {listed(known)})'}"
