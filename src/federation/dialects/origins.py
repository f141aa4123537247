"""Who made the states that stand in bodies which nobody rewrote.

An answer that is forwarded keeps its states bare, so what the client sends back does not say
whose they are, and another provider of the same dialect would refuse them. A worker therefore
remembers digests of the states that it forwarded, the newest of them. The trap: what it does
not know (another worker forwarded it, or long ago) is nobody's in particular and stays.

Bytes are searched for a word first and read by a pattern only where it stands: a state is a
text without quotes in it, and a quoted mention inside of another text has its quotes escaped.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from threading import Lock
from typing import Final, NamedTuple, Protocol, runtime_checkable

import msgspec

MOST: Final = 65_536
"""States that a worker remembers."""
_DIGEST_BYTES: Final = 16
_TEXT: Final = msgspec.json.Decoder(str)


class _Marks(NamedTuple):
    words: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


def _marks(words: tuple[bytes, ...], *names: str) -> _Marks:
    either = "|".join(names).encode()
    return _Marks(words, re.compile(rb'"(?:' + either + rb')"[ \t\r\n]*:[ \t\r\n]*("[^"]{16,}")'))


_FAMILIES: Final = {
    "openai_responses": _marks((b"encrypted_content",), "encrypted_content"),
    "gemini": _marks((b"houghtSignature", b"hought_signature"), "thought_?[sS]ignature"),
    "bedrock": _marks((b'"signature"', b"redactedContent"), "signature", "redactedContent"),
    "openai": _marks(
        (b"reasoning_details", b"thought_signature"), "data", "signature", "thought_signature"
    ),
}
"""Dialects of which one host cannot open another's states, and where these stand."""


class Origins:
    """The makers of the newest states that were forwarded; one for each worker. Bounded."""

    __slots__ = ("_makers", "_most", "_noting")

    def __init__(self, most: int = MOST) -> None:
        self._makers: dict[bytes, str] = {}
        self._most = most
        self._noting = Lock()
        """Big answers are read in threads."""

    def of(self, family: str, maker: str) -> Origin | None:
        """One maker's view; None where every host of the family opens every state."""
        marks = _FAMILIES.get(family)
        return None if marks is None else Origin(self, marks, maker)

    def note(self, state: str, maker: str) -> None:
        """Remember who made a state, as the newest one."""
        makers, digest = self._makers, _digest(state)
        with self._noting:
            makers.pop(digest, None)
            makers[digest] = maker
            if len(makers) > self._most:
                del makers[next(iter(makers))]

    def is_others(self, state: str, maker: str) -> bool:
        """Whether a state is known to have another maker."""
        made = self._makers.get(_digest(state))
        return made is not None and made != maker

    def __len__(self) -> int:
        return len(self._makers)


class Origin:
    """What a deployment asks of the memory: whether states are its maker's."""

    __slots__ = ("_marks", "maker", "origins")

    def __init__(self, origins: Origins, marks: _Marks, maker: str) -> None:
        self.origins = origins
        self._marks = marks
        self.maker = maker

    def note(self, data: bytes) -> None:
        """Remember the states in bytes of this maker's answer; cheap where there are none."""
        if self.may_hold(data):
            for state in self._states(data):
                self.origins.note(state, self.maker)

    def may_hold(self, data: bytes) -> bool:
        """Whether a word stands there that stands beside every state."""
        for word in self._marks.words:  # noqa: SIM110 - half the time, for every event
            if data.find(word) >= 0:  # not `in`: see `carriage.carries`
                return True
        return False

    def holds_others(self, body: bytes) -> bool:
        """Whether a client's body holds a state that another maker is known to have made."""
        if not self.origins or not self.may_hold(body):
            return False
        return any(self.origins.is_others(state, self.maker) for state in self._states(body))

    def _states(self, data: bytes) -> list[str]:
        found: list[str] = []
        for token in self._marks.pattern.findall(data):
            try:
                found.append(_TEXT.decode(token))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return found


@runtime_checkable
class NotingTap(Protocol):
    """A stream's tap that notes the states of what it forwards."""

    origin: Origin | None


def _digest(state: str) -> bytes:
    return blake2b(state.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
