"""Telephone numbers in rows of more digits than one number has.

Such rows are tables, lists and measurements, and few hold a number, so what cannot be one is left
out in strides. No letters stand within a row, and no digits between a number and the word beside
it, so only at a row's begin and end a word counts; in the middle a number's form alone tells. The
trap: a number is read from where the last one ended, so what is skipped must not change where
the next one begins: only whole stretches that nothing in them can tell are.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled
from federation.guardrails.phones import (
    CALM,
    DIGITS_OF_RUN,
    EXTENSION_OF_RUN,
    GAP,
    MOST,
    NORTH_AMERICAN,
    Form,
    form_of,
    is_told,
    place,
    tells,
)
from federation.guardrails.row_shapes import LONGEST, REMEMBERED, shape_of

Place: TypeAlias = tuple[int, int, bool]
"""From where to where, and whether the form alone told."""
_RUN: Final = compiled(DIGITS_OF_RUN)
_EXTENSION: Final = re.compile(EXTENSION_OF_RUN + rb"(?![0-9A-Za-z])")
_BEGINS_EXTENSION: Final = frozenset((b"x", b"X", b"#", b"e", b"E"))
_CHAIN: Final = compiled(rb"[0-9](?:" + GAP + rb"[0-9]){5,}")
"""Digits set apart as in a run, however many."""
_AWKWARD: Final = compiled(rb"[()+#A-Za-z]")
_MOST_IN_RUN: Final = 20
_ANY_DIGIT: Final = frozenset(b"0123456789")
_SIGNS: Final = b"0123456789 ().-/+#xXeEtTnsio"
"""The signs of a run."""
_PIECE: Final = re.compile(rb"[0-9 ().\-/+#xXeEtTnsio]{6,}+")
_LEAST: Final = 6
_SURELY_MAY_TELL: Final = (
    rb"[+(#]|[0-9]{3}[-. ][0-9]{3}[-. ][0-9]{4}|[0-9](?:" + GAP + rb"[0-9]){19}"
)
_MAY_TELL: Final = compiled(_SURELY_MAY_TELL + rb"|(?:^|[^0-9])0[0-9]{1,14}[ ().\-/]{1,6}[0-9]")
"""Without one of these no form in the middle of a row tells: a sign of a telephone number, an
American number, a nought before several groups, or digits so many that the next number begins
in the middle of a group."""
_SHAPE_MAY_TELL: Final = compiled(_SURELY_MAY_TELL)
_LOOK_AHEAD: Final = 4
_PLAIN: Final = b"0123456789 .-/"
_ENDS_AMERICAN: Final = re.compile(rb"000[-. ]000[-. ]0000\Z")
_ALIKE: Final = 4
"""Pieces for each shape of them, from which on it is worth to remember what they may hold."""
_APART: Final = b"\n"
_PIECES_APART, _PLAIN_PIECES_APART = (
    shape_of(bytes(sign if sign in signs else 10 for sign in range(256)))
    for signs in (_SIGNS, _PLAIN)
)
_BETWEEN: Final = b" .-/"
_WIDE: Final = re.compile(rb"[ .\-/]{3}")
_LAST_GAP: Final = 5
"""From the end of an American number backward."""
_LEAST_TELLING: Final = 7
_NOUGHT: Final = ord("0")


@functools.lru_cache(maxsize=REMEMBERED)
def _remembered(shape: bytes) -> Form | None:
    return form_of(shape, 0, len(shape))


def _form(run: bytes) -> Form | None:
    return (
        _remembered(shape_of(run)) if len(run) <= LONGEST else form_of(shape_of(run), 0, len(run))
    )


def in_long_row(near: Nearby, start: int, end: int) -> Iterator[Place]:
    """Telephone numbers in a row, from left to right."""
    data = near.data
    head, tail, whole = _edges(data, start, end)
    is_plain = not _AWKWARD.occurs(data, start, end)
    runs = _last_runs if is_plain else _runs
    may_tell = whole or _MAY_TELL.occurs(data, start, end)
    if whole:
        yield from _among(near, runs(data, start, end), head, tail, end)
        return
    behind = max(head, tail)
    yield from _among(near, runs(data, start, head), head, tail, end)
    if may_tell:
        apart = _PLAIN_PIECES_APART if is_plain else _PIECES_APART
        pieces = data[head:behind].translate(apart).split(_APART)
        if len(set(pieces)) * _ALIKE > len(pieces):
            if is_plain and _WIDE.search(data, head, behind) is None:
                likely = _likely_runs(data, head, pieces, end - _LOOK_AHEAD)
            else:
                likely = runs(data, head, behind)
            yield from _among(near, likely, head, tail, end)
        else:
            yield from _told_in_pieces(data, head, pieces)
    yield from _among(near, runs(data, behind, end), head, tail, end)


class Run(NamedTuple):
    """What may be a number in a row of one shape, as a place in it."""

    low: int
    high: int
    form: Form
    """Its places are counted from the row's begin."""
    is_inside: bool
    """Whether its form alone must tell."""


def runs_of(shape: bytes) -> tuple[Run, ...] | None:
    """What may be numbers in a row of this shape; None where its digits tell what is read as one
    run."""
    end = len(shape)
    head, tail, whole = _edges(shape, 0, end)
    may_tell = whole or _MAY_TELL.occurs(shape)
    is_plain = not _AWKWARD.occurs(shape)
    if may_tell and not (is_plain or whole or _SHAPE_MAY_TELL.occurs(shape)):
        return None
    runs = _last_runs if is_plain else _runs
    behind = max(head, tail)
    parts = [(0, head), (head, behind), (behind, end)]
    if whole or (may_tell and not is_plain):
        parts = [(0, end)]
    elif not may_tell:
        del parts[1]
    found: list[Run] = []
    for low, high in [each for part in parts for each in runs(shape, *part)]:
        form = form_of(shape, low, high)
        is_inside = head <= low < tail and high <= end - _LOOK_AHEAD
        if form is not None and (form.may_tell or not is_inside):
            found.append(Run(low, high, form, is_inside))
    return tuple(found)


def among_runs(near: Nearby, start: int, runs: Sequence[Run]) -> Iterator[Place]:
    """Telephone numbers in a row that begins at `start`, of whose shape these are the runs."""
    data = near.data
    for low, high, form, is_inside in runs:
        if not is_inside:
            found = place(near, start, form)
            if found is not None:
                yield found
        elif _may_be_told(data[start + low : start + high]) and is_told(data, start, form):
            yield start + form.low, start + form.high, True


def _among(
    near: Nearby, runs: Iterator[tuple[int, int]], head: int, tail: int, end: int
) -> Iterator[Place]:
    """Which of these runs of a row are numbers: a word beside it counts up to `head` and from
    `tail` on."""
    data = near.data
    for low, high in runs:
        if low < head or low >= tail or high > end - _LOOK_AHEAD:
            form = _form(data[low:high])
            found = None if form is None else place(near, low, form)
            if found is not None:
                yield found
        elif _may_be_told(data[low:high]):
            form = _form(data[low:high])
            if form is not None and form.may_tell and is_told(data, low, form):
                yield low + form.low, low + form.high, True


def _told_in_pieces(data: bytes, at: int, pieces: list[bytes]) -> Iterator[Place]:
    """Numbers that their form tells in a row from `at` on, whose pieces between signs that no
    number has are of few shapes."""
    known, calm = _PIECES, CALM
    for piece in pieces:
        size = len(piece)
        if size >= _LEAST:
            for form, begins_with_nought, is_sure in known[piece]:
                low, high = at + form.low, at + form.high
                if begins_with_nought and data[low] != _NOUGHT:
                    continue
                if data[low - 1] in calm and data[high] in calm:
                    if is_sure or tells(data[low : at + form.end], form):
                        yield low, high, True
                elif is_told(data, at, form):
                    yield low, high, True
        at += size + 1


class _Pieces(dict[bytes, tuple[tuple[Form, bool, bool], ...]]):
    """What may be numbers that are told by their form in a piece of a row, by the shape of the
    piece; whether they are only where the first digit is a nought, and whether they surely are."""

    def __missing__(self, piece: bytes) -> tuple[tuple[Form, bool, bool], ...]:
        is_plain = not piece.translate(None, _PLAIN)
        runs = _last_runs if is_plain else _runs
        forms = [(run, form_of(piece, *run)) for run in runs(piece, 0, len(piece))]
        made = tuple(
            (
                form,
                is_plain and _ENDS_AMERICAN.search(piece, *run) is None,
                form.surely_american and not form.may_be_date,
            )
            for run, form in forms
            if form is not None and form.may_tell
        )
        if len(piece) <= LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[piece] = made
        return made


_PIECES: Final = _Pieces()


def _runs(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """What may be a number, or as many digits of more as one has: each from where the last ends."""
    at = start
    while (found := _RUN.within(data, at, end)) is not None:
        low, at = found
        if data[at : at + 2].lstrip(b" ")[:1] in _BEGINS_EXTENSION:
            extension = _EXTENSION.match(data, at, end)
            if extension is not None:
                at = extension.end()
        yield low, at


def _last_runs(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The same of plain digits, of which no number has as many as a run: so what is left of each
    chain of digits behind whole runs."""
    for low, high in _CHAIN.spans(data, start, end):
        chain = data[low:high]
        count = len(chain.translate(None, _BETWEEN))
        left = count % _MOST_IN_RUN
        if _LEAST <= left <= MOST:
            if left < count:
                low = high - _size_of_last(chain, left)
            yield low, high


def _likely_runs(
    data: bytes, at: int, pieces: list[bytes], until: int
) -> Iterator[tuple[int, int]]:
    """The same of pieces of a row from `at` on, each of which is one chain, but for those up to
    `until` in which no form tells: neither the first nought nor the end of an American number."""
    for piece in pieces:
        end = at + len(piece)
        if end > until or (end - at >= _MOST_IN_RUN and piece.count(b"0") >= _MOST_IN_RUN):
            yield from _last_runs(data, at, end)
        elif end - at >= _LEAST_TELLING:
            run = data[at:end].rstrip(_BETWEEN)
            high = at + len(run)
            run = run.lstrip(_BETWEEN)
            if len(run) >= _LEAST_TELLING and (run[0] == _NOUGHT or run[-_LAST_GAP] in _BETWEEN):
                yield high - len(run), high
        at = end + 1


def _size_of_last(chain: bytes, digits: int) -> int:
    """How many signs the last so many digits of a chain take, with those between them."""
    for at, sign in enumerate(reversed(chain), 1):
        digits -= sign in _ANY_DIGIT
        if not digits:
            return at
    return len(chain)


def _edges(data: bytes, start: int, end: int) -> tuple[int, int, bool]:
    """Up to where, and from where, a word beside the row counts: as far as the row is written at
    its begin and its end as telephone numbers are, if that is not too long to be remembered.

    True where it is written so at its end for longer."""
    piece = _PIECE.match(data, start, end)
    head = start
    if piece is not None:
        head = piece.end() if piece.end() - start <= LONGEST else start + 1
    tail = at = end
    while at > max(start, end - _LOOK_AHEAD):
        low = max(start, at - LONGEST - 1)
        size = at - low - len(data[low:at].rstrip(_SIGNS))
        if size > LONGEST:
            return head, tail, True
        if size >= _LEAST:
            tail = at - size
        at -= size or 1
    return head, tail, head == start + 1


def _may_be_told(run: bytes) -> bool:
    """Whether a run may be a number that is told by its form."""
    if run.translate(None, _PLAIN):
        return True
    if run[0] != _NOUGHT:
        return run[-_LAST_GAP] in _BETWEEN and NORTH_AMERICAN.fullmatch(run) is not None
    return _LEAST_TELLING <= len(run.translate(None, _BETWEEN)) <= MOST
