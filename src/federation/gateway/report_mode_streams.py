"""Report mode for streams: listeners that check what passes by, and change nothing.

An ear is fed what the provider sent, piece by piece, and lets every look read it as enforcing
would: in windows, because a value may lie over several pieces. What the windows let through is
dropped. The trap: ears are fed in the callback that hands the bytes on, so none may raise.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from federation.dialects.faces import StreamDecoder
from federation.dialects.operations.taps import ByteTap
from federation.errors import FederationError, UpstreamError, UpstreamGarbled
from federation.gateway.guarded_bodies import may_be_text, may_be_wordless
from federation.gateway.guarded_events import GuardedEvents
from federation.gateway.safeguards import AnswerFilter, Guarding, TextFilter
from federation.guardrails.chat import ANSWER
from federation.schema.chunks import Chunk
from federation.schema.usage import Usage


class Looking(Protocol):
    """What an ear needs of a look: see `watching.Look`."""

    guarding: Guarding

    def at(self, work: Callable[[], object]) -> None:
        """Have something done; never raises."""
        ...

    def refuse(self, refusal: FederationError) -> None:
        """Note that the answer would have ended here."""
        ...


class Ear(Protocol):
    """Listens to one stream; never raises."""

    def hear(self, data: bytes) -> None:
        """Another piece of what the provider said."""
        ...

    def close(self) -> None:
        """There is no more: look at what waited."""
        ...


class ChatEar:
    """Listens to an answer to a chat."""

    def __init__(self, decoder: StreamDecoder, looks: Sequence[Looking]) -> None:
        self._decoder = decoder
        self._filters: list[tuple[Looking, AnswerFilter]] = [
            (look, look.guarding.stream()) for look in looks
        ]

    def hear(self, data: bytes) -> None:
        """See `Ear`."""
        if self._filters:
            self._read(data)

    def close(self) -> None:
        """See `Ear`."""
        with suppress(Exception):  # of a stream that was cut: nobody is told what was torn
            self._say(self._decoder.close() if self._filters else [])
        for look, screen in self._filters:
            look.at(screen.close)
        self._filters = []

    def _read(self, data: bytes) -> None:
        try:
            chunks = self._decoder.feed(data)
        except UpstreamError as error:
            # What a provider reports is no content; what is not its language nobody can read.
            if isinstance(error, UpstreamGarbled):
                self._give_up(error)
            self._filters = []
        except Exception as fault:  # noqa: BLE001 - a bug of a decoder: the stream goes on
            self._give_up(UpstreamGarbled(type(fault).__name__))
        else:
            self._say(chunks)

    def _say(self, chunks: list[Chunk]) -> None:
        for look, screen in self._filters:
            look.at(partial(screen.feed, chunks))

    def _give_up(self, error: UpstreamError) -> None:
        for look, _ in self._filters:
            look.refuse(error)
        self._filters = []


class TranscriptEar:
    """Listens to a transcript in events."""

    def __init__(self, looks: Sequence[Looking]) -> None:
        self._taps = [(look, GuardedEvents(ByteTap(Usage()), look.guarding)) for look in looks]

    def hear(self, data: bytes) -> None:
        """See `Ear`."""
        for look, tap in self._taps:
            look.at(partial(_fed, tap, data))

    def close(self) -> None:
        """See `Ear`."""
        for look, tap in self._taps:
            look.at(partial(_closed, tap))
        self._taps = []


def _fed(tap: GuardedEvents, data: bytes) -> None:
    tap.feed(data)
    if tap.refusal is not None:
        raise tap.refusal


def _closed(tap: GuardedEvents) -> None:
    tap.close()
    if tap.refusal is not None:
        raise tap.refusal


class TextEar:
    """Listens to a body that is handed on as it comes, of which nobody knows what it is."""

    def __init__(self, kind: bytes, looks: Sequence[Looking]) -> None:
        self._kind = kind
        self._looks = looks
        self._filters: list[tuple[Looking, TextFilter]] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def hear(self, data: bytes) -> None:
        """See `Ear`."""
        if not data:
            return
        if self._filters is None:
            self._filters = []
            if not may_be_text(self._kind, data):
                self._unread()
                return
            self._filters = [(look, look.guarding.words(ANSWER)) for look in self._looks]
        if self._filters:
            self._say(data)

    def close(self) -> None:
        """See `Ear`."""
        if self._filters:
            self._say(b"", final=True)
        for look, words in self._filters or ():
            look.at(words.close)
        self._filters = []

    def _say(self, data: bytes, *, final: bool = False) -> None:
        filters = self._filters or []
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError:
            self._filters = []
            self._unread()
            return
        for look, words in filters:
            look.at(partial(words.feed, text))

    def _unread(self) -> None:
        for look in self._looks:
            words = not may_be_wordless(self._kind)
            look.at(partial(look.guarding.unread, ANSWER, words=words))
