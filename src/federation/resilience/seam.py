"""The seam of a mended stream: what of a new answer follows on what was already told.

Two ways. `Again` lets a model answer anew and compares: what repeats, to the letter, what
the client has is left out, and what comes after goes on. `Onward` takes an answer that goes
on where the other broke (by prefill or on request) and takes out what it says twice. Either
raises `UpstreamDiverged` before anything of a wrong answer is told.

The trap is the end. A finish reason may pass only when the whole is sound: everything that
was told has been repeated, a call's arguments and a structured answer are JSON.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from federation.errors import UpstreamCut, UpstreamDiverged
from federation.resilience.delivered import Delivered, Piece
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Failed,
    Finished,
    PartBegun,
    PartEnded,
    Resumed,
    UsageSeen,
)
from federation.schema.parts import FUNCTION, Part, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage, plus

_OVERLAP = 400
"""Characters at the end of what was told that a model may say again before it goes on."""
_RESTART = 24
"""Characters that tell an answer that begins anew from one that goes on."""
_SHORTEST = 12
"""Of an overlap that does not begin and end with words."""


class Ground:
    """What both ways stand on: numbering, the end's checks, usage.

    `spent` is what the attempts before used; `structured` says that the words must be JSON.
    """

    def __init__(self, told: Delivered, spent: Usage, *, structured: bool) -> None:
        self.told = told
        self._spent = spent
        # A refusal stands in place of the JSON.
        self._structured = structured and not any(type(p.head) is Refusal for p in told.pieces)
        self._words = told.text
        self._calls: dict[int, list[str]] = {}
        self._added: list[str] = []
        self._next = told.next_part
        self._numbers: dict[int, int] = {}
        """New parts by the number that their own stream gives them."""

    def closing(self) -> list[Chunk]:
        """The end of a thought that was broken off."""
        thought = self.told.open_thought
        return [PartEnded(0, thought)] if thought >= 0 else []

    def begin(self, part: int, head: Part) -> Chunk:
        """A part that is new altogether."""
        number = self._numbers[part] = self._next
        self._next += 1
        if isinstance(head, ToolCall) and head.kind == FUNCTION:
            self._calls[number] = [head.arguments]
        elif isinstance(head, Text):
            self._added.append(head.text)
        elif isinstance(head, Refusal):
            self._structured = False
        return PartBegun(0, number, head)

    def go_on(self, piece: Piece, part: int) -> None:
        """A part of the new answer that is one that the client already has the beginning of."""
        self._numbers[part] = piece.number
        if isinstance(piece.head, ToolCall) and piece.head.kind == FUNCTION:
            self._calls[piece.number] = [piece.text]

    def has(self, part: int) -> bool:
        """Whether a part is told to the client."""
        return part in self._numbers

    def more(self, chunk: Delta) -> Chunk:
        """More of a part that is told."""
        number = self._numbers[chunk.part]
        if number in self._calls:
            self._calls[number].append(chunk.text)
        else:
            self._added.append(chunk.text)
        return msgspec.structs.replace(chunk, choice=0, part=number)

    def end(self, part: int) -> list[Chunk]:
        """The end of a part that is told; nothing where it is not."""
        number = self._numbers.pop(part, None)
        return [] if number is None else [PartEnded(0, number)]

    def finish(self, chunk: Finished) -> list[Chunk]:
        """The finish, or a failure where the whole is not sound."""
        if chunk.finish == "stop" and self._structured and not _is_json(self._all_words()):
            return [Failed(UpstreamCut("The mended answer is not the JSON that was asked for."))]
        calls = map("".join, self._calls.values())
        if not all(_is_json(text) for text in calls if text.strip()):
            return [Failed(UpstreamCut("The mended call of a tool has no sound arguments."))]
        return [chunk]

    def used(self, chunk: UsageSeen) -> Chunk:
        """The usage of all parts together."""
        return UsageSeen(plus(self._spent, chunk.usage))

    def _all_words(self) -> str:
        return self._words + "".join(self._added)


class Seam(ABC):
    """Chunks of the new answer in, chunks that may be told out; one for each attempt."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.joined = False
        """From here on everything that comes is new."""

    def feed(self, chunks: list[Chunk]) -> list[Chunk]:
        """What may be told, a failure last (usage may follow it). Raises `UpstreamDiverged`."""
        out: list[Chunk] = []
        for chunk in chunks:
            match chunk:
                case Delta(choice=0):
                    self._delta(chunk, out)
                case PartBegun(choice=0):
                    self._begin(chunk, out)
                case PartEnded(choice=0):
                    self._end(chunk.part, out)
                case Begun():
                    out.append(Resumed(chunk.model))
                    out += self._ground.closing()
                case Finished(choice=0):
                    self._finish(chunk, out)
                case UsageSeen():
                    out.append(self._ground.used(chunk))
                case Failed():
                    out.append(chunk)
                case _:
                    pass
        out.sort(key=lambda chunk: isinstance(chunk, Failed))
        return out

    @abstractmethod
    def _begin(self, chunk: PartBegun, out: list[Chunk]) -> None: ...

    @abstractmethod
    def _delta(self, chunk: Delta, out: list[Chunk]) -> None: ...

    @abstractmethod
    def _end(self, part: int, out: list[Chunk]) -> None: ...

    @abstractmethod
    def _finish(self, chunk: Finished, out: list[Chunk]) -> None: ...


class Again(Seam):
    """Lets through what comes after an exact repetition of what was told."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._due = list(ground.told.pieces)
        self._seen = 0
        """Parts of content that the new answer has begun."""
        self._at: dict[int, tuple[Piece, int]] = {}
        """Parts that are being compared, with how much of each has matched."""
        self.joined = not self._due

    def _begin(self, chunk: PartBegun, out: list[Chunk]) -> None:
        head = chunk.head
        if isinstance(head, Thinking):
            return
        place, self._seen = self._seen, self._seen + 1
        if place >= len(self._due):
            self._whole()
            out.append(self._ground.begin(chunk.part, head))
            return
        piece = self._due[place]
        if not piece.matches(head):
            raise _diverged()
        self._at[chunk.part] = (piece, 0)
        self._compare(chunk.part, _text_of(head), out)

    def _delta(self, chunk: Delta, out: list[Chunk]) -> None:
        if chunk.part in self._at:
            self._compare(chunk.part, chunk.text, out)
        elif self._ground.has(chunk.part):
            out.append(self._ground.more(chunk))

    def _compare(self, part: int, text: str, out: list[Chunk]) -> None:
        piece, matched = self._at[part]
        due = piece.text[matched : matched + len(text)]
        if not text.startswith(due):
            raise _diverged()
        matched += len(due)
        self._at[part] = (piece, matched)
        rest = text[len(due) :]
        if not rest:
            return
        if piece.ended or piece is not self._due[-1]:
            raise _diverged()
        del self._at[part]
        self.joined = True
        self._ground.go_on(piece, part)
        out.append(self._ground.more(Delta(0, part, rest)))

    def _end(self, part: int, out: list[Chunk]) -> None:
        compared = self._at.pop(part, None)
        if compared is None:
            out += self._ground.end(part)
            return
        piece, matched = compared
        if matched < len(piece.text):
            raise _diverged()
        if not piece.ended:
            piece.ended = True
            self._ground.go_on(piece, part)
            out += self._ground.end(part)

    def _finish(self, chunk: Finished, out: list[Chunk]) -> None:
        self._whole()
        for part in list(self._at):
            self._end(part, out)
        out += self._ground.finish(chunk)

    def _whole(self) -> None:
        """Everything that was told must have been repeated by now."""
        if self._seen < len(self._due) or any(
            matched < len(piece.text) for piece, matched in self._at.values()
        ):
            raise _diverged()
        self.joined = True


class Onward(Seam):
    """Lets through an answer that goes on, without what it says again.

    `native`: the model was given the words as its own (prefill), so that hardly anything is
    said twice; else it was asked to go on, and may begin with the last words again. Either may
    begin with all of them: not every host that says so takes words as its model's own.
    """

    def __init__(self, ground: Ground, *, native: bool) -> None:
        last = ground.told.last
        if last is None or not ground.told.continues:
            raise ValueError("only words can be gone on with")
        super().__init__(ground)
        self._piece = last
        self._native = native
        self._held: list[str] = []
        self._repeated = 0
        """How much of what was told it has said again, where it begins anew."""
        self._part = -1

    def _begin(self, chunk: PartBegun, out: list[Chunk]) -> None:
        head = chunk.head
        if isinstance(head, Thinking):
            return
        if self._part < 0 and isinstance(head, Text):
            self._part = chunk.part
            self._ground.go_on(self._piece, chunk.part)
            self._say(head.text, out)
            return
        if self._part < 0 and isinstance(head, Refusal):
            raise _diverged()
        self._join(out, whole=True)
        if self._part < 0:
            # A call right where the words broke: they were whole.
            self._part = chunk.part
            out.append(PartEnded(0, self._piece.number))
        out.append(self._ground.begin(chunk.part, head))

    def _delta(self, chunk: Delta, out: list[Chunk]) -> None:
        if not self._ground.has(chunk.part):
            return
        if chunk.part == self._part and not self.joined:
            self._say(chunk.text, out)
        else:
            out.append(self._ground.more(chunk))

    def _say(self, text: str, out: list[Chunk]) -> None:
        if self._repeated:
            self._repeat(text, out)
            return
        self._held.append(text)
        self._join(out, whole=False)

    def _repeat(self, text: str, out: list[Chunk]) -> None:
        """More of an answer that begins anew. What it said before is not looked at again: it may
        be as long as an answer can be."""
        due = self._piece.text[self._repeated : self._repeated + len(text)]
        if not text.startswith(due):
            raise _diverged()
        self._repeated += len(due)
        self.joined = self._repeated == len(self._piece.text)
        if rest := text[len(due) :]:
            out.append(self._ground.more(Delta(0, self._part, rest)))

    def _end(self, part: int, out: list[Chunk]) -> None:
        if part == self._part:
            self._join(out, whole=True)
        out += self._ground.end(part)

    def _finish(self, chunk: Finished, out: list[Chunk]) -> None:
        self._join(out, whole=True)
        out += self._ground.finish(chunk)

    def _join(self, out: list[Chunk], *, whole: bool) -> None:
        """Tell what is new of what was held back, once it can be told apart."""
        if self.joined:
            return
        told = self._piece.text
        if self._repeated:
            if self._repeated < len(told):
                raise _diverged()
            self.joined = True
            return
        said = "".join(self._held)
        rest = onward(told, said, whole=whole, native=self._native)
        if rest is None:
            self._repeated = len(said) if len(said) >= _RESTART and told.startswith(said) else 0
            return
        self.joined = True
        if rest:
            out.append(self._ground.more(Delta(0, self._part, rest)))


def onward(told: str, said: str, *, whole: bool, native: bool) -> str | None:
    """What `said` adds to `told`; None while more of it must be seen.

    Raises `UpstreamDiverged` for an answer that begins anew and then says something else.
    """
    if len(told) >= _RESTART and told[:_RESTART].startswith(said[:_RESTART]):
        if len(said) < _RESTART and not whole:
            return None
        if len(said) >= _RESTART:
            return _restarted(told, said, whole=whole)
    # What was told ends with the beginning of what is said: how much of it is not known
    # before something else comes.
    limit = min(len(told), _OVERLAP)
    if not whole and len(said) < limit and told[-limit:].find(said) >= 0:
        return None
    for length in range(min(limit, len(said)), 0, -1):
        if said.startswith(told[-length:]) and _counts(told, said, length, native=native):
            return said[length:]
    return _spaced(told, said, native=native)


def _restarted(told: str, said: str, *, whole: bool) -> str | None:
    if said.startswith(told):
        return said[len(told) :]
    if told.startswith(said) and not whole:
        return None
    raise _diverged()


def _counts(told: str, said: str, length: int, *, native: bool) -> bool:
    """Whether an overlap is one, and not chance."""
    overlap = said[:length]
    if overlap.isspace() or length >= _SHORTEST:
        return True
    if native:
        return False
    before = told[-length - 1 : -length]
    after = said[length : length + 1]
    begins = not before or not (before.isalnum() and overlap[0].isalnum())
    ends = not after or not (after.isalnum() and overlap[-1].isalnum())
    return begins and ends and len(overlap.strip()) > 1


def _spaced(told: str, said: str, *, native: bool) -> str:
    """A model that was asked to go on begins a sentence without the space before it."""
    if not native and told[-1:] in ".!?:;," and said[:1].isalnum():
        return " " + said
    return said


def _text_of(head: Part) -> str:
    return head.arguments if isinstance(head, ToolCall) else getattr(head, "text", "")


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _diverged() -> UpstreamDiverged:
    return UpstreamDiverged(
        "The stream broke, and the deployment asked to go on with it tells another answer."
    )
