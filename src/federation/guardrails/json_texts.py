"""Replacements inside JSON text that leave it valid, and everything else in it byte for byte.

The text is never parsed and written anew: that would change numbers, escapes and the order of
equal keys, and tools compare arguments. The trap: a value may be a bare number, and what
replaces it is a string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from federation.guardrails.entities import Span

_LEXEME: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s\[\]{},:"]+', re.DOTALL)


def is_json(text: str) -> bool:
    """Whether `text` is a JSON object or array."""
    if text.lstrip(" \t\r\n")[:1] not in ("{", "["):
        return False
    try:
        msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return False
    return True


def edited(text: str, spans: Sequence[Span], replace: Callable[[str, str], str]) -> str:
    """`text`, which is JSON, with the places in `spans` replaced inside its strings.

    The places are in order, none over another.

    `replace` gets the type and the value, unescaped, and returns what is to stand there. A
    number or other bare word that a span touches becomes a string as a whole. A span over
    several strings is replaced in each.
    """
    pieces: list[str] = []
    done = 0
    first = 0
    for match in _LEXEME.finditer(text):
        start, end = match.span()
        while first < len(spans) and spans[first].end <= start:
            first += 1
        last = first
        while last < len(spans) and spans[last].start < end:
            last += 1
        inside = spans[first:last]
        if not inside:
            continue
        pieces.append(text[done:start])
        if text[start] == '"':
            pieces.append(_string(text, start + 1, end - 1, inside, replace))
        else:
            pieces.append(json.dumps(replace(inside[0].kind, text[start:end])))
        done = end
    pieces.append(text[done:])
    return "".join(pieces)


def _string(
    text: str,
    start: int,
    end: int,
    spans: Sequence[Span],
    replace: Callable[[str, str], str],
) -> str:
    pieces = ['"']
    for span in spans:
        low, high = max(span.start, start), min(span.end, end)
        if low < high:
            pieces.append(text[start:low])
            pieces.append(json.dumps(replace(span.kind, _plain(text[low:high])))[1:-1])
            start = high
    return "".join((*pieces, text[start:end], '"'))


def _plain(raw: str) -> str:
    """A stretch of a JSON string without its escapes; as it stands where it cut one."""
    try:
        value = json.loads(f'"{raw}"', strict=False)
    except ValueError:
        return raw
    return value if isinstance(value, str) else raw
