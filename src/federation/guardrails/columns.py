"""Telephone and American numbers in the columns of tables, which only the head of a column names.

Read are lines with fields between commas, semicolons, bars or tabs below a line of names, and
what SQL inserts into named columns. The trap: prose has commas, too, and a word before one may
look like a column's name; a head is a line of short fields without digits, the lines below it
have as many fields, and a value is all of its field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from federation.guardrails import context_rules
from federation.guardrails import entities as kind
from federation.guardrails.entities import BESIDE, CHECKED, Span
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled

_NUMBER: Final = (
    rb"(?:[ ._-]?(?:no|nr|nbr|num|number|nummer|mobile?|m[o\xf3]vil|fijo|#))?\.?(?:[ _]?[0-9])?"
    rb"(?: ?\([a-z ]{1,12}\))?"
)
_PHONE: Final = (
    rb"(?:(?:(?:tele)?phone|mobile|t[e\xe9]l[e\xe9]phone)s?|mobil|mobilfunk|mobiel|gsm|cell|cellulare|"
    rb"tel|t[e\xe9]l|fax|handy|celular|telem[o\xf3]vel|m[o\xf3]vil|portable|msisdn|whatsapp|telp|"
    rb"tel[e\xe9][fp][o\xf3]n[eou]?|telefonnr|[\xaad]i[e\xea]n thoai|telefonsz[a\xe1]m|telefoon|"
    rb"rufnummer|puhelin|call-?back|caller ?id|contact[ _-]?(?:no|nr|number)|handynummer|hometel|"
    rb"worktel|phonenbr)" + _NUMBER + rb"|no\. telp|\x81[^,;|\t\r\n0-9]{0,16}"
)
_SSN: Final = (
    rb"(?:ssn|ss ?#|ss (?:no|number)|soc(?:ial)?\.?[ _-]?sec(?:urity)?)"
    rb"(?:[ _-]?(?:no|num|number|#))?\.?"
)
_BEHIND: Final = rb"[\"'\x60]?[ ]?(?:[,;|\t)]|\r?\n)"
_ANY: Final = rb"(?:" + _PHONE + rb"|" + _SSN + rb")"
NAME: Final = _ANY + _BEHIND
_LAST_WORD: Final = (
    rb"phones?|mobil(?:e|funk)?|mobiel|gsm|cell|cellulare|tel|t\xe9l|fax|handy|celular|m[o\xf3]v[ei]l"
    rb"|portable|msisdn|whatsapp|tel[e\xe9][fp][o\xf3]n[eou]?|thoai|telp|telefoon|sz[a\xe1]m|puhelin"
    rb"|caller ?id|ssn|nbr|nummer|phone \([a-z]{1,12}\)|\x81[^,;|\t\r\n0-9]{0,16}"
)
_LAST_SIGNS: Final = rb"\.?(?:[ _]?[0-9])?[\"'\x60]?[ ]?"
HINT: Final = (
    rb"(?:" + _LAST_WORD + rb"|call-?back|[ _.-](?:no|num)|contactno|number|security|soc\.? ?sec|#"
    rb"|fijo)"
    + _LAST_SIGNS
    + rb"[,;|\t)]|(?:"
    + _LAST_WORD
    + rb"|bile no|number)\.?[0-9]?[\"'\x60]?\r?\n"
    rb"|phone [0-9]\r?\n"
)
"""In prose lines end with few of these words."""
NAMED: Final = compiled(NAME, ignore_case=True)
_OF_WHOM: Final = rb"(?:[a-z\xb0\xc0-\xff\xaa]{1,16}[ ./_-]{0,2}){0,3}?"
_NAMES_PHONE: Final = re.compile(_OF_WHOM + rb"(?:" + _PHONE + rb")", re.IGNORECASE)
_NAMES_SSN: Final = re.compile(_OF_WHOM + _SSN, re.IGNORECASE)
_IS_PHONE: Final = re.compile(
    rb"\+?[(]?[0-9](?:[ ().+/-]{0,2}[0-9]){6,14}(?: ?(?:x|ext\.?) ?[0-9]{1,6})?", re.IGNORECASE
)
_NAMES_OTHERS: Final = re.compile(
    rb"(?:mobile?|mobiel|gsm|cell|tel|fax|handy|celular|m[o\xf3]vil|portable|call-?back)"
    rb"|[^\x81]*\x81.*",
    re.IGNORECASE,
)
"""Heads of telephone numbers, and of counts of visits, cells of a table, names of programs."""
_IS_CALLED: Final = re.compile(
    rb"(?!(?:19|20)[0-9]{2}[ ./-][0-9]{2}[ ./-][0-9]{2}\Z)(?![1-9][0-9]{0,2}(?:[ .][0-9]{3})+\Z)"
    rb"(?:\+|[(]?0|[0-9]*[() ./-]|[2-9][0-9]{9}\Z|[0-9]{11,12}\Z)"
)
"""By a sign or a nought, or ten to twelve digits that are no time: below such a head nothing else
is."""
_IS_SSN: Final = re.compile(rb"[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4}")
_DELIMITERS: Final = (b"\t", b";", b"|", b",")
_FIELDS: Final = {
    sign: re.compile(rb"\"[^\"]*\"|[" + re.escape(sign) + rb"]|[^\"" + sign + rb"]+|\"")
    for sign in _DELIMITERS
}
_FIELDS_OF_SQL: Final = re.compile(rb"'[^']*'|,|[^',]+|'")
LONGEST_HEAD: Final = 1024
_LONGEST_NAME, _LONGEST_LINE = 40, 4096
_DIGITS: Final = re.compile(rb"[0-9]{4}")
_RULED: Final = re.compile(rb"[ |:+=-]+")
"""The line below the head of a table in Markdown."""
_INTO: Final = re.compile(
    rb"[\w\s,.\"\x60\[\]]{0,1024}\)\s{0,8}values\b\s{0,8}(?=\()", re.IGNORECASE
)
_MAY_BE_INTO: Final = re.compile(
    rb"[\w\s,.\"\x60\[\]]{0,1024}(?:\)\s{0,8}(?:v(?:a(?:l(?:u(?:es?)?)?)?)?)?\s{0,8})?\Z",
    re.IGNORECASE,
)
"""The same as far as a text goes that is not over."""
_TUPLE: Final = re.compile(rb"[\s,]{0,16}\(((?:'[^']*'|[^()'])*)\)")
_BEGUN_TUPLE: Final = re.compile(rb"[\s,]{0,16}(?:\(((?:'[^']*'|[^()'])*(?:'[^']*)?))?\Z")
_QUOTES: Final = b"\"'\x60[] \t\r\n"
_Place: TypeAlias = tuple[int, int]
_Holds: TypeAlias = Callable[[bytes], tuple[str, int] | None]


@dataclass(frozen=True, slots=True)
class Head:
    """The names of a table's columns as they were read."""

    wanted: dict[int, _Holds]
    """What is in columns, by their place."""
    sign: bytes
    """What stands between two fields."""
    least: int
    """So many of these each line has, if it is a row."""
    is_sql: bool

    def joined(self, line: bytes) -> Head:
        """With what the names in one of its rows tell of columns, too: what stood above it may be
        prose, and names stand in rows of other tables."""
        if not (may_be_names(line) and NAMED.occurs(line + b"\n")):
            return self
        other = _head(line, self.sign, is_sql=False)
        return replace(self, wanted={**self.wanted, **other.wanted}) if other.wanted else self

    def below(self, data: bytes, at: int, found: list[Span]) -> tuple[int, Left | None]:
        """Finds the values in the rows from `at` on. Gives where they end, and what goes on where
        that is the end of the text. There a row may have fewer fields: it is not over."""
        return _tuples(self, data, at, found) if self.is_sql else _rows(self, data, at, found)


class Left(NamedTuple):
    """What goes on behind the end of a text."""

    head: Head | None
    """Below it a row begins at `at`."""
    at: int
    since: int
    """From here on stands what may become a head; -1: nothing does."""


def in_columns(near: Nearby) -> list[Span]:
    """All of them in the tables of a text; each line is read once."""
    return read(near.data)[0]


def read(data: bytes) -> tuple[list[Span], Left | None]:
    """The same, and what goes on behind the end."""
    found: list[Span] = []
    left: Left | None = None
    at = line_end = 0
    no_into = -1
    while (seen := NAMED.first(data, at)) is not None:
        at = seen[1]
        opened = data.rfind(b"(", max(0, seen[0] - LONGEST_HEAD), seen[0])
        if opened > no_into:
            into = _INTO.match(data, opened + 1)
            if into is not None and into.end() > at:
                head = _head(data[opened + 1 : data.index(b")", opened)], b",", is_sql=True)
                at, left = head.below(data, into.end(), found)
                continue
            no_into = opened
            if _MAY_BE_INTO.match(data, opened + 1):
                left = Left(None, 0, data.rfind(b"\n", 0, opened) + 1)
        if seen[0] >= line_end:
            table_end, line_end, goes_on = _lines(data, seen[0], found)
            at = max(at, table_end)
            if goes_on is not None:
                left = goes_on if left is None else goes_on._replace(since=left.since)
    return found, left


def _lines(data: bytes, at: int, found: list[Span]) -> tuple[int, int, Left | None]:
    """The same below a line of names with `at` in it. Gives where the table ends, 0 for none, and
    where the line does."""
    start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
    over = end >= 0
    end = end if over else len(data)
    line = data[start : min(end, start + LONGEST_HEAD + 1)]
    if len(line) > LONGEST_HEAD or _DIGITS.search(line):
        return 0, end, None
    if not over:
        return 0, end, Left(None, 0, start)
    head = _head(line, max(_DELIMITERS, key=line.count), is_sql=False)
    if not (head.wanted and head.least):
        return 0, end, None
    table_end, left = head.below(data, end + 1, found)
    return table_end, end, left


def _rows(head: Head, data: bytes, at: int, found: list[Span]) -> tuple[int, Left | None]:
    while True:
        end = data.find(b"\n", at)
        line = data[at:] if end < 0 else data[at:end]
        if not _RULED.fullmatch(line):
            is_row = line.count(head.sign) >= head.least
            if len(line) > _LONGEST_LINE or (end >= 0 and not is_row):
                return at, None
            found += _values(head, data, at, line)
            if not is_row:
                return len(data), _row_or_sql(head, line, at, found)
            if end >= 0:
                head = head.joined(line)
        if end < 0:
            return len(data), Left(head, at, -1)
        at = end + 1


def _row_or_sql(head: Head, line: bytes, at: int, found: list[Span]) -> Left:
    """The same for a last line that is no row yet."""
    inside, left = read(line)
    found += moved(inside, at)
    if left is None or left.head is None:
        return Left(head, at, -1)
    return left._replace(at=left.at + at)


def may_be_names(row: bytes) -> bool:
    """Whether names of columns may stand in a row, or in more of it."""
    return len(row) <= LONGEST_HEAD and _DIGITS.search(row) is None


def _tuples(head: Head, data: bytes, at: int, found: list[Span]) -> tuple[int, Left | None]:
    while (row := _TUPLE.match(data, at)) is not None:
        found += _values(head, data, row.start(1), row[1])
        at = row.end()
    begun = _BEGUN_TUPLE.match(data, at)
    if begun is None:
        return at, None
    if begun[1] is not None:
        found += _values(head, data, begun.start(1), begun[1])
    return len(data), Left(head, at, -1)


def _head(line: bytes, sign: bytes, *, is_sql: bool) -> Head:
    """Without columns that are wanted where the names are none."""
    fields = _FIELDS_OF_SQL if is_sql else _FIELDS[sign]
    names = [line[low:high] for low, high in _split(fields, line, sign)]
    too_long = not is_sql and max(map(len, names)) > _LONGEST_NAME
    return Head({} if too_long else _wanted(names), sign, len(names) - 1, is_sql)


def _wanted(names: list[bytes]) -> dict[int, _Holds]:
    """What is in the columns of these names, by their place."""
    wanted: dict[int, _Holds] = {}
    for place, name in enumerate(names):
        bare = name.strip(_QUOTES)
        if _NAMES_OTHERS.fullmatch(bare):
            wanted[place] = _is_called
        elif _NAMES_PHONE.fullmatch(bare):
            wanted[place] = _is_phone
        elif _NAMES_SSN.fullmatch(bare):
            wanted[place] = _is_ssn
    return wanted


def moved(spans: list[Span], by: int) -> list[Span]:
    """Places of a part of a text as places of the text."""
    return [Span(each.start + by, each.end + by, each.kind, each.rank) for each in spans]


def _split(fields: re.Pattern[bytes], line: bytes, sign: bytes) -> list[_Place]:
    """Places of the fields of a line."""
    places: list[_Place] = []
    start = 0
    for part in fields.finditer(line):
        if part[0] == sign:
            places.append((start, part.start()))
            start = part.end()
    return [*places, (start, len(line))]


def fields_of(head: Head, line: bytes) -> list[_Place]:
    """Places of the fields of a row."""
    return _split(_FIELDS_OF_SQL if head.is_sql else _FIELDS[head.sign], line, head.sign)


def _values(head: Head, data: bytes, start: int, line: bytes) -> Iterator[Span]:
    """The numbers in one line, which begins at `start`."""
    places = fields_of(head, line)
    for column, holds in head.wanted.items():
        if column >= len(places):
            continue
        low, high = places[column]
        field = line[low:high]
        value = field.strip(_QUOTES)
        low += start + len(field) - len(field.lstrip(_QUOTES))
        high = low + len(value)
        kept = holds(value)
        if kept is not None:
            yield Span(low, high, *kept)


def _is_phone(value: bytes) -> tuple[str, int] | None:
    """The kind and the rank of a field's value; None where it is none. So the others."""
    return (kind.PHONE, BESIDE + 1) if _IS_PHONE.fullmatch(value) else None


def _is_called(value: bytes) -> tuple[str, int] | None:
    return _is_phone(value) if _IS_CALLED.match(value) else None


def _is_ssn(value: bytes) -> tuple[str, int] | None:
    is_one = _IS_SSN.fullmatch(value) and context_rules.is_called_ssn(value)
    return (kind.SSN, CHECKED - 1) if is_one else None
