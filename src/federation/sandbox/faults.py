"""How a simulated provider misbehaves: by a suffix of the model's name, or by its profile's shares.

`sim-atlas-large:cut` always cuts; a profile draws from its own seeded stream of numbers, so
that two runs with the same seed fail at the same requests.
"""

from __future__ import annotations

import enum
from random import Random

from federation.sandbox.profiles import Faults


class Fault(str, enum.Enum):
    """What goes wrong with one request."""

    ERROR = "error"
    """500."""
    OVERLOADED = "overloaded"
    """503."""
    LIMITED = "limited"
    """429 with Retry-After."""
    DENIED = "denied"
    """401, as for a bad credential."""
    SLOW = "slow"
    """Ten times as long to the first token."""
    CUT = "cut"
    """The connection ends in the middle of the answer."""
    STALL = "stall"
    """The answer stops in its middle, and the connection stays open."""
    GARBLED = "garbled"
    """One event in the middle is not JSON; a whole answer is cut JSON."""


SUFFIXES: tuple[str, ...] = tuple(fault.value for fault in Fault)
SLOW_FACTOR = 10.0
RETRY_AFTER_S = 2


def split_fault(model: str) -> tuple[str, Fault | None]:
    """The model's own name and the fault that its suffix asks for."""
    name, colon, suffix = model.rpartition(":")
    if colon and suffix in SUFFIXES:
        return name, Fault(suffix)
    return model, None


def draw_fault(faults: Faults, random: Random) -> Fault | None:
    """The fault of the next request: one draw, whatever the shares are."""
    point = random.random()
    for share, fault in (
        (faults.error, Fault.ERROR),
        (faults.limited, Fault.LIMITED),
        (faults.slow, Fault.SLOW),
        (faults.cut, Fault.CUT),
    ):
        if point < share:
            return fault
        point -= share
    return None
