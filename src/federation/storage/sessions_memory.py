"""Sessions and signing keys in memory: for tests, and for a gateway that runs inside a program."""

from __future__ import annotations

from dataclasses import replace

from federation.storage.sessions_entries import KeptKey, Session


class MemorySessions:
    """Implements `control.sign_in_ports.SessionStore`."""

    def __init__(self) -> None:
        self._held: dict[str, Session] = {}

    def add(self, session: Session) -> bool:
        """Keep a new session; False where there is one of this id."""
        return self._held.setdefault(session.id, session) is session

    def find(self, session: str) -> Session | None:
        """One session, ended or not, or None."""
        return self._held.get(session)

    def turn(self, session: str, n: int, at_ms: int, expires_ms: int) -> bool:
        """Count a refresh of a session that stands at `n`; False where it does not."""
        found = self._held.get(session)
        if found is None or found.n != n or found.ended_ms is not None:
            return False
        turned = replace(found, n=n + 1, turned_ms=at_ms, expires_ms=expires_ms)
        self._held[session] = turned
        return True

    def end(self, session: str, at_ms: int, reason: str) -> bool:
        """End a session; False where it had ended, or there is none."""
        found = self._held.get(session)
        if found is None or found.ended_ms is not None:
            return False
        self._held[session] = replace(found, ended_ms=at_ms, reason=reason)
        return True

    def end_all(self, subject: str, at_ms: int, reason: str) -> int:
        """End every session of a subject; how many there were."""
        theirs = [each.id for each in self._held.values() if each.subject == subject]
        return sum(self.end(each, at_ms, reason) for each in theirs)

    def ended(self, since_ms: int, most: int) -> list[tuple[str, int]]:
        """Sessions that ended before their time since then, the newest first, with that time."""
        found = [
            (each.id, each.ended_ms)
            for each in self._held.values()
            if each.ended_ms is not None and each.ended_ms >= since_ms
        ]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:most]

    def sweep(self, before_ms: int) -> int:
        """Forget sessions whose time was over before; how many there were."""
        gone = [each.id for each in self._held.values() if each.expires_ms < before_ms]
        for each in gone:
            del self._held[each]
        return len(gone)


class MemoryTokenKeys:
    """Implements `control.sign_in_ports.TokenKeyStore`."""

    def __init__(self) -> None:
        self._held: dict[int, KeptKey] = {}

    def list(self) -> list[KeptKey]:
        """Every key, oldest first."""
        return [self._held[n] for n in sorted(self._held)]

    def add(self, key: KeptKey) -> bool:
        """Keep a new key; False where another has its number."""
        return self._held.setdefault(key.n, key) is key

    def remove(self, n: int) -> None:
        """Forget a key. Idempotent."""
        self._held.pop(n, None)
