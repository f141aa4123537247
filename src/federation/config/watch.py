"""Whether any file of the configuration changed since it was read.

Cheap enough to ask every second: contents are read again only where a size or time moved.
A touched file with the same content is no change. Missing files count: one that appears
or goes is a change.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from federation.config import policies
from federation.config.provider_sources import sources
from federation.config.strays import strays


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was: -1 for a missing one."""

    modified_ns: int
    size: int
    digest: bytes


def watched(config_dir: Path, env_file: Path | None) -> tuple[Path, ...]:
    """Every file that a load would read just now, existing or not, or refuse for its name."""
    own = [config_dir / "federation.yaml", *sources(config_dir), *policies.watched(config_dir)]
    own += strays(config_dir)
    return tuple(own if env_file is None else [*own, env_file])


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The state of a configuration's files at one moment."""

    config_dir: Path
    env_file: Path | None
    extra: tuple[Path, ...]
    files: dict[Path, Seen]

    @staticmethod
    def take(
        config_dir: Path, env_file: Path | None = None, extra: Iterable[Path] = ()
    ) -> Fingerprint:
        """Look at the files now. `extra` are credential files and the like."""
        more = tuple(extra)
        paths = (*watched(config_dir, env_file), *more)
        return Fingerprint(config_dir, env_file, more, {path: _look(path, None) for path in paths})

    def again(self) -> Fingerprint:
        """Look once more; equal contents give an equal `contents`."""
        paths = (*watched(self.config_dir, self.env_file), *self.extra)
        files = {path: _look(path, self.files.get(path)) for path in paths}
        return Fingerprint(self.config_dir, self.env_file, self.extra, files)

    @property
    def contents(self) -> dict[Path, bytes]:
        """What decides whether something changed."""
        return {path: seen.digest for path, seen in self.files.items()}

    def differs(self, other: Fingerprint) -> bool:
        """True where a file's content, or the set of files, is another."""
        return self.contents != other.contents


def _look(path: Path, before: Seen | None) -> Seen:
    try:
        status = path.stat()
        if before is not None and (status.st_mtime_ns, status.st_size) == (
            before.modified_ns,
            before.size,
        ):
            return before
        if stat.S_ISFIFO(status.st_mode):  # to be refused by who reads it, who does not wait either
            return Seen(status.st_mtime_ns, status.st_size, b"pipe")
        digest = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return Seen(-1, -1, b"")
    return Seen(status.st_mtime_ns, status.st_size, digest)
