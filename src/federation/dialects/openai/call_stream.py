"""Puts the tool calls of one streamed choice together from their pieces.

Hosts number calls badly: no index, an index that stays 0, gaps, ids that come late, never
or with every piece, the whole name again and again. A piece belongs to the call of its
index, unless it brings another id and a name while that call is already whole.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.call_ids import made_id
from federation.dialects.openai.decode import Call, argument_text
from federation.dialects.openai.details import thought_signature
from federation.schema.chunks import Chunk, Delta, PartBegun, PartEnded
from federation.schema.parts import CUSTOM, FUNCTION, ToolCall

_ANY: Final = msgspec.json.Decoder(Raw)


class _Open:
    """A call that is being written."""

    __slots__ = ("custom", "ended", "id", "index", "name", "part", "pieces", "signature")

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.part = -1
        self.custom = False
        self.ended = False
        self.signature = ""
        self.pieces: list[str] = []

    @property
    def is_whole(self) -> bool:
        """The arguments are complete, as far as one can tell."""
        text = "".join(self.pieces)
        if self.custom:
            return bool(text)
        try:
            _ANY.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class CallBook:
    """The calls of one choice; `next_part` of the choice is counted by its owner."""

    __slots__ = ("_calls", "_choice", "_last")

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._calls: list[_Open] = []
        self._last: _Open | None = None

    @property
    def any(self) -> bool:
        """A call has begun."""
        return any(call.part >= 0 for call in self._calls)

    def find(self, piece: Call) -> tuple[_Open, bool]:
        """The call that a piece belongs to, and whether it is a new one."""
        call = self._belongs(piece)
        if call is not None:
            return call, False
        call = _Open(piece.index)
        self._calls.append(call)
        return call, True

    def add(self, piece: Call, call: _Open, answer_id: str, part: int) -> list[Chunk]:
        """Take in a piece; `part` is the number for the call if it begins now."""
        self._last = call
        chunks: list[Chunk] = []
        inner = piece.function or piece.custom
        text = ""
        if inner is not None:
            call.custom = call.custom or piece.function is None
            call.name = call.name or inner.name or ""
            text = (inner.input or "") if call.custom else argument_text(inner.arguments)
        call.id = call.id or piece.id or ""
        signature = thought_signature(piece.extra_content)
        if text:
            call.pieces.append(text)
        if call.part < 0:
            call.signature += signature
            if call.name:
                self._begin(call, answer_id, part, chunks)
        elif not call.ended and (text or signature):
            chunks.append(Delta(self._choice, call.part, text, signature))
        return chunks

    def _begin(self, call: _Open, answer_id: str, part: int, chunks: list[Chunk]) -> None:
        call.part = part
        number = sum(other.part >= 0 for other in self._calls) - 1
        call.id = call.id or made_id(answer_id, self._choice, number)
        kind = CUSTOM if call.custom else FUNCTION
        head = ToolCall(call.id, call.name, "", kind, call.signature)
        chunks.append(PartBegun(self._choice, part, head))
        text = "".join(call.pieces)
        if text:
            chunks.append(Delta(self._choice, part, text))

    def end_whole(self) -> list[Chunk]:
        """End the calls that have all their arguments, because something else begins."""
        return self._end([call for call in self._open() if call.is_whole])

    def end_all(self) -> list[Chunk]:
        """End every call: the choice is over."""
        return self._end(self._open())

    def _open(self) -> list[_Open]:
        return [call for call in self._calls if call.part >= 0 and not call.ended]

    def _end(self, calls: list[_Open]) -> list[Chunk]:
        for call in calls:
            call.ended = True
        return [PartEnded(self._choice, call.part) for call in calls]

    def _belongs(self, piece: Call) -> _Open | None:
        inner = piece.function or piece.custom
        name = (inner.name if inner is not None else "") or ""
        if piece.index is None:
            return self._unnumbered(piece, name)
        same = [call for call in self._calls if call.index == piece.index]
        if not same:
            return None
        call = same[-1]
        other = bool(piece.id and name and call.id and piece.id != call.id)
        return None if other and (call.is_whole or not call.pieces) else call

    def _unnumbered(self, piece: Call, name: str) -> _Open | None:
        if piece.id:
            known = next((call for call in self._calls if call.id == piece.id), None)
            if known is not None or name:
                return known
        last = self._last
        if last is None or not name:
            return last
        repeats = name == last.name and bool(last.pieces) and not last.is_whole
        return last if repeats else None
