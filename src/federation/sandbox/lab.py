"""The lab: one server on loopback whose models misbehave by name, and the log of what it saw.

Unlike the other simulated providers it breaks connections, not only answers, and knows when
its client hung up. Everything that it can do stands in `lab_plays.WORDS`; who speaks, in
`lab_voices.VOICES`.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Final

from federation.sandbox import lab_wire, replies
from federation.sandbox.lab_control import answer as control
from federation.sandbox.lab_desk import Desk, split_provider
from federation.sandbox.lab_log import Log, Seen, Shown
from federation.sandbox.lab_moves import CLOSE, END, HOLD, RESET, Head, Moves, Over, Raw, Send, Wait
from federation.sandbox.lab_plays import SLOW_S
from federation.sandbox.lab_wire import Line
from federation.sandbox.rows import BASES
from federation.schema.http import ClientReply, ClientRequest

_HOLD_S: Final = 3_600.0
"""Silence ends after an hour, for whoever waits for it."""
_CONTROL: Final = "/lab"


class Lab:
    """A misbehaving provider; `start` it, and `aclose` it at the end.

    `pace_s` is the time between two tokens of a stream (0: all at once), `slow_s` how late the
    slow ones among `random` are. The same `seed` fails the same requests of a provider.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        pace_s: float = 0.005,
        slow_s: float = SLOW_S,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.log = Log()
        self.desk = Desk(clock, seed=seed, pace_s=pace_s, slow_s=slow_s)
        self.port = 0
        self.refused_port = 0
        """A port that is ours and at which nobody listens."""
        self._clock = clock
        self._wall = wall
        self._lines: set[Line] = set()
        self._accepted = 0
        self._in_flight = 0
        self._server: asyncio.Server | None = None
        self._refusing: socket.socket | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on loopback. Raises `OSError` where the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._refusing = socket.socket()
        self._refusing.bind(("127.0.0.1", 0))
        self.refused_port = self._refusing.getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening, close every connection, and wait for what was being answered."""
        if self._server is not None:
            self._server.close()
        if self._refusing is not None:
            self._refusing.close()
        await asyncio.gather(*(line.stop() for line in tuple(self._lines)))

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._lines)

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return self._in_flight

    def base_url(self, dialect: str, provider: str = "") -> str:
        """The base address of a row, for a provider of this name."""
        place = f"/{provider}" if provider else ""
        return f"http://127.0.0.1:{self.port}{place}{BASES[dialect]}"

    def reset(self) -> None:
        """Forget the log, counts, outages and chances."""
        self.log.clear()
        self.desk.reset()

    def show(self, since: int = 0) -> Shown:
        """The log after an entry, and what is going on."""
        return Shown(
            self._clock(),
            self.connections,
            self.in_flight,
            self.desk.outages(),
            self.log.dropped,
            self.log.since(since),
        )

    def _accept(self) -> Line:
        self._accepted += 1
        return Line(self._accepted, self._handle, self._lines)

    async def _handle(self, request: ClientRequest, line: Line) -> bool:
        if request.path == _CONTROL or request.path.startswith(f"{_CONTROL}/"):
            _reply(line, control(self, request), None)
            return True
        provider, path = split_provider(request.path)
        now_ms = int(self._wall() * 1000)
        seen = self.log.add(provider, path, self._clock(), now_ms, line.number)
        self._in_flight += 1
        try:
            return await self._serve(_at(request, path), line, seen)
        except asyncio.CancelledError:
            seen.hung_up_s = self._since(seen)
            seen.over = "hung up"
            raise
        finally:
            self._in_flight -= 1
            seen.ended_s = self._since(seen)

    async def _serve(self, request: ClientRequest, line: Line, seen: Seen) -> bool:
        acting = self.desk.decide(request, seen)
        if acting.reply is None:
            return await self._perform(acting.moves, acting.kind, line, seen)
        _reply(line, acting.reply, seen)
        seen.first_s = self._since(seen)
        seen.over = END
        return True

    async def _perform(self, moves: Moves, kind: bytes, line: Line, seen: Seen) -> bool:
        """Make the moves; False where they end the connection."""
        pending = bytearray()
        chunked = False
        for move in moves:
            match move:
                case Head():
                    chunked = move.length is None
                    seen.status = 200
                    pending += _head(kind, move.length)
                case Send():
                    pending += lab_wire.chunk(move.data) if chunked else move.data
                    seen.tokens += move.tokens
                case Raw():
                    pending += move.data
                case Wait():
                    await self._flush(pending, line, seen)
                    await asyncio.sleep(move.seconds)
                case Over():
                    if move.how == END and chunked:
                        pending += lab_wire.LAST_CHUNK
                    await self._flush(pending, line, seen)
                    return await self._end(move.how, line, seen)
        return False

    async def _flush(self, pending: bytearray, line: Line, seen: Seen) -> None:
        if not pending:
            return
        if seen.first_s is None:
            seen.first_s = self._since(seen)
        line.write(bytes(pending))
        seen.bytes += len(pending)
        pending.clear()
        await line.drained()

    async def _end(self, how: str, line: Line, seen: Seen) -> bool:
        if how == HOLD:
            await asyncio.sleep(_HOLD_S)
        seen.over = CLOSE if how == HOLD else how
        if how == RESET:
            line.reset()
        return how == END

    def _since(self, seen: Seen) -> float:
        return self._clock() - seen.at_s


def _at(request: ClientRequest, path: str) -> ClientRequest:
    """The same request at another path."""
    return ClientRequest(request.method, path, request.query, request.headers, request.body)


def _head(kind: bytes, length: int | None) -> bytes:
    framing = (
        (b"transfer-encoding", b"chunked")
        if length is None
        else (b"content-length", b"%d" % length)
    )
    return lab_wire.head(200, ((b"content-type", kind), replies.SIMULATED, framing))


def _reply(line: Line, reply: ClientReply, seen: Seen | None) -> None:
    body = reply.body if isinstance(reply.body, bytes) else b""
    length = (b"content-length", b"%d" % len(body))
    data = lab_wire.head(reply.status, (*reply.headers, length)) + body
    line.write(data)
    if seen is not None:
        seen.status, seen.bytes = reply.status, len(data)
