"""A big JSON answer without its bulk: long arrays of numbers and long texts, set aside.

A decoder goes through a body in one step that nothing else can interrupt, and forty megabytes
of vectors take a third of a second. Here the bulk is found in small steps, so that a thread
that does this lets the event loop run, and the decoder sees kilobytes. What was set aside is
put back where a vector is wanted, as a view of the body: nothing is copied.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

BIG: Final = 524_288
_WINDOW: Final = 65_536
_SPARSE: Final = 128
"""Bytes between two signs that open something: below, taking apart costs more than it saves."""
_BRACKET: Final = 0x5B
_BACKSLASH: Final = 0x5C
_LONG_ARRAY: Final = 64
_LONG_TEXT: Final = 4_096
_OPEN = re.compile(rb'["\[]')
_NUMBERS = re.compile(rb"[-+0-9.eE, \t\r\n]*\]")
_ARRAY_AWAY = b'["federation:%d"]'
_TEXT_AWAY = b'"federation:%d"'
_AWAY = re.compile(rb'(?:\["|")federation:(\d+)"\]?')


def is_bulky(body: bytes) -> bool:
    """Whether a body is big and mostly long arrays or texts, by looking at four places."""
    if len(body) <= BIG:
        return False
    signs = 0
    step = (len(body) - _WINDOW) // 3
    for place in range(4):
        window = body[place * step : place * step + _WINDOW]
        signs += window.count(b'"') + window.count(b"[")
    return signs * _SPARSE < 4 * _WINDOW


def thinned(body: bytes) -> tuple[bytes, list[memoryview]]:
    """The body with marks in place of its bulk, and what stood there in the order of marks.

    What is no JSON stays so: nothing but whole texts and whole arrays of numbers is replaced.
    """
    view = memoryview(body)
    kept: list[memoryview | bytes] = []
    pieces: list[memoryview] = []
    begin = at = 0
    while (match := _OPEN.search(body, at)) is not None:
        start = match.start()
        array = body[start] == _BRACKET
        at = _array_end(body, start + 1) if array else _text_end(body, start + 1)
        if at - start >= (_LONG_ARRAY if array else _LONG_TEXT):
            mark = _ARRAY_AWAY if array else _TEXT_AWAY
            kept += (view[begin:start], mark % len(pieces))
            pieces.append(view[start:at])
            begin = at
    kept.append(view[begin:])
    return b"".join(kept), pieces


def _array_end(body: bytes, at: int) -> int:
    """What follows an array of numbers; `at` itself for an array of anything else."""
    whole = _NUMBERS.match(body, at)
    return at if whole is None else whole.end()


def _text_end(body: bytes, at: int) -> int:
    """What follows a text; the body's end where it never ends. Twenty times as fast as a
    pattern, and a picture is megabytes."""
    while (quote := body.find(b'"', at)) >= 0:
        before = quote - 1
        while before >= at and body[before] == _BACKSLASH:
            before -= 1
        at = quote + 1
        if (quote - before) & 1:
            return at
    return len(body)


def restore(value: Any, pieces: list[memoryview]) -> Any:
    """The decoded value with the bulk back wherever a raw value is nothing but a mark."""
    if isinstance(value, Raw):
        return _restored(value, pieces)
    if isinstance(value, list):
        for place, item in enumerate(value):
            value[place] = restore(item, pieces)
    elif isinstance(value, dict):
        for name, item in value.items():
            value[name] = restore(item, pieces)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            item = getattr(value, name)
            if isinstance(item, Raw | list | dict | msgspec.Struct):
                setattr(value, name, restore(item, pieces))
    return value


def _restored(value: Raw, pieces: list[memoryview]) -> Raw:
    if len(memoryview(value)) > _LONG_ARRAY:
        return value
    mark = _AWAY.fullmatch(bytes(value))
    place = int(mark[1]) if mark is not None else len(pieces)
    return Raw(pieces[place]) if place < len(pieces) else value
