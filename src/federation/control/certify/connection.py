"""The connection: left in the middle of a stream, used again, and how long things take."""

from __future__ import annotations

from typing import Final

from federation.control.certify.bench import Bench
from federation.control.certify.findings import Check, Finding, failed, passed, warned
from federation.control.certify.prompts import chat, user
from federation.control.certify.words import plain, room, stream_of, whole_of

_LONG: Final = "Count from 1 to 200, one number to a line."
_LEAST_S: Final = 0.05
"""A stream that is over sooner says nothing about a model's speed."""


async def hang_up(bench: Bench) -> Finding:
    """A stream that is left in its middle is closed at once, and the next call answers."""
    exchange = await bench.begin(chat(user(_LONG), room=room(bench)))
    held = bench.opened() if bench.opened is not None else None
    try:
        first = await exchange.read()
        running = exchange.open
    finally:
        await exchange.aclose()
    left = bench.opened() if bench.opened is not None else None
    if not first:
        return failed("The stream has no beginning.")
    if running and held is not None and left is not None and left >= held:
        return failed("The connection of a stream that was left stays open.", open=left)
    await bench.ask(plain(bench))
    return passed("" if running else "The stream was over before it could be left.")


async def keep_alive(bench: Bench) -> Finding:
    """A connection serves the next call, too."""
    request = bench.page("/models")
    await bench.raw(request)
    held = bench.opened() if bench.opened is not None else None
    answer = await bench.raw(request)
    left = bench.opened() if bench.opened is not None else None
    if answer.headers.get(b"connection", b"").lower() == b"close" or held == 0:
        return warned("Every call needs a connection of its own.")
    return passed(connections=left)


async def latency(bench: Bench) -> Finding:
    """Figures of this run; they are no promise."""
    stream, whole = await stream_of(bench), await whole_of(bench)
    usage = stream.response.usage
    after_s = (stream.took_ms - stream.first_ms) / 1000
    rate = round(usage.output / after_s, 1) if usage is not None and after_s > _LEAST_S else None
    return passed(
        first_ms=stream.first_ms,
        stream_ms=stream.took_ms,
        whole_ms=whole.took_ms,
        tokens_per_s=rate,
    )


CHECKS: Final = (
    Check("hang_up", "connection", "a stream can be left in its middle", hang_up, ("text_stream",)),
    Check("keep_alive", "connection", "a connection is used again", keep_alive, ("reach",)),
    Check("latency", "connection", "how long answers take", latency, ("text_stream",)),
)
