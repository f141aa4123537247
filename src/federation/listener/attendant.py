"""One task for a connection, which answers its requests one after another.

A task for each request would cost more than to parse the request: the event loop enters every
new one into a set of weak references. The trap: a task that waits for the next request is not at
work, so a client that leaves then has nothing to cancel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeAlias

from federation.listener.intake import Inbound

Answer: TypeAlias = Callable[[Inbound], Coroutine[None, None, None]]


class Attendant:
    """Runs answers in a task that it begins with the first and ends when it is dismissed."""

    __slots__ = ("_loop", "_next", "_task", "_turn")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._next: tuple[Answer, Inbound] | None = None
        self._turn: asyncio.Future[None] | None = None
        """What the task waits for while there is nothing to do."""

    def begin(self, answer: Answer, inbound: Inbound) -> None:
        """Have a request answered; not before the one before it is over, or in its last step."""
        self._next = answer, inbound
        turn = self._turn
        if turn is not None:
            self._turn = None
            if not turn.done():
                turn.set_result(None)
        elif self._task is None:
            self._task = self._loop.create_task(self._run())

    def dismiss(self) -> asyncio.Task[None] | None:
        """Nothing more will come. The task, where there is an answer that it has yet to end."""
        task, self._task = self._task, None
        turn = self._turn
        if turn is None:
            return task
        self._turn = None
        if not turn.done():
            turn.set_result(None)
        return None

    async def _run(self) -> None:
        while self._next is not None:
            (answer, inbound), self._next = self._next, None
            await answer(inbound)
            del answer, inbound
            if self._next is None and self._task is not None:
                self._turn = turn = self._loop.create_future()
                await turn
