"""Telephone and American numbers in the columns of tables, which only the head of a column names.

Read are lines with fields between commas, semicolons, bars or tabs below a line of names, and
what SQL inserts into named columns. The trap: prose has commas, too, and a word before one may
look like a column's name; a head is a line of short fields without digits, the lines below it
have as many fields, and a value is all of its field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from federation.guardrails import context_rules
from federation.guardrails import entities as kind
from federation.guardrails.entities import BESIDE, CHECKED, Span
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled

_PHONE: Final = (
    rb"(?:(?:tele|cell|home|work|mobile|contact|customer|user)?[ _-]?phones?|mobile|cell|tel|fax|"
    rb"telefon[eo]?|t[e\xe9]l[e\xe9]phone|handy|celular|m[o\xf3]vil|portable|msisdn|whatsapp)"
    rb"(?:[ _-]?(?:no|nr|num|number|nummer))?"
)
_SSN: Final = rb"(?:ssn|social[ _-]?security)(?:[ _-]?(?:no|num|number))?"
_BEFORE, _BEHIND = rb"[,;|\t][\"'\x60 ]{0,2}", rb"[\"'\x60]?[ ]?[,;|\t)]"
_BEHIND_LAST: Final = rb"[\"'\x60]?\r?\n"
_NAMED: Final = rb"(?:" + _PHONE + rb"|" + _SSN + rb")"
NAME: Final = rb"\b" + _NAMED + _BEHIND + rb"|" + _BEFORE + _NAMED + _BEHIND_LAST
_LAST_WORD: Final = (
    rb"(?:phones?|mobile|cell|tel|fax|telefon[eo]?|handy|celular|m[o\xf3]vil|portable|msisdn|whatsapp"
    rb"|ssn|security|[ _-](?:no|nr|num)|number|nummer)"
)
HINT: Final = _LAST_WORD + _BEHIND + rb"|[,;|\t](?:tele|cell|mobile)?_?(?:phone|ssn|tel|fax)\r?\n"
_NAME: Final = compiled(NAME, ignore_case=True)
_NAMES_PHONE: Final = re.compile(_PHONE, re.IGNORECASE)
_NAMES_SSN: Final = re.compile(_SSN, re.IGNORECASE)
_IS_PHONE: Final = re.compile(
    rb"\+?[(]?[0-9](?:[ ().+/-]{0,2}[0-9]){6,14}(?: ?(?:x|ext\.?) ?[0-9]{1,6})?", re.IGNORECASE
)
_NAMES_OTHERS: Final = re.compile(
    rb"(?:mobile|cell|tel|fax|handy|celular|m[o\xf3]vil|portable)", re.IGNORECASE
)
"""Heads of telephone numbers, and of counts of visits, cells of a table, names of programs."""
_IS_CALLED: Final = re.compile(
    rb"(?!(?:19|20)[0-9]{2}[ ./-][0-9]{2}[ ./-][0-9]{2}\Z)(?![1-9][0-9]{0,2}(?:[ .][0-9]{3})+\Z)"
    rb"(?:\+|[(]?0|[0-9]*[() ./-]|[2-9][0-9]{9}\Z)"
)
"""By a sign or a nought, or ten digits that are no time: below such a head nothing else is."""
_IS_SSN: Final = re.compile(rb"[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4}")
_DELIMITERS: Final = (b"\t", b";", b"|", b",")
_FIELDS: Final = {
    sign: re.compile(rb"\"[^\"]*\"|[" + re.escape(sign) + rb"]|[^\"" + sign + rb"]+|\"")
    for sign in _DELIMITERS
}
_FIELDS_OF_SQL: Final = re.compile(rb"'[^']*'|,|[^',]+|'")
_LONGEST_HEAD, _LONGEST_NAME, _LONGEST_LINE = 1024, 40, 4096
_DIGITS: Final = re.compile(rb"[0-9]{4}")
_RULED: Final = re.compile(rb"[ |:+=-]+")
"""The line below the head of a table in Markdown."""
_INTO: Final = re.compile(
    rb"[\w\s,.\"\x60\[\]]{0,1024}\)\s{0,8}values\b\s{0,8}(?=\()", re.IGNORECASE
)
_TUPLE: Final = re.compile(rb"[\s,]{0,16}\(((?:'[^']*'|[^()'])*)\)")
_QUOTES: Final = b"\"'\x60[] \t\r\n"
_Place: TypeAlias = tuple[int, int]
_Holds: TypeAlias = Callable[[bytes], tuple[str, int] | None]


def in_columns(near: Nearby) -> list[Span]:
    """All of them in the tables of a text; each line is read once."""
    data = near.data
    found: list[Span] = []
    at = line_end = 0
    no_into = -1
    while (seen := _NAME.first(data, at)) is not None:
        at = seen[1]
        opened = data.rfind(b"(", max(0, seen[0] - _LONGEST_HEAD), seen[0])
        into = _INTO.match(data, opened + 1) if opened > no_into else None
        if into is not None and into.end() > at:
            names = data[opened + 1 : data.index(b")", opened)]
            wanted = _wanted([names[low:high] for low, high in _split(_FIELDS_OF_SQL, names, b",")])
            at = into.end()
            for row in iter(lambda: _TUPLE.match(data, at), None):  # noqa: B023 - called at once
                found += _values(data, row.start(1), row[1], wanted, _FIELDS_OF_SQL, b",")
                at = row.end()
            continue
        no_into = max(no_into, opened)
        if seen[0] >= line_end:
            table_end, line_end = _lines(data, seen[0], found)
            at = max(at, table_end)
    return found


def _lines(data: bytes, at: int, found: list[Span]) -> tuple[int, int]:
    """The same below a line of names with `at` in it. Gives where the table ends, 0 for none, and
    where the line does."""
    start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
    if end < 0:
        return 0, len(data)
    head, line_end = data[start:end], end
    if len(head) > _LONGEST_HEAD or _DIGITS.search(head):
        return 0, line_end
    sign = max(_DELIMITERS, key=head.count)
    fields = _FIELDS[sign]
    names = [head[low:high] for low, high in _split(fields, head, sign)]
    wanted = _wanted(names)
    if len(names) < 2 or not wanted or max(map(len, names)) > _LONGEST_NAME:
        return 0, line_end
    while 0 <= end < len(data):
        start, end = end + 1, data.find(b"\n", end + 1)
        line = data[start:] if end < 0 else data[start:end]
        if _RULED.fullmatch(line):
            continue
        if line.count(sign) < len(names) - 1 or len(line) > _LONGEST_LINE:
            return start, line_end
        found += _values(data, start, line, wanted, fields, sign)
    return len(data), line_end


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


def _split(fields: re.Pattern[bytes], line: bytes, sign: bytes) -> list[_Place]:
    """Places of the fields of a line."""
    places: list[_Place] = []
    start = 0
    for part in fields.finditer(line):
        if part[0] == sign:
            places.append((start, part.start()))
            start = part.end()
    return [*places, (start, len(line))]


def _values(
    data: bytes,
    start: int,
    line: bytes,
    wanted: dict[int, _Holds],
    fields: re.Pattern[bytes],
    sign: bytes,
) -> Iterator[Span]:
    """The numbers in one line, which begins at `start`."""
    places = _split(fields, line, sign)
    for column, holds in wanted.items():
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
