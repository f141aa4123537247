"""Putting a file's name on the disk: a file that was synced can still be lost with its name.

The trap: `fsync` of a file covers what is in it. That it was made, linked or renamed stands in its
directory, which has to be synced as well before anybody may rely on the file after a loss of power.
"""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk. Raises `OSError`."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
