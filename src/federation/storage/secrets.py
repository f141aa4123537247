"""Secrets that the gateway makes or is given: the master key, the admin key, virtual keys.

The trap: a file is made readable by its owner before anything is in it, and never
overwritten. A lost master key makes every virtual key useless, so that one is only made for a
store that knows none (`masters`).
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from federation.errors import ConfigError, Problem
from federation.storage.durability import sync_directory

MASTER_VARIABLE = "FEDERATION_MASTER_KEY"
ADMIN_VARIABLE = "FEDERATION_ADMIN_KEY"
PREFIX = "fed_"
SHORTEST_MASTER = 32
SHORTEST_ADMIN = 16
_AGAIN = "put what it held back; where it held nothing, delete it to have a new one made"


@dataclass(frozen=True, slots=True)
class AdminKey:
    """The administrator's secret, and whether this start has made it."""

    secret: str = field(repr=False)
    made: bool


def new_secret() -> str:
    """A virtual key's secret: 256 random bits after a prefix that scanners can know it by."""
    return PREFIX + secrets.token_urlsafe(32)


def new_id(kind: str) -> str:
    """A random identifier, such as key_3f9c0a5d61b7e824."""
    return f"{kind}_{secrets.token_hex(8)}"


Reader = Callable[[str], tuple[str | None, str]]
"""Reads `MOUNT/PATH#FIELD` of a Vault: the secret, if there is one, and a remark."""


def _no_vault(reference: str) -> tuple[str | None, str]:
    return None, f"vault:{reference} cannot be read here"


def given_secret(name: str, environ: Mapping[str, str], vault: Reader = _no_vault) -> str:
    """What a variable holds, or what it refers to as `file:PATH` or `vault:MOUNT/PATH#FIELD`;
    empty where it is not set. Raises `ConfigError`: a reference is never taken for a secret."""
    given = environ.get(name, "").strip()
    kind, _, rest = given.partition(":")
    if kind == "vault":
        found, remark = vault(rest)
        if found is None:
            raise ConfigError([Problem(name, None, remark)])
        return found
    if kind == "file":
        try:
            found = Path(rest).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            found = ""
        if not found:
            raise ConfigError([Problem(name, None, f"refers to {rest}, which holds no secret")])
        return found
    return given


def master_key(data: Path, environ: Mapping[str, str], vault: Reader = _no_vault) -> bytes | None:
    """The master key: the environment's, else that of `<data>/master.key`; None where neither is.

    Hex is taken as the bytes that it says, other text as it stands. Raises `ConfigError`
    where there is less of it than 32 bytes.
    """
    given = given_secret(MASTER_VARIABLE, environ, vault)
    if given:
        return _master_bytes(given, MASTER_VARIABLE)
    path = master_key_file(data)
    text = _read(path)
    return None if text is None else _master_bytes(text, str(path))


def made_master_key(data: Path) -> bytes:
    """A new master key in its file, or the one that somebody else has just made there."""
    path = master_key_file(data)
    return _master_bytes(kept_secret(path, lambda: secrets.token_hex(32)), str(path))


def master_key_file(data: Path) -> Path:
    """Where a master key lies that nobody gave."""
    return data / "master.key"


def hash_key(master: bytes) -> bytes:
    """The key under which secrets are hashed: workers hold it, and not the master key."""
    return hmac.digest(master, b"federation/virtual-key-hash/1", "sha256")


def response_key(master: bytes) -> bytes:
    """The key that stored responses are sealed with, 32 bytes. It never leaves control."""
    return hmac.digest(master, b"federation/stored-responses/1", "sha256")


def root_key(master: bytes) -> bytes:
    """The key that wraps sealing keys in a store that replicas share. It never leaves control."""
    return hmac.digest(master, b"federation/sealing-root/1", "sha256")


def token_key(master: bytes) -> bytes:
    """The key that the keys of access tokens are sealed with, 32 bytes. It never leaves control."""
    return hmac.digest(master, b"federation/token-keys/1", "sha256")


def admin_key(data: Path, environ: Mapping[str, str], vault: Reader = _no_vault) -> AdminKey:
    """The admin key: the environment's, else `<data>/admin.key`, made where missing."""
    given = given_secret(ADMIN_VARIABLE, environ, vault)
    if given:
        if len(given) < SHORTEST_ADMIN:
            message = f"is too short: an admin key has at least {SHORTEST_ADMIN} characters"
            raise ConfigError([Problem(ADMIN_VARIABLE, None, message)])
        return AdminKey(given, made=False)
    return AdminKey(*_kept(data / "admin.key", new_secret))


def _master_bytes(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = text.encode()
    if len(key) < SHORTEST_MASTER:
        message = "is too short: 32 random bytes are needed, as 64 hex digits"
        raise ConfigError([Problem(where, None, message)])
    return key


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """A file's text, made where there is none, readable by its owner only. Raises
    `ConfigError`."""
    return _kept(path, make)[0]


def _kept(path: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """A file's text, and whether it was made now. Of two starts at once, one makes it."""
    text = _read(path)
    return _made(path, make()) if text is None else (text, False)


def _read(path: Path) -> str | None:
    """A file's text; None where there is no file."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), None, f"does not hold text: {_AGAIN}")]) from None
    if not text:
        raise ConfigError([Problem(str(path), None, f"is empty: {_AGAIN}")])
    return text


def _made(path: Path, text: str) -> tuple[str, bool]:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link, unlike a rename, fails where another start was faster.
            os.link(draft, path)
            sync_directory(path.parent)
        except FileExistsError:
            return path.read_text().strip(), False
        finally:
            draft.unlink()
    except OSError as error:
        raise _unusable(path, error) from error
    return text, True


def _unusable(path: Path, error: OSError) -> ConfigError:
    return ConfigError([Problem(str(path), None, f"cannot be used: {error.strerror}")])
