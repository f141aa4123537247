"""A provider's stream in another dialect, on its way to the client's: decode, wrap, render.

It stands where the tap of a forwarded stream stands, so that everything else about a stream
(its account, its end, its breaks) is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from federation.dialects.carriage_stream import Wrapper
from federation.dialects.faces import StreamDecoder, StreamRenderer
from federation.dialects.untold import Untold
from federation.errors import CallerError, Unavailable, UpstreamError, UpstreamRejected
from federation.gateway.safeguards import AnswerFilter
from federation.resilience.seam import Seam
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Failed,
    Finished,
    LeftOut,
    Logprobs,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.glance import Answer
from federation.schema.usage import Usage


class TranslatingTap:
    """Implements `schema.tap.StreamTap`; one for each stream.

    `identity` stands in place of the provider's id for the answer, `own` gives the id and the
    time where it has none. Where one answer was asked for of `choices`, what a provider numbers
    otherwise is the answer all the same, and any further one is left out: most languages have
    no place for it. A `screen` lets through what a policy allows, a `seam` what goes on with
    an answer that broke; `told` takes down what the client gets, `untold` what its language has
    no place for, which the end of the stream then names. An error of the provider's,
    or content that may not pass, is kept in `error` and not told.
    """

    __slots__ = (
        "_choices",
        "_closed",
        "_decoder",
        "_dialect",
        "_ending",
        "_finish",
        "_heard",
        "_identity",
        "_model",
        "_named",
        "_only",
        "_over",
        "_own",
        "_renderer",
        "_screen",
        "_seam",
        "_text",
        "_told",
        "_untold",
        "_usage",
        "_wrapper",
        "error",
        "events",
    )

    def __init__(
        self,
        decoder: StreamDecoder,
        renderer: StreamRenderer,
        wrapper: Wrapper,
        dialect: str,
        own: Begun,
        *,
        choices: int,
        identity: str = "",
        screen: AnswerFilter | None = None,
        seam: Seam | None = None,
        told: list[Chunk] | None = None,
        untold: Untold | None = None,
    ) -> None:
        self._dialect = dialect
        self._identity = identity
        self._own = own
        self._screen = screen
        self._seam = seam
        self._told = told
        self._untold = untold
        self._named: tuple[str, ...] = ()  # as left out, by an end of a choice
        self._ending = False  # the provider has ended a choice
        self._choices = choices
        self._only: int | None = None if choices <= 1 else -1
        """The choice that is told as the first; negative where all are told."""
        self._heard: set[int] = set()
        """Of several choices those of which anything came."""
        self._over = False
        """No more bytes come."""
        self._decoder = decoder
        self._renderer = renderer
        self._wrapper = wrapper
        self._closed = False
        self._text: tuple[int, Callable[[str], str]] | None = None
        """The part whose text came last, and what of it may be told, if nothing else is in its
        way to the client."""
        self._model = ""
        self._finish = ""
        self._usage: Usage | None = None
        self.events = 0
        self.error: UpstreamError | None = None

    @property
    def started(self) -> bool:
        """Content was seen, or the end."""
        return self._decoder.started

    @property
    def malformed(self) -> int:
        """Events that could not be read."""
        return self._decoder.malformed

    @property
    def done(self) -> bool:
        """The provider said that the stream is over, and the answer is whole."""
        return self._decoder.done and self.complete

    @property
    def complete(self) -> bool:
        """The answer is whole. A decoder knows of those choices only that have begun: a provider
        that writes one after the other may be thinking about the next."""
        if self.error is not None or not self._decoder.complete:
            return False
        if self._choices <= 1 or self._over or self._decoder.done:
            return True
        return len(self._heard) >= self._choices

    def feed(self, data: bytes) -> bytes:
        """What the client gets for these bytes. Raises as the decoder does."""
        chunks = self._decoder.feed(data)
        if self._text is not None and len(chunks) == 1 and not self._decoder.done:
            said, (part, checked) = chunks[0], self._text
            if (
                type(said) is Delta
                and said.part == part
                and not (said.choice or said.signature or said.sealed or said.citation)
            ):
                return self._more(said, checked)
        out = self._render(chunks)
        self._text = self._text_of(chunks)
        return out + self._end() if self.done else out

    def _more(self, said: Delta, checked: Callable[[str], str]) -> bytes:
        """What the client gets for more of the text that came last: nearly every time."""
        self.events += 1
        try:
            text = checked(said.text)
        except (CallerError, Unavailable) as refusal:
            self._text = None
            self.error = _rejected(refusal)
            return b""
        return self._renderer.render([Delta(0, said.part, text)]) if text else b""

    def _text_of(self, chunks: list[Chunk]) -> tuple[int, Callable[[str], str]] | None:
        last = chunks[-1] if chunks else None
        if not isinstance(last, Delta) or self._screen is None or self._only != last.choice:
            return None
        if self._seam is not None or self._told is not None or last.choice or self.error:
            return None
        checked = self._screen.text_of(0, last.part)
        if checked is None or not self._wrapper.passes(0, last.part):
            return None
        return last.part, checked

    def close(self) -> bytes:
        """What the client gets at the end of the bytes; its end marker where the answer is
        whole."""
        self._over = True
        out = self._render(self._decoder.close())
        return out + self._end() if self.complete else out

    def answer(self) -> Answer:
        """What was read off so far."""
        return Answer(self._model, self._finish, self._usage)

    def _opened(self, chunk: Chunk) -> Chunk:
        if not isinstance(chunk, Begun):
            return chunk
        own = self._own
        return structs.replace(
            chunk,
            id=self._identity or chunk.id or own.id,
            created=chunk.created or own.created,
            dialect=self._dialect,
        )

    def _single(self, chunks: list[Chunk]) -> list[Chunk]:
        """The chunks of the one choice that counts, numbered as such."""
        first = chunks[0]
        if isinstance(first, Delta) and len(chunks) == 1 and self._only == 0:
            return [] if first.choice else chunks
        told: list[Chunk] = []
        for chunk in chunks:
            if isinstance(chunk, PartBegun | Delta | PartEnded | Logprobs | Finished):
                if self._only is None:
                    self._only = chunk.choice
                if chunk.choice != self._only:
                    continue
                if chunk.choice:
                    chunk = structs.replace(chunk, choice=0)
            told.append(chunk)
        return told

    def _end(self) -> bytes:
        if self._closed:
            return b""
        self._closed = True
        return self._renderer.close()

    def _render(self, chunks: list[Chunk]) -> bytes:
        if not chunks:
            return b""
        if self._only is None or self._only >= 0:
            chunks = self._single(chunks)
        else:
            self._heard.update(
                chunk.choice for chunk in chunks if isinstance(chunk, PartBegun | Finished)
            )
        chunks = self._through(self._noted(chunks))
        if chunks and isinstance(chunks[-1], Failed):
            self.error = chunks[-1].error
            chunks = chunks[:-1]
        wrapped = self._wrapper.feed(chunks)
        if self._told is not None:
            self._told += wrapped
        if self._ending and self._untold is not None:
            wrapped = self._with_left_out(wrapped, self._untold.found())
        return self._renderer.render(wrapped)

    def _with_left_out(self, chunks: list[Chunk], features: tuple[str, ...]) -> list[Chunk]:
        """The chunks, with what is left out so far before the end of a choice: where several come
        one after the other, the last end names all."""
        if features == self._named:
            return chunks
        for place, chunk in enumerate(chunks):
            if isinstance(chunk, Finished):
                self._named = features
                return [*chunks[:place], LeftOut(features), *chunks[place:]]
        return chunks

    def _noted(self, chunks: list[Chunk]) -> list[Chunk]:
        """The chunks, with our own opening, once the account has heard them."""
        for chunk in chunks:
            match chunk:
                case Delta():
                    self.events += 1
                    if chunk.citation is not None and self._untold is not None:
                        self._untold.note(chunk)
                case PartBegun() | PartEnded() | Logprobs() if self._untold is not None:
                    self._untold.note(chunk)
                case UsageSeen():
                    self._usage = chunk.usage
                case Begun():
                    self._model = chunk.model
                    chunks = [self._opened(item) for item in chunks]
                case Finished():
                    self._ending = True
                    self._finish = self._finish if chunk.choice else chunk.finish
        return chunks

    def _through(self, chunks: list[Chunk]) -> list[Chunk]:
        """What a policy lets through, and of that what goes on with an answer that broke."""
        if self._screen is not None:
            try:
                chunks = self._screen.feed(chunks)
            except (CallerError, Unavailable) as refusal:
                return [Failed(_rejected(refusal))]
        return chunks if self._seam is None else self._seam.feed(chunks)


def _rejected(refusal: CallerError | Unavailable) -> UpstreamRejected:
    return UpstreamRejected(refusal.message, code=refusal.code, status=refusal.status)
