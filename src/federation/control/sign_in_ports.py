"""What signing in needs of a store. All of it blocks; see `control.ports` for the rules."""

from __future__ import annotations

from typing import Protocol

from federation.storage.sessions_entries import KeptKey, Session


class SessionStore(Protocol):
    """Who has signed in; shared by every control process on the same store."""

    def add(self, session: Session) -> bool:
        """Keep a new session; False where there is one of this id."""
        ...

    def find(self, session: str) -> Session | None:
        """One session, ended or not, or None."""
        ...

    def turn(self, session: str, n: int, at_ms: int, expires_ms: int) -> bool:
        """Count a refresh of a session that stands at `n`; False where it does not, or has
        ended. Of two at once one is True."""
        ...

    def end(self, session: str, at_ms: int, reason: str) -> bool:
        """End a session; False where it had ended, or there is none."""
        ...

    def end_all(self, subject: str, at_ms: int, reason: str) -> int:
        """End every session of a subject; how many there were."""
        ...

    def ended(self, since_ms: int, most: int) -> list[tuple[str, int]]:
        """Sessions that ended before their time since then, the newest first, with that time."""
        ...

    def sweep(self, before_ms: int) -> int:
        """Forget sessions whose time was over before; how many there were."""
        ...


class TokenKeyStore(Protocol):
    """The keys that sign tokens, sealed."""

    def list(self) -> list[KeptKey]:
        """Every key, oldest first."""
        ...

    def add(self, key: KeptKey) -> bool:
        """Keep a new key; False where another has its number."""
        ...

    def remove(self, n: int) -> None:
        """Forget a key. Idempotent."""
        ...
