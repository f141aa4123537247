"""Replacements inside JSON text that leave it valid, and everything else in it byte for byte.

The text is never parsed and written anew: that would change numbers, escapes and the order of
equal keys, and tools compare arguments. The trap: a value may be a bare number, and what
replaces it is a string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from federation.guardrails.entities import Span
from federation.guardrails.patterns import compiled

_WELL_FORMED: Final = msgspec.json.Decoder(msgspec.Raw)
"""Reads all of it and makes nothing of it."""
_LONGEST_WORD: Final = 1024
_BARE: Final = re.compile(r"[^\s\[\]{},:\"]+")
_SHIFTED: Final = compiled(rb"\.[0-9]+[eE]|[0-9]{8}[eE]\+?0*[1-9]|[0-9]{12}0[eE]-")
"""What the numbers with a power of ten have whose digits do not stand there as they are."""
_POWER: Final = re.compile(r"-?([0-9]{1,40})(?:\.([0-9]{1,40}))?[eE]([+-]?[0-9]{1,3})", re.ASCII)
_LEAST_DIGITS, _MOST_DIGITS = 12, 19
_LEXEME: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^\s\[\]{},:"]+', re.DOTALL)
_ESCAPED: Final = re.compile(r"[^ !#-\[\]-~]")


def is_json(text: str) -> bool:
    """Whether `text` is a JSON object or array."""
    if text.lstrip(" \t\r\n")[:1] not in ("{", "["):
        return False
    try:
        _WELL_FORMED.decode(text.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return False
    return True


def strings_only(text: str) -> str:
    """`text`, which is JSON, with blanks for whatever is no words of anybody's: numbers and other
    bare words, and strings that hold a file. The places of what is left stay the same."""
    pieces: list[str] = []
    at = 0
    while (start := text.find('"', at)) >= 0:
        pieces.append(_BARE.sub(_blank, text[at:start]))
        at = _end_of_string(text, start)
        held = text[start:at]
        pieces.append(" " * len(held) if _is_file(held) else held)
    return "".join((*pieces, _BARE.sub(_blank, text[at:])))


def words_of(text: str, *, bare: bool = True) -> Iterator[str]:
    """Every string of `text`, which is JSON, names of members too, without its escapes; and every
    bare word, if asked for. One that stands twice comes twice, also where a reader would take only
    one."""
    for match in _LEXEME.finditer(text):
        word = match.group()
        if word[0] == '"':
            yield _plain(word[1:-1])
        elif bare:
            yield whole_number(word) or word


def powers(text: str) -> Iterator[tuple[int, int, str]]:
    """Numbers with a power of ten in `text`, which is JSON, that are whole and as long as values
    are: where, and the digits."""
    if _SHIFTED.occurs(text.encode("utf-8", "surrogatepass")):
        for match in _LEXEME.finditer(text):
            word = match.group()
            digits = "" if word[0] == '"' else whole_number(word)
            if digits:
                yield *match.span(), digits


def whole_number(word: str) -> str:
    """The digits of a number with a power of ten that is whole: 4111 for 4.111e3; empty for any
    other word, and where they are fewer or more than values have."""
    found = _POWER.fullmatch(word)
    if found is None:
        return ""
    whole, rest, power = found[1], found[2] or "", int(found[3])
    kept = (whole + rest).rstrip("0")
    behind = len(whole) + power  # digits before the point
    if not len(kept) <= behind <= _MOST_DIGITS + len(whole) - 1:
        return ""
    digits = kept.ljust(behind, "0").lstrip("0")
    return digits if _LEAST_DIGITS <= len(digits) <= _MOST_DIGITS else ""


def _blank(word: re.Match[str]) -> str:
    return " " * len(word.group())


def _end_of_string(text: str, start: int) -> int:
    end = text.find('"', start + 1)
    while end >= 0:
        before = end
        while text[before - 1] == "\\":
            before -= 1
        if (end - before) % 2 == 0:
            return end + 1
        end = text.find('"', end + 1)
    return len(text)


def _is_file(held: str) -> bool:
    """Whether a string is so long without a gap as base64 is and words are not."""
    return len(held) > _LONGEST_WORD and " " not in held and "\\" not in held and held.isascii()


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
        if first == len(spans):
            break
        start, end = match.span()
        if end <= spans[first].start:
            continue
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
            made = replace(span.kind, _plain(text[low:high]))
            pieces.append(json.dumps(made)[1:-1] if _ESCAPED.search(made) else made)
            start = high
    return "".join((*pieces, text[start:end], '"'))


def _plain(raw: str) -> str:
    """A stretch of a JSON string without its escapes; as it stands where it cut one."""
    if "\\" not in raw:
        return raw
    try:
        value = json.loads(f'"{raw}"', strict=False)
    except ValueError:
        return raw
    return value if isinstance(value, str) else raw
