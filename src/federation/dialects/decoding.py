"""What the stream decoders of all dialects have in common; see `faces.StreamDecoder`.

A dialect's decoder says what a piece of its stream means; here is how pieces are had, and when a
stream counts as whole. The trap: an error that a provider reports ends the answer, whatever came
before it, so a stream with a finish and an error is not complete.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from federation.dialects.surrogates import Halves
from federation.dialects.tapping import Cutter
from federation.schema.chunks import Chunk

W = TypeVar("W")


class Decoder(Generic[W]):
    """How far one stream has been read."""

    __slots__ = ("_failed", "_finished", "_halves", "_wire", "done", "malformed", "started")

    def __init__(self, wire: W) -> None:
        self._wire = wire
        self._halves = Halves()
        self._finished = False
        self._failed = False
        self.malformed = 0
        self.started = False
        self.done = False

    @property
    def complete(self) -> bool:
        """The answer was said to be finished, and no error was."""
        return self._finished and not self._failed


class PieceDecoder(Decoder[W], ABC):
    """The same for streams of text: server-sent events or lines."""

    __slots__ = ("_cutter",)

    def __init__(self, wire: W, cutter: Cutter) -> None:
        super().__init__(wire)
        self._cutter = cutter

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks in what has arrived; see `faces.StreamDecoder.feed`."""
        chunks: list[Chunk] = []
        for piece in self._cutter.feed(data):
            self._read(piece, chunks)
        return chunks

    def close(self) -> list[Chunk]:
        """The chunks of a last piece that only lacks its end."""
        chunks: list[Chunk] = []
        rest = self._cutter.rest()
        if rest:
            self._read(rest, chunks)
        return chunks

    @abstractmethod
    def _read(self, piece: bytes, chunks: list[Chunk]) -> None:
        """Add what a piece says; one that cannot be read is counted as malformed."""
