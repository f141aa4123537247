"""What alerts need of a store. All of it blocks; see `control.ports` for the rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from federation.storage.alerts_entries import Notice


class NoticeStore(Protocol):
    """What is to be told, or was; shared by every control process on the same store."""

    def add(self, notices: Iterable[Notice]) -> int:
        """Keep notices that are not there yet; how many there were."""
        ...

    def take(self, now_ms: int, until_ms: int, most: int) -> list[Notice]:
        """Notices that are due, oldest first, for oneself until then: nobody else gets them."""
        ...

    def sent(self, notice: Notice) -> None:
        """A notice was delivered."""
        ...

    def failed(self, notice: Notice, due_ms: int | None, problem: str) -> None:
        """A notice was not delivered: try again then, or never (None)."""
        ...

    def states(self) -> dict[tuple[str, str], str]:
        """Every notice by id and channel, and whether it is `due`, `sent` or `dead`."""
        ...

    def sweep(self, before_ms: int, but: str) -> int:
        """Forget what was made before and is not due, but for ids that end so; how many."""
        ...
