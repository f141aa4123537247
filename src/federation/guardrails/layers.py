"""One pass that makes a text comparable, with an exact map back to the text as it came.

A layer is the text in one reading: folded (compatibility forms, entities, unseen characters),
then decoded (percent and backslash escapes, strings put together in code). The trap: a place
in a layer is a place in the original only through the layer's map; a value that came from one
escape sequence is replaced together with the whole sequence.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from federation.guardrails.folding import CHANGING, one_to_one, readable, tables
from federation.guardrails.patterns import compiled

_ENTITY: Final = re.compile(
    r"&(?:amp;)*(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30})(?:;|\b)"
)
_ESCAPE: Final = compiled(
    rb"%(?:25){0,3}(?:[0-7][0-9A-Fa-f]"
    rb"|[C-Fc-f][0-9A-Fa-f](?:%(?:25){0,3}[89ABab][0-9A-Fa-f]){1,3})"
    rb"|\\{1,8}(?:u\{[0-9A-Fa-f]{1,6}\}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[\"'/\\bfnrt])"
    rb"|[\"'`][ \t]{0,3}(?:[+&][ \t]{0,3}(?:\n[ \t]{0,12})?|\n[ \t]{0,12})[\"'`]"
)
_ESCAPING: Final = compiled(rb"[%\\`]|[\"'][ \t]{0,3}[+&\n]")
"""Without one of these there is nothing to decode."""
_PERCENT: Final = re.compile(rb"%(?:25)*([0-9A-Fa-f]{2})")
_SIMPLE: Final = {98: b"\b", 102: b"\f", 110: b"\n", 114: b"\r", 116: b"\t"}
_ENCODED: Final = compiled(rb"[A-Za-z0-9+/_-]{14,}={0,2}")
_READABLE: Final = compiled(rb"[\x20-\x7e\t\r\n]{9,}")
_READABLE_SHARE: Final = 0.75
_HEXADECIMAL: Final = re.compile(rb"(?:[2-7][0-9a-fA-F]|0[9aAdD]){7,}")
AROUND: Final = 200
"""Characters on each side of an escape that are read again: a value and the words beside it."""
_PEEK: Final = 8
"""Decoded bytes that tell noise from text."""
_NO_DIGITS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")
_BEFORE, _BEHIND = 16, 512
"""How far a value may reach beyond the long run in it."""
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")


@dataclass(slots=True)
class Layer:
    """A reading of a text: one byte a character. `starts` and `origins` are the map: from
    `starts[i]` on, a layer place is as far from `starts[i]` as the original from
    `origins[i]`, up to the original place `limits[i]`."""

    data: bytes
    starts: list[int] | None = None
    origins: list[int] | None = None
    limits: list[int] | None = None
    around: list[tuple[int, int]] | None = None
    """The stretches that differ from the layer before, with what stands around them; None:
    all of it."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original text of a place in this layer."""
        if self.starts is None:
            return start, end
        return self._place(start, at_end=False), self._place(end - 1, at_end=True)

    def _place(self, at: int, *, at_end: bool) -> int:
        assert self.starts is not None  # noqa: S101 - told apart by `original`
        assert self.origins is not None  # noqa: S101
        assert self.limits is not None  # noqa: S101
        index = bisect_right(self.starts, at) - 1
        origin, limit = self.origins[index], self.limits[index]
        if limit >= 0:  # inside an edit: all of it
            return limit if at_end else origin
        return origin + at - self.starts[index] + (1 if at_end else 0)


class _Builder:
    """Puts a layer together from pieces that stay and pieces that are replaced."""

    __slots__ = ("_at", "_limits", "_origins", "_pieces", "_starts", "around")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._starts: list[int] = []
        self._origins: list[int] = []
        self._limits: list[int] = []
        self._at = 0
        self.around: list[tuple[int, int]] = []

    def near(self) -> None:
        """Remember that something was replaced here."""
        start, end = max(0, self._at - AROUND), self._at + AROUND
        if self.around and self.around[-1][1] >= start:
            start = self.around.pop()[0]
        self.around.append((start, end))

    def keep(self, piece: bytes, origin: int) -> None:
        if piece:
            self._add(piece, origin, -1)

    def edit(self, piece: bytes, origin: int, limit: int) -> None:
        if piece:
            self._add(piece, origin, limit)

    def _add(self, piece: bytes, origin: int, limit: int) -> None:
        self._pieces.append(piece)
        self._starts.append(self._at)
        self._origins.append(origin)
        self._limits.append(limit)
        self._at += len(piece)

    def layer(self) -> Layer:
        return Layer(b"".join(self._pieces), self._starts, self._origins, self._limits)


def fold(text: str) -> Layer:
    """The first layer: look-alikes folded, entities decoded, unseen characters gone."""
    whole = one_to_one(text)
    changing = tables().changing if CHANGING in whole and not text.isascii() else None
    entities = _ENTITY if "&" in text and _ENTITY.search(text) else None
    if changing is None and entities is None:
        return Layer(whole)
    return _edited(text, whole, sorted(_edits(text, changing, entities)))


def _edited(text: str, whole: bytes, edits: list[tuple[int, int, bytes]]) -> Layer:
    builder, done = _Builder(), 0
    for start, end, piece in edits:
        if start >= done:
            builder.keep(whole[done:start], done)
            builder.edit(piece, start, end)
            done = end
    builder.keep(whole[done : len(text)], done)
    return builder.layer()


def _edits(
    text: str, changing: re.Pattern[str] | None, entities: re.Pattern[str] | None
) -> Iterator[tuple[int, int, bytes]]:
    if changing is not None:
        several = tables().several
        for match in changing.finditer(text):
            yield *match.span(), several.get(match.group(), "").encode("ascii")
    if entities is not None:
        for match in entities.finditer(text):
            named = match.group().replace("amp;", "")
            made = html.unescape(named if named.endswith(";") else named + ";")
            if made != named and not made.startswith("&"):
                yield *match.span(), readable(made)


def decode(layer: Layer) -> Layer | None:
    """The layer with its escapes decoded; None where there are none."""
    data = layer.data
    if not _ESCAPING.occurs(data):
        return None
    builder, done, any_found = _Builder(), 0, False
    for start, end in _ESCAPE.spans(data):
        any_found = True
        _keep(builder, layer, done, start)
        builder.edit(_unescaped(data[start:end]), *layer.original(start, end))
        builder.near()
        done = end
    if not any_found:
        return None
    _keep(builder, layer, done, len(data))
    made = builder.layer()
    made.around = builder.around
    return made


def _keep(builder: _Builder, layer: Layer, start: int, end: int) -> None:
    """Take over a stretch of `layer`, and the edits in it."""
    if start >= end:
        return
    if layer.starts is None or layer.origins is None or layer.limits is None:
        builder.keep(layer.data[start:end], start)
        return
    index = bisect_right(layer.starts, start) - 1
    while start < end:
        following = layer.starts[index + 1] if index + 1 < len(layer.starts) else len(layer.data)
        stop = min(following, end)
        origin, limit = layer.origins[index], layer.limits[index]
        if limit >= 0:
            builder.edit(layer.data[start:stop], origin, limit)
        else:
            builder.keep(layer.data[start:stop], origin + start - layer.starts[index])
        start, index = stop, index + 1


def _unescaped(escape: bytes) -> bytes:
    if escape[:1] == b"%":
        raw = bytes.fromhex(b"".join(_PERCENT.findall(escape)).decode("ascii"))
        return readable(raw.decode("utf-8", "replace"))
    if escape[:1] != b"\\":
        return b""
    body = escape.lstrip(b"\\")
    if body[:1] in (b"u", b"x"):
        code = int(body[1:].strip(b"{}"), 16)
        return b"" if 0xD800 <= code < 0xE000 or code > 0x10FFFF else readable(chr(code))
    if not body:
        return b"\\"
    return _SIMPLE.get(body[0], body[:1])


def long_runs(data: bytes) -> list[tuple[int, int]]:
    """Where letters, digits and the signs of base64 stand without a gap for long."""
    return list(_ENCODED.spans(data))


def around(data: bytes, runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Windows about those long runs that are no plain words, merged where they meet."""
    windows: list[tuple[int, int]] = []
    for start, end in runs:
        run = data[start:end]
        if not run.translate(None, _NO_DIGITS) and (
            run.islower() or run.isupper() or run.istitle()
        ):
            continue
        low, high = max(0, start - _BEFORE), min(len(data), end + _BEHIND)
        if windows and windows[-1][1] >= low:
            low = windows.pop()[0]
        windows.append((low, high))
    return windows


def encoded(data: bytes, runs: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    """Which of the long runs are base64 or hexadecimal for readable text: where, and what."""
    for start, end in runs:
        run = data[start:end]
        if not _may_be_encoded(run):
            continue
        raw = _raw(run)
        if raw is None or not raw[:_PEEK].isascii():
            continue
        readable = sum(stop - begin for begin, stop in _READABLE.spans(raw))
        if readable >= _READABLE_SHARE * len(raw):
            yield start, end, raw.decode("utf-8", "replace")


def _may_be_encoded(run: bytes) -> bool:
    """Words are of one case or hold no digit; text in base64 mixes cases, in hexadecimal digits."""
    return not (run.islower() or run.isupper()) or _HEXADECIMAL.fullmatch(run) is not None


def _raw(run: bytes) -> bytes | None:
    if _HEXADECIMAL.fullmatch(run):
        return bytes.fromhex(run.decode("ascii"))
    body = run.rstrip(b"=")
    if len(body) % 4 == 1:
        body = body[:-1]
    try:
        return base64.b64decode(body.translate(_URL_SAFE) + b"=" * (-len(body) % 4))
    except binascii.Error:
        return None
