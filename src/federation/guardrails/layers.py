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

from federation.guardrails.folding import tables
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
_PERCENT: Final = re.compile(rb"%(?:25)*([0-9A-Fa-f]{2})")
_SIMPLE: Final = {98: b"\b", 102: b"\f", 110: b"\n", 114: b"\r", 116: b"\t"}
_ENCODED: Final = compiled(rb"[A-Za-z0-9+/_-]{14,}={0,2}")
_READABLE: Final = compiled(rb"[\x20-\x7e\t\r\n]{9,}")
_READABLE_SHARE: Final = 0.75
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

    __slots__ = ("_at", "_limits", "_origins", "_pieces", "_starts")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._starts: list[int] = []
        self._origins: list[int] = []
        self._limits: list[int] = []
        self._at = 0

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
    if text.isascii():
        if "&" not in text or _ENTITY.search(text) is None:
            return Layer(text.encode("ascii"))
        return _edited(text, entities=True)
    changing = tables()[2]
    entities = "&" in text
    if changing.search(text) is None and (not entities or _ENTITY.search(text) is None):
        return Layer(_one_to_one(text))
    return _edited(text, entities=entities)


def _one_to_one(text: str) -> bytes:
    if text.isascii():
        return text.encode("ascii")
    return text.translate(tables()[0]).encode("latin-1", "replace")


def _edited(text: str, *, entities: bool) -> Layer:
    builder, done = _Builder(), 0
    whole = _one_to_one(text)
    for start, end, piece in _edits(text, entities=entities):
        if start < done:
            continue
        builder.keep(whole[done:start], done)
        builder.edit(piece, start, end)
        done = end
    builder.keep(whole[done:], done)
    return builder.layer()


def _edits(text: str, *, entities: bool) -> Iterator[tuple[int, int, bytes]]:
    _, several, changing = tables()
    found: list[tuple[int, int, bytes]] = []
    for match in changing.finditer(text):
        made = several.get(match.group(), "")
        found.append((match.start(), match.end(), made.encode("ascii")))
    if entities:
        for match in _ENTITY.finditer(text):
            named = match.group().replace("amp;", "")
            made = html.unescape(named if named.endswith(";") else named + ";")
            if made != named and not made.startswith("&"):
                found.append((match.start(), match.end(), _replaced(made)))
        found.sort()
    yield from found


def _replaced(text: str) -> bytes:
    """The bytes of a decoded piece: what nobody sees is left out."""
    _, several, changing = tables()
    return _one_to_one(changing.sub(lambda match: several.get(match.group(), ""), text))


def decode(layer: Layer) -> Layer | None:
    """The layer with its escapes decoded; None where there are none."""
    data = layer.data
    builder, done, any_found = _Builder(), 0, False
    for start, end in _ESCAPE.spans(data):
        any_found = True
        _keep(builder, layer, done, start)
        builder.edit(_unescaped(data[start:end]), *layer.original(start, end))
        done = end
    if not any_found:
        return None
    _keep(builder, layer, done, len(data))
    return builder.layer()


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
        return _replaced(raw.decode("utf-8", "replace"))
    if escape[:1] != b"\\":
        return b""
    body = escape.lstrip(b"\\")
    if body[:1] in (b"u", b"x"):
        code = int(body[1:].strip(b"{}"), 16)
        return b"" if 0xD800 <= code < 0xE000 or code > 0x10FFFF else _replaced(chr(code))
    if not body:
        return b"\\"
    return _SIMPLE.get(body[0], body[:1])


def encoded(layer: Layer) -> Iterator[tuple[int, int, str]]:
    """Stretches of base64 or hexadecimal that decode to readable text: where, and what."""
    for start, end in _ENCODED.spans(layer.data):
        raw = _raw(layer.data[start:end])
        if raw is None:
            continue
        readable = sum(stop - begin for begin, stop in _READABLE.spans(raw))
        if readable >= _READABLE_SHARE * len(raw):
            yield start, end, raw.decode("utf-8", "replace")


def _raw(run: bytes) -> bytes | None:
    body = run.rstrip(b"=")
    if len(body) % 2 == 0:
        try:
            return bytes.fromhex(body.decode("ascii"))
        except ValueError:
            pass  # not hexadecimal: base64 is tried
    if len(body) % 4 == 1:
        body = body[:-1]
    try:
        return base64.b64decode(body.translate(_URL_SAFE) + b"=" * (-len(body) % 4))
    except binascii.Error:
        return None
