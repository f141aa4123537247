"""An answer that is forwarded event by event.

The account of the call is closed *before* the last bytes are handed out, so that a record
exists for every answer that a client saw end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from federation.errors import UpstreamCut, UpstreamError
from federation.ports import Exchange
from federation.schema.tap import StreamTap

_PATIENCE_S = 1.0
"""How long a whole answer waits for an end marker that may never come (SPEC 5)."""

Ending = Callable[[str, UpstreamError | None], None]
"""Called once, with an outcome of `CallEnded` and the error that ended the stream, if any."""


class AnswerStream:
    """A provider's event stream on its way to the client.

    `opening` was read before the reply was committed to and comes out first. `on_end` is
    told how the stream ended, exactly once, whatever happens: the end of the answer, a
    break, or a client that left (`aclose` before the end). Without `render_error` there is no
    place for an error in the stream: it is cut.
    """

    __slots__ = (
        "_ended",
        "_exchange",
        "_failed",
        "_fault",
        "_opening",
        "_render_error",
        "_tap",
        "_turn",
        "_write",
        "on_end",
    )

    def __init__(
        self,
        exchange: Exchange,
        tap: StreamTap,
        opening: bytes,
        render_error: Callable[[UpstreamError], bytes] | None,
        on_end: list[Ending],
    ) -> None:
        self._exchange = exchange
        self._tap = tap
        self._opening = opening
        self._render_error = render_error
        self.on_end = on_end
        self._ended = False
        self._failed: UpstreamError | None = None
        self._fault: UpstreamError | None = None
        """What a flow met; `read` deals with it."""
        self._turn: asyncio.Future[None] | None = None
        self._write: Callable[[bytes], bool] | None = None

    async def read(self) -> bytes:
        """Whole events, unchanged; after a break the in-band error, then the error itself."""
        if self._failed is not None:
            raise self._failed
        if self._opening:
            data, self._opening = self._opening, b""
            self._look()
            return data
        if self._ended:
            return b""
        tap = self._tap
        try:
            if self._fault is not None:
                raise self._fault
            while True:
                data = await (self._rest() if tap.complete else self._exchange.read())
                if not data:
                    return self._finish()
                out = tap.feed(data)
                self._look()
                if out or self._ended:
                    return out
        except UpstreamError as error:
            return self._finish() if tap.complete else self._break(error)

    async def flow(self, write: Callable[[bytes], bool]) -> None:
        """Hand events on as they arrive, while there is nothing out of the ordinary."""
        if self._ended or self._tap.complete or not self._exchange.watch(self._arrived):
            return
        self._write = write
        self._turn = turn = asyncio.get_running_loop().create_future()
        try:
            self._arrived()
            await turn
        finally:
            self._exchange.watch(None)
            self._turn = self._write = None

    def _arrived(self) -> None:
        """Pass on what came, in the very callback that received it; else let `read` go on."""
        turn, write, tap = self._turn, self._write, self._tap
        if turn is None or write is None or turn.done():
            return
        exchange = self._exchange
        try:
            data = exchange.take()
            out = tap.feed(data) if data else b""
            if tap.done or tap.error is not None:
                self._look()
            wanted = write(out) if out else True
        except UpstreamError as error:
            self._fault = error
            wanted = False
        except Exception as fault:  # noqa: BLE001 - in a callback of the loop it would be lost
            turn.set_exception(fault)
            return
        if not wanted or tap.complete or self._ended or not exchange.open:
            turn.set_result(None)

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
            self._end("canceled", None)
        finally:
            if self._tap.done:
                self._exchange.release()
            else:
                await self._exchange.aclose()

    def _look(self) -> None:
        """Close the account where the events so far say that the answer is over, or broken."""
        tap = self._tap
        if tap.error is not None:
            self._fail(tap.error)
        elif tap.done:
            self._end("ok", None)

    def _finish(self) -> bytes:
        rest = self._tap.close()
        if not self._tap.complete:
            return rest + self._break(UpstreamCut("The provider's stream ended early."))
        self._end("ok", None)
        return rest

    def _break(self, error: UpstreamError) -> bytes:
        self._fail(error)
        if self._render_error is None:
            raise error
        return self._render_error(error)

    def _fail(self, error: UpstreamError) -> None:
        self._failed = error
        self._end("cut", error)

    def _end(self, outcome: str, error: UpstreamError | None) -> None:
        if self._ended:
            return
        self._ended = True
        for tell in self.on_end:
            tell(outcome, error)
