"""What a client's language has no place for in an answer: noted, so that it can be told.

The call is paid for by then, so nothing is refused, under `Ask.strict` neither: what a renderer
leaves out is named in the response header, and in the last event of a stream, whose headers
are gone when its content comes. The tables stand with the dialects' loss tables and are the
same page of the docs. A state that travels in an envelope is not left out, and a refusal that
is shown as text is a mapping.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from federation.dialects.losses import DROP, Rule, Table
from federation.schema.chat import ChatResponse
from federation.schema.chunks import Chunk, Delta, Logprobs, PartBegun, PartEnded
from federation.schema.parts import (
    IMAGE,
    Citation,
    Foreign,
    Media,
    Part,
    Text,
    Thinking,
    ToolCall,
)

FEATURES: Final[dict[str, str]] = {
    "image": "pictures",
    "image_url": "pictures by remote address",
    "image_form": "pictures that are neither PNG, JPEG, GIF nor WebP",
    "audio": "sound",
    "video": "films",
    "file": "documents",
    "citations": "citations",
    "citation_source": "citations of what has no address",
    "late_citations": "citations that a stream brings when their text has ended",
    "logprobs": "log probabilities of the answer's tokens",
    "thinking": "reasoning",
    "tool_calls": "calls of tools",
    "parallel_calls": "further calls of tools, where the client knows but one",
    "foreign_part": "parts that only the provider's dialect knows",
}
"""The vocabulary: every name that a client may be told."""

_FORMS: Final = frozenset(("image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp"))


def no_place(source: str, *features: str) -> dict[str, Rule]:
    """A table of features that a language has no place for."""
    return dict.fromkeys(features, Rule(DROP, "The language has no place for it.", source))


class Untold:
    """Gathers what of one answer a client's language leaves out. `dialect` is the client's;
    `one_call`: what it asked with has a place for one call of a tool."""

    __slots__ = ("_called", "_dialect", "_found", "_one_call", "_open", "_table")

    def __init__(self, dialect: str, table: Table, *, one_call: bool = False) -> None:
        self._dialect = dialect
        self._table = table
        self._one_call = one_call
        self._found: dict[str, None] = {}
        self._called: set[int] = set()
        """Choices that have called a tool."""
        self._open: set[tuple[int, int]] = set()
        """Texts of a stream that have not ended."""

    def copy(self) -> Untold:
        """One that has heard the same, and goes on alone."""
        other = Untold(self._dialect, self._table, one_call=self._one_call)
        other._found, other._open = dict(self._found), set(self._open)
        other._called = set(self._called)
        return other

    def found(self) -> tuple[str, ...]:
        """The features that are left out so far."""
        return tuple(self._found)

    def hear(self, response: ChatResponse) -> None:
        """Take in a whole answer."""
        for choice in response.choices:
            for part in choice.parts:
                self._hear(part, choice.index)
            if choice.logprobs:
                self._note(("logprobs",))

    def note(self, chunk: Chunk) -> None:
        """Take in a chunk of a stream; one with mere text may be passed by."""
        match chunk:
            case PartBegun():
                if isinstance(chunk.head, Text):
                    self._open.add((chunk.choice, chunk.part))
                self._hear(chunk.head, chunk.choice)
            case PartEnded():
                self._open.discard((chunk.choice, chunk.part))
            case Delta() if chunk.citation is not None:
                self._note(_cited(chunk.citation))
                if (chunk.choice, chunk.part) not in self._open:
                    self._note(("late_citations",))
            case Logprobs() if chunk.tokens:
                self._note(("logprobs",))
            case _:
                pass

    def _hear(self, part: Part, choice: int) -> None:
        self._note(_features(part, self._dialect))
        if self._one_call and isinstance(part, ToolCall):
            if choice in self._called:
                self._note(("parallel_calls",))
            self._called.add(choice)

    def _note(self, features: Iterator[str] | tuple[str, ...]) -> None:
        for feature in features:
            if feature in self._table:
                self._found[feature] = None


def _features(part: Part, dialect: str) -> Iterator[str]:
    match part:
        case Text():
            for citation in part.citations:
                yield from _cited(citation)
        case Media():
            yield part.kind
            if part.kind == IMAGE:
                if not part.data:
                    yield "image_url"
                elif part.media_type and part.media_type.lower() not in _FORMS:
                    yield "image_form"
        case Thinking():
            yield "thinking"
        case ToolCall():
            yield "tool_calls"
        case Foreign() if part.dialect != dialect:
            yield "foreign_part"
        case _:
            pass


def _cited(citation: Citation) -> Iterator[str]:
    yield "citations"
    if not citation.url:
        yield "citation_source"
