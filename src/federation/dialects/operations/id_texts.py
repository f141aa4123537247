"""Ids in the texts of a JSON body, found where they stand and replaced byte for byte.

Nothing but the texts that change is written anew: a number keeps its digits, and a member that
stands twice beside them still does. The trap is a member that a rule reads: were it to stand
twice in its object, one reader would take the first, another the last, so that is refused.
A path is the names of members, joined by dots; a list lends its own path to what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from federation.errors import InvalidRequest

_PIECE: Final = re.compile(
    rb'("[^"\\]*(?:\\.[^"\\]*)*")[ \t\n\r]*(:?)|[{}\[\]]|[^ \t\n\r,:"{}\[\]]+', re.DOTALL
)
_TEXT: Final = msgspec.json.Decoder(str)
_LONGEST: Final = 800
"""Bytes of a text that may be an id, each of its characters escaped."""

Change = Callable[[str, bool], str]
"""A text and whether it stands where a rule says that ids stand, to what stands there instead."""


@dataclass(slots=True)
class _Frame:
    path: str | None
    """None: no rule reads below here."""
    seen: set[str] = field(default_factory=set)


def with_changed_texts(body: bytes, paths: frozenset[str], change: Change) -> bytes:
    """The body with its texts changed. `body` is valid JSON; `paths` hold ids or lists of ids.

    Raises `InvalidRequest` for another value there and for a member that leads there twice.
    """
    heads = frozenset(
        [path[:at] for path in paths for at, letter in enumerate(path) if letter == "."]
    )
    pieces: list[bytes] = []
    done = 0
    path: str | None = ""
    frames: list[_Frame] = []
    for piece in _PIECE.finditer(body):
        text = piece[1]
        if text is None:
            sign = piece[0]
            if sign in (b"}", b"]"):
                frames.pop()
                path = frames[-1].path if frames else None
                continue
            if path in paths and sign != b"[" and not (sign == b"{" and path in heads):
                raise _no_id(str(path))
            if sign in (b"{", b"["):
                frames.append(_Frame(path))
        elif piece[2]:
            path = _below(frames[-1], _TEXT.decode(text), paths, heads)
        elif path in paths or len(text) <= _LONGEST:
            said = _TEXT.decode(text)
            new = change(said, path in paths)
            if new != said:
                pieces += (body[done : piece.start(1)], msgspec.json.encode(new))
                done = piece.end(1)
    pieces.append(body[done:])
    return b"".join(pieces)


def _below(frame: _Frame, name: str, paths: frozenset[str], heads: frozenset[str]) -> str | None:
    """The path of a member; None where no rule reads it."""
    if frame.path is None:
        return None
    path = f"{frame.path}.{name}" if frame.path else name
    if path not in paths and path not in heads:
        return None
    if path in frame.seen:
        raise InvalidRequest(
            f"The field '{path}' stands twice in the body; send it once.",
            code="duplicate_field",
            param=path,
        )
    frame.seen.add(path)
    return path


def _no_id(path: str) -> InvalidRequest:
    return InvalidRequest(f"{path!r} must be an id or a list of ids.", param=path)
