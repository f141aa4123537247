"""A text whose values are looked for, and what is known of it: which words stand where, which
places are worth reading.

Rows of digits ask for the words beside them, and there may be hundreds of rows and no word. So
a text is searched once for the next word, and what is known of the stretch before it answers
most questions. The trap: what is searched for here only says that an exact look is worth it; it
knows no borders of words, because the exact look may begin in the middle of one.
"""

from __future__ import annotations

from typing import Final

from federation.guardrails import national
from federation.guardrails.encoded import around, long_runs
from federation.guardrails.patterns import Pattern, PatternSet, compiled

NUMERIC_IDS: Final = tuple(row for row in national.NATIONAL_IDS if row.numeric)
_BORDER: Final = rb"\b"
_PHONE_WORDS: Final = compiled(
    rb"phon|tel|tlf|ph[.:]|mobil|cell|fax|whatsapp|sms|pager|hotline|landline|voicemail"
    rb"|t\xe9l|handy|portable|m[o\xf3]vil|celular|number|contact|call|dial|ring|text|reach|answer"
    rb"|rufe|appele|llam",
    ignore_case=True,
)
"""Whatever begins a word that a telephone number stands behind."""
_ID_WORDS: Final = PatternSet(
    [b"", *(rb"(?i:" + row.words.replace(_BORDER, b"") + rb")" for row in NUMERIC_IDS)]
)
"""By form: American numbers come first, and need no word."""
_ANY_ID_WORD: Final = compiled(
    b"|".join(row.words for row in NUMERIC_IDS if row.words), ignore_case=True
)
_ASKED: Final = 3
"""Rows beside a word, from which on it is worth knowing all words of the text."""
WINDOW: Final = 48
"""How far back the word may stand that names a number."""


_STRIDE: Final = 512
"""So far beyond what is asked for a word is searched."""
_LONGEST_WORD: Final = 32


class Words:
    """Places of one pattern's matches in a text."""

    __slots__ = ("_data", "_from", "_next", "_within")

    def __init__(self, pattern: Pattern, data: bytes) -> None:
        self._data = data
        self._within = pattern.within
        self._from, self._next = 0, -1  # none begins from the one to the other, where one does

    def begin_within(self, low: int, high: int) -> bool:
        """Whether one begins from `low` on and before `high`."""
        if not self._from <= low <= self._next:
            end = min(len(self._data), max(low, high) + _STRIDE)
            found = self._within(self._data, low, end)
            self._from, self._next = low, end - _LONGEST_WORD if found is None else found[0]
        return self._next < high


class Nearby:
    """A text that is read. `everywhere`: it stood encoded in another one, so all of it is read as
    what stands around long runs of letters and digits is."""

    __slots__ = (
        "_asked",
        "_id_words",
        "_ids",
        "_nameable",
        "_phone_words",
        "around_runs",
        "data",
        "runs",
    )

    def __init__(self, data: bytes, *, everywhere: bool = False) -> None:
        self.data = data
        self.runs = long_runs(data)
        """Long runs of letters and digits."""
        self.around_runs = [(0, len(data))] if everywhere else around(data, self.runs)
        """What stands around those of them that are no plain words."""
        self._phone_words: Words | None = None
        self._id_words: Words | None = None
        self._asked = 0
        self._ids: frozenset[int] | None = None
        self._nameable: dict[tuple[int, ...], tuple[int, ...]] = {}

    def may_name_phone(self, low: int, high: int) -> bool:
        """Whether a word from `low` to `high` may say that a telephone number follows."""
        if self._phone_words is None:
            self._phone_words = Words(_PHONE_WORDS, self.data)
        return self._phone_words.begin_within(low, high)

    def _may_name_id(self, low: int, high: int) -> bool:
        if self._id_words is None:
            self._id_words = Words(_ANY_ID_WORD, self.data)
        return self._id_words.begin_within(low, high)

    def nameable(self, forms: tuple[int, ...], start: int, end: int) -> tuple[int, ...]:
        """Which of these forms of numbers a word shortly before `start`, or before `end`, may name;
        `names_id` and the words of the form tell whether it does."""
        if not self._may_name_id(max(0, start - WINDOW), end):
            return ()
        self._asked += 1
        if self._asked <= _ASKED:
            return forms
        if self._ids is None:
            self._ids = frozenset(_ID_WORDS.occurring(self.data))
        known = self._nameable.get(forms)
        if known is None:
            ids = self._ids
            known = self._nameable[forms] = tuple(form for form in forms if form in ids)
        return known

    def names_id(self, start: int, end: int) -> bool:
        """Whether a word that names an identity number stands there."""
        low = max(0, start - WINDOW)
        return self._may_name_id(low, end) and _ANY_ID_WORD.occurs(self.data, low, end)
