"""What files of this replica had wrapped before another root did: kept until the key is destroyed.

The trap: whoever brings keys under a root that turns out to be the wrong one would have lost them.
As long as the files are there, what they had wrapped opens again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from federation.errors import Unavailable
from federation.storage.durability import sync_directory

FILE: Final = "brought.json"

Wraps = dict[str, tuple[str, bytes]]
"""A key's id to what wrapped it, and how."""

_DECODER: Final = msgspec.json.Decoder(Wraps)


class Brought:
    """The file; not for several threads at once. Its methods raise `Unavailable`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Wraps:
        """What is kept; nothing where there is no file."""
        try:
            return _DECODER.decode(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise self._unusable(error) from error

    def write(self, wraps: Wraps) -> None:
        """Keep these and no others; on return they are on the disk."""
        draft = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(wraps))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> Unavailable:
        return Unavailable(f"{self._path} cannot be used: {error}", code="sealing_key_missing")
