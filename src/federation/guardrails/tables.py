"""Tables in a text that is read piece by piece: the head of a column may be pieces behind a number.

What is remembered is the head of the table that is not over, and of the row that is not over what
places its fields. The traps: a line is a head only once the next one begins, so what may become one
is kept; and who answers for the text decides how long a row is, so what is kept has a bound.
"""

from __future__ import annotations

import re
from typing import Final

from federation.guardrails.columns import (
    LONGEST_HEAD,
    NAMED,
    Head,
    Left,
    fields_of,
    may_be_names,
    moved,
    read,
)
from federation.guardrails.entities import Span
from federation.guardrails.folding import one_to_one
from federation.guardrails.scripts import mark_names, may_name_phone

_NAME: Final = 48
"""Characters, more than a column's name and the signs around it have."""
_ENDS: Final = re.compile(r"[,;|\t\n)]|[^\x00-\x7f]")
"""What a name of a column ends with, or what may be folded to that."""
REACH: Final = LONGEST_HEAD + _NAME
"""Characters of the text before a piece that may tell what stands in it."""
_LONGEST_ROW: Final = 2048
"""Of what is kept of a row: a quotation that is not over, or a row of SQL."""
_LONGEST_VALUE: Final = 64
_SETS_APART: Final = re.compile("[;；|｜\t]|,(?! )|[,，][^,，]*[,，]")
"""What stands between fields: one comma with a blank behind it stands in prose."""
_SEEN: Final = 160
"""Characters at a line's end in which it is looked for: all that a stream has at hand."""


class Tables:
    """Where in its tables a text is that is read piece by piece."""

    __slots__ = ("_begun", "_head", "_is_shortened")

    def __init__(self) -> None:
        self._head: Head | None = None
        self._begun = b""
        self._is_shortened = False

    @property
    def going_on(self) -> bool:
        """Whether a table goes on, or what may be a head."""
        return self._head is not None or bool(self._begun)

    def concerns(self, near: str, text: str) -> bool:
        """Whether `text`, behind `near`, may hold a head or rows of a table."""
        if self._head is not None or self._begun:
            return True
        if _ENDS.search(text) is None:
            return False
        return NAMED.occurs(one_to_one(near[-_NAME:] + text)) or self.may_begin(near, text)

    @staticmethod
    def may_begin(near: str, text: str) -> bool:
        """Whether a line may be a head in another script than Latin that ends in `text`, which
        stands behind `near`. Not in slices, where that would take as long as all else."""
        end = text.rfind("\n") if len(text) <= _LONGEST_ROW else -1
        if end < 0 or (near.isascii() and text.isascii()):
            return False
        lines = near[near.rfind("\n") + 1 :] + text[:end]
        if len(lines) == len(lines.encode("latin-1", "ignore")):
            return False
        return any(map(_may_be_head, lines.split("\n")))

    def values(self, before: str, text: str) -> list[Span]:
        """Values in `text`, which stands behind what was read, in columns with a head in there.
        `before`: the end of that, `REACH` characters of it or more."""
        data = self._data(before, text)
        found, _ = self._read(data)
        return [
            Span(max(0, each.start), each.end, each.kind, each.rank)
            for each in moved(found, len(text) - len(data))
            if each.end > 0
        ]

    def go_on(self, before: str, text: str) -> None:
        """Go over `text`, too."""
        data = self._data(before, text)
        _, left = self._read(data)
        self._head, self._begun, self._is_shortened = None, b"", False
        if left is None:
            return
        if left.since >= 0 and len(data) - left.since <= REACH:
            self._begun = data[left.since :]
        elif left.head is not None:
            whole = data[left.at :]
            row = whole if left.head.is_sql else _shortened(left.head, whole)
            if len(row) <= _LONGEST_ROW:
                self._head, self._begun, self._is_shortened = left.head, row, row is not whole

    def _data(self, before: str, text: str) -> bytes:
        """`text`, behind what must be read together with it. Words of other scripts are marked in
        lines that are over, which are read as they came: so no splitting makes a difference."""
        begun = before[self._begins_at(before) :]
        if self._is_shortened or not self.may_begin(before, text):
            return (self._begun if self.going_on else one_to_one(begun)) + one_to_one(text)
        both, at = begun + text, 0
        data = bytearray(one_to_one(both))
        for line in both[: both.rindex("\n")].split("\n"):
            if _may_be_head(line):
                mark_names(both, data, at, at + len(line))
            at += len(line) + 1
        return bytes(data)

    def _begins_at(self, before: str) -> int:
        """Where what must be read together with what stands behind it begins."""
        if self.going_on:
            return max(0, len(before) - len(self._begun))
        line, bracket = before.rfind("\n") + 1, before.rfind("(")
        return line if bracket < 0 else min(line, bracket)

    def _read(self, data: bytes) -> tuple[list[Span], Left | None]:
        if self._head is None:
            return read(data)
        found: list[Span] = []
        end, left = self._head.below(data, 0, found)
        if left is not None:
            return found, left
        more, left = read(data[end:])
        found += moved(more, end)
        if left is None:
            return found, None
        return found, Left(left.head, left.at + end, left.since + end if left.since >= 0 else -1)


def _may_be_head(line: str) -> bool:
    """Whether a line that is over may be a head in another script: with a word for telephones, and
    set apart as prose is not."""
    seen = line[-_SEEN:]
    return _SETS_APART.search(seen) is not None and may_name_phone(seen)


def _shortened(head: Head, row: bytes) -> bytes:
    """A row that is not over, with little more than signs for the fields that are. A quotation has
    as many of them in it as all that stood in some. What has too few of them, or no digits, may be
    a head."""
    may_be_head = may_be_names(row) or (row.count(head.sign) < head.least and len(row) <= REACH)
    if may_be_head or (row.count(b'"') % 2 and len(row) <= _LONGEST_ROW):
        return row
    places = fields_of(head, row)
    sign, last = head.sign, row[places[-1][0] :]
    between, most = len(places) - 1, max(head.least, *head.wanted) + 1
    quoted = b'"%b"' % (sign * min(row.count(sign) - between, most))
    if len(last) > _LONGEST_VALUE:
        return sign * min(between, most) + quoted
    return (quoted + sign * min(between, most) if between else b"") + last
