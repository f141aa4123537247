"""One client connection: requests in, one after another, and their replies out.

Reading goes on while a request is answered, because a hang-up is only seen by reading. A client
that closes its sending side counts as gone: a killed client's kernel sends the very same packet,
and what it waits for costs money. So do not half-close a connection whose answer you want.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import cast

from federation.errors import FederationError, RequestTimeout, Unavailable
from federation.listener.attendant import Attendant
from federation.listener.hub import Hub, Room
from federation.listener.intake import BETWEEN, HEAD, Inbound, Intake
from federation.listener.replyhead import (
    CONTINUE,
    UnsafeHeader,
    has_body,
    render_headers,
    reply_head,
)
from federation.listener.reset import reset
from federation.schema.http import ByteStream, ClientReply

IDLE, ARRIVING_HEAD, ARRIVING_BODY, ANSWERING, LEAVING, GONE = range(6)

NO_CONTENT = 204
_HELD_BYTES = 65_536
_MOST_HELD_BYTES = 1_048_576
_ONE_WRITE_BYTES = 65_536
_WHOLE_BODY_FACTOR = 10
# A socket closed with unread bytes sends a reset, which can destroy a refusal before the client
# reads it: after a refusal we read on, and throw away, until the client has stopped.
_LINGER_SILENCE_S = 2.0
_LINGER_S = 10.0


class Connection(asyncio.Protocol):
    """A client's connection; made by the server's accept loop."""

    __slots__ = (
        "_attendant", "_end", "_held", "_hold", "_hub", "_intake", "_lingering", "_paused",
        "_refusal", "_room", "_running", "_state", "_transport", "_unread", "_waiter", "deadline",
    )  # fmt: skip

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._state = IDLE
        self._held = bytearray()
        self._room = Room(hub)
        self._refusal: FederationError | None = None
        self._attendant = Attendant(hub.loop)
        self._running = False
        """An answer has begun and may be cancelled: before that nothing is undone, and while
        the task closes a stream, nothing may disturb it."""
        self._paused = False
        self._hold: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unread = 0
        self._lingering = False
        self._end = math.inf
        self.deadline = math.inf

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away where there are too many."""
        hub = self._hub
        self._transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername")
        self._intake = Intake(hub.limits, str(address[0]) if isinstance(address, tuple) else "")
        hub.connections.add(self)
        self.deadline = hub.loop.time() + hub.idle_s
        if len(hub.connections) > hub.limits.connections:
            self._explain(Unavailable("Too many connections; try again soon.", retry_after_s=1))
            self._close()

    def data_received(self, data: bytes) -> None:
        """Parse, hold back or drop what came, depending on what we are doing."""
        state = self._state
        if state < ANSWERING:
            self._feed(data)
        elif state == ANSWERING:
            self._hold_back(data)
        elif self._lingering:
            self.deadline = min(self._end, self._hub.loop.time() + _LINGER_SILENCE_S)

    def eof_received(self) -> bool:
        """The client has closed its side: it is gone."""
        if self._state == ANSWERING:
            self._transport.abort()
            self._hang_up()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel whatever is done for this client."""
        if self._state not in (ANSWERING, GONE):  # else the request's task still holds the body
            self._room.hold(0)
        self._hang_up()
        self._state = GONE
        self.deadline = math.inf
        self._hub.leave(self)
        self._refusal = None
        self._intake.close()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._paused = True
        self._give_time_to_read()
        if self._hold is not None:
            self._hold()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._paused = False
        if self._state == ANSWERING:
            self.deadline = math.inf
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def expire(self) -> None:
        """Act on a deadline that has passed."""
        if self._state == IDLE:
            self._close()
        elif self._state < ANSWERING:
            part = "head" if self._state == ARRIVING_HEAD else "body"
            self._refuse(RequestTimeout(f"The request's {part} did not arrive in time."))
        else:
            left = self._transport.get_write_buffer_size()
            if 0 < left < self._unread:
                self._give_time_to_read()
            else:
                self._transport.abort()

    def retire(self) -> None:
        """Close as soon as nothing is owed to the client."""
        if self._state == IDLE:
            self._rest(self._hub.linger_s)

    def cut(self) -> None:
        """Close now, whatever is going on."""
        self._transport.abort()

    def _feed(self, data: bytes) -> None:
        try:
            self._intake.feed(data)
        except FederationError as error:
            self._refusal = error
        except Exception as fault:  # noqa: BLE001 - a bug of ours must not leave the client waiting
            self._hub.front.report(fault)
            self._transport.abort()
            return
        self._proceed()

    def _hold_back(self, data: bytes) -> None:
        """Keep what comes behind a request that is being answered. Reading never pauses, for then
        a hang-up would not be seen: who sends more than there is room for is hung up on."""
        hub = self._hub
        if self._refusal is not None:  # whatever follows what is refused is not read
            return
        self._held += data
        self._room.add(len(data))
        is_full = hub.buffered > hub.limits.bodies_bytes
        if len(self._held) > (_HELD_BYTES if is_full else _MOST_HELD_BYTES):
            self._transport.abort()

    def _proceed(self) -> None:
        """Nothing is being answered: begin the next request, refuse, or wait for more."""
        hub, intake = self._hub, self._intake
        if intake.ready:
            self._state = ANSWERING
            self.deadline = math.inf
            hub.in_flight += 1
            inbound = intake.ready.popleft()
            if inbound.request.body:
                self._room.hold(len(inbound.request.body) + len(self._held))
            self._attendant.begin(self._answer, inbound)
        elif self._refusal is not None:
            # Let go of: its traceback leads back to us, a circle that only the collector ends.
            refusal, self._refusal = self._refusal, None
            self._refuse(refusal)
        else:
            self._await_more(intake)

    def _await_more(self, intake: Intake) -> None:
        hub, limits, now = self._hub, self._hub.limits, self._hub.loop.time()
        if intake.phase == BETWEEN:
            if self._state != IDLE or hub.draining:
                self._rest(hub.idle_s)
        elif intake.phase == HEAD:
            if self._state != ARRIVING_HEAD:
                self._state = ARRIVING_HEAD
                self.deadline = now + limits.head_s
        else:
            if self._state != ARRIVING_BODY:
                self._state = ARRIVING_BODY
                self._end = now + limits.body_s * _WHOLE_BODY_FACTOR
            self.deadline = min(self._end, now + limits.body_s)
            self._room.hold(intake.arrived)
            if hub.buffered > limits.bodies_bytes:
                self._refuse(hub.no_room())
            elif intake.expects:
                intake.expects = False
                refusal = hub.front.turns_away(intake.head())
                if refusal is None:
                    hub.outbox.flush()
                    self._transport.write(CONTINUE)
                else:
                    self._refuse(refusal)

    def _rest(self, idle_s: float) -> None:
        """Nothing is owed to the client: wait so long for its next request."""
        self._state = IDLE
        if idle_s:
            self.deadline = self._hub.loop.time() + idle_s
        else:
            self._close()

    def _answered(self, keep_alive: bool) -> None:
        """The reply is out: go on with what has come meanwhile, or close."""
        self._running = False
        if not keep_alive:
            self._close()
        elif self._held and not self._intake.ready:
            data, self._held = bytes(self._held), bytearray()
            self._room.hold(0)
            self._feed(data)
        else:
            self._proceed()

    def _refuse(self, error: FederationError) -> None:
        """Tell the client why, and read no further requests from it."""
        self._explain(error)
        self._intake.drop()
        self._room.hold(0)
        if not self._transport.can_write_eof():
            self._close()
            return
        self._state = LEAVING
        self._transport.write_eof()
        self._lingering = True
        now = self._hub.loop.time()
        self._end = now + _LINGER_S
        self.deadline = now + _LINGER_SILENCE_S

    def _explain(self, error: FederationError) -> None:
        self._hub.outbox.flush()
        self._transport.write(self._hub.refusal(error, self._intake.refused_path()))

    def _close(self) -> None:
        """Close once the client has read what was written, within the time that it gets."""
        self._state = LEAVING
        self._hub.outbox.flush()
        self._give_time_to_read()
        self._transport.close()

    def _give_time_to_read(self) -> None:
        self._unread = self._transport.get_write_buffer_size()
        self.deadline = self._hub.loop.time() + self._hub.limits.write_s

    def _hang_up(self) -> None:
        task = self._attendant.dismiss()
        if task is None:
            return
        # What waits for the client to read must look again, and find it gone.
        self._paused = True
        self._state = GONE
        self._hub.adopt(task)
        if self._running:
            task.cancel()

    async def _answer(self, inbound: Inbound) -> None:
        hub = self._hub
        keep_alive = False
        try:
            if self._state != GONE:
                self._running = True
                if inbound.coding or hub.buffered > hub.limits.bodies_bytes:
                    reply = await hub.answer(inbound, self._room)
                else:
                    reply = await hub.front.answer(inbound.request)
                keep_alive = await self._send(inbound, reply)
        except Exception as fault:  # noqa: BLE001 - a bug of ours must not leave the client waiting
            hub.front.report(fault)
        except asyncio.CancelledError:
            # With the client still there, the handler cancelled itself: no answer can follow.
            self._transport.abort()
            raise
        finally:
            hub.in_flight -= 1
            self._room.hold(0 if self._state == GONE else len(self._held))
        if self._state != GONE:
            self._answered(keep_alive)

    async def _send(self, inbound: Inbound, reply: ClientReply) -> bool:
        """Write the reply; True where the connection may take another request."""
        try:
            headers = render_headers(reply.headers)
        except UnsafeHeader as fault:
            await self._release(reply.body)
            reply = self._hub.front.apologize(fault, inbound.request.path)
            headers = render_headers(reply.headers)
        body = reply.body
        if not isinstance(body, bytes):
            return await self._send_stream(inbound, reply.status, headers, body)
        if self._state == GONE:
            return False
        keep_alive = inbound.keep_alive and not self._hub.draining
        framing = b"" if reply.status == NO_CONTENT else b"content-length: %d\r\n" % len(body)
        head = reply_head(reply.status, self._hub.date, headers, framing, keep_alive, inbound.old)
        if not has_body(reply.status, inbound.request.method):
            body = b""
        if len(body) <= _ONE_WRITE_BYTES:
            self._hub.outbox.post(self._transport, head + body)
        else:
            self._hub.outbox.flush()
            self._transport.write(head)
            self._transport.write(body)
        return (not self._paused or await self._drained()) and keep_alive

    async def _send_stream(
        self, inbound: Inbound, status: int, headers: bytes, stream: ByteStream
    ) -> bool:
        """Write a stream as it comes. The stream is closed before its end is written.

        So whatever is recorded when it closes is safe before the client can see the end.
        """
        bodiless = not has_body(status, inbound.request.method)
        chunked = not inbound.old and not bodiless
        keep_alive = inbound.keep_alive and not self._hub.draining and (chunked or bodiless)
        framing = b"transfer-encoding: chunked\r\n" if chunked else b""
        whole = False
        try:
            if self._state != GONE:
                head = reply_head(status, self._hub.date, headers, framing, keep_alive, inbound.old)
                self._hub.outbox.flush()
                self._transport.write(head)
                whole = bodiless or await self._pump(stream, chunked)
        finally:
            await self._release(stream)
        if self._state == GONE:
            return False
        if chunked and whole:
            self._transport.write(b"0\r\n\r\n")
        elif not whole and not chunked:
            # Without chunks the end of the connection is the end of the body: only a reset
            # tells the client that this one is not complete.
            reset(self._transport)
        return whole and keep_alive

    async def _pump(self, stream: ByteStream, chunked: bool) -> bool:
        """Pass a stream on to its end; False where it broke or the client left."""
        write = self._write_chunk if chunked else self._write_plain
        flow = getattr(stream, "flow", None)
        self._hold = getattr(stream, "hold", None) if chunked else None
        forward = self._transport.write if self._hold is not None else None
        try:
            while piece := await stream.read():
                write(piece)
                if flow is not None and not self._paused:
                    await flow(write, forward)
                if self._paused and not await self._drained():
                    return False
        except FederationError:
            return False
        except Exception as fault:  # noqa: BLE001 - a broken stream must be cut, not left open
            self._hub.front.report(fault)
            return False
        return True

    def _write_chunk(self, piece: bytes) -> bool:
        """Write a piece of a chunked body; False where no more is wanted for the moment."""
        self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        return not self._paused

    def _write_plain(self, piece: bytes) -> bool:
        self._transport.write(piece)
        return not self._paused

    async def _drained(self) -> bool:
        """Wait until the client has read enough, in time from now on; False where it is gone."""
        if self._state != GONE:
            self._give_time_to_read()
            self._waiter = self._hub.loop.create_future()
            await self._waiter
        return self._state != GONE

    async def _release(self, body: bytes | ByteStream) -> None:
        """Close a stream. From here on the client's leaving cancels nothing."""
        if isinstance(body, bytes):
            return
        self._running, self._hold = False, None
        try:
            await body.aclose()
        except Exception as fault:  # noqa: BLE001 - the stream breaks its promise not to raise
            self._hub.front.report(fault)
