"""Streams in OpenAI's words, bodies that take their time, and how they end too early."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from federation.errors import UpstreamCut
from federation.sandbox import replies
from federation.sandbox.faults import Fault
from federation.sandbox.script import Choice, Script, token_groups
from federation.sandbox.tokens import pieces

Sleep = Callable[[float], Awaitable[None]]

_FOREVER_S = 86_400.0
GARBLED = b'data: {"id": "chatcmpl-sim", "choices": [{"ind\n\n'
"""An event that is no JSON, in the most usual framing."""


def events(script: Script) -> Iterator[tuple[float, bytes]]:
    """The events of a stream, each with the seconds to wait before it."""
    for index, choice in enumerate(script.choices):
        first = {"role": "assistant", "content": None if choice.calls else "", "refusal": None}
        yield (script.first_s if index == 0 else 0.0), replies.chunk(script, index, first)
        for count, delta in _deltas(script, choice):
            yield count * script.token_s, replies.chunk(script, index, delta)
        yield 0.0, replies.chunk(script, index, {}, choice.finish)
    if script.include_usage:
        yield 0.0, replies.usage_chunk(script)
    yield 0.0, replies.DONE


def _deltas(script: Script, choice: Choice) -> Iterator[tuple[int, dict[str, Any]]]:
    """What each event adds, with how many tokens it is."""
    if not choice.calls:
        for count, text in token_groups(script, choice.pieces):
            yield count, {"content": text}
        return
    for place, (call, name, arguments) in enumerate(choice.calls):
        opening = {"name": name, "arguments": ""}
        yield (
            0,
            {"tool_calls": [{"index": place, "id": call, "type": "function", "function": opening}]},
        )
        for count, text in token_groups(script, pieces(arguments)):
            more = {"index": place, "function": {"arguments": text}}
            yield count, {"tool_calls": [more]}


class TimedBody:
    """Pieces of a body, each after its wait; a `ByteStream`.

    `fault` strikes in the middle: a cut raises, so that the listener ends the connection
    without the mark that the body is whole; a stall waits for whoever hangs up first.
    """

    def __init__(
        self,
        parts: list[tuple[float, bytes]],
        sleep: Sleep,
        fault: Fault | None = None,
        garbled: bytes = GARBLED,
    ) -> None:
        self._garbled = garbled
        self._parts = parts
        self._sleep = sleep
        self._fault = fault
        self._middle = len(parts) // 2
        self._next = 0
        self._closed = False

    async def read(self) -> bytes:
        """The next piece; `UpstreamCut` where this body is to be cut."""
        if self._closed or self._next >= len(self._parts):
            return b""
        if self._next == self._middle:
            if self._fault is Fault.CUT:
                raise UpstreamCut("(simulated) the connection breaks here")
            if self._fault is Fault.STALL:
                await self._sleep(_FOREVER_S)
                return b""
            if self._fault is Fault.GARBLED:
                self._fault = None
                return self._garbled
        wait, piece = self._parts[self._next]
        self._next += 1
        if wait > 0:
            await self._sleep(wait)
        return piece

    async def aclose(self) -> None:
        """Nothing stands behind the stream but its own pieces."""
        self._closed = True
