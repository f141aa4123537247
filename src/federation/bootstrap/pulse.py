"""Whether a child still works: it says a byte every few seconds, and the launcher listens.

Standard library only, as the launcher is. A process that lives and does nothing (its disk hangs,
it was stopped, a bug turns in a circle) is worse than a dead one, which is replaced: it would
go on under the keys and rules of the moment in which it fell silent. The trap: time says nothing
where the launcher or the whole machine stood still, too, so looks are counted and not seconds;
and a start may take long (a store is brought up to date), so silence counts from the first byte on.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

SAY_S: Final = 5.0
"""Between two bytes of a child."""
LOOK_S: Final = 10.0
"""Between two looks of the launcher."""
LOOKS: Final = 6
"""Looks that find nothing, after which a child is ended."""
_READ: Final = 4096


class Pulse:
    """A pipe from one place's processes to the launcher. `saying` is inherited by them."""

    def __init__(self) -> None:
        self._listening, self.saying = os.pipe()
        os.set_blocking(self._listening, False)
        # The mode is the pipe's, and so the child's, too: it must not wait for who does not read.
        os.set_blocking(self.saying, False)
        self._heard = False
        self._silent = 0

    def begin(self) -> None:
        """Another process has this place now: what its predecessor said counts no more."""
        self._drained()
        self._heard = False
        self._silent = 0

    def look(self) -> int:
        """How many looks have found nothing since this process spoke, this one included."""
        self._heard = self._drained() or self._heard
        return self._silent if self._heard else 0

    def close(self) -> None:
        """Close both ends."""
        os.close(self._listening)
        os.close(self.saying)

    def _drained(self) -> bool:
        said = False
        with contextlib.suppress(BlockingIOError):
            while os.read(self._listening, _READ):
                said = True
        self._silent = 0 if said else self._silent + 1
        return said
