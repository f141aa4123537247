"""Lists of numbers with four digits: years, postcodes, articles, a column of a table.

The trap: any four of them that stand side by side look like a card's groups, and of those that
begin as a card does one in ten passes its check digit. So a list of twenty would hold a card
nearly always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

_DIGITS: Final = 4
_GROUPS: Final = 4
_MOST_IN_LINE, _MOST_IN_COLUMN = 2, 0
"""Further groups beside a card: in its line when it ends, say, and in a column none."""
_GAP: Final = re.compile(rb"[ \t]+")
_ROW: Final = re.compile(rb"[0-9 \t]+")
_ENDS: Final = re.compile(rb"[0-9 \t]+\Z")
_LONGEST_LINES: Final = 120
"""Signs in which the next line ends."""


def is_of_list(
    data: bytes,
    low: int,
    end: int,
    gaps: Sequence[bytes],
    *,
    is_number: Callable[[bytes], bool],
) -> bool:
    """Whether four groups of four, set apart by `gaps`, stand in a longer row of such; not where
    on each side the row is over or four groups are a number, too: that is a list of numbers."""
    gap, width = gaps[0], end - low
    step = len(gap) + _DIGITS
    if len(gaps) + 1 != _GROUPS or width != _GROUPS * _DIGITS + len(gaps) * len(gap):
        return False
    most = _MOST_IN_COLUMN if b"\n" in gap else _MOST_IN_LINE
    reach = max(most + 1, _GROUPS) * step + 1
    behind, before = data[end : end + reach], data[max(0, low - reach) : low]
    after, ahead = _groups(behind, gap, most), _groups(before[::-1], gap[::-1], most)
    if after + ahead <= most:
        return _is_in_table(data, low, end, is_number)
    stop = len(gap) + width
    return bool(
        (after and not is_number(behind[len(gap) : stop]))
        or (ahead and not is_number(before[-stop : -len(gap)]))
    )


def _is_in_table(data: bytes, low: int, end: int, is_number: Callable[[bytes], bool]) -> bool:
    """Whether more stands in their line, and the line above or below has as many numbers of up to
    four digits, and no card where these four groups stand."""
    *above, begin = data[max(0, low - _LONGEST_LINES) : low].split(b"\n")[-2:]
    rest, *below = data[end : end + _LONGEST_LINES].split(b"\n")[:2]
    before, behind = _ENDS.search(begin), _ROW.match(rest)
    row = (before[0] if before else b"") + data[low:end] + (behind[0] if behind else b"")
    tabs = [b"\t" in gap for gap in _GAP.findall(row.strip())]
    if any(tabs) != all(tabs):  # several values rather than one row
        return False
    ahead = len(before[0].split()) if before else 0
    own = row.split()
    beside = own[:ahead] + own[ahead + _GROUPS :]
    for line in (*above, *below):
        groups = max(_ROW.findall(line), key=len, default=b"").split()
        if len(groups) == len(own) > _GROUPS and max(map(len, groups)) <= _DIGITS:
            there = groups[ahead : ahead + _GROUPS]
            # Beside a card stands its place in a list, or until when it is valid: a card with a
            # slip of the pen in the next line makes no table of them.
            alike = min(map(len, there)) == _DIGITS > max(map(len, beside))
            return not (alike or is_number(b"".join(there)))
    return False


def _groups(row: bytes, gap: bytes, most: int) -> int:
    """How many groups stand behind a gap each, from the begin of a row on; no more than one above
    the most."""
    step, found = len(gap) + _DIGITS, 0
    while found <= most and row.startswith(gap):
        digits = row[len(gap) : step]
        if len(digits) < _DIGITS or not digits.isdigit() or row[step : step + 1].isdigit():
            break
        found, row = found + 1, row[step:]
    return found
