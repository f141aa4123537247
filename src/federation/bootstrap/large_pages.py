"""The heap of a process in pages of 2 MiB: fewer addresses to look up where caches are cold.

Linux from 6.1 on puts memory that is there into large pages when it is asked to (`MADV_COLLAPSE`,
madvise(2)). That changes no contents and needs no privilege; a kernel that cannot, or has none
to give, says so, and all stays as it is. The trap: a large page is all there, so memory that is
mostly untouched (the stack of a thread) would grow; such places are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE: Final = 2 * 1024 * 1024
_COLLAPSE: Final = 25
_SWITCH: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_PLACES: Final = Path("/proc/self/smaps")
_PLACE: Final = re.compile(
    r"^(?P<low>[0-9a-f]+)-(?P<high>[0-9a-f]+) rw-p \S+ \S+ 0 *(?:\[heap\]|\[anon.*\])?$"
    r"\n(?:^[A-Z]\w*:.*\n)*?^Rss: +(?P<kb>[0-9]+) kB$",
    re.MULTILINE,
)


def collapse_heap() -> int:
    """Move the memory of this process that is its own and in use to large pages; how many there
    are. None where the operator has switched them off for the machine, or off Linux."""
    try:
        if "[never]" in _SWITCH.read_text():
            return 0
        places = _PLACES.read_text()
    except OSError:
        return 0
    import ctypes  # noqa: PLC0415 - a start does not wait for it

    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return sum(advise(page, PAGE, _COLLAPSE) == 0 for page in pages_of(places))


def pages_of(places: str) -> Iterator[int]:
    """The addresses of large pages in the anonymous private memory that `places`, in the format of
    proc_pid_smaps(5), tells of; of what is three quarters there, at least."""
    for place in _PLACE.finditer(places):
        low, high = int(place["low"], 16), int(place["high"], 16)
        if 4 * 1024 * int(place["kb"]) < 3 * (high - low):
            continue
        first = -(-low // PAGE) * PAGE
        yield from range(first, high - PAGE + 1, PAGE)
