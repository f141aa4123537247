"""An answer that is forwarded event by event, and goes on elsewhere where it breaks.

The account of the call is closed *before* the last bytes are handed out, so that a record
exists for every answer that a client saw end. Whoever reads sees no seam: another exchange
and another tap take the places of those that broke.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from federation.errors import (
    EvidenceUnwritable,
    FederationError,
    Recovery,
    UpstreamCut,
    UpstreamError,
    UpstreamTimeout,
)
from federation.gateway.forwarding import forwarder
from federation.gateway.kept_answer import KeptAnswer
from federation.gateway.leg import Ending, Leg, Listener, Mend, Renaming, both
from federation.schema.tap import FormedTap

_PATIENCE_S = 1.0
"""How long a whole answer waits for an end marker that may never come."""
_SPOKE: tuple[float | None, int] = None, 0


class AnswerStream:
    """A provider's event stream on its way to the client.

    Each of `on_end` is told how the stream ended, exactly once, whatever happens: the end of the
    answer, a break, or a client that left (`aclose` before the end). Unless `tells` is None, the
    tap passes on the provider's own words for an error, as the last of what it
    returns; they are told where they hold none of these texts. `idle_s` bounds a silence that
    only keep-alives break. `error_ends`: an error is the regular end of a stream in the client's
    language; in the others the stream is cut after it. A `slow` tap takes its time for what it is
    fed, and gets it in a thread.
    """

    __slots__ = (
        "_dying",
        "_ended",
        "_ending",
        "_error_ends",
        "_exchange",
        "_failed",
        "_fault",
        "_idle_s",
        "_kept",
        "_listen",
        "_mend",
        "_opening",
        "_render_error",
        "_silent",
        "_slow",
        "_tap",
        "_tells",
        "_turn",
        "_under_way",
        "_unrecorded",
        "_write",
        "on_end",
        "renamed",
        "settling",
    )

    def __init__(
        self,
        first: Leg,
        *,
        tells: tuple[bytes, ...] | None = (),
        kept: KeptAnswer | None = None,
        mend: Mend | None = None,
        idle_s: float | None = None,
        error_ends: bool = False,
        slow: bool = False,
    ) -> None:
        self._exchange = first.exchange
        self._tap = first.tap
        self._opening = first.opening
        self._ending = first.ending
        self._render_error = first.render_error
        self._tells = tells
        self._kept = kept
        self._mend = mend
        self._idle_s = idle_s
        self._error_ends = error_ends
        self._slow = slow
        self._listen: Listener | None = None
        """Told all that the client gets."""
        self._under_way: asyncio.Future[bytes] | None = None
        """What a slow tap works at."""
        self._silent = _SPOKE
        """Since when nothing has come that says anything, and after how many events."""
        self.on_end: list[Ending] = []
        self.renamed: Renaming | None = None
        """How the client gets these events, where that is not as they stand here."""
        self.settling: Callable[[], Awaitable[None]] | None = None
        """Set by who is told of the end: the client may see it when this is over. Raises
        `EvidenceUnwritable`."""
        self._ended = False
        self._failed: FederationError | None = None
        self._unrecorded: EvidenceUnwritable | None = None
        self._fault: UpstreamError | None = None
        """What broke the answer; `read` deals with it."""
        self._dying = b""
        """The provider's last words, its error among them."""
        self._turn: asyncio.Future[None] | None = None
        self._write: Callable[[bytes], bool] | None = None

    def overhear(self, listen: Listener) -> None:
        """Have `listen` told all that the client gets of the answer, each piece before the account
        is closed over it; it must not raise. Call it before anything is read."""
        listen(self._opening)
        others = self._listen
        self._listen = listen if others is None else both(others, listen)

    async def read(self) -> bytes:
        """Whole events, unchanged; after a break what another deployment adds, or the in-band
        error, and then the error itself. That is also what follows an end that could not be
        recorded, in its place."""
        if self._failed is not None:
            if self._error_ends:
                return b""
            raise self._failed
        try:
            if self._unrecorded is not None:
                raise self._unrecorded
            try:
                data = await self._next()
            except UpstreamError:
                await self._settle()
                raise
            if self.settling is not None:
                await self._settle()
        except EvidenceUnwritable as error:
            self._failed = error
            if self._render_error is None:
                raise
            return self._render_error(error)
        return data

    async def _settle(self) -> None:
        """Wait until the end, if it was told, is safe. Raises `EvidenceUnwritable`."""
        if self.settling is not None:
            settling, self.settling = self.settling, None
            await settling()

    async def _next(self) -> bytes:
        if self._opening:
            data, self._opening = self._opening, b""
            self._look()
            return data
        if self._ended:
            return b""
        try:
            return await self._more()
        except UpstreamError as error:
            if not self._tap.complete:
                # Its traceback leads back to us, who keep it: a ring for the collector.
                return await self._broken(error.with_traceback(None))
            return self._over(await self._made(self._tap.close))

    async def _more(self) -> bytes:
        """What comes next; `b""` after the end. Raises what broke the answer."""
        tap = self._tap
        while self._fault is None:
            data = await (self._rest() if tap.complete else self._exchange.read())
            if not data:
                rest = await self._made(tap.close)
                if tap.complete:
                    return self._over(rest)
                self._fault = UpstreamCut("The provider's stream ended early.")
            else:
                events = tap.events
                rest = self._heed(data, await self._made(partial(tap.feed, data)), events)
            if rest or self._ended:
                return rest
        raise self._fault

    def _over(self, rest: bytes) -> bytes:
        """The last that the client gets; the account is closed over it."""
        if self._listen is not None:
            self._listen(rest)
        self._end("ok", None)
        return rest

    async def _made(self, work: Callable[[], bytes]) -> bytes:
        """What the tap makes. One that is slow is not left alone: an end waits for it."""
        if not self._slow:
            return work()
        self._under_way = asyncio.ensure_future(asyncio.to_thread(work))
        return await asyncio.shield(self._under_way)

    async def flow(
        self, write: Callable[[bytes], bool], forward: Callable[[bytes], None] | None = None
    ) -> None:
        """Hand events on as they arrive, while there is nothing out of the ordinary."""
        is_calm = self._fault is None and not (self._opening or self._tap.complete or self._slow)
        if self._ended or not is_calm:
            return
        self._turn = turn = asyncio.get_running_loop().create_future()
        whole = None
        if forward is not None and hasattr(self._tap, "form"):
            tap = cast("FormedTap", self._tap)
            whole = forwarder(tap, self._kept, turn, forward, self._listen)
        if not self._exchange.watch(self._arrived, whole):
            self._turn = None
            return
        self._write = write
        try:
            if data := self._exchange.take():
                self._arrived(data)
            if not (turn.done() or self._exchange.open):
                turn.set_result(None)
            await turn
        finally:
            self._exchange.watch(None)
            self._turn = self._write = None

    def hold(self) -> None:
        """Let `flow` return: the client has enough for the moment."""
        turn = self._turn
        if turn is not None and not turn.done():
            self._exchange.watch(None)
            turn.set_result(None)

    def _arrived(self, data: bytes) -> None:
        """Pass on what came, in the very callback that received it; else let `read` go on."""
        write, turn, tap = self._write, self._turn, self._tap
        if write is None or turn is None or turn.done():
            return  # whoever waited is gone, and ends the watching a moment later
        events = tap.events
        try:
            out = tap.feed(data) if data else b""
            if not data:
                goes_on = False
            elif tap.events != events and not (tap.complete or tap.done or tap.error):
                # Nearly every time: content, and more is to come. Else `_heed` looks closely.
                if self._kept is not None:
                    self._kept.add(data)
                if self._listen is not None:
                    self._listen(out)
                goes_on = not out or write(out)
            else:
                out = self._heed(data, out, events)
                if self.settling is not None:
                    self._opening, out = out, b""  # `read` waits, and gives it out then
                goes_on = not out or write(out)
                goes_on = goes_on and not (tap.complete or self._fault or self._ended)
        except UpstreamError as error:
            self._fault = error
            goes_on = False
        except EvidenceUnwritable as error:
            self._unrecorded = error
            goes_on = False
        except Exception as fault:
            self._exchange.watch(None)
            if turn.done():
                raise
            turn.set_exception(fault)
            return
        if not goes_on:
            # From here on what comes waits for `read`. A write that filled the client's buffer
            # has held the stream already, from within.
            self.hold()

    def _heed(self, data: bytes, out: bytes, events: int) -> bytes:
        """What the client gets of what the tap made of some bytes, before which it had counted
        so many events; closes the account where the answer is over."""
        tap = self._tap
        self._fault = tap.error or self._fault
        if tap.error is not None and self._tells is not None:
            self._dying = out
            return b""
        if self._listen is not None:
            self._listen(out)
        if self._kept is not None:
            self._kept.add(data)
        if tap.error is not None:
            return out
        if tap.events == events and self._idle_s is not None:
            self._wait(self._idle_s)
        if tap.done:
            self._end("ok", None)
        return out

    def _wait(self, idle_s: float) -> None:
        """Something came that says nothing. Raises `UpstreamTimeout` after too much of it."""
        now = asyncio.get_running_loop().time()
        since, events = self._silent
        if since is None or events != self._tap.events or self._tap.complete:
            self._silent = now, self._tap.events
        elif now - since > idle_s:
            raise UpstreamTimeout("The provider keeps its stream open and says nothing more.")

    async def _rest(self) -> bytes:
        """What follows the last finish reason (usage, the end marker), if it comes soon."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._exchange.read()
        except TimeoutError:
            return b""

    async def aclose(self) -> None:
        """Hang up on the provider unless the answer was over."""
        try:
            try:
                if self._under_way is not None:
                    await asyncio.gather(self._under_way, return_exceptions=True)
            finally:
                self._end("canceled", None)
        finally:
            for kept in (self._failed, self._fault):
                if kept is not None:
                    kept.with_traceback(None)
            if self._tap.done:
                self._exchange.release()
            else:
                await self._exchange.aclose()

    def _look(self) -> None:
        """Close the account where the opening is the whole answer."""
        tap = self._tap
        if tap.error is None:
            if tap.done:
                self._end("ok", None)
        elif self._tells is not None:
            self._failed = tap.error
            self._end("cut", tap.error)
        else:
            self._fault = tap.error

    async def _broken(self, error: UpstreamError) -> bytes:
        """Go on elsewhere, or tell the client that the answer ends here."""
        self._fault = None
        kept = self._kept if error.recovery is not Recovery.FAIL else None
        if kept is not None and kept.whole and self._mend is not None:
            self._ending("cut", error)
            await self._exchange.aclose()
            try:
                found = await self._mend(kept, error)
            except Exception:
                self._end("cut", error)
                raise
            if found is not None:
                self._go_on(found)
                return await self._next()
        self._failed = error
        last = self._last_words(error)
        if last is not None and self._listen is not None:
            self._listen(last)
        self._end("cut", error)
        if last is None:
            raise error
        return last

    def _last_words(self, error: UpstreamError) -> bytes | None:
        """The end of an answer that broke; None where its language has no place for an error."""
        if self._dying and not any(text in self._dying for text in self._tells or ()):
            return self._dying
        return None if self._render_error is None else self._render_error(error)

    def _go_on(self, found: Leg) -> None:
        self._exchange = found.exchange
        self._tap = found.tap
        self._opening = found.opening
        if self._listen is not None:
            self._listen(found.opening)
        self._ending = found.ending
        self._render_error = found.render_error
        self._tells = None
        self._dying = b""
        self._silent = _SPOKE

    def _end(self, outcome: str, error: UpstreamError | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._ending(outcome, error)
        # Who is told may hold this stream: a ring of them would wait for the collector.
        told, self.on_end = self.on_end, []
        for tell in told:
            tell(outcome, error)
