"""A file's name, and putting it on the disk: a file that was synced can be lost with its name.

The trap: `fsync` of a file covers what is in it. That it was made, linked or renamed stands in its
directory, which has to be synced as well before anybody may rely on the file after a loss of power.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


def removed(fd: int) -> bool:
    """Whether nobody can find this file any more: what is written to it goes with us."""
    gone = not os.fstat(fd).st_nlink
    if gone:
        log.error("a journal was removed while it was written: what nobody had read of it is lost")
    return gone


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk. Raises `OSError`."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
