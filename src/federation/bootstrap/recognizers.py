"""Recognizers that other packages bring along, read from their entry points.

They are loaded when the first policy names a type that the house does not find itself, for a
model takes seconds and hundreds of megabytes. The trap: one that cannot be loaded is a detector
that fails, and not one that finds nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from federation.gateway.recognizing import Timed
from federation.guardrails.entities import Recognizer

GROUP: Final = "federation.recognizers"
"""Each names a function from the environment to a `Recognizer`."""
log = logging.getLogger(__name__)


class Plugged:
    """What is installed, loaded at most once."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._loaded: tuple[Recognizer, ...] | None = None

    def __call__(self) -> tuple[Recognizer, ...]:
        """All recognizers that could be loaded. Takes seconds the first time."""
        if self._loaded is None:
            found = (self._load(entry) for entry in entry_points(group=GROUP))
            self._loaded = tuple(each for each in found if each is not None)
        return self._loaded

    def _load(self, entry: EntryPoint) -> Recognizer | None:
        try:
            return Timed(entry.load()(self._settings))
        except Exception:
            # Of another package, whatever it is. Its types are missing from now on, and
            # `safeguard_of` fails closed for them.
            log.exception("a recognizer could not be loaded", extra={"plugin": entry.name})
            return None
