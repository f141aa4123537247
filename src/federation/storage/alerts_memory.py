"""Alerts to be delivered, in memory: for tests, and for a gateway that runs inside a program."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from federation.storage.alerts_entries import Notice

_Name = tuple[str, str]


class MemoryNotices:
    """Implements `control.alerts_ports.NoticeStore`."""

    def __init__(self) -> None:
        self._held: dict[_Name, Notice] = {}
        self._states: dict[_Name, str] = {}

    def add(self, notices: Iterable[Notice]) -> int:
        """Keep notices that are not there yet; how many there were."""
        added = 0
        for notice in notices:
            name = (notice.id, notice.channel)
            if name not in self._held:
                self._held[name], self._states[name] = notice, "due"
                added += 1
        return added

    def take(self, now_ms: int, until_ms: int, most: int) -> list[Notice]:
        """Notices that are due, oldest first, for oneself until then."""
        due = [
            notice
            for name, notice in self._held.items()
            if self._states[name] == "due" and notice.due_ms <= now_ms
        ]
        due.sort(key=lambda notice: (notice.due_ms, notice.id, notice.channel))
        taken = [replace(notice, due_ms=until_ms) for notice in due[:most]]
        self._held |= {(notice.id, notice.channel): notice for notice in taken}
        return taken

    def sent(self, notice: Notice) -> None:
        """A notice was delivered."""
        self._states[notice.id, notice.channel] = "sent"

    def failed(self, notice: Notice, due_ms: int | None, problem: str) -> None:
        """A notice was not delivered: try again then, or never (None)."""
        name = (notice.id, notice.channel)
        self._states[name] = "dead" if due_ms is None else "due"
        due = due_ms or notice.due_ms
        self._held[name] = replace(notice, due_ms=due, tries=notice.tries + 1)

    def states(self) -> dict[tuple[str, str], str]:
        """Every notice by id and channel, and whether it is `due`, `sent` or `dead`."""
        return dict(self._states)

    def sweep(self, before_ms: int, but: str) -> int:
        """Forget what was made before and is not due, but for ids that end so; how many."""
        gone = [
            name
            for name, notice in self._held.items()
            if notice.made_ms < before_ms
            and self._states[name] != "due"
            and not notice.id.endswith(but)
        ]
        for name in gone:
            del self._held[name], self._states[name]
        return len(gone)
