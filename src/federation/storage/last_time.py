"""The last time of day that control believed, in a file of its data directory.

The trap: records do not tell it. Those that are written while the clock is wrong hold the wrong
time, and the next start would go by them.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

FILE = "last-time"

log = logging.getLogger(__name__)


def read_time(data: Path) -> float | None:
    """Unix seconds; None where none were ever kept, or cannot be read."""
    try:
        found = float((data / FILE).read_text("ascii"))
    except (OSError, ValueError):
        return None
    return found if math.isfinite(found) else None


def keep_time(data: Path, now_s: float) -> None:
    """Keep it, where that can be: without it the next start believes its clock."""
    draft = data / f"{FILE}.new"
    try:
        draft.write_text(f"{now_s:.0f}", "ascii")
        draft.replace(data / FILE)
    except OSError as error:
        log.warning("the time of now cannot be kept", extra={"reason": str(error)})
