"""A streamed answer in the canonical form, and how chunks add up to a whole answer.

The grammar of a stream, per choice: parts are numbered in the order in which they begin;
`PartBegun` opens one with everything but its text, `Delta`s carry its text, `PartEnded`
closes it. Text and thinking parts never overlap. Tool calls may (some hosts interleave the
arguments of parallel calls), so a dialect that can only write one block after the other
holds the later one back until the earlier has ended. `Finished` comes once per choice, after
its parts; `UsageSeen` may come at any time and the last one counts. A `Delta` with a citation
and nothing else may belong to a text that has ended: some providers name their sources last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from msgspec import Raw, structs

from federation.errors import UpstreamError
from federation.schema.chat import ChatResponse, Choice, TokenLogprob
from federation.schema.parts import Citation, Fields, Part, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage


class Begun(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer has begun; first, and once."""

    id: str
    """Empty where the provider has none; the gateway then fills in the call's."""
    model: str
    created: int = 0
    service_tier: str = ""
    extra: Fields = {}
    dialect: str = ""
    """The provider's, as the gateway fills it in: `extra`s belong to it."""


class PartBegun(msgspec.Struct, frozen=True):
    """A part opens. `head` is the part with empty text; a part that does not come in pieces
    (media, foreign) is whole in it."""

    choice: int
    part: int
    head: Part


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """More of an open part: text, refusal, thinking or arguments in `text`; a piece of a
    state in `signature` or `sealed`; a citation."""

    choice: int
    part: int
    text: str = ""
    signature: str = ""
    sealed: str = ""
    citation: Citation | None = None


class PartEnded(msgspec.Struct, frozen=True):
    """A part is whole."""

    choice: int
    part: int


class Logprobs(msgspec.Struct, frozen=True):
    """Probabilities of the tokens that just came."""

    choice: int
    tokens: tuple[TokenLogprob, ...]


class Finished(msgspec.Struct, frozen=True, omit_defaults=True):
    """A choice is over; see `chat.Choice` for the members."""

    choice: int
    finish: str
    reason: str = ""
    stop_sequence: str | None = None
    detail: Raw | None = None
    extra: Fields = {}


class UsageSeen(msgspec.Struct, frozen=True):
    """The usage of the whole answer so far; replaces what was said before."""

    usage: Usage


class Resumed(msgspec.Struct, frozen=True):
    """Another deployment goes on with an answer that broke: later events name its model, and
    the end says that the answer was mended."""

    model: str


class LeftOut(msgspec.Struct, frozen=True):
    """What the client's language had no place for so far (`dialects.untold`), in place of what
    was said before; before a `Finished`, and only where there is something new."""

    features: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True):
    """The provider reported an error inside the stream after the answer had begun; last."""

    error: UpstreamError


Chunk: TypeAlias = (
    Begun
    | PartBegun
    | Delta
    | PartEnded
    | Logprobs
    | Finished
    | UsageSeen
    | Resumed
    | LeftOut
    | Failed
)


class Collector:
    """Adds chunks up to the answer that they tell; one for each stream."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._begun = Begun("", "")
        self._parts: dict[tuple[int, int], _Open] = {}
        self._finished: dict[int, Finished] = {}
        self._logprobs: dict[int, list[TokenLogprob]] = {}
        self._usage: Usage | None = None

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take in chunks, in order. Raises the error that a `Failed` holds."""
        for chunk in chunks:
            match chunk:
                case Delta():
                    self._parts[chunk.choice, chunk.part].add(chunk)
                case PartBegun():
                    self._parts[chunk.choice, chunk.part] = _Open(chunk.head)
                case Begun():
                    self._begun = chunk
                case Finished():
                    self._finished[chunk.choice] = chunk
                case UsageSeen():
                    self._usage = chunk.usage
                case Logprobs():
                    self._logprobs.setdefault(chunk.choice, []).extend(chunk.tokens)
                case Failed():
                    raise chunk.error
                case Resumed():
                    self._begun = structs.replace(self._begun, model=chunk.model)
                case PartEnded() | LeftOut():
                    pass

    def response(self) -> ChatResponse:
        """The answer as far as it came."""
        begun = self._begun
        indexes = sorted({choice for choice, _ in self._parts} | set(self._finished))
        return ChatResponse(
            self._dialect,
            begun.id,
            begun.model,
            tuple(self._choice(index) for index in indexes),
            begun.created,
            self._usage,
            begun.service_tier,
            begun.extra,
        )

    def _choice(self, index: int) -> Choice:
        parts = tuple(
            self._parts[place].part() for place in sorted(self._parts) if place[0] == index
        )
        end = self._finished.get(index, Finished(index, ""))
        logprobs = self._logprobs.get(index)
        return Choice(
            index,
            parts,
            end.finish,
            end.reason,
            end.stop_sequence,
            end.detail,
            tuple(logprobs) if logprobs is not None else None,
            end.extra,
        )


class _Open:
    """A part that is being written."""

    __slots__ = ("_citations", "_head", "_sealed", "_signature", "_text")

    def __init__(self, head: Part) -> None:
        self._head = head
        self._text: list[str] = []
        self._signature: list[str] = []
        self._sealed: list[str] = []
        self._citations: list[Citation] = []

    def add(self, delta: Delta) -> None:
        if delta.text:
            self._text.append(delta.text)
        if delta.signature:
            self._signature.append(delta.signature)
        if delta.sealed:
            self._sealed.append(delta.sealed)
        if delta.citation is not None:
            self._citations.append(delta.citation)

    def part(self) -> Part:
        head = self._head
        text, signature = "".join(self._text), "".join(self._signature)
        match head:
            case Text():
                return structs.replace(
                    head,
                    text=head.text + text,
                    signature=head.signature + signature,
                    citations=head.citations + tuple(self._citations),
                )
            case Thinking():
                return structs.replace(
                    head,
                    text=head.text + text,
                    signature=head.signature + signature,
                    sealed=head.sealed + "".join(self._sealed),
                )
            case ToolCall():
                return structs.replace(
                    head,
                    arguments=head.arguments + text,
                    signature=head.signature + signature,
                )
            case Refusal():
                return Refusal(head.text + text)
            case _:
                return head
