"""How many files and sockets our processes may have open: as many as the system lets us.

Shells and service managers start programs with 1,024 for the sake of `select`, which nothing here
uses; a call takes two, its client's and its provider's.
"""

from __future__ import annotations

import resource
from contextlib import suppress

_WANTED = (65_536, 10_240)
"""What macOS lets a process have may be between the two, and is not in its limits."""


def allow_many() -> None:
    """Raise our own limit, which children inherit, as far as it goes. Never lowers it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in _WANTED:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
