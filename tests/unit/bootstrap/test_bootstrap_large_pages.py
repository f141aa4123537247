"""Which memory is moved to large pages, and that moving it changes nothing in it."""

from __future__ import annotations

import subprocess
import sys

from federation.bootstrap.large_pages import PAGE, pages_of

_PLACE = """{low:x}-{high:x} {mode} 00000000 {device} {inode} {name}
Size:           {kb} kB
KernelPageSize:        4 kB
Rss:            {rss} kB
Pss:            {rss} kB
VmFlags: rd wr mr mw me ac sd
"""


def _place(
    low: int,
    high: int,
    *,
    mode: str = "rw-p",
    device: str = "00:00",
    inode: int = 0,
    name: str = "",
    there: float = 1.0,
) -> str:
    kb = (high - low) // 1024
    line = {"low": low, "high": high, "mode": mode, "device": device, "inode": inode, "name": name}
    return _PLACE.format(**line, kb=kb, rss=int(kb * there))


def test_only_whole_large_pages_within_a_place_are_moved() -> None:
    low, high = 3 * PAGE - 4096, 5 * PAGE + 4096
    assert list(pages_of(_place(low, high, name="[heap]"))) == [3 * PAGE, 4 * PAGE]
    assert list(pages_of(_place(3 * PAGE + 4096, 5 * PAGE - 4096))) == []


def test_memory_of_files_and_memory_that_is_shared_or_runs_is_left() -> None:
    others = (
        _place(0, 4 * PAGE, mode="r-xp"),
        _place(0, 4 * PAGE, mode="rw-s"),
        _place(0, 4 * PAGE, device="08:01", inode=42, name="/usr/lib/libc.so.6"),
        _place(0, 4 * PAGE, name="[stack]"),
    )
    assert list(pages_of("".join(others))) == []
    mine = _place(8 * PAGE, 9 * PAGE, name="[anon:arena]")
    assert list(pages_of("".join(others) + mine)) == [8 * PAGE]


def test_memory_that_is_mostly_untouched_would_grow_and_is_left() -> None:
    assert list(pages_of(_place(0, 4 * PAGE, there=0.7))) == []
    assert len(list(pages_of(_place(0, 4 * PAGE, there=0.8)))) == 4


_MOVED = """
from federation.bootstrap.large_pages import PAGE, collapse_heap

def held(name):
    with open("/proc/self/smaps_rollup") as rows:
        return sum(int(row.split()[1]) for row in rows if row.startswith(name + ":")) * 1024

kept = [bytes([number % 256]) * 1000 for number in range(20_000)]
rss, large = held("Rss"), held("AnonHugePages")
moved = collapse_heap()
assert held("AnonHugePages") - large == moved * PAGE, (moved, large, held("AnonHugePages"))
assert held("Rss") - rss < 8 * 2**20, (rss, held("Rss"))
assert kept == [bytes([number % 256]) * 1000 for number in range(20_000)]
"""


def test_moving_a_heap_keeps_what_is_in_it_and_takes_little_more() -> None:
    """Where a kernel has no such pages none are counted, and none are there."""
    ended = subprocess.run(
        [sys.executable, "-c", _MOVED], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
