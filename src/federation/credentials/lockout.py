"""Who may try to sign in, after how many failures: per source, and per code of a sign-in. Pure.

Five failures within fifteen minutes lock a name for a minute, and every further lock lasts twice
as long as the last, up to an hour. The trap is success: it clears nothing, or whoever has one good
key could try for others without end. The next is memory: names come from whoever knocks, so there
is a most of them, and when it is reached those go first that have the least against them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

FAILURES: Final = 5
WINDOW_S: Final = 900.0
FIRST_S: Final = 60.0
LONGEST_S: Final = 3_600.0
FORGIVEN_S: Final = 86_400.0
"""After a day without a failure a name has a clean slate."""
MOST: Final = 10_000


@dataclass(slots=True)
class _Record:
    failures: list[float] = field(default_factory=list)
    locks: int = 0
    until_s: float = 0.0
    last_s: float = 0.0


class Lockout:
    """The names of one process. `now_s` are monotonic seconds."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._records: dict[str, _Record] = {}

    def __len__(self) -> int:
        return len(self._records)

    def wait_s(self, names: Iterable[str], now_s: float) -> float:
        """How long these names have to wait yet; 0 where none is locked."""
        found = (self._records.get(name) for name in names)
        waits = (each.until_s - now_s for each in found if each is not None)
        return max(0.0, *waits, 0.0)

    def fail(self, names: Iterable[str], now_s: float) -> None:
        """Note a failure of these names."""
        for name in names:
            record = self._record(name, now_s)
            if now_s - record.last_s > FORGIVEN_S:
                record.locks = 0
            record.last_s = now_s
            recent = [at for at in record.failures if now_s - at < WINDOW_S]
            record.failures = [*recent, now_s]
            if len(record.failures) >= FAILURES:
                record.until_s = now_s + min(FIRST_S * 2**record.locks, LONGEST_S)
                record.locks = min(record.locks + 1, 16)
                record.failures = []

    def _record(self, name: str, now_s: float) -> _Record:
        record = self._records.get(name)
        if record is None:
            if len(self._records) >= self._most:
                self._make_room(now_s)
            record = self._records[name] = _Record(last_s=now_s)
        return record

    def _make_room(self, now_s: float) -> None:
        """Forget a tenth: those that are not locked before those that are, the oldest first."""
        worst_last = sorted(
            self._records, key=lambda name: (self._records[name].until_s > now_s, self._last(name))
        )
        for name in worst_last[: max(1, self._most // 10)]:
            del self._records[name]

    def _last(self, name: str) -> float:
        return self._records[name].last_s


def source_name(peer: str) -> str:
    """The name of where a request comes from: an address, and of IPv6 its network of 64 bits,
    because whoever has one address there has all of them."""
    try:
        address = ipaddress.ip_address(peer.strip("[]"))
    except ValueError:
        return "source/unknown"
    if address.version == 6:
        mapped = address.ipv4_mapped
        if mapped is not None:
            return f"source/{mapped}"
        return f"source/{ipaddress.ip_network((int(address) >> 64 << 64, 64))}"
    return f"source/{address}"
