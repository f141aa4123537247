"""Streamed states in envelopes: `carriage.wrap` for chunks.

A state may arrive in pieces, and an envelope can only be closed around the whole, so pieces
are held back until their part ends. Nothing else waits, but for the opening of a reasoning
part that has no text yet: whether text comes decides where the envelope goes. A tool call's
id is written at its beginning: a signature that is to hang at it must come with the same
event, as it does where calls arrive whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import structs

from federation.dialects.carriage import MARKED, SIGNATURE, place_of, wrap_part
from federation.dialects.envelopes import Letter, digest_begun, enclose
from federation.schema.chunks import Chunk, Delta, PartBegun, PartEnded
from federation.schema.parts import Part, Text, Thinking, ToolCall


class Wrapper:
    """Puts the states of one stream into envelopes; the arguments are `carriage.wrap`'s."""

    __slots__ = ("_dialect", "_fresh", "_ids", "_key", "_maker", "_names", "_open")

    def __init__(
        self,
        maker: str,
        key: bytes,
        dialect: str,
        *,
        ids: bool,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """`names`: what the client calls the tools that have an alias (`tool_names`)."""
        self._maker = maker
        self._key = key
        self._dialect = dialect
        self._ids = ids
        self._names = names or {}
        self._open: dict[tuple[int, int], _Open] = {}
        self._fresh: dict[tuple[int, int], int] = {}

    def feed(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """The chunks that may go on, in order. Call it with all chunks of an event at once."""
        out: list[Chunk] = []
        self._fresh.clear()
        for chunk in chunks:
            match chunk:
                case Delta():
                    self._more(chunk, out)
                case PartBegun(head=Text() | Thinking() | ToolCall()):
                    self._begin(chunk, out)
                case PartEnded():
                    self._end(chunk, out)
                case _:
                    out.append(chunk)
        return out

    def passes(self, choice: int, part: int) -> bool:
        """Whether `feed` changes nothing of a text that comes alone for this part, nor remembers
        it: until the part has ended."""
        opened = self._open.get((choice, part))
        return opened is None or not (opened.held or isinstance(opened.head, Thinking))

    def _begin(self, chunk: PartBegun, out: list[Chunk]) -> None:
        place = (chunk.choice, chunk.part)
        head = chunk.head
        if isinstance(head, Thinking):
            bare = structs.replace(head, id="", signature="", sealed="")
            part = self._open[place] = _Open(bare, head.id, head.signature, head.sealed)
            if head.text:
                part.release(chunk.choice, chunk.part, out)
        elif isinstance(head, Text | ToolCall):
            if isinstance(head, ToolCall) and head.name in self._names:
                head = structs.replace(head, name=self._names[head.name])
            bare_head = structs.replace(head, signature="")
            part = self._open[place] = _Open(bare_head, "", head.signature, "")
            if self._ids and isinstance(head, ToolCall):
                self._fresh[place] = len(out)
            part.release(chunk.choice, chunk.part, out)
            self._hang(place, part, out)
        else:
            out.append(chunk)

    def _more(self, chunk: Delta, out: list[Chunk]) -> None:
        place = (chunk.choice, chunk.part)
        part = self._open.get(place)
        if part is None:
            out.append(chunk)
            return
        if chunk.signature or chunk.sealed:
            part.add(chunk.signature, chunk.sealed)
            self._hang(place, part, out)
            chunk = structs.replace(chunk, signature="", sealed="")
        if chunk.text or chunk.citation is not None:
            part.release(chunk.choice, chunk.part, out)
            part.tell(chunk.text)
            out.append(chunk)

    def _hang(self, place: tuple[int, int], part: _Open, out: list[Chunk]) -> None:
        """Write a tool call's opening again, with the signature that is now known of it."""
        at = self._fresh.get(place)
        if at is not None and part.signature:
            out[at] = PartBegun(*place, self._wrapped(part))

    def _end(self, chunk: PartEnded, out: list[Chunk]) -> None:
        part = self._open.pop((chunk.choice, chunk.part), None)
        if part is not None:
            self._close(part, chunk, out)
        out.append(chunk)

    def _close(self, part: _Open, chunk: PartEnded, out: list[Chunk]) -> None:
        """What a part's end brings: the envelope, or the whole part where it was held back."""
        if part.held:
            out.append(PartBegun(chunk.choice, chunk.part, self._wrapped(part)))
            return
        marked = isinstance(part.head, Thinking) and self._dialect in MARKED and part.told()
        if not (part.id or part.signature or part.sealed or marked):
            return
        if isinstance(part.head, ToolCall) and self._ids:
            return  # it hangs at the id, or came too late for that
        letter = Letter(self._maker, part.id, part.signature, part.sealed, part.told())
        envelope = enclose(letter, self._key)
        thinking = isinstance(part.head, Thinking)
        if not thinking or place_of(self._dialect, has_text=True) == SIGNATURE:
            out.append(Delta(chunk.choice, chunk.part, signature=envelope))
        else:
            out.append(Delta(chunk.choice, chunk.part, sealed=envelope))

    def _wrapped(self, part: _Open) -> Part:
        """The part as far as it came, with its states in an envelope."""
        head = part.head
        whole: Part
        if isinstance(head, Thinking):
            whole = structs.replace(head, id=part.id, signature=part.signature, sealed=part.sealed)
        else:
            whole = structs.replace(head, signature=part.signature)
        return wrap_part(whole, self._maker, self._key, self._dialect, ids=self._ids)


class _Open:
    """A part that is being written, and the states that came for it so far: these are put together
    when they are asked for, because they may come in any number of pieces."""

    __slots__ = ("_digest", "_sealed", "_signature", "head", "held", "id")

    def __init__(
        self,
        head: Text | Thinking | ToolCall,
        id: str,  # noqa: A002 - the part's member
        signature: str,
        sealed: str,
    ) -> None:
        self.head = head
        self.held = True
        self.id = id
        self._signature = [signature]
        self._sealed = [sealed]
        text = head.text if isinstance(head, Thinking) else ""
        self._digest = digest_begun(text) if text else None

    def add(self, signature: str, sealed: str) -> None:
        """More of its states."""
        self._signature.append(signature)
        self._sealed.append(sealed)

    @property
    def signature(self) -> str:
        """All that came of it."""
        return "".join(self._signature)

    @property
    def sealed(self) -> str:
        """All that came of it."""
        return "".join(self._sealed)

    def release(self, choice: int, part: int, out: list[Chunk]) -> None:
        """Let the part's opening go, without its states."""
        if self.held:
            self.held = False
            out.append(PartBegun(choice, part, self.head))

    def tell(self, text: str) -> None:
        """Remember more of a reasoning's text for its digest."""
        if not text or not isinstance(self.head, Thinking):
            return
        if self._digest is None:
            self._digest = digest_begun(text)
        else:
            self._digest.update(text.encode("utf-8", "surrogatepass"))

    def told(self) -> bytes:
        """The digest of the text that came; empty where none did."""
        return self._digest.digest() if self._digest is not None else b""
