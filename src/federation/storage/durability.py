"""A file's name, and putting it on the disk: a file that was synced can be lost with its name.

The trap: `fsync` of a file covers what is in it. That it was made, linked or renamed stands in its
directory, which has to be synced as well before anybody may rely on the file after a loss of power.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


def removed(fd: int, path: Path) -> bool:
    """Whether nobody finds this file under its name any more: it goes with us, or lies where nobody
    reads it."""
    try:
        gone = not os.path.samestat(os.fstat(fd), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        gone = True
    except OSError:
        return False  # what the disk hides for a moment is not gone
    if gone:
        message = "a journal was removed while it was written: what nobody had read of it is lost"
        log.error(message, extra={"file": str(path)})
    return gone


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk. Raises `OSError`."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
