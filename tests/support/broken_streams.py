"""What a client heard of a stream until it broke."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Event = TypeVar("Event")


def until_it_breaks(
    begin: Callable[[], Iterable[Event]], *errors: type[Exception]
) -> tuple[list[Event], Exception | None]:
    """The events that came, and the one of these errors that ended them, if one did."""
    heard: list[Event] = []
    try:
        heard.extend(begin())
    except errors as error:
        return heard, error
    return heard, None
