"""Root keys above all sealing keys: in files, or of the master key that replicas share.

The trap: an old version still opens what it wrapped, so versions are files beside each other,
and none is ever overwritten or deleted here. `federation data keys` says which are still needed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from federation.errors import ConfigError, Unavailable
from federation.storage.secrets import kept_secret, root_key

_NONCE = 12
_KEY = 32
_NAME = re.compile(r"(\d{1,9})\.key")


class FileRoot:
    """Versions of a root key as `<directory>/<n>.key`, 64 hex digits each, readable by their
    owner only. The first is made where there is none; not for several threads at once."""

    KIND: Final = "file"

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def version(self) -> str:
        """The newest version, which wraps from now on. Raises `Unavailable`."""
        newest = self._newest()
        if not newest:
            newest = 1
            self._key(newest, make=True)
        return f"file:{newest}"

    def wrap(self, key: bytes, bound: bytes) -> tuple[str, bytes]:
        """The newest version, and the key as only it can open. Raises `Unavailable`."""
        version = self.version()
        return version, sealed_under(self._of(version), key, bound)

    def unwrap(self, version: str, wrapped: bytes, bound: bytes) -> bytes:
        """The key again. Raises `Unavailable` where this version is missing or does not fit."""
        return opened_under(self._of(version), wrapped, bound, version)

    def rotate(self) -> str:
        """Make the next version and return it; the older ones stay readable."""
        following = self._newest() + 1
        self._key(following, make=True)
        return f"file:{following}"

    def _newest(self) -> int:
        try:
            names = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise Unavailable(f"The root keys cannot be listed: {error.strerror}.") from error
        return max((int(match[1]) for name in names if (match := _NAME.fullmatch(name))), default=0)

    def _of(self, version: str) -> bytes:
        kind, _, number = version.partition(":")
        if kind != "file" or not number.isdecimal():
            raise Unavailable(f"The root key {version} is of another source than this gateway's.")
        return self._key(int(number))

    def _key(self, number: int, *, make: bool = False) -> bytes:
        path = self._directory / f"{number}.key"
        if not make and not path.exists():
            message = f"The root key {path} is missing: put it back from the backup of the keys."
            raise Unavailable(message, code="sealing_key_missing")
        try:
            key = bytes.fromhex(kept_secret(path, lambda: secrets.token_hex(_KEY)))
        except (ConfigError, ValueError) as error:
            raise Unavailable(f"The root key {path} cannot be read.") from error
        if len(key) != _KEY:
            raise Unavailable(f"The root key {path} is not {_KEY} bytes.")
        return key


class MasterRoot:
    """A root key made from the master key. What replicas keep in one store they must all be able
    to open, and a file in the data directory of one would be no other's."""

    KIND: Final = "master"

    def __init__(self, master: bytes) -> None:
        self._key = root_key(master)
        self._version = f"master:{hashlib.sha256(self._key).hexdigest()[:16]}"

    def version(self) -> str:
        """The only version there is; another master key is another one."""
        return self._version

    def wrap(self, key: bytes, bound: bytes) -> tuple[str, bytes]:
        """The version, and the key as only it can open."""
        return self._version, sealed_under(self._key, key, bound)

    def unwrap(self, version: str, wrapped: bytes, bound: bytes) -> bytes:
        """The key again. Raises `Unavailable` where another master key wrapped it."""
        if version != self._version:
            message = f"The root key {version} is not made from this gateway's master key."
            raise Unavailable(message, code="sealing_key_missing")
        return opened_under(self._key, wrapped, bound, version)

    def rotate(self) -> str:
        """The version as it is: what is under files is brought under it."""
        return self._version


class Source(Protocol):
    """What wraps keys; `control.custody_parts.Root`."""

    def version(self) -> str:
        """The version that wraps now."""
        ...

    def wrap(self, key: bytes, bound: bytes) -> tuple[str, bytes]:
        """The version that did it, and the wrapped key."""
        ...

    def unwrap(self, version: str, wrapped: bytes, bound: bytes) -> bytes:
        """The key again."""
        ...

    def rotate(self) -> str:
        """Make the next version."""
        ...


class MovedRoot:
    """A root that has taken the place of others: those still open what they wrapped, where they
    are, until a rotation of the root has brought all of it under the new one."""

    def __init__(self, root: Source, *former: FileRoot | MasterRoot) -> None:
        self._former = {each.KIND: each for each in former}
        self.version = root.version
        self.wrap = root.wrap
        self.rotate = root.rotate
        self._unwrap = root.unwrap

    def unwrap(self, version: str, wrapped: bytes, bound: bytes) -> bytes:
        """The key again, whichever of them wrapped it."""
        former = self._former.get(version.partition(":")[0])
        return (self._unwrap if former is None else former.unwrap)(version, wrapped, bound)


def sealed_under(root: bytes, key: bytes, bound: bytes) -> bytes:
    """A key under a root key that is at hand."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(root).encrypt(nonce, key, bound)


def opened_under(root: bytes, wrapped: bytes, bound: bytes, version: str) -> bytes:
    """The key again. Raises `Unavailable` where the root does not fit."""
    try:
        return AESGCM(root).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], bound)
    except (InvalidTag, ValueError):
        message = f"The root key {version} is not the one that wrapped this gateway's keys."
        raise Unavailable(message, code="sealing_key_wrong") from None
