"""A guard between a provider's decoder and the client's renderer: chunks in, chunks out.

Every text of every choice has a window of its own. Output is checked first and tokens are
turned back after that, so that the caller's own values are not taken for the model's. The
traps: what waits must be said before its part ends, and is dropped where the stream fails; and
the probabilities of tokens spell the text out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from msgspec import structs

from federation.errors import PayloadTooLarge
from federation.guardrails.chat import keep_form, screen_error
from federation.guardrails.guard import Guard, Screening
from federation.guardrails.json_texts import is_json
from federation.guardrails.vault import Restoring
from federation.guardrails.visitor import Visitor
from federation.guardrails.windows import Window
from federation.schema.chat import Choice
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Failed,
    Finished,
    Logprobs,
    PartBegun,
    PartEnded,
)
from federation.schema.parts import FUNCTION, Part, Refusal, Text, Thinking, ToolCall

_PARTS: Final = 16
"""Texts of a choice that a value may have begun in."""


class _Whole:
    """Arguments of a tool: JSON is checked when all of it is there, for nobody runs half a call."""

    __slots__ = ("_guard", "_pieces", "_screening", "_size", "_surface")

    def __init__(self, guard: Guard, surface: str, screening: Screening) -> None:
        self._guard = guard
        self._surface = surface
        self._screening = screening
        self._pieces: list[str] = []
        self._size = 0

    def feed(self, text: str) -> str:
        """Nothing yet; raises PayloadTooLarge over the plan's limit."""
        self._size += len(text)
        if self._size > self._guard.plan.most_characters:
            raise PayloadTooLarge(
                f"{self._surface} has more characters than the policy checks",
                code="content_too_long",
            )
        self._pieces.append(text)
        return ""

    def close(self) -> str:
        """All of it."""
        return self._guard.json_text("".join(self._pieces), self._surface, self._screening)


class _Open:
    """A part that is being written."""

    __slots__ = ("_checked", "_keep", "_restoring")

    @property
    def tail(self) -> str:
        """How its words end; none where they are no text to be read."""
        return self._checked.tail if isinstance(self._checked, Window) else ""

    def __init__(
        self,
        checked: Window | _Whole | None,
        restoring: Restoring,
        keep: Callable[[Thinking], None] | None = None,
    ) -> None:
        """`keep` raises for a value in what proves or seals a part."""
        self._keep = keep
        self._checked = checked
        self._restoring = restoring

    def more(self, text: str) -> str:
        """What may be said now that this has come of its text, and nothing else."""
        if self._checked is not None:
            text = self._checked.feed(text)
        restoring = self._restoring
        return restoring.feed(text) if restoring.vault.given_out else text

    def feed(self, delta: Delta) -> Delta:
        """What may be said of it now."""
        text = self.more(delta.text)
        if delta.citation is None and not (delta.signature or delta.sealed):
            return Delta(delta.choice, delta.part, text)
        if self._keep is not None:
            self._keep(Thinking(signature=delta.signature, sealed=delta.sealed))
        return structs.replace(delta, text=text)

    def close(self, choice: int, part: int) -> Delta:
        """What waited."""
        rest = "" if self._checked is None else self._checked.close()
        return Delta(choice, part, self._restoring.feed(rest) + self._restoring.close())


class _Thought:
    """Reasoning that is being written. Its signature waits for the end of it: where something was
    changed the signature is not of what was said, and its maker would refuse the two together.
    For the same reason tokens stay what they are."""

    __slots__ = ("_keep", "_signature", "_window")

    def __init__(self, window: Window, keep: Callable[[Thinking], None]) -> None:
        self._window = window
        self._keep = keep
        self._signature: list[str] = []

    @property
    def tail(self) -> str:
        """How it ends."""
        return self._window.tail

    def feed(self, delta: Delta) -> Delta:
        """What may be said of it now."""
        if delta.signature:
            self._signature.append(delta.signature)
        if delta.sealed:
            self._keep(Thinking(sealed=delta.sealed))
        return structs.replace(delta, text=self._window.feed(delta.text), signature="")

    def close(self, choice: int, part: int) -> Delta:
        """What waited."""
        text = self._window.close()
        signature = "" if self._window.changed else "".join(self._signature)
        if signature:
            self._keep(Thinking(signature=signature))
        return Delta(choice, part, text, signature)


class ChunkFilter:
    """One answer's stream, checked by `guard` (None: only tokens are turned back).

    `feed` raises what the guard raises; after that nothing more may be fed, and nothing that
    waited is ever said.
    """

    def __init__(self, guard: Guard | None, screening: Screening) -> None:
        self._guard = guard
        self._screening = screening
        self._open: dict[tuple[int, int], _Open | _Thought] = {}
        self._said: dict[int, tuple[str, ...]] = {}

    def feed(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """What may be said of `chunks` and of what waited before them."""
        said: list[Chunk] = []
        for chunk in chunks:
            if isinstance(chunk, Delta):  # nearly every time
                self._delta(chunk, said)
                continue
            match chunk:
                case PartBegun():
                    self._begun(chunk, said)
                case PartEnded():
                    self._end(chunk.choice, chunk.part, said)
                    said.append(chunk)
                case Finished():
                    for choice, part in [key for key in self._open if key[0] == chunk.choice]:
                        self._end(choice, part, said)
                    said.append(self._stopped(chunk))
                case Failed():
                    self._open.clear()
                    if self._guard is not None:
                        screen_error(self._guard, chunk.error, self._screening)
                    said.append(chunk)
                case Logprobs() if self._guard is not None and self._guard.acts:
                    pass
                case Begun():
                    said.append(self._opening(chunk))
                case _:
                    said.append(chunk)
        return said

    def text_of(self, choice: int, part: int) -> Callable[[str], str] | None:
        """What tells the text of an open part as `feed` does, where that comes alone; None where
        only `feed` does. To be asked again once the part has ended, or anything but text came."""
        opened = self._open.get((choice, part))
        return opened.more if isinstance(opened, _Open) else None

    def close(self) -> list[Chunk]:
        """The rest of a stream that ended without saying so."""
        said: list[Chunk] = []
        for choice, part in list(self._open):
            self._end(choice, part, said)
        return said

    def _begun(self, chunk: PartBegun, said: list[Chunk]) -> None:
        surface = f"choices[{chunk.choice}].parts[{chunk.part}]"
        if self._guard is not None:
            self._keep(self._guard, surface, chunk.head)
        opened = self._opened(chunk.head, chunk.choice, surface)
        if opened is None:
            said.append(structs.replace(chunk, head=self._whole(chunk.head, surface)))
            return
        self._open[chunk.choice, chunk.part] = opened
        head, text, signature = _emptied(chunk.head)
        said.append(structs.replace(chunk, head=self._whole(head, surface)))
        self._delta(Delta(chunk.choice, chunk.part, text, signature), said)

    def _delta(self, delta: Delta, said: list[Chunk]) -> None:
        opened = self._open.get((delta.choice, delta.part))
        if opened is None and self._guard is not None:
            opened = self._late(self._guard, delta)
        if opened is not None:
            delta = opened.feed(delta)
        citation = delta.citation
        if citation is not None:
            surface = f"choices[{delta.choice}].parts[{delta.part}].citations"
            delta = structs.replace(delta, citation=self._visitor().citation(citation, surface))
        _say(delta, said)

    def _late(self, guard: Guard, delta: Delta) -> _Open:
        """The windows of a part that has ended: some languages tell what comes behind its end."""
        surface = f"choices[{delta.choice}].parts[{delta.part}]"
        window = self._window(guard, delta.choice, surface)
        opened = _Open(
            window, Restoring(self._screening.vault), partial(self._keep, guard, surface)
        )
        self._open[delta.choice, delta.part] = opened
        return opened

    def _end(self, choice: int, part: int, said: list[Chunk]) -> None:
        opened = self._open.pop((choice, part), None)
        if opened is not None:
            _say(opened.close(choice, part), said)
            if opened.tail:
                self._said[choice] = (*self._said.get(choice, ()), opened.tail)[-_PARTS:]

    def _keep(self, guard: Guard, surface: str, part: Part) -> None:
        """Raises `Forbidden` where a value stands in what has a form."""
        keep_form(guard, self._screening, lambda each: each.parts((part,), surface))

    def _opening(self, begun: Begun) -> Begun:
        if not (begun.service_tier or begun.extra):
            return begun
        visitor = self._visitor()
        if self._guard is not None:
            keep_form(self._guard, self._screening, lambda each: each.told(begun.extra, "extra"))
        tier = visitor.prose(begun.service_tier, "service_tier")
        return structs.replace(begun, service_tier=tier, extra=visitor.told(begun.extra, "extra"))

    def _stopped(self, end: Finished) -> Finished:
        """The end, in what it says besides as that of a whole answer is."""
        last = Choice(
            end.choice, (), end.finish, end.reason, end.stop_sequence, end.detail, None, end.extra
        )
        if self._guard is not None:
            keep_form(self._guard, self._screening, lambda each: each.choice(last))
        told = self._visitor().choice(last)
        return structs.replace(
            end,
            reason=told.reason,
            stop_sequence=told.stop_sequence,
            detail=told.detail,
            extra=told.extra,
        )

    def _whole(self, part: Part, surface: str) -> Part:
        return self._visitor().parts((part,), surface)[0]

    def _visitor(self) -> Visitor:
        """For what comes in one piece."""
        guard, screening = self._guard, self._screening

        def prose(text: str, surface: str) -> str:
            checked = text if guard is None else guard.text(text, surface, screening)
            return screening.vault.restore(checked)

        def json(text: str, surface: str, *, numbers: bool = True) -> str:
            if guard is not None:
                text = guard.json_text(text, surface, screening, numbers=numbers)
            return screening.vault.restore(text, escaped=is_json(text))

        return Visitor(prose, json, answers=guard is None, facts=partial(json, numbers=False))

    def _window(self, guard: Guard, choice: int, surface: str) -> Window:
        """Of a text that a client may write behind those before it, as whole answers are read."""
        before = self._said.get(choice, ())
        return Window(guard, f"{surface}.text", self._screening, before)

    def _opened(self, head: Part, choice: int, surface: str) -> _Open | _Thought | None:
        """The windows of a part that comes in pieces; None: it is whole."""
        guard, screening = self._guard, self._screening
        keep = partial(self._keep, guard, surface) if guard else None
        match head:
            case ToolCall():
                escaped = head.kind == FUNCTION
                whole = _Whole(guard, f"{surface}.arguments", screening) if guard else None
                return _Open(whole, Restoring(screening.vault, escaped=escaped), keep)
            case Text() | Refusal():
                window = self._window(guard, choice, surface) if guard else None
                return _Open(window, Restoring(screening.vault), keep)
            case Thinking() if guard:
                window = self._window(guard, choice, surface)
                return _Thought(window, partial(self._keep, guard, surface))
            case _:
                return None


def _say(delta: Delta, said: list[Chunk]) -> None:
    if delta.text or delta.signature or delta.sealed or delta.citation is not None:
        said.append(delta)


def _emptied(head: Part) -> tuple[Part, str, str]:
    """A part that opens without its text, the text, and a signature that depends on it."""
    match head:
        case ToolCall():
            return structs.replace(head, arguments=""), head.arguments, ""
        case Thinking():
            return structs.replace(head, text="", signature=""), head.text, head.signature
        case Text() | Refusal():
            return structs.replace(head, text=""), head.text, ""
        case _:
            return head, "", ""
