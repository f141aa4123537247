"""Rules in report mode: what they would do to a call's content is counted, and nothing is done.

Each rule runs by itself, through the functions that enforce it, and their result is dropped: so
what is counted is what enforcing that rule alone would have counted. The trap: nothing in here
may raise, or a policy that refuses nothing would break a call. And a look that is given up (its
attempt lost against a hedge, say) counts for nothing: its thread may still be running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from typing import Final

from federation.dialects.faces import Upstream
from federation.errors import (
    FederationError,
    InvalidRequest,
    PayloadTooLarge,
    Unavailable,
    UpstreamError,
)
from federation.gateway.guarded_bodies import checked_answer
from federation.gateway.listening_tap import ListeningTap
from federation.gateway.report_mode_streams import ChatEar, Ear, TextEar, TranscriptEar
from federation.gateway.safeguards import QUICK, UNREAD, Guarding, Safeguard
from federation.governance.obligations import Obligations
from federation.guardrails.chat import ANSWER
from federation.guardrails.entities import FAILURE, Action
from federation.guardrails.injection import Thresholds
from federation.schema.chat import ChatResponse
from federation.schema.tap import StreamTap

TOO_LONG: Final = "too_long"
"""The type under which a text is counted that has more characters than a rule reads."""
UNCHANGEABLE: Final = "unchangeable"
"""The type under which a call is counted that would be refused for what it holds where nothing
can be changed: in a name, an id, a query."""
_DROPPED: Final = b"report"
"""What tokens are made with that nobody is told."""
_UNCHECKED: Final = "content_unchecked"


class Watch:
    """One rule in report mode over one call."""

    __slots__ = ("duties", "found", "label", "offered", "over", "safeguard", "streamed")

    def __init__(
        self,
        label: str,
        duties: Obligations,
        safeguard: Safeguard,
        streamed: Safeguard | None = None,
    ) -> None:
        self.label = label
        self.duties = duties
        self.safeguard = safeguard
        self.streamed = streamed
        """What reads streams, where that is another one; see `by_rules`."""
        self.found: dict[str, int] = {}
        self.offered: set[str] = set()
        """Tools that the call offers."""
        self.over = False
        """It would have refused the call, so there would be nothing more to look at."""

    @classmethod
    def failed(cls, label: str, duties: Obligations) -> Watch:
        """One that cannot be made ready, so nothing is looked at."""
        watch = cls(label, duties, Safeguard(None, None, Thresholds(), {}))
        watch.over, watch.found = True, {f"{label}:{FAILURE}:{Action.BLOCK.value}": 1}
        return watch

    def take(self, look: Look) -> None:
        """Count what a look has found, once it is over."""
        self.over = self.over or look.over
        self.offered |= look.guarding.offered
        for name, count in look.guarding.findings().items():
            told = f"{self.label}:{name}"
            self.found[told] = self.found.get(told, 0) + count


class Look:
    """One rule's look at one content. What it finds is its own until it is taken."""

    __slots__ = ("guarding", "over", "watch")

    def __init__(self, watch: Watch, *, streamed: bool = False) -> None:
        other = watch.streamed if streamed else None
        self.watch = watch
        self.guarding = Guarding(other or watch.safeguard, _DROPPED, "")
        self.guarding.offered = set(watch.offered)
        self.over = False
        if other is not None:
            self.guarding.screening.tally.note(UNREAD, Action.LOG, ANSWER)

    def at(self, work: Callable[[], object]) -> None:
        """Have done what enforcing does; a refusal is noted, and is the last thing that is."""
        if self.over:
            return
        try:
            work()
        except FederationError as refusal:
            self.refuse(refusal)
        except Exception:  # noqa: BLE001 - a bug of a check: the call does not depend on it
            self._note(FAILURE)

    def refuse(self, refusal: FederationError) -> None:
        """Note that the call would have ended here."""
        if isinstance(refusal, PayloadTooLarge):
            self._note(TOO_LONG)
        elif isinstance(refusal, InvalidRequest | UpstreamError) or refusal.code == _UNCHECKED:
            self._note(UNREAD)
        elif isinstance(refusal, Unavailable):
            self._note(FAILURE)
        elif self.guarding.screening.tally.blocked:
            self.over = True
        else:
            self._note(UNCHANGEABLE)

    def _note(self, kind: str) -> None:
        self.over = True
        self.guarding.screening.tally.note(kind, Action.BLOCK, ANSWER)


class Watching:
    """All rules in report mode over one call, and what they have found so far."""

    def __init__(self) -> None:
        self.looks: tuple[tuple[str, Obligations], ...] = ()
        """What the watches are made of, as `Ruling.looks` has it."""
        self.watches: tuple[Watch, ...] = ()
        self._ears: list[tuple[Ear, list[Look]]] = []

    async def look(
        self, size: int, work: Callable[[Guarding], object], watches: Iterable[Watch] | None = None
    ) -> None:
        """Have each rule, or these, look at a content of so many bytes; in a thread where that
        takes milliseconds. Raises nothing but that whoever waits was canceled."""
        looks = self._begun(self.watches if watches is None else watches)
        if not looks:
            return

        def all_of_them() -> None:
            for look in looks:
                look.at(partial(work, look.guarding))

        readings = sum(look.guarding.readings for look in looks)
        if size * readings <= QUICK and not any(look.guarding.slow for look in looks):
            all_of_them()
        else:
            try:
                await asyncio.to_thread(all_of_them)
            except asyncio.CancelledError:
                for look in looks:
                    look.over = True
                    look.guarding.halt()
                raise
        for look in looks:
            look.watch.take(look)

    async def answer(self, upstream: Upstream, body: bytes, response: ChatResponse | None) -> None:
        """Look at a whole answer to a chat, as the provider gave it; `response` where it was
        read already."""
        decoded = cache(partial(upstream.decode, body))

        def work(guarding: Guarding) -> None:
            words = upstream.words(body) if response is None else None
            if words is None or not guarding.lets_out(words):
                guarding.response(decoded() if response is None else response)

        await self.look(len(body), work)

    async def answer_body(self, operation: str, kind: bytes, body: bytes) -> None:
        """Look at a whole answer of another operation."""
        await self.look(len(body), lambda each: checked_answer(each, operation, kind, body))

    def along(self, tap: StreamTap, upstream: Upstream) -> StreamTap:
        """The tap of a chat's stream, with a look at all that it is fed."""
        return self._heard(tap, lambda looks: ChatEar(upstream.decoder(), looks))

    def along_transcript(self, tap: StreamTap) -> StreamTap:
        """The same for a transcript in events."""
        return self._heard(tap, TranscriptEar)

    def along_text(self, tap: StreamTap, kind: bytes) -> StreamTap:
        """The same for a body of this content type that is handed on as it comes."""
        return self._heard(tap, partial(TextEar, kind))

    def findings(self) -> dict[str, int]:
        """What would have been done, as `<policy>.<rule>:<type>:<action>` with its count. Streams
        that were listened to are over with this."""
        ears, self._ears = self._ears, []
        for ear, looks in ears:
            ear.close()
            for look in looks:
                look.watch.take(look)
        return {name: count for watch in self.watches for name, count in watch.found.items()}

    def _heard(self, tap: StreamTap, ear_of: Callable[[list[Look]], Ear]) -> StreamTap:
        looks = self._begun(self.watches, streamed=True)
        if not looks:
            return tap
        ear = ear_of(looks)
        self._ears.append((ear, looks))
        return ListeningTap(tap, ear.hear)

    @staticmethod
    def _begun(watches: Iterable[Watch], *, streamed: bool = False) -> list[Look]:
        return [Look(watch, streamed=streamed) for watch in watches if not watch.over]


def by_rules(safeguard: Safeguard) -> Safeguard | None:
    """The same without plugged-in recognizers; None where it has none. They may take their time,
    and a stream waits for nobody. Takes tens of milliseconds for the first of its kind."""
    guard = safeguard.guard
    if guard is None or not guard.plan.recognizers:
        return None
    return replace(safeguard, guard=guard.by_rules())
