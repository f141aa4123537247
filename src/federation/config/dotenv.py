"""The `.env` file: NAME=value lines, with `export`, quotes and comments.

There is no expansion: `$OTHER` stands for itself, since a secret may hold a dollar sign.
Problems name the line, never what stands in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from federation.config.document import FILE_LIMIT, Place
from federation.errors import Problem

_LINE = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)\Z")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*')[ \t]*(?:#.*)?\Z""")
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*\Z")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(slots=True)
class EnvFile:
    """Variables and the line of each."""

    values: dict[str, str] = field(default_factory=dict, repr=False)
    places: dict[str, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read(path: Path | None) -> EnvFile:
    """The variables in the file at `path`; none where it is missing."""
    found = EnvFile()
    if path is None or not path.is_file():
        return found
    name = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        found.problems.append(Problem(name, None, f"cannot be read: {error.strerror}"))
        return found
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        found.problems.append(Problem(name, None, "is not UTF-8"))
        return found
    if len(data) > FILE_LIMIT or "\0" in text:
        found.problems.append(Problem(name, None, "is too large or not a text file"))
        return found
    for number, line in enumerate(text.splitlines(), start=1):
        _take(found, line.strip(), Place(name, number))
    return found


def _take(found: EnvFile, line: str, place: Place) -> None:
    if not line or line.startswith("#"):
        return
    matched = _LINE.match(line)
    value = _value(matched[2]) if matched else None
    if matched is None or value is None:
        message = "is not NAME=value" if matched is None else "has a quote that is not closed"
        found.problems.append(Problem(place.where, place.line, message))
        return
    found.values[matched[1]] = value
    found.places[matched[1]] = place


def _value(written: str) -> str | None:
    if written[:1] in ("'", '"'):
        quoted = _QUOTED.match(written)
        if quoted is None:
            return None
        inner = quoted[1][1:-1]
        if written[0] == "'":
            return inner
        return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), inner)
    return _COMMENT.sub("", written)
