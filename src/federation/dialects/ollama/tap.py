"""Reads along while a provider's lines are forwarded: usage, finish, errors, the end."""

from __future__ import annotations

from typing import Final

import msgspec

from federation.dialects.ollama.decode import PASSING, Message, Passing
from federation.dialects.ollama.errors import error_in_answer
from federation.dialects.ollama.ndjson import LineCutter, is_torn_message
from federation.dialects.ollama.tables import NULL
from federation.dialects.ollama.usage import read_usage
from federation.dialects.ollama.wire import Wire
from federation.dialects.tapping import HeardEvents
from federation.dialects.whole import is_json, reads_as_json, salvaged, unreadable

_MESSAGE: Final = msgspec.json.Decoder(Message)


class StreamTap(HeardEvents[LineCutter]):
    """See `schema.tap.StreamTap`; one for each stream. Counts are part of the last line, which
    every client of this dialect gets, so nothing is withheld."""

    __slots__ = ("_wire",)

    def __init__(self, wire: Wire) -> None:
        super().__init__(LineCutter())
        self._wire = wire

    def close(self) -> bytes:
        """What was held back, if it is a line that only lacks its line feed; a torn one is
        dropped, so that an error can follow it."""
        rest = self._cutter.rest()
        whole = reads_as_json(rest) and self._look(rest)
        return rest + b"\n" if whole else b""

    def _look(self, line: bytes) -> bool:
        """Whether a line may go on: one that is no JSON would break its reader. Raises
        `UpstreamGarbled` where such a one may have held a message."""
        if len(line) <= 2:
            return not line.strip()
        try:
            found = PASSING.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            again = salvaged(PASSING, line)
            if again is None:
                self.malformed += 1
                if is_torn_message(line):
                    raise unreadable(self._wire.deployment) from None
                return is_json(line)
            found = again
        if found.error != NULL:
            self._fail(found)
            return True
        if not self._model and found.model:
            self._model = found.model
        if found.message != NULL and (self.started or _says(found)):
            self.started = True
            self.events += 1
        if found.done:
            self.finish = found.done_reason or ""
            self._usage = read_usage(line)
            self.started = self.done = True
            self.complete = self.error is None
        return True

    def _fail(self, found: Passing) -> None:
        self._break(error_in_answer(self._wire, found.error))
        self.done = True


def _says(found: Passing) -> bool:
    """Whether a line holds a piece of the answer."""
    try:
        message = _MESSAGE.decode(found.message)
    except msgspec.ValidationError:
        return True
    return bool(message.content or message.thinking or message.tool_calls)
