"""Values that are split over adjacent messages or parts: what each part alone does not show.

The ends that meet are read once more as one text, glued and with a space between. The trap:
two sentences that meet make numbers that nobody wrote, so here only what a check digit or a
telling form vouches for counts, and nothing that merely prolongs what one part shows itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from federation.guardrails.entities import CHECKED, EMAIL, Span

_REACH: Final = 80
"""Characters on each side of a seam that are read."""
NEAR: Final = 32
TELLING: Final = re.compile(r"[^\W_a-zA-Z]|[@%&\\]")
"""A digit of any script, a letter beyond ASCII, or a sign of an address or an escape."""
_GLUES: Final = ("", " ")
_COMPOUND: Final = re.compile(r"\w[._+-]|\d")
_LEAST: Final = CHECKED - 1


def crossing(
    texts: Sequence[str], own: Sequence[Sequence[Span]], find: Callable[[str], Sequence[Span]]
) -> dict[int, list[Span]]:
    """Places of values that cross from one of `texts` to the next, by the text's index.

    `own`: what each text shows by itself.
    """
    found: dict[int, list[Span]] = {}
    for first, last in _stretches(texts):
        for glue in _GLUES:
            _read(texts, first, last, glue, own, find, found)
    return found


def _stretches(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Indexes from the first to the last of those that are to be read as one."""
    stretches: list[tuple[int, int]] = []
    for index, (one, other) in enumerate(pairwise(texts)):
        if not one or not other or not TELLING.search(one[-NEAR:] + other[:NEAR]):
            continue
        if stretches and stretches[-1][1] == index and len(one) <= 2 * _REACH:
            stretches[-1] = (stretches[-1][0], index + 1)
        else:
            stretches.append((index, index + 1))
    return stretches


def _read(
    texts: Sequence[str],
    first: int,
    last: int,
    glue: str,
    own: Sequence[Sequence[Span]],
    find: Callable[[str], Sequence[Span]],
    found: dict[int, list[Span]],
) -> None:
    skipped = max(0, len(texts[first]) - _REACH)
    pieces = [texts[first][skipped:], *texts[first + 1 : last], texts[last][:_REACH]]
    starts = [0]
    for piece in pieces[:-1]:
        starts.append(starts[-1] + len(piece) + len(glue))
    for span in find(glue.join(pieces)):
        low = bisect_right(starts, span.start) - 1
        high = bisect_right(starts, span.end - 1) - 1
        if low == high or span.rank < _LEAST:
            continue
        parts = []
        for place in range(low, high + 1):
            offset = (skipped if place == 0 else 0) - starts[place]
            end = min(span.end, starts[place] + len(pieces[place]))
            start = max(span.start, starts[place])
            if start < end:
                parts.append(
                    (first + place, Span(start + offset, end + offset, span.kind, span.rank))
                )
        shown = [_shown(part, own[index], span) for index, part in parts]
        index, part = parts[0]
        begins = not shown[0] and _begins_address(span, texts[index][part.start : part.end])
        if begins or not any(shown):
            for index, part in parts:
                found.setdefault(index, []).append(part)


def _begins_address(span: Span, beginning: str) -> bool:
    """Whether an address began before the seam: `jane.d` and `oe@example.org`, not `to` and it."""
    return span.kind == EMAIL and _COMPOUND.search(beginning) is not None


def _shown(part: Span, own: Sequence[Span], whole: Span) -> bool:
    """Whether a text shows by itself what the seam would only prolong."""
    return any(
        span.start < part.end and part.start < span.end and span.rank >= whole.rank for span in own
    )
