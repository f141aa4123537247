"""The words of a condition: names, numbers, strings, signs, each with its column.

Only what the subset knows is read. A decimal number, a comment, a raw or triple-quoted
string and an escape of another kind are refused by name, so that a condition which another
CEL engine would read differently is never accepted here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

SOURCE_LIMIT: Final = 2_000

_WORD: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<decimal>[0-9]+\.[0-9]|[0-9]+[eEuU]|\.[0-9])
      | (?P<int>0x[0-9a-fA-F]{1,16}\b|[0-9]{1,19}\b)
      | (?P<prefixed>[rRbB]{1,2}["'])
      | (?P<triple>\"\"\"|''')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<string>"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
      | (?P<sign>\|\||&&|==|!=|<=|>=|[<>!?:()\[\].,+*/%-])""",
    re.VERBOSE,
)
_REFUSED: Final = {
    "decimal": "only whole numbers are read here",
    "prefixed": "only plain strings are read here",
    "triple": "only plain strings are read here",
}
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t", "r": "\r"}
# fmt: off
_RESERVED: Final = frozenset((
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
    "namespace", "null", "package", "return", "var", "void", "while",
))
# fmt: on


@dataclass(frozen=True, slots=True)
class Word:
    """A word and the offset at which it begins; `kind` is name, int, string, sign or end."""

    kind: str
    text: str
    at: int


def read_words(source: str) -> list[Word]:
    """The words of a condition, closed by one of the kind `end`; `ValueError` for others."""
    if len(source) > SOURCE_LIMIT:
        raise ValueError(f"is longer than {SOURCE_LIMIT} characters")
    words: list[Word] = []
    at = 0
    while at < len(source):
        found = _WORD.match(source, at)
        kind = found.lastgroup if found is not None else None
        if found is None or kind is None:
            raise ValueError(f"column {at + 1}: this cannot be read")
        if kind in _REFUSED:
            raise ValueError(f"column {at + 1}: {_REFUSED[kind]}")
        if kind != "space":
            words.append(_word(kind, found[0], at))
        at = found.end()
    words.append(Word("end", "", len(source)))
    return words


def _word(kind: str, text: str, at: int) -> Word:
    if kind == "int":
        return Word(kind, str(_number(text, at)), at)
    if kind == "string":
        return Word(kind, _ESCAPE.sub(lambda found: _plain(found[1], at), text[1:-1]), at)
    if text in _RESERVED:
        raise ValueError(f"column {at + 1}: '{text}' is a reserved word")
    return Word("sign" if text == "in" else kind, text, at)


def _number(text: str, at: int) -> int:
    value = int(text, 16) if text[:2] == "0x" else int(text)
    if value >= 2**63:
        raise ValueError(f"column {at + 1}: the number is too large")
    return value


def _plain(escaped: str, at: int) -> str:
    if escaped not in _ESCAPED:
        raise ValueError(f"column {at + 1}: the escape '\\{escaped}' is not read here")
    return _ESCAPED[escaped]
