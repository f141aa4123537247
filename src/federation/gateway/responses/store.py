"""The stored responses, as a worker reaches them: control keeps them, and is asked.

The trap: control may be away at any time. What must be known before a call waits for it and
fails clearly; what is to be kept after one waits a moment and is then let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from federation.errors import Unavailable
from federation.gateway.control_socket import ControlSocket, away
from federation.ports import Transport
from federation.schema.http import Timeouts
from federation.schema.storing import (
    HEADER,
    PATH,
    Answered,
    Asked,
    Chain,
    Done,
    Find,
    Found,
    Held,
    Ids,
    Mark,
    Owners,
    Remove,
    Running,
    Save,
)

PATIENCE_S = 1.0
"""How long an answer may be held back for its being kept."""
PAUSE_S = 0.1
_ANSWER_S = 5.0
_LIMIT = 128 * 1024 * 1024
_OK = 200

_encode = msgspec.msgpack.encode
_answered = msgspec.msgpack.Decoder(Answered)
_T = TypeVar("_T", Done, Found, Ids)


class ResponseStore:
    """Asks control over its socket; one for each worker.

    `key` gives what proves that a worker asks. Every method but `save` raises `Unavailable`
    where control cannot be asked, or its store.
    """

    def __init__(self, transport: Transport, socket: Path, key: Callable[[], str]) -> None:
        self._control = ControlSocket(transport, socket)
        self._key = key

    async def save(self, save: Save, within_s: float = PATIENCE_S) -> bool | None:
        """Whether a response is kept now: False where it is over or deleted, None where
        control could not be asked in time. Never raises."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    try:
                        return (await self._ask(save, Done, within_s)).done
                    except Unavailable:
                        await asyncio.sleep(PAUSE_S)
        except TimeoutError:
            return None

    async def find(self, tenant: str, response: str) -> Held | None:
        """One response of a tenant."""
        found = await self._ask(Find(tenant, response), Found)
        return found.held[0] if found.held else None

    async def chain(self, tenant: str, response: str) -> Found:
        """A response and all that it continues, oldest first; or why it cannot be had."""
        return await self._ask(Chain(tenant, response), Found)

    async def owners(self, tenant: str, items: tuple[str, ...]) -> tuple[Held, ...]:
        """The responses that these output items belong to."""
        return (await self._ask(Owners(tenant, items), Found)).held

    async def mark(self, tenant: str, response: str, status: str) -> bool:
        """Change the status of a running response; False where none runs."""
        return (await self._ask(Mark(tenant, response, status), Done)).done

    async def remove(self, tenant: str, response: str) -> bool:
        """Delete a response; False where there is none."""
        return (await self._ask(Remove(tenant, response), Done)).done

    async def running(self, writer: str) -> tuple[str, ...]:
        """What this worker is still expected to finish."""
        return (await self._ask(Running(writer), Ids)).ids

    async def _ask(self, asked: Asked, kind: type[_T], within_s: float = _ANSWER_S) -> _T:
        headers = ((b"content-type", b"application/msgpack"), (HEADER, self._key().encode()))
        timeouts = Timeouts(within_s, within_s, within_s, within_s)
        reply = await self._control.send("POST", PATH, headers, _encode(asked), timeouts, _LIMIT)
        if reply.status != _OK:
            raise Unavailable(
                "What is kept of responses cannot be reached just now. Try again in a few seconds.",
                code="store_unavailable",
                retry_after_s=5.0,
            )
        try:
            answer = _answered.decode(reply.body)
        except msgspec.DecodeError as error:
            raise away() from error  # a control of another version, while both are replaced
        if not isinstance(answer, kind):
            raise away()
        return answer
