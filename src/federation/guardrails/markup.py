"""Values with marks of a text in their middle: `4111<b>1111</b>...`, `**4111** **1111**...`, a line
that a mail broke.

Such marks are taken out where a value may go on over them, and nowhere else: between digits, and
at the signs of an address. The traps: what a tag says is not read in this reading, so it has no
digits and no address in it; cells, lines and paragraphs set values apart, so they stay; and stars
also stand for digits that nobody is told: of `4111 **** 1111` nothing is taken out.
"""

from __future__ import annotations

import re
from typing import Final

from federation.guardrails.layers import Layer, Parted, Remembered
from federation.guardrails.patterns import compiled

_NAMES: Final = (
    rb"/?(?:b|i|u|s|a|em|strong|span|font|mark|code|wbr|small|big|sub|sup|tt|kbd|ins|del)"
)
_TAG: Final = rb"(?:" + _NAMES + rb"(?: [^<>0-9@ ]{0,80})? ?/?|!--[ ]?(?:[^<>0-9@ ]{1,24} )?--)>"
"""With one attribute at most: of more, a stream would have said the first ones before it sees the
last. Also a short comment: pages that a server draws have them between pieces of a text."""
_TAGS: Final = _TAG + rb"(?:[ ]?<" + _TAG + rb"){0,3}"
_AMID: Final = re.compile(
    rb"(<(?:(?<=[0-9]<)|(?<=[0-9][ .-]<))" + _TAGS + rb"(?=[ .-]?[0-9])"
    rb"|<(?<=[0-9A-Za-z]<)" + _TAGS + rb"(?=[@.][0-9A-Za-z])"
    rb"|<(?<=[@]<)" + _TAGS + rb"(?=[0-9A-Za-z])"
    rb"|=(?<=[0-9]=)\r?\n(?=[0-9])"
    rb"|\*\*(?<=[0-9]\*\*)\*?(?:[ .-]\*\*\*?)?(?=[0-9])|\*\*(?<=[0-9]\*\*)\*?(?=[ .-][0-9])"
    rb"|\*\*(?<=[0-9][ .-]\*\*)\*?(?=[0-9])"
    rb"|\*\*(?<=@\*\*)\*?(?=[0-9A-Za-z]))"
)
"""RFC 2045, section 6.7, a soft line break; and what is emphasized in Markdown."""
_MAY_BE_AMID: Final = compiled(
    rb"[0-9@][ .-]?<" + _TAGS + rb"[ .-]?[0-9A-Za-z]|<" + _TAG + rb"[@.][0-9A-Za-z]"
    rb"|[0-9]=\r?\n[0-9]"
)
_STARS: Final = compiled(rb"\*\*\*?[ .-]?(?:\*\*\*?)?[0-9]")
"""What begins with one text is found quickest."""
_EMPHASIZED: Final = compiled(
    rb"[0-9]\*\*\*?[ .-]?(?:\*\*\*?)?[0-9]|[0-9][ .-]\*\*\*?[0-9]|@\*\*\*?[0-9A-Za-z]"
)
_FEW: Final = 16
"""Signs that are looked at one by one, which is quicker than to look for two signs in a row."""
_LINE_BREAKS: Final = (b"\n", b"\r\n")
_EACH: Final = re.compile(rb"<[^<>]*>|=\r?\n|\*\*\*?")


def _without(marks: bytes) -> bytes:
    return _EACH.sub(b"", marks)


_MADE: Final = Remembered(_without)


def _may_hold_marks(data: bytes) -> bool:
    may = b"<" in data and (b"</" in data or b"<wbr" in data or b"<!--" in data)
    if (may or _may_be_broken(data)) and _MAY_BE_AMID.occurs(data):
        return True
    return b"*" in data and b"**" in data and _may_be_emphasized(data)


def _may_be_emphasized(data: bytes) -> bool:
    may = b"@**" in data or _STARS.occurs(data)
    return may and _EMPHASIZED.occurs(data)


def _may_be_broken(data: bytes) -> bool:
    """Whether a line ends with an equals sign."""
    if b"=" not in data or b"\n" not in data:
        return False
    parts = data.split(b"=", _FEW)
    if len(parts) > _FEW:
        return b"=\n" in data or b"=\r\n" in data
    return any(part.startswith(_LINE_BREAKS) for part in parts[1:])


def unmarked(layer: Layer) -> Layer:
    """The layer without such marks; itself where there are none."""
    data = layer.data
    if not _may_hold_marks(data):
        return layer
    parts = _AMID.split(data)
    if len(parts) == 1:
        return layer
    return Parted(parts, _MADE, None if layer.is_text else layer)
