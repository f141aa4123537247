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
from federation.errors import UpstreamGarbled
from federation.schema.chunks import Chunk, Delta, PartBegun, PartEnded
from federation.schema.parts import CUSTOM, FUNCTION, ToolCall

MOST_CALLS: Final = 1_000
"""Of one choice."""
_LONG: Final = 64 * 1024
"""Characters of arguments that take tens of microseconds to read: what is longer and was not whole
is not read again before it has doubled, for anything else that begins asks whether it is."""
_ANY: Final = msgspec.json.Decoder(Raw)


class _Open:
    """A call that is being written."""

    __slots__ = (
        "_torn", "custom", "ended", "id", "name", "order", "part", "pieces", "signature", "size"
    )  # fmt: skip

    def __init__(self, order: int) -> None:
        self.order = order
        self.id = ""
        self.name = ""
        self.part = -1
        self.custom = False
        self.ended = False
        self.signature = ""
        self.pieces: list[str] = []
        self.size = 0
        self._torn = 0
        """How long the arguments were when they were not whole."""

    def more(self, text: str) -> None:
        """More of the arguments."""
        self.pieces.append(text)
        self.size += len(text)

    @property
    def is_whole(self) -> bool:
        """The arguments are complete, as far as one can tell."""
        if self.custom:
            return self.size > 0
        if self._torn and (self.size == self._torn or _LONG < self.size < 2 * self._torn):
            return False
        try:
            _ANY.decode("".join(self.pieces))
        except (msgspec.DecodeError, RecursionError):
            self._torn = self.size
            return False
        return True


class CallBook:
    """The calls of one choice; `next_part` of the choice is counted by its owner."""

    __slots__ = (
        "_begun", "_by_id", "_by_index", "_choice", "_count", "_last", "_living", "_touched"
    )  # fmt: skip

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._count = 0
        self._begun = 0
        self._living: list[_Open] = []
        """Those that have not ended, in the order in which they were first heard of."""
        self._touched: dict[int, _Open] = {}
        """By their order those that may have become whole since somebody asked."""
        self._by_index: dict[int | None, _Open] = {}
        """The last one of each number."""
        self._by_id: dict[str, _Open] = {}
        """The first one of each id."""
        self._last: _Open | None = None

    @property
    def any(self) -> bool:
        """A call has begun."""
        return self._begun > 0

    def find(self, piece: Call) -> tuple[_Open, bool]:
        """The call that a piece belongs to, and whether it is a new one. Raises `UpstreamGarbled`
        for one call too many."""
        call = self._belongs(piece)
        if call is not None:
            return call, False
        self._count += 1
        if self._count > MOST_CALLS:
            raise UpstreamGarbled("The provider answered with too many calls of tools.")
        call = _Open(self._count)
        self._living.append(call)
        self._by_index[piece.index] = call
        return call, True

    def add(self, piece: Call, call: _Open, answer_id: str, part: int) -> list[Chunk]:
        """Take in a piece; `part` is the number for the call if it begins now."""
        self._last = call
        if not call.ended:
            self._touched[call.order] = call
        chunks: list[Chunk] = []
        inner = piece.function or piece.custom
        text = ""
        if inner is not None:
            call.custom = call.custom or piece.function is None
            call.name = call.name or inner.name or ""
            text = (inner.input or "") if call.custom else argument_text(inner.arguments)
        if piece.id and not call.id:
            self._name(call, piece.id)
        signature = thought_signature(piece.extra_content)
        if text:
            call.more(text)
        if call.part < 0:
            call.signature += signature
            if call.name:
                self._begin(call, answer_id, part, chunks)
        elif not call.ended and (text or signature):
            chunks.append(Delta(self._choice, call.part, text, signature))
        return chunks

    def _begin(self, call: _Open, answer_id: str, part: int, chunks: list[Chunk]) -> None:
        call.part = part
        if not call.id:
            self._name(call, made_id(answer_id, self._choice, self._begun))
        self._begun += 1
        kind = CUSTOM if call.custom else FUNCTION
        head = ToolCall(call.id, call.name, "", kind, call.signature)
        chunks.append(PartBegun(self._choice, part, head))
        text = "".join(call.pieces)
        if text:
            chunks.append(Delta(self._choice, part, text))

    def _name(self, call: _Open, id_: str) -> None:
        call.id = id_
        known = self._by_id.get(id_)
        if known is None or call.order < known.order:
            self._by_id[id_] = call

    def end_whole(self) -> list[Chunk]:
        """End the calls that have all their arguments, because something else begins."""
        if not self._touched:
            return []
        touched, self._touched = self._touched, {}
        calls = [call for _, call in sorted(touched.items()) if call.part >= 0]
        return self._end([call for call in calls if not call.ended and call.is_whole])

    def end_all(self) -> list[Chunk]:
        """End every call: the choice is over."""
        return self._end([call for call in self._living if call.part >= 0])

    def _end(self, calls: list[_Open]) -> list[Chunk]:
        if not calls:
            return []
        for call in calls:
            call.ended = True
        self._living = [call for call in self._living if not call.ended]
        return [PartEnded(self._choice, call.part) for call in calls]

    def _belongs(self, piece: Call) -> _Open | None:
        inner = piece.function or piece.custom
        name = (inner.name if inner is not None else "") or ""
        if piece.index is None:
            return self._unnumbered(piece, name)
        call = self._by_index.get(piece.index)
        if call is None:
            return None
        other = bool(piece.id and name and call.id and piece.id != call.id)
        return None if other and (call.is_whole or not call.pieces) else call

    def _unnumbered(self, piece: Call, name: str) -> _Open | None:
        if piece.id:
            known = self._by_id.get(piece.id)
            if known is not None or name:
                return known
        last = self._last
        if last is None or not name:
            return last
        repeats = name == last.name and bool(last.pieces) and not last.is_whole
        return last if repeats else None
