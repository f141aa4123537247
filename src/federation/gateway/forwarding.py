"""Events of a known form on their way from one socket to the other.

Nearly every event of a stream differs from the one before in its text only. Such a one goes on as
it came, in the very callback that received it: it is compared with what it must begin and end
with, the chunk's own line included, and its text is searched for the two bytes that would end it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from federation.gateway.kept_answer import KeptAnswer
from federation.schema.tap import FormedTap

_QUOTE, _LINE = 0x22, 0x0A
_NO_FORM = b"", b""
_NONE = b""
"""In the place of a beginning: no event of the form is so long."""
_LENGTHS = 64
"""So many beginnings are kept, one for each length of a chunk."""


def forwarder(
    tap: FormedTap,
    kept: KeptAnswer | None,
    turn: asyncio.Future[None],
    forward: Callable[[bytes], None],
    listen: Callable[[bytes], object] | None,
) -> Callable[[bytes], bool]:
    """What takes a chunk that came whole, framing included, and hands it to `forward` if it is one
    event of the tap's form; False where it is not, or `turn` is over, and nothing has happened.

    Such an event is counted and, with `kept`, kept; `listen` is told of it without the framing.
    What it holds is in the closure: an event costs as much in loads of attributes as in work.
    """
    form, ending, cut = _NO_FORM, b"", 0
    begins: dict[int, bytes] = {}
    known = begins.get

    def take(framed: bytes) -> bool:
        nonlocal form, ending, cut
        if tap.form is not form:
            form = tap.form
            ending = form[1] + b"\r\n"
            cut = -len(ending)
            begins.clear()
        begin = known(len(framed))
        if begin is None:
            if len(begins) >= _LENGTHS:
                begins.clear()
            begin = begins[len(framed)] = _begin(len(framed), form)
        if not begin or framed[: len(begin)] != begin or framed[cut:] != ending:
            return False
        text = framed[len(begin) : cut]
        if _QUOTE in text or _LINE in text or turn.done():
            return False
        tap.events += 1
        event = framed[len(begin) - len(form[0]) : -2]
        if kept is not None:
            kept.fresh.append(event)
            if len(kept.fresh) >= kept.due:
                kept.weigh()
        if listen is not None:
            listen(event)
        forward(framed)
        return True

    return take


def _begin(size: int, form: tuple[bytes, bytes]) -> bytes:
    """What a chunk of this size, framing included, begins with if it is an event of this form;
    empty where none is."""
    head, tail = form
    for digits in range(1, 9):
        content = size - digits - 4
        line = b"%x\r\n" % max(content, 0)
        if len(line) == digits + 2:
            return line + head if tail and content >= len(head) + len(tail) else _NONE
    return _NONE
