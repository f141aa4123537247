"""A guard over a text that comes in pieces: what may be said already, and what must wait.

The text is cut at places that depend on the text alone, never on how it came in pieces: two
calm words in a row (no digit, no sign of an address, nothing that a value begins with) make a
cut before the second, and what stands between two cuts is checked together with what was said
before it. Single letters, brackets and months are not calm either: addresses are spelled with
them, and days. So every splitting gives the same output. Where all is calm the second need not
be whole: how it begins tells that no value reaches over the border before it, and what a model
says first does not wait for it. A comma or the like directly behind a calm word makes a cut at
once, for no value goes on over it; so does a greeting that is called out first. Where an operator's
patterns are looked for, a value may be made of calm words, so as much as one may be long is read
beyond a cut before it is made. The trap: what waits must be bounded, so rows without calm words
are cut too, and of a value that reaches over such a cut the rest is swallowed, if it is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from federation.guardrails.calm import (
    BEFORE_LABEL,
    FARTHEST,
    GOES_ON,
    HOT,
    LONGEST_CALM,
    NAMES_A_VALUE,
    NAMES_ANY,
    NOT_CALM,
    NOT_PLAIN,
    OF_A_MONTH,
    OPENED,
    SAYS_WHOSE,
    begins_anew,
    set_off,
)
from federation.guardrails.entities import PRIVATE_KEY, Span
from federation.guardrails.folding import one_to_one
from federation.guardrails.guard import Guard, Screening
from federation.guardrails.joined import NEAR, TELLING, crossing
from federation.guardrails.phone_lists import BETWEEN, digits, leads, onward
from federation.guardrails.scan import resolve
from federation.guardrails.tables import REACH, Tables

_CONTEXT: Final = 160
"""Characters said before that are read again, for the words beside a value."""
_PIECES: Final = 64
"""Of what was said, at most, before they are made one: that of each word anew would cost more."""
_WORD: Final = re.compile(rb"(?<![^\s?])[^\s?]*+[\s?]")
"""A word and its border, from the word's begin on: a word without an end is looked at once. Signs
of scripts without spaces are folded to question marks."""
_BORDERS: Final = bytes(0x20 if chr(sign) in " \t\n\r\f\v?" else sign for sign in range(256))
_LONG_BORDER: Final = b" " * 128
_FIRST_CAP, _LAST_CAP = 256, 16_384
"""Characters: where text without calm words is cut, and how long one value may become."""
_SURE: Final = 64
"""A value that ends so far before a forced cut is whole."""
_SWALLOWED: Final = re.compile(r"[A-Za-z0-9+/=_.~-]*")
_SWALLOWED_KEY: Final = re.compile(r"[A-Za-z0-9+/=\s\\-]*")


def _moved(span: Span, shift: int) -> Span:
    """A place in a text as one in what stands behind so many characters of it."""
    return Span(max(0, span.start - shift), span.end - shift, span.kind, span.rank)


class Window:
    """One text of a stream, guarded. `feed` and `close` raise what the guard raises."""

    __slots__ = (
        "_ahead",
        "_always",
        "_before",
        "_begun",
        "_calm",
        "_cap",
        "_context",
        "_easy",
        "_guard",
        "_hot",
        "_listed",
        "_pending",
        "_plain",
        "_read",
        "_said",
        "_screening",
        "_seen",
        "_surface",
        "_swallowing",
        "_tables",
        "changed",
    )

    def __init__(
        self, guard: Guard, surface: str, screening: Screening, before: Sequence[str] = ()
    ) -> None:
        """`before`: texts that were told just before this one, and go on in it where one reader
        reads them all. What of a value was said in them is said; the rest of it is not."""
        self._guard = guard
        self._surface = surface
        self._screening = screening
        self._ahead = _SURE if guard.plan.custom else 0
        self._always = bool(guard.plan.custom or guard.plan.recognizers)
        self._before = before
        self._begun = bool(before and TELLING.search(before[-1][-NEAR:]))
        self._plain = not (self._always or self._begun)
        self._context = ""  # the end of what was said, as it came
        self._said: list[str] = []  # more of it
        self._pending = ""
        self._seen = 0  # how much of what is pending was looked at
        self._calm = True  # whether the word before `_seen` is calm
        self._hot = False  # whether a word before `_seen` is not
        self._cap = _FIRST_CAP
        self._swallowing: re.Pattern[str] | None = None
        self._tables = Tables()
        self._listed = 0, 0  # characters said behind a number that others may follow; its digits
        self._easy = self._is_calm  # whether one step may do for what comes
        self._read = False  # whether all that was said and waits was seen to be plain
        self.changed = False
        """Whether what was said is not what came."""

    @property
    def held(self) -> int:
        """How many characters wait."""
        return len(self._pending)

    @property
    def tail(self) -> str:
        """The end of what was said, as it came."""
        return self._context

    def _past(self) -> str:
        """As much of what was said as tells what stands in a table."""
        self._said = ["".join(self._said)[-REACH:]]
        return self._said[0]

    def feed(self, text: str) -> str:
        """What may be said now that `text` has come."""
        self._pending += text
        if self._easy:
            told = self._calmly(len(text))
            if told is not None:
                return told
        said: list[str] = []
        while (place := self._decision()) is not None:
            until, cut = place
            said.append(self._forced(until) if cut is None else self._calm_cut(until, cut))
        self._easy = self._is_calm and self._swallowing is None
        self._read = False
        return "".join(said)

    def close(self) -> str:
        """The rest, where the text is over."""
        self._swallow()
        spans = self._spans(len(self._pending))
        return self._commit(len(self._pending), spans)

    def _calmly(self, new: int) -> str | None:
        """The same in one step where every word is calm and none names a value: all but the last
        whole word, as cuts one after the other would leave it, and that one too where what has
        begun behind it is no middle of a value, however it goes on. None where it is not so; `new`
        characters have come since the last time."""
        pending = self._pending
        before = self._context
        read = one_to_one(before + pending)
        here = read[len(before) :]
        if self._read:
            self._read = not NOT_PLAIN.occurs(read, max(0, len(read) - new - FARTHEST))
        if not self._read:
            self._read = not NOT_PLAIN.occurs(read)
            if not self._read and (NOT_PLAIN.occurs(here) or NAMES_ANY.occurs(read)):
                return None
        here = here.translate(_BORDERS)
        ends = here.rfind(b" ") + 1
        cut = ends if begins_anew(here[ends:]) else here[:ends].rstrip(b" ").rfind(b" ") + 1
        if len(here) >= _FIRST_CAP and _LONG_BORDER in here:
            return None
        cut += set_off(read, len(before) + cut, first=not self._before)
        if cut < max(self._seen, 1):  # no further word is whole, or it begins what is pending
            self._seen = ends
            return ""
        said, self._pending = pending[:cut], pending[cut:]
        if "\n" in said and self._tables.may_begin(before, said):
            self._tables.go_on(self._past(), said)
            self._easy = self._is_calm
        self._context = (self._context + said)[-_CONTEXT:]
        self._said.append(said)
        if len(self._said) > _PIECES:
            self._past()
        self._seen = max(0, ends - cut)
        return said

    def _decision(self) -> tuple[int, int | None] | None:
        """The next cut that can be decided: what must be looked at, and where it is (None: it is
        forced)."""
        if self._swallowing is not None and not self._swallow():
            return None
        if until := self._off():
            return until, until
        shift = self._seen
        for match in _WORD.finditer(one_to_one(self._pending[shift : self._cap])):
            start, end = match.start() + shift, match.end() + shift
            if self._ahead and end + self._ahead > len(self._pending):
                break
            self._seen = end
            if end - start == 1:
                continue  # a border after a border
            word = match.group()[:-1]
            hot = len(word) > LONGEST_CALM or HOT.occurs(word)
            before = self._calm
            calm = not hot and not GOES_ON.occurs(word) and (before or self._is_new(word, start))
            self._calm = calm
            if before and start > 0 and not (calm and self._quoted(start)):
                if calm:
                    return end + self._ahead, start
                if not self._hot and self._plain and begins_anew(word) and not self._named(start):
                    return start, start
            self._hot = self._hot or hot
        return (self._cap, None) if len(self._pending) >= self._cap else None

    def _is_new(self, word: bytes, at: int) -> bool:
        """Whether a calm word that stands there behind one that is not may be said without what
        stands behind it."""
        if word in OF_A_MONTH:
            return False
        if word.lower() not in SAYS_WHOSE:
            return True
        return BEFORE_LABEL.search(one_to_one(self._pending[:at])) is None

    @property
    def _is_calm(self) -> bool:
        """Whether no word that waits is anything."""
        calm = self._calm and not self._hot and self._plain and self._cap == _FIRST_CAP
        return calm and not self._tables.going_on and not self._listed[1]

    def _off(self) -> int:
        """Where the sign ends that sets the first word off from whatever follows, if that word is
        calm and none has been looked at; 0 where it is not so."""
        if self._seen or not self._is_calm:
            return 0
        before = one_to_one(self._context)
        read = before + one_to_one(self._pending[: LONGEST_CALM + 1])
        start = len(before)
        size = set_off(read, start, first=not self._before)
        if not size or NOT_CALM.occurs(read, start, start + size) or self._named(size):
            return 0
        return size

    def _calm_cut(self, until: int, cut: int) -> str:
        spans: list[Span] = []
        if self._hot or self._always or self._begun or self._named(until):
            spans = self._spans(until)
        for span in spans:
            if span.start < cut < span.end:
                cut = span.end
        return self._commit(cut, spans, calm=True)

    def _forced(self, until: int) -> str:
        """A cut in text that has no calm place."""
        spans = self._spans(until)
        cut = until - _FIRST_CAP // 2
        for span in spans:
            if span.end > until - _SURE:
                cut = min(cut, span.start)
            elif span.start < cut < span.end:
                cut = span.end
        if cut > 0:
            return self._commit(cut, spans)
        if self._cap < _LAST_CAP:
            self._cap *= 2
            return ""
        kind = spans[0].kind
        if self._guard.plan.actions[kind].changes:
            self._swallowing = _SWALLOWED_KEY if kind == PRIVATE_KEY else _SWALLOWED
        return self._commit(until, [Span(0, until, kind, spans[0].rank)])

    def _named(self, until: int) -> bool:
        """Whether a word names a value that may look like any other word."""
        return NAMES_A_VALUE.occurs(one_to_one(self._context + self._pending[:until]))

    def _quoted(self, until: int) -> bool:
        """Whether a quotation of a command line has no end yet."""
        text = self._context + self._pending[:until]
        quoted = '"' in text or "'" in text
        return quoted and OPENED.search(one_to_one(text)) is not None

    def _spans(self, until: int) -> list[Span]:
        """Values in what is pending, up to `until`, as places in it."""
        shift = len(self._context)
        text = self._context + self._pending[:until]
        spans = [
            _moved(span, shift)
            for span in self._guard.spans(text, self._surface, self._screening)
            if span.end > shift
        ]
        back, count = self._listed
        if count:
            more = onward(one_to_one(text), shift - back, count)
            spans = resolve([*spans, *(_moved(span, shift) for span in more if span.end > shift)])
        spans = self._in_columns(until, spans)
        return self._begun_before(text, spans) if self._before else spans

    def _in_columns(self, until: int, spans: list[Span]) -> list[Span]:
        """The same with values in columns whose head was said long ago."""
        text = self._pending[:until]
        if "\n" not in text and not self._tables.going_on:  # its head is near, or there is none
            return spans
        if not self._tables.concerns(self._context, text):
            return spans
        values = self._tables.values(self._past(), text)
        wanted = [span for span in values if span.kind in self._guard.plan.actions]
        return resolve([*spans, *wanted]) if wanted else spans

    def _begun_before(self, text: str, spans: list[Span]) -> list[Span]:
        """The same with what of values stands here that began in the texts before."""

        def find(read: str) -> list[Span]:
            return self._guard.spans(read, self._surface, self._screening)

        own = [*map(find, self._before), spans]
        found = crossing([*self._before, text], own, find).get(len(self._before), ())
        shift = len(self._context)
        moved = [_moved(span, shift) for span in found if span.end > shift]
        return resolve([*spans, *moved]) if moved else spans

    def _commit(self, cut: int, spans: list[Span], *, calm: bool = False) -> str:
        text, self._pending = self._pending[:cut], self._pending[cut:]
        if self._tables.concerns(self._context, text):
            self._tables.go_on(self._past(), text)
        self._context = (self._context + text)[-_CONTEXT:]
        self._said.append(text)
        self._seen, self._hot, self._calm, self._cap = 0, False, calm, _FIRST_CAP
        if self._before:
            self._before, self._begun, self._plain = (), False, not self._always
        whole = [span for span in spans if span.end <= cut]
        if whole or self._listed[1]:
            self._follow_list(text, whole)
        said = self._guard.applied(text, whole, self._surface, self._screening)
        self.changed = self.changed or said != text
        return said

    def _follow_list(self, text: str, spans: list[Span]) -> None:
        """Note where the last number of what is said now ends: the word that names a list of them
        may be said long before its end."""
        last = next((span for span in reversed(spans) if leads(span)), None)
        if last is not None:
            count = digits(one_to_one(text), last.start, last.end)
            self._listed = len(text) - last.end, count
        else:
            back, count = self._listed
            back += len(text)
            self._listed = (back, count) if count and back <= BETWEEN else (0, 0)

    def _swallow(self) -> bool:
        """Drop what belongs to a value that was replaced already; whether its end has come."""
        if self._swallowing is None:
            return True
        end = self._swallowing.match(self._pending)
        assert end is not None  # noqa: S101 - the pattern matches an empty text
        self._pending = self._pending[end.end() :]
        if not self._pending:
            return False
        self._swallowing = None
        return True
