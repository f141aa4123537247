"""What a client has received of a streamed answer when it breaks; `seam` joins the rest to it.

The trap: reasoning is no part of the answer. Another model reasons differently, so only content
is compared and continued: text, refusals and tool calls, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from federation.schema.chunks import Begun, Chunk, Delta, Finished, PartBegun, PartEnded, Resumed
from federation.schema.parts import Refusal, Text, Thinking, ToolCall


@dataclass(slots=True)
class Piece:
    """One part of the answer's content, as far as it was told."""

    number: int
    """Its number in the stream."""
    head: Text | Refusal | ToolCall
    texts: list[str]
    """What it says, in as many pieces as it came; see `text`."""
    ended: bool = False

    @property
    def text(self) -> str:
        """All that it says. Put together when somebody asks: to add piece after piece to a text
        copies it each time, which for a long answer takes seconds."""
        if len(self.texts) > 1:
            self.texts = ["".join(self.texts)]
        return self.texts[0]

    @property
    def continues(self) -> bool:
        """Words that another model can go on with."""
        return isinstance(self.head, Text)

    def matches(self, head: object) -> bool:
        """Whether a part that begins like this can be the same one again."""
        own = self.head
        if isinstance(own, ToolCall):
            return isinstance(head, ToolCall) and head.kind == own.kind and head.name == own.name
        return type(head) is type(self.head)


@dataclass(slots=True)
class Delivered:
    """The first choice of an answer, as far as it was told."""

    pieces: list[Piece] = field(default_factory=list)
    model: str = ""
    whole: bool = True
    """Nothing was told that a seam cannot stand on (pictures, parts of one dialect alone)."""
    finished: bool = False
    next_part: int = 0
    open_thought: int = -1
    """The number of a thought that has not ended; -1 for none."""
    _open: dict[int, Piece] = field(default_factory=dict)

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take in what was told, in order."""
        for chunk in chunks:
            match chunk:
                case Delta():
                    piece = self._open.get(chunk.part)
                    if piece is not None and not chunk.choice:
                        piece.texts.append(chunk.text)
                case PartBegun(choice=0):
                    self._begin(chunk)
                case PartEnded(choice=0):
                    self._end(chunk.part)
                case Begun() | Resumed():
                    self.model = chunk.model
                case Finished(choice=0):
                    self.finished = True
                case _:
                    pass

    @property
    def last(self) -> Piece | None:
        """The part that was being told, or was told last."""
        return self.pieces[-1] if self.pieces else None

    @property
    def text(self) -> str:
        """The words so far, without calls and thoughts."""
        return "".join(piece.text for piece in self.pieces if piece.continues)

    @property
    def continues(self) -> bool:
        """Whether another model can go on with it, and not only tell it again: words, and
        nothing but words."""
        return (
            bool(self.pieces)
            and all(piece.continues for piece in self.pieces)
            and not self.pieces[-1].ended
            and bool(self.text.strip())
        )

    def _begin(self, chunk: PartBegun) -> None:
        self.next_part = max(self.next_part, chunk.part + 1)
        head = chunk.head
        match head:
            case Text() | Refusal():
                piece = Piece(chunk.part, head, [head.text])
            case ToolCall():
                piece = Piece(chunk.part, head, [head.arguments])
            case Thinking():
                self.open_thought = chunk.part
                return
            case _:
                self.whole = False
                return
        self.pieces.append(piece)
        self._open[chunk.part] = piece

    def _end(self, part: int) -> None:
        piece = self._open.pop(part, None)
        if piece is not None:
            piece.ended = True
        if part == self.open_thought:
            self.open_thought = -1
