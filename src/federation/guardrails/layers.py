"""One pass that makes a text comparable, with an exact map back to the text as it came.

A layer is the text in one reading: folded (compatibility forms, entities, unseen characters),
then decoded (percent and backslash escapes, strings put together in code). The trap: a place
in a layer is a place in the original only through the layer's map; a value that came from one
escape sequence is replaced together with the whole sequence.
"""

from __future__ import annotations

import functools
import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Final, TypeAlias

from federation.guardrails.folding import CHANGING, SEVERAL, one_to_one, readable, tables
from federation.guardrails.patterns import compiled

_ENTITY_FORM: Final = (
    r"&(?:amp;)*(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30})(?:;|\b(?!=))"
)
"""None is the name of a field, as HTML has it for addresses: ?name=Ann&phone=5."""
_ENTITY: Final = re.compile(_ENTITY_FORM, re.ASCII)
_ANY_ENTITY: Final = re.compile(b"(" + _ENTITY_FORM.encode() + b")")
_ROW_FORMS: Final = tuple(
    each + b"(?:" + each + b"){7,}"
    for each in (
        rb"%(?!25)[2-7][0-9A-Fa-f]",
        rb"\\u00[2-7][0-9A-Fa-f]",
        rb"\\x[2-7][0-9A-Fa-f]",
    )
)
_ROW: Final = re.compile(b"|".join(_ROW_FORMS))
"""Escapes of ASCII in a row, all of one form: read as one."""
_SHORTEST_ROW: Final = 24
_BETWEEN_STRINGS: Final = rb"[ \t]{0,3}(?:[+&][ \t]{0,3}(?:\n[ \t]{0,12})?|\n[ \t]{0,12})[\"'`]"
_MAY_JOIN: Final = tuple(
    (sign, re.compile(re.escape(sign) + behind))
    for sign, behind in (
        (b"\n", rb"[ \t]{0,12}[\"'`]"),
        (b"+", rb"[ \t]{0,3}(?:\n[ \t]{0,12})?[\"'`]"),
        (b"&", rb"[ \t]{0,3}(?:\n[ \t]{0,12})?[\"'`]"),
    )
)
"""What stands between two strings that are put together, from the sign on that tells."""
_QUOTES: Final = (b'"', b"'", b"`")
_BEFORE_SIGN: Final = 4
_PERCENT_ESCAPES: Final = (
    rb"|%(?:25){0,3}(?:[0-7][0-9A-Fa-f]"
    rb"|[C-Fc-f][0-9A-Fa-f](?:%(?:25){0,3}[89ABab][0-9A-Fa-f]){1,3}|u[0-9A-Fa-f]{4})"
)
_COLOR: Final = rb"\[[0-9;]{0,12}m"
"""What a terminal is told behind the sign of escape."""
_BACKSLASH_ESCAPES: Final = (
    rb"|\\\\{0,7}(?:[\"'/\\bfnrt.@_+-]|(?:u001[bB]|x1[bB]|033|e)" + _COLOR + rb"|[0-3][0-7]{2}"
    rb"|u\{[0-9A-Fa-f]{1,6}\}|u[0-9A-Fa-f]{4}|U000[0-9A-Fa-f]{5}|x[0-9A-Fa-f]{2})"
)
_ANY_ESCAPE: Final = re.compile(
    b"("
    + b"|".join(_ROW_FORMS)
    + _PERCENT_ESCAPES
    + _BACKSLASH_ESCAPES
    + b"".join(b"|" + quote + _BETWEEN_STRINGS for quote in _QUOTES)
    + b")"
)
"""Each of the alternatives begins with one sign, so the library finds the next of them quickly."""
_COLORED: Final = re.compile(_ANY_ESCAPE.pattern[:-1] + rb"|\x1b" + _COLOR + b")")
_ESCAPES: Final = {
    (True, False): re.compile(b"(" + _ROW_FORMS[0] + _PERCENT_ESCAPES + b")"),
    (False, True): re.compile(b"(" + b"|".join(_ROW_FORMS[1:]) + _BACKSLASH_ESCAPES + b")"),
    (True, True): re.compile(
        b"(" + b"|".join(_ROW_FORMS) + _PERCENT_ESCAPES + _BACKSLASH_ESCAPES + b")"
    ),
}
"""The same where no strings are put together, by whether there are percent signs, and backslashes:
what begins with one sign alone is found quickest."""
_DOUBTFUL: Final = compiled(
    rb"\\[0-3][0-7]{2}(?:[^\[]|$)|\\[bfnrtux][a-z][^\s\"'`\\]{0,64}[0-9@:=_]|(?:\\(?:u00|u\{"
    rb"|x)[3-7][0-9A-Fa-f]\}?)+"
    rb"|(?:%[0-9A-Fa-f]{2})+|[\"'`][ \t]{0,3}[+&\n]"
)
_ROW_SIGNS: Final = {ord("u"): b"\\u00", ord("x"): b"\\x"}
_STEPS: Final = {ord("u"): 6, ord("x"): 4}
_PERCENT_STEP: Final = 3
_BACKSLASH: Final = ord("\\")
_PERCENT: Final = re.compile(rb"%(?:25)*([0-9A-Fa-f]{2})")
_SIMPLE: Final = {98: b"\b", 102: b"\f", 110: b"\n", 114: b"\r", 116: b"\t"}
_REMEMBERED: Final = 4096
_LONGEST_REMEMBERED: Final = 40
AROUND: Final = 96
"""Characters on each side of a doubtful escape that are read as they stand: a value and the words
beside it."""
_MARK: Final = bytes([CHANGING])
_MARKED: Final = re.compile(re.escape(_MARK) + b"+")
Edit: TypeAlias = tuple[int, int, int, int]
"""Start and end of what was replaced, the size of what stands there now, and how much each sign of
it stands for; 0 where it is one thing."""


class Layer:
    """A reading of a text: one byte a character. `edits` are the places that were replaced, as
    (start, end, size of what stands there now, step) in the reading before it, which `before`
    is; None: the text itself. The map is made when the first value is found, for most texts hold
    none."""

    __slots__ = ("_before", "_edits", "_late", "_starts", "data")

    def __init__(
        self,
        data: bytes,
        edits: list[Edit] | None = None,
        before: Layer | None = None,
        *,
        late: Callable[[], list[Edit]] | None = None,
    ) -> None:
        """`late`: the edits, when they are asked for."""
        self.data = data
        self._before = before
        self._edits = edits
        self._late = late
        self._starts: list[int] | None = None

    @property
    def is_text(self) -> bool:
        """Whether its places are places of the text."""
        return self._edits is None and self._late is None and self._before is None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original text of a place in this layer."""
        low, high = self._place(start, end)
        return (low, high) if self._before is None else self._before.original(low, high)

    def _place(self, start: int, end: int) -> tuple[int, int]:
        """The same in the reading before it."""
        edits = self._edits
        if edits is None:
            edits = self._edits = self._late() if self._late is not None else []
        starts = self._starts
        if starts is None:
            starts = self._starts = _starts(edits)
        index = bisect_right(starts, start) - 1
        return _place(edits, starts, start, index), _end(edits, starts, end - 1, index)


class Parted(Layer):
    """A reading in which every other part, from the second on, is replaced by what is made of it.

    Where parts begin is all that its map needs: hundreds of escapes are not gone over."""

    __slots__ = ("_ends", "_parts", "_read", "_reads")

    def __init__(
        self, parts: list[bytes], made: Mapping[bytes, bytes], before: Layer | None
    ) -> None:
        read = parts.copy()
        read[1::2] = [made[part] for part in parts[1::2]]
        super().__init__(b"".join(read), None, before)
        self._parts, self._read = parts, read
        self._ends: list[int] = []
        """Where each part ends in the reading before this one, and in this one."""
        self._reads: list[int] = []

    @property
    def is_text(self) -> bool:
        """See `Layer`."""
        return False

    def _place(self, start: int, end: int) -> tuple[int, int]:
        if not self._ends:
            self._ends = list(accumulate(map(len, self._parts)))
            self._reads = list(accumulate(map(len, self._read)))
        reads, last = self._reads, end - 1
        index = bisect_right(reads, start)
        if last < reads[index] and not index % 2:
            shift = self._ends[index] - reads[index]
            return start + shift, end + shift
        return self._begin_of(index, start), self._end_of(bisect_right(reads, last, index), last)

    def _begin_of(self, index: int, at: int) -> int:
        """Where a sign of the part with this index begins."""
        part, made = self._parts[index], self._read[index]
        inside = at - self._reads[index] + len(made)
        if index % 2 and part != made:  # all of the escape, or a step of it
            inside *= _step(part)
        return self._ends[index] - len(part) + inside

    def _end_of(self, index: int, at: int) -> int:
        """Where it ends."""
        part, made = self._parts[index], self._read[index]
        inside = at - self._reads[index] + len(made) + 1
        if index % 2 and part != made:
            inside = inside * _step(part) or len(part)
        return self._ends[index] - len(part) + inside


def _step(part: bytes) -> int:
    """How much each sign stands for that a row of escapes is read as; 0 for what is none."""
    if len(part) < _SHORTEST_ROW or not _ROW.fullmatch(part):
        return 0
    return _STEPS[part[1]] if part[0] == _BACKSLASH else _PERCENT_STEP


def _taken_out(whole: bytes) -> list[Edit]:
    return [(*found.span(), 0, 0) for found in _MARKED.finditer(whole)]


def _starts(edits: list[Edit]) -> list[int]:
    """Where what was made of each edit begins in the layer."""
    starts: list[int] = []
    shift = 0
    for start, end, size, _ in edits:
        starts.append(start + shift)
        shift += size - (end - start)
    return starts


def _place(edits: list[Edit], starts: list[int], at: int, index: int) -> int:
    """Where a sign begins that stands in what was made by the edit with this index, or behind it;
    -1: before all of them."""
    if index < 0:
        return at
    start, end, size, step = edits[index]
    beyond = at - starts[index] - size
    if beyond >= 0:
        return end + beyond
    return start + (at - starts[index]) * step  # all of the edit, or a step of it


def _end(edits: list[Edit], starts: list[int], at: int, index: int) -> int:
    """Where a sign ends, behind that edit or a later one."""
    if index + 1 < len(starts) and starts[index + 1] <= at:
        index = bisect_right(starts, at, index + 1) - 1
    if index < 0:
        return at + 1
    start, end, size, step = edits[index]
    inside = at - starts[index]
    if inside >= size:
        return end + inside - size + 1
    return start + (inside + 1) * step if step else end


def fold(text: str) -> Layer:
    """The first layer: look-alikes folded, entities decoded, unseen characters gone."""
    whole = one_to_one(text)
    unseen = not text.isascii() and (CHANGING in whole or SEVERAL in whole)
    entities = _ENTITY if "&" in text and _ENTITY.search(text) else None
    if not unseen:
        return Layer(whole) if entities is None else Parted(_ANY_ENTITY.split(whole), _NAMED, None)
    if entities is not None:
        return _edited(text, whole, sorted(_edits(text, tables().changing, entities)))
    if SEVERAL not in whole:
        return Layer(whole.translate(None, _MARK), late=functools.partial(_taken_out, whole))
    data = text.translate(tables().spelled).encode("latin-1")
    return Layer(data, late=functools.partial(_spelled, text))


def _spelled(text: str) -> list[Edit]:
    known = tables()
    return [
        (*found.span(), len(known.several.get(found.group(), "")), 0)
        for found in known.changing.finditer(text)
    ]


def _edited(text: str, whole: bytes, edits: list[tuple[int, int, bytes]]) -> Layer:
    pieces: list[bytes] = []
    kept: list[Edit] = []
    done = 0
    for start, end, piece in edits:
        if start >= done:
            pieces += (whole[done:start], piece)
            kept.append((start, end, len(piece), 0))
            done = end
    pieces.append(whole[done : len(text)])
    return Layer(b"".join(pieces), kept)


def _edits(
    text: str, changing: re.Pattern[str], entities: re.Pattern[str]
) -> Iterator[tuple[int, int, bytes]]:
    several = tables().several
    for match in changing.finditer(text):
        yield *match.span(), several.get(match.group(), "").encode("ascii")
    for match in entities.finditer(text):
        named = match.group().encode("ascii")
        made = _NAMED[named]
        if made != named:
            yield *match.span(), made


def _meant(entity: bytes) -> bytes:
    """What an entity stands for; itself where it is none."""
    named = entity.replace(b"amp;", b"").decode("ascii")
    made = html.unescape(named if named.endswith(";") else named + ";")
    return entity if made == named or made.startswith("&") else readable(made)


def decode(layer: Layer) -> Layer | None:
    """The layer with its escapes decoded; None where there are none."""
    data = layer.data
    signs = b"%" in data, b"\\" in data
    if b"\x1b" in data:
        escape = _COLORED
    elif _joins_strings(data):
        escape = _ANY_ESCAPE
    elif any(signs):
        escape = _ESCAPES[signs]
    else:
        return None
    parts = escape.split(data)
    if len(parts) == 1:
        return None
    return Parted(parts, _UNESCAPED, None if layer.is_text else layer)


def _joins_strings(data: bytes) -> bool:
    """Whether strings may be put together there."""
    if not any(quote in data for quote in _QUOTES):
        return False
    for sign, join in _MAY_JOIN:
        if sign in data:
            for found in join.finditer(data):
                at = found.start()
                if data[max(0, at - _BEFORE_SIGN) : at].rstrip(b" \t").endswith(_QUOTES):
                    return True
    return False


def doubtful(data: bytes) -> list[tuple[int, int]]:
    """Where an escape may be none, so that a reading with it decoded could miss a value: the
    letter after a backslash may begin a word, a percent sign may stand in a password, quotes
    between two strings may be what tells them apart, and nobody needs to escape a digit. With
    what stands around."""
    windows: list[tuple[int, int]] = []
    at = 0
    while (found := _DOUBTFUL.first(data, at)) is not None:
        start, end = found
        low, high = max(0, start - AROUND), min(len(data), end + 2 * AROUND)
        if windows and windows[-1][1] >= low:
            low = windows.pop()[0]
        windows.append((low, high))
        at = end + AROUND  # what is doubtful up to there lies in the window, with what is around it
    return windows


class Remembered(dict[bytes, bytes]):
    """What each of a few thousand short things is made into."""

    def __init__(self, make: Callable[[bytes], bytes]) -> None:
        """`make` is asked once for each, and anew when there are too many."""
        super().__init__()
        self._make = make

    def __missing__(self, key: bytes) -> bytes:
        """What it is made into; kept where that is something else, for what is none of these
        things may be anybody's word."""
        made = self._make(key)
        if made != key and len(key) <= _LONGEST_REMEMBERED:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[key] = made
        return made


def _unescaped(escape: bytes) -> bytes:
    if len(escape) >= _SHORTEST_ROW:
        if escape[:1] == b"%" and escape.count(b"%") * _PERCENT_STEP == len(escape):
            return bytes.fromhex(escape.replace(b"%", b"").decode("ascii"))
        if _ROW.fullmatch(escape):
            return bytes.fromhex(escape.replace(_ROW_SIGNS[escape[1]], b"").decode("ascii"))
    if escape[:1] == b"%":
        if escape[-5:-4] == b"u":
            return _character(int(escape[-4:], 16))
        raw = bytes.fromhex(b"".join(_PERCENT.findall(escape)).decode("ascii"))
        return readable(raw.decode("utf-8", "replace"))
    body = escape.lstrip(b"\\")
    if escape[:1] != b"\\" or b"[" in body:
        return b""
    if body[:1] in (b"u", b"U", b"x"):
        return _character(int(body[1:].strip(b"{}"), 16))
    if body[:1].isdigit():
        return readable(chr(int(body, 8)))
    if not body:
        return b"\\"
    return _SIMPLE.get(body[0], body[:1])


def _character(code: int) -> bytes:
    return b"" if 0xD800 <= code < 0xE000 or code > 0x10FFFF else readable(chr(code))


_UNESCAPED: Final = Remembered(_unescaped)
_NAMED: Final = Remembered(_meant)
