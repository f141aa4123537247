"""The key that the notary signs with, and its replacement.

The trap: a key is replaced by another process, `federation audit rotate-key`. The notary
looks at the row before each checkpoint, and a predecessor's secret is destroyed only by
whoever has made the successor.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from federation.errors import Unavailable
from federation.evidence.hashing import key_id
from federation.evidence.signing import BadKeys, Key, key_line, public_of, read_keys, sign
from federation.storage.evidence_keys import SEED_BYTES, KeyFiles, ensure


class Signer:
    """The newest key of a log; made with the log."""

    def __init__(self, directory: Path, now_ms: int) -> None:
        """Raises `Unavailable` where the keys cannot be used."""
        self.newest_ms = 0
        """Of the newest checkpoint: time does not run backwards in a log."""
        self._files = KeyFiles(directory)
        ensure(self._files, lambda: _first(now_ms))
        self._mark = (0, 0)
        self.refresh()

    def refresh(self) -> bool:
        """Use the newest key of the row; whether that is another one than before."""
        mark = self._files.mark()
        if mark == self._mark:
            return False
        self.row = self._files.lines()
        keys = _read(self.row)
        self.log, self.key = keys[0].id, keys[-1]
        self._seed = self._files.seed(self.key.id)
        if public_of(self._seed) != self.key.public:
            raise Unavailable(f"The secret of evidence key {self.key.id} is another key's.")
        changed, self._mark = self._mark != (0, 0), mark
        return changed

    def sign(self, message: bytes) -> bytes:
        """The signature of the newest key."""
        return sign(self._seed, message)


def rotate(directory: Path, now_ms: int) -> Key:
    """Make the next key, signed by the present one, whose secret is then destroyed."""
    files = KeyFiles(directory)
    with files.changing():
        keys = _keys(files)
        before = keys[-1]
        signer, seed = files.seed(before.id), secrets.token_bytes(SEED_BYTES)
        public = public_of(seed)
        line = key_line(seed, now_ms, signer, before, keys[0].id)
        files.add(key_id(public), seed, line)
        files.forget(before.id)
    return Key(before.n + 1, key_id(public), public)


def _first(now_ms: int) -> tuple[str, bytes, bytes]:
    seed = secrets.token_bytes(SEED_BYTES)
    return key_id(public_of(seed)), seed, key_line(seed, now_ms, seed, None, "")


def _keys(files: KeyFiles) -> list[Key]:
    return _read(files.lines())


def _read(lines: Sequence[bytes]) -> list[Key]:
    try:
        return read_keys(lines)
    except BadKeys as error:
        raise Unavailable(f"The evidence keys do not hold: {error}.") from error
