"""A text whose values are looked for, and what is known of it: which words stand where, which
places are worth reading.

Rows of digits ask for the words beside them, and there may be hundreds of rows and no word. So
a text is searched once for the next word, and what is known of the stretch before it answers
most questions. The trap: what is searched for here only says that an exact look is worth it; it
knows no borders of words, because the exact look may begin in the middle of one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from federation.guardrails import national
from federation.guardrails.encoded import around, long_runs
from federation.guardrails.patterns import Pattern, PatternSet, compiled

NUMERIC_IDS: Final = tuple(row for row in national.NATIONAL_IDS if row.numeric)
_BORDER: Final = rb"\b"
_PHONE_WORDS: Final = compiled(
    rb"phon|tel|tlf|tfn|ph[.:]|mobi|cell|fax|whatsapp|sms|pager|hotline|help ?line|landline"
    rb"|voicemail|toll[ -]free|gsm|t\xe9l|handy|portable|m[o\xf3]vil|celular|num[be\xe9m]|n\xfamero"
    rb"|contact|ph no|call|dial|ring|text|reach|answer|ruf|erreich|appel|joi[ng]|ll[a\xe1]m[ae]"
    rb"|chiam|lig[au]|contat|kontakt|recapito|festnetz|durchwahl|escr[i\xed]b|dzwon"
    rb"|kom[o\xf3]rk|kom[:.]|m[o\xf3]j nr|infolin|centralin|centralita|central(?:a:| de )|zentrale"
    rb"|fi[jx]o[ :]|fisso[ :]|fixe[ :]|vast[ :]|front ?desk|help ?desk|emergency[:.]|unter der"
    rb"|(?:home|work|office|direct|main|second) line"
    rb"|bel(?:len)?[ :]|bereik|mich|uns |(?:home|work|office|direct|mob)[\"' \t]{0,3}[:.]"
    rb"|msisdn|faks|fon[ eo:.]|puh[.e]|tl?fno|cel[.:]|land line|support line|customer [sc]"
    rb"|kundenserv|switchboard|beeper|ddi[ :.]|(?:my|his|her) (?:no|dig)|home n|work n"
    rb"|office[ _.-]?n|home_?n|work_?n|subscriber|homet|workt|homef|workf|ligne dir|l[i\xed]nea dir"
    rb"|linea dir|linha dir|vaste lijn|emergenc|notfall|chamad|gebeld|hit me|cont\xe1c|comun[i\xed]"
    rb"|localizar|marque|marcar|trov[ia]|reperib|app (?:me|ons)|reception ?[:.]|privat ?:|dienstl"
    rb"|signal ?:|viber|facetime|whats\b|numar|nomor|cep\b|iletisim|mob\b|arayin|port\. ?:"
    rb"|mitt? n|(?:ring|kontakte?|n\xe5r?|sms|soita) |c[i\xed]slo|volej|sun[at]|puhel|\x81"
    rb"|sz[a\xe1]m|talrun|selfoon|ya simu|simu:|no\.? ?hp|thoai|\bs[\xaad]t\b|\bdi [\xaad]|\bgoi\b"
    rb"|sent to|fragen|infos |info (?:unter|al|au)|per info|inform|fale con|in from|redial|zap[:. ]"
    rb"|r[e\xe9]serv|termine? |ausk|renseign|consultas|citas|prenota|d\xfavidas|vragen|afspraken"
    rb"|zapisy|rezerwac|fr\xe5gor|bokning|nquiries|(?:code|otp|pin) (?:at|to|on)|\balt[.:]|alternat"
    rb"|[,;|( ](?:home|work|office|other|direct) |hubungi|wa\.me|h\xedvj|service cl|\bsav\b|atenci"
    rb"|servicio t|assistenz|klantens|obs\xaauga"
    rb"|kundtj|kundese|asiakasp|apoio ao|ansprechp|txt|'s n|of kin"
    rb"|(?:give|get|got|hold of|talk to|speak to) (?:me|us|him|her|them)"
    rb"|[\n\t |,;(]\([po]\) |^\([po]\) |(?:^|[\n|>]) ?(?-i:[TM])\. |\b(?-i:ph|PH|Ph) "
    rb"|(?:^|[\n\t |,;(*>-])[tmpfhw]:[ \t]|(?:^|[\n|>]|  )(?-i:[TMPF]) ",
    ignore_case=True,
)
"""Whatever begins a word that a telephone number stands behind."""
_NAMED_FORMS: Final = tuple(form for form, row in enumerate(NUMERIC_IDS, 1) if row.words)
"""By their places behind American numbers, which come first and need no word."""
_ID_WORDS: Final = PatternSet(
    [rb"(?i:" + NUMERIC_IDS[form - 1].words.replace(_BORDER, b"") + rb")" for form in _NAMED_FORMS]
)
"""Of each of these forms. No empty pattern: what occurs everywhere is noted at every sign."""
_ANY_ID_WORD: Final = compiled(
    b"|".join(row.words for row in NUMERIC_IDS if row.words), ignore_case=True
)
_ASKED: Final = 3
"""Rows beside a word, from which on it is worth knowing all words of the text."""
WINDOW: Final = 48
"""How far back the word may stand that names a number."""


_STRIDE, _LONGEST_STRIDE = 512, 4096
"""So far beyond what is asked for a word is searched: who finds none will ask again."""
_LONGEST_WORD: Final = 32
_SHORTEST_DIGEST: Final = 32
_PADDING: Final = bytes(2)


class Taken:
    """Places that are something else: no value that is looked for in rows of digits, nor an account
    number, begins in them."""

    __slots__ = ("_starts", "ends")

    def __init__(self, places: Sequence[tuple[int, int]] = ()) -> None:
        """Places from left to right, none over another."""
        self._starts = [start for start, _ in places]
        self.ends = [end for _, end in places]

    def until(self, at: int) -> int:
        """Where the place ends that `at` is in; 0 where it is in none."""
        index = bisect_right(self._starts, at) - 1
        return self.ends[index] if index >= 0 and self.ends[index] > at else 0


NONE_TAKEN: Final = Taken()


class Words:
    """Places of one pattern's matches in a text."""

    __slots__ = ("_data", "_stride", "_within", "calm_from", "calm_to")

    def __init__(self, pattern: Pattern, data: bytes) -> None:
        self._data = data
        self._within = pattern.within
        self._stride = _STRIDE
        self.calm_from, self.calm_to = 0, -1
        """None begins from the one to the other."""

    def begin_within(self, low: int, high: int) -> bool:
        """Whether one begins from `low` on and before `high`."""
        if not self.calm_from <= low <= self.calm_to:
            end = min(len(self._data), max(low, high) + self._stride)
            found = self._within(self._data, low, end)
            self.calm_from = low
            if found is None:
                self.calm_to = end - _LONGEST_WORD
                self._stride = min(2 * self._stride, _LONGEST_STRIDE)
            else:
                self.calm_to = found[0]
        return self.calm_to < high


def _around(data: bytes, runs: list[tuple[int, int]], border: int) -> list[tuple[int, int]]:
    if border == len(data):
        return around(data, runs, border)
    first = bisect_right(runs, (border, border))
    return around(data, runs[:first], border) + around(data, runs[first:], len(data))


class Nearby:
    """A text that is read. `everywhere`: it stood encoded in another one, so all of it is read as
    what stands around long runs of letters and digits is. `border`: there ends the first of two
    texts that are read together; what stands around its runs does not reach into the other."""

    __slots__ = (
        "_asked",
        "_ids",
        "around_runs",
        "data",
        "id_words",
        "may_hold_digests",
        "named",
        "padded",
        "phone_words",
        "runs",
        "taken",
    )

    def __init__(self, data: bytes, *, everywhere: bool = False, border: int = 0) -> None:
        self.data = data
        self.padded = data + _PADDING
        """With signs behind it that are part of nothing: what stands behind a place is there."""
        self.runs = long_runs(data)
        """Long runs of letters and digits."""
        self.may_hold_digests = any(end - start >= _SHORTEST_DIGEST for start, end in self.runs)
        """Whether some run is as long as a digest or a UUID."""
        size = len(data)
        self.around_runs = [(0, size)] if everywhere else _around(data, self.runs, border or size)
        """What stands around those of them that are no plain words."""
        self.taken = NONE_TAKEN
        self.phone_words = Words(_PHONE_WORDS, data)
        """Words that a telephone number stands behind."""
        self.id_words = Words(_ANY_ID_WORD, data)
        """Words that an identity number stands behind."""
        self.named: dict[tuple[int, ...], tuple[int, ...]] = {}
        """Forms of numbers, and which of them words of the text name, where that is known."""
        self._asked = 0
        self._ids: frozenset[int] | None = None

    def may_name_phone(self, low: int, high: int) -> bool:
        """Whether a word from `low` to `high` may say that a telephone number follows."""
        return self.phone_words.begin_within(low, high)

    def nameable(self, forms: tuple[int, ...], start: int, end: int) -> tuple[int, ...]:
        """Which of these forms of numbers a word shortly before `start`, or before `end`, may name;
        `names_id` and the words of the form tell whether it does."""
        ids = self._ids
        if ids is None:
            if not self.id_words.begin_within(max(0, start - WINDOW), end):
                return ()
            self._asked += 1
            if self._asked == _ASKED:
                self._ids = frozenset(
                    [_NAMED_FORMS[place] for place in _ID_WORDS.occurring(self.data)]
                )
            return forms
        known = self.named[forms] = tuple(form for form in forms if form in ids)
        return known

    def names_id(self, start: int, end: int) -> bool:
        """Whether a word that names an identity number stands there."""
        low = max(0, start - WINDOW)
        return self.id_words.begin_within(low, end) and _ANY_ID_WORD.occurs(self.data, low, end)
