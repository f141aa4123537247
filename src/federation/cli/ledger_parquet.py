"""A writer of Parquet files, just enough for flat rows: plain values, no compression.

The trap: a column's values are written without its gaps; where they belong is told by the
definition levels before them, runs of a length and a bit. What this leaves out (dictionaries,
statistics, nesting) readers do not miss, and a library for it weighs a hundred megabytes.
The format: https://parquet.apache.org/docs/file-format/ (metadata in Thrift's compact protocol).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, BinaryIO, Final

_MAGIC: Final = b"PAR1"
_ROWS: Final = 20_000
"""Rows of a group, which is what is held in memory."""
_BOOLEAN, _INT64, _DOUBLE, _BYTES = 0, 2, 5, 6
_PHYSICAL: Final = {bool: _BOOLEAN, int: _INT64, float: _DOUBLE, str: _BYTES}
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_OPTIONAL, _UTF8, _PLAIN, _RLE, _UNCOMPRESSED, _DATA_PAGE = 1, 0, 0, 3, 0, 0

Field = tuple[int, int, Any]
"""Number, type and value of a Thrift field."""


class ParquetFile:
    """Rows into a file; nothing is readable before `end`. Columns may hold None."""

    def __init__(self, file: BinaryIO, columns: Mapping[str, type]) -> None:
        self._file = file
        self._columns = dict(columns)
        self._rows: list[Sequence[Any]] = []
        self._groups: list[list[Field]] = []
        self._count = 0
        self._at = 0
        self._write(_MAGIC)

    def add(self, row: Sequence[Any]) -> None:
        """Add a row in the order of the columns."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS:
            self._flush()

    def end(self) -> None:
        """Write what is left and the footer."""
        if self._rows:
            self._flush()
        schema: list[list[Field]] = [
            [(4, _BINARY, b"ledger"), (5, _I32, len(self._columns))],
            *(_column(name, kind) for name, kind in self._columns.items()),
        ]
        footer = _struct(
            [
                (1, _I32, 1),
                (2, _LIST, (_STRUCT, schema)),
                (3, _I64, self._count),
                (4, _LIST, (_STRUCT, self._groups)),
                (6, _BINARY, b"federation"),
            ]
        )
        self._write(footer + struct.pack("<I", len(footer)) + _MAGIC)

    def _flush(self) -> None:
        chunks, size = [], 0
        for n, (name, kind) in enumerate(self._columns.items()):
            values = [row[n] for row in self._rows]
            start = self._at
            self._write(_page(values, kind))
            length = self._at - start
            size += length
            about: list[Field] = [
                (1, _I32, _PHYSICAL[kind]),
                (2, _LIST, (_I32, [_PLAIN, _RLE])),
                (3, _LIST, (_BINARY, [name.encode()])),
                (4, _I32, _UNCOMPRESSED),
                (5, _I64, len(values)),
                (6, _I64, length),
                (7, _I64, length),
                (9, _I64, start),
            ]
            chunks.append([(2, _I64, start), (3, _STRUCT, about)])
        rows = len(self._rows)
        group: list[Field] = [(1, _LIST, (_STRUCT, chunks)), (2, _I64, size), (3, _I64, rows)]
        self._groups.append(group)
        self._count += rows
        self._rows = []

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._at += len(data)


def _column(name: str, kind: type) -> list[Field]:
    fields: list[Field] = [
        (1, _I32, _PHYSICAL[kind]),
        (3, _I32, _OPTIONAL),
        (4, _BINARY, name.encode()),
    ]
    return [*fields, (6, _I32, _UTF8)] if kind is str else fields


def _page(values: list[Any], kind: type) -> bytes:
    """A data page with its header: definition levels, then the values that are there."""
    runs = b"".join(
        _varint(sum(1 for _ in run) << 1) + (b"\1" if there else b"\0")
        for there, run in groupby(values, key=lambda value: value is not None)
    )
    given = [value for value in values if value is not None]
    body = struct.pack("<I", len(runs)) + runs + _ENCODED[kind](given)
    data: list[Field] = [
        (1, _I32, len(values)),
        (2, _I32, _PLAIN),
        (3, _I32, _RLE),
        (4, _I32, _RLE),
    ]
    head = [(1, _I32, _DATA_PAGE), (2, _I32, len(body)), (3, _I32, len(body)), (5, _STRUCT, data)]
    return _struct(head) + body


def _bits(values: list[bool]) -> bytes:
    number = sum(1 << n for n, value in enumerate(values) if value)
    return number.to_bytes((len(values) + 7) // 8, "little")


def _texts(values: list[str]) -> bytes:
    raw = [value.encode() for value in values]
    return b"".join(struct.pack("<I", len(each)) + each for each in raw)


_ENCODED: Final[dict[type, Callable[[list[Any]], bytes]]] = {
    bool: _bits,
    int: lambda values: struct.pack(f"<{len(values)}q", *values),
    float: lambda values: struct.pack(f"<{len(values)}d", *values),
    str: _texts,
}


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _struct(fields: list[Field]) -> bytes:
    out, last = bytearray(), 0
    for number, kind, value in fields:
        out.append((number - last) << 4 | kind)
        out += _value(kind, value)
        last = number
    return bytes(out) + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind in (_I32, _I64):
        return _varint(value << 1 if value >= 0 else (-value << 1) - 1)
    if kind == _BINARY:
        raw: bytes = value
        return _varint(len(raw)) + raw
    if kind == _STRUCT:
        return _struct(value)
    inner, items = value
    size = len(items)
    head = bytes([size << 4 | inner]) if size < 15 else bytes([0xF0 | inner]) + _varint(size)
    return head + b"".join(_value(inner, item) for item in items)
