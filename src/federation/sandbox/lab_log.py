"""What the lab saw: one entry for each request, and the connections that are open now."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

_KEPT: Final = 50_000


class Seen(msgspec.Struct):
    """One request. Times that end in `_s` count from `at_s`; None has not happened."""

    id: int
    at_s: float
    """Monotonic."""
    at_ms: int
    """Unix time."""
    provider: str
    """The first segment of the path, where one stands before the language's own."""
    path: str
    dialect: str = ""
    """Empty where the request was no chat call."""
    model: str = ""
    stream: bool = False
    continuation: str = ""
    """`prefill`, `prompt` or empty: what it holds of an answer that was begun elsewhere"""
    begun: int = 0
    """How many numbered words of such an answer it holds."""
    turns: int = 0
    limit: int | None = None
    """The number of tokens that it allows."""
    play: str = ""
    """What was played: the fault that struck, or `ok`."""
    status: int = 0
    bytes: int = 0
    """Of the response, its head included."""
    tokens: int = 0
    connection: int = 0
    first_s: float | None = None
    """The first byte went out."""
    ended_s: float | None = None
    hung_up_s: float | None = None
    """The client closed the connection before the response was over."""
    over: str = ""
    """end | close | reset: what the lab did at last; `hung up` where the client was first"""


class Shown(msgspec.Struct):
    """The whole log, as it is shown."""

    now_s: float
    connections: int
    in_flight: int
    down: dict[str, float | None]
    """Providers that are down, with the seconds that are left; None is until told otherwise."""
    dropped: int
    attempts: list[Seen]


class Log:
    """The last 50,000 requests, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Seen] = deque(maxlen=_KEPT)
        self._count = 0

    @property
    def entries(self) -> list[Seen]:
        """All that are kept."""
        return list(self._entries)

    @property
    def dropped(self) -> int:
        """How many are kept no more."""
        return self._count - len(self._entries)

    def add(self, provider: str, path: str, now_s: float, now_ms: int, connection: int) -> Seen:
        """A request that has just arrived."""
        self._count += 1
        seen = Seen(self._count, now_s, now_ms, provider, path, connection=connection)
        self._entries.append(seen)
        return seen

    def clear(self) -> None:
        """Forget everything; numbers begin at 1 again."""
        self._entries.clear()
        self._count = 0

    def of(self, name: str = "") -> list[Seen]:
        """The chat calls of a provider or of a model (with or without its fault)."""
        return [
            seen
            for seen in self._entries
            if seen.dialect and name in ("", seen.provider, seen.model, seen.model.split(":")[0])
        ]

    def since(self, id_: int) -> list[Seen]:
        """Those that came after the one with this number."""
        return [seen for seen in self._entries if seen.id > id_]
