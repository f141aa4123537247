"""The data and run directories of a gateway: made where they are missing, and private to it.

The trap: the run directory holds sockets over which secrets go. Whoever made it before us could
listen there, so one that belongs to another user is refused.
"""

from __future__ import annotations

import os
from pathlib import Path

from federation.errors import ConfigError, Problem


def make_private(data: Path, run: Path) -> None:
    """Make both. Raises `ConfigError` where that cannot be, or the run directory is not ours."""
    for directory in (data, run):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if directory is run:
                _check_private(directory)
        except OSError as error:
            message = f"cannot be used: {error.strerror}"
            raise ConfigError([Problem(str(directory), None, message)]) from error


def _check_private(directory: Path) -> None:
    status = directory.stat()
    if status.st_uid != os.geteuid():
        message = "belongs to another user: remove it, or choose another data directory"
        raise ConfigError([Problem(str(directory), None, message)])
    directory.chmod(0o700)
