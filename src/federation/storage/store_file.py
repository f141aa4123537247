"""The file of an SQLite store under its name.

The trap: SQLite goes on with a file that was removed or moved away while it was open. Whatever is
changed then is answered as done, and gone with the process; and what opens the name anew makes
an empty store there. Its log (`-wal`) stays under the old name, and is played into whatever store
is put there: that one is damaged then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from federation.errors import ConfigError, Problem, Unavailable

OPTION: Final = "federation_file"
"""Of an engine: its file."""
_EVIDENCE: Final = "evidence"
"""Where control writes in its data directory, once it has a store; workers write their journals
before."""


class StoreFile:
    """A file that is there now. For any thread."""

    __slots__ = ("_identity", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = identity(path)

    def check(self) -> None:
        """Raise `Unavailable` where the name stands for another file, or for none."""
        if identity(self._path) != self._identity:
            name = self._path.name
            raise Unavailable(
                f"{name} was removed or replaced while the gateway runs. What has to be kept "
                "waits: put the very file back; or stop the gateway, take away "
                f"{name}-wal and {name}-shm, which damage any other file, and start it on what is "
                "there.",
                code="store_unavailable",
                retry_after_s=5.0,
            )


def check_log(path: Path) -> None:
    """Raise `ConfigError` where a store is missing and its log is there. SQLite would delete that
    for an empty store in the file's place, and what it holds would be lost to the file, too."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and not path.exists():
        message = (
            f"is missing, and its log {log.name} is there: put the file back that goes with it, or "
            f"take away {log.name} and {path.name}-shm"
        )
        raise ConfigError([Problem(str(path), None, message)])


def check_first(where: str, data: Path) -> None:
    """Raise `ConfigError` for a store that would be made in a data directory that had one: all
    keys, tenants and budgets would be gone, and nobody told."""
    log = data / _EVIDENCE
    if any(log.glob("*.log")):
        message = (
            f"is missing or empty, and {log} says that there was a store: put it back, or restore "
            "a backup (`federation db restore`); `federation db create` makes an empty one, "
            "without any key, tenant or budget, which takes in the calls of the journals"
        )
        raise ConfigError([Problem(where, None, message)])


def is_empty(path: Path) -> bool:
    """Whether there is nothing of a store under this name."""
    try:
        return path.stat().st_size == 0
    except OSError:
        return True


def identity(path: Path) -> tuple[int, int] | None:
    """Which file a name stands for just now; None where for none that can be reached."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
