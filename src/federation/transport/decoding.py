"""Content codings that nobody asked for, undone within a bound.

We ask for `identity`; some providers compress all the same. The trap: a few kilobytes can
inflate to gigabytes, so at no time is more produced than the caller can hold.
"""

from __future__ import annotations

import zlib

_PIECE = 256 * 1024
_GZIP = frozenset({b"gzip", b"x-gzip"})


class BadCoding(Exception):
    """The bytes are not what their coding says."""


class TooMuch(Exception):
    """They inflate beyond the bound."""


class Decoder:
    """Undoes gzip or deflate piece by piece: `push` bytes, `pull` until nothing comes."""

    __slots__ = ("_full", "_gzip", "_inflate", "_left", "_pending")

    def __init__(self, coding: bytes, bound: int) -> None:
        self._gzip = coding in _GZIP
        self._inflate: zlib._Decompress | None = None
        self._left = bound
        self._pending = b""
        self._full = False

    def push(self, data: bytes) -> None:
        """Add bytes as received; what was pushed before has been pulled out."""
        self._pending += data

    def pull(self) -> bytes:
        """Return the next decoded piece, `b""` when more must be pushed first.

        Raises `BadCoding`, `TooMuch`.
        """
        while self._pending or self._full:
            inflate = self._inflate
            if inflate is None or (inflate.eof and self._gzip):  # a gzip file may follow another
                inflate = self._inflate = self._start()
            elif inflate.eof:
                raise BadCoding("bytes follow the end of the compressed data")
            try:
                piece = inflate.decompress(self._pending, _PIECE)
            except zlib.error:
                raise BadCoding("the compressed data is damaged") from None
            self._pending = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            # A full piece may leave output inside zlib although all input is used up.
            self._full = len(piece) == _PIECE and not inflate.eof
            self._left -= len(piece)
            if self._left < 0:
                raise TooMuch("the decompressed answer is too large")
            if piece:
                return piece
        return b""

    def finish(self) -> None:
        """Raise `BadCoding` where the compressed data has not come to its own end."""
        if self._inflate is not None and not self._inflate.eof:
            raise BadCoding("the compressed data is incomplete")

    def _start(self) -> zlib._Decompress:
        if self._gzip:
            return zlib.decompressobj(31)
        # "deflate" should be zlib's wrapping, yet some servers send the bare stream.
        wrapped = self._pending[0] & 0x0F == 8
        return zlib.decompressobj(15 if wrapped else -15)


def decoder_for(coding: bytes, bound: int) -> Decoder | None:
    """Return what undoes a `content-encoding`, None where nothing is to undo.

    Raises `BadCoding` for a coding that we do not know, or more than one.
    """
    coding = coding.strip().lower()
    if coding in (b"", b"identity"):
        return None
    if coding in _GZIP or coding == b"deflate":
        return Decoder(coding, bound)
    raise BadCoding("the answer has a content coding that nobody asked for")
