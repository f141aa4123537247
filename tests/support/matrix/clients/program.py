"""What a client's side is: a program written with one vendor's official client."""

from __future__ import annotations

from typing import Any, Protocol

import httpx
from matrix.facts import Heard
from matrix.scenes import Document, Result, Scene


class Unsayable(Exception):
    """The client's API has no field for what the scene asks; named as in `losses.FEATURES`."""

    def __init__(self, feature: str) -> None:
        super().__init__(feature)
        self.feature = feature


class Talk(Protocol):
    """One conversation; holds its history in the client's own objects."""

    model: str
    """Whom the next step is asked of."""

    def say(self, step: int, *, stream: bool) -> Heard:
        """Ask the step's question with all that went before, and read the answer."""
        ...


class Program(Protocol):
    """One official client, pointed at the gateway."""

    limit: int | None
    """What it sends where a scene has no limit of tokens, because its API demands one."""

    def talk(self, scene: Scene, model: str) -> Talk:
        """Begin a conversation. Raises `Unsayable`."""
        ...

    def close(self) -> None: ...


class Ear:
    """Remembers the headers of the last answer."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def connections(self, kind: Any = httpx.Client) -> Any:
        """For clients that let one bring the connections."""
        return kind(event_hooks={"response": [self._remember]}, timeout=20)

    def _remember(self, response: Any) -> None:
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    def finish(self, heard: Heard) -> Heard:
        """Add what the headers say."""
        told = self.headers.get("x-federation-warning", "").removeprefix("dropped: ")
        heard.warning = tuple(sorted(told.split(", "))) if told else ()
        if heard.error and not heard.retry_after:
            heard.retry_after = self.headers.get("retry-after", "")
        return heard


def refuse(scene: Scene, *, documents: bool = True, seen: bool = True) -> None:
    """Raise `Unsayable` for documents, or pictures in results, that a client cannot say."""
    said = [item for step in scene.steps for item in step.says]
    if not documents and any(isinstance(item, Document) for item in said):
        raise Unsayable("file")
    if not seen and any(isinstance(item, Result) and item.picture for item in said):
        raise Unsayable("tool_result_media")


def pieces(**lengths: int) -> frozenset[str]:
    """What came in more than one piece."""
    return frozenset(name for name, count in lengths.items() if count > 1)
