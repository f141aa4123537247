"""Where the command line keeps the tokens of who has signed in: one file, its owner's alone.

The traps: two commands may find the access token over at the same moment. Both refresh it, and the
gateway gives both the same next token. And two may change the sessions of two gateways at the same
moment: the file holds both, so it is read and written by one of them at a time.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from federation.cli.client import Answered, Gateway
from federation.cli.failures import CommandFailed, why

_EARLY_S: Final = 30.0
"""A token that is over so soon is refreshed first."""
_SHARED: Final = 0o077


@dataclass(frozen=True, slots=True)
class Kept:
    """The tokens for one gateway."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    until_s: float
    """When the access token is over, by our own clock."""


def sessions_file(environ: Mapping[str, str]) -> Path:
    """The file of all sessions of this person; one that cannot be, where they have no home."""
    try:
        home = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    except RuntimeError:  # a user id without an account, as containers have
        home = os.devnull
    return Path(home) / "federation" / "sessions.json"


def kept_of(answer: Mapping[str, Any]) -> Kept:
    """What to keep of an answer with tokens."""
    until_s = time.time() + float(answer["expires_in"])
    return Kept(str(answer["access_token"]), str(answer["refresh_token"]), until_s)


def keep(url: str, kept: Kept, environ: Mapping[str, str]) -> Path:
    """Keep tokens for a gateway. Raises `CommandFailed`."""
    with _changing(environ):
        return _write(_read(environ) | {url: asdict(kept)}, environ)


def find(url: str, environ: Mapping[str, str]) -> Kept | None:
    """A gateway's tokens, None where nobody has signed in there. Raises `CommandFailed`."""
    found = _read(environ).get(url)
    return None if found is None else Kept(**found)


def forget(url: str, environ: Mapping[str, str]) -> None:
    """Forget a gateway's tokens, if there are any. Raises `CommandFailed`."""
    with _changing(environ):
        held = _read(environ)
        if held.pop(url, None) is not None:
            _write(held, environ)


def access_token(url: str, environ: Mapping[str, str]) -> str | None:
    """An access token for a gateway that is good now, None where nobody has signed in there.

    Raises `CommandFailed` where the session is over, and where the gateway cannot be asked.
    """
    kept = find(url, environ)
    if kept is None:
        return None
    if kept.until_s - _EARLY_S > time.time():
        return kept.access
    try:
        answer = Gateway(url).post("/auth/refresh", {"refresh_token": kept.refresh})
    except Answered as refusal:
        if refusal.status == 401:
            forget(url, environ)
            refusal.hint = "`federation login` signs in again."
        raise
    following = kept_of(answer)
    keep(url, following, environ)
    return following.access


def _read(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    path = sessions_file(environ)
    try:
        if path.stat().st_mode & _SHARED:
            raise CommandFailed(
                f"{path} can be read by others, so it is not used.", hint=f"chmod 600 {path}"
            )
        held = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):  # accounts of services have no home
        return {}
    except (OSError, ValueError) as error:
        raise CommandFailed(
            f"{path} cannot be read: {why(error)}", hint="Delete it, then sign in again."
        ) from None
    names = set(Kept.__dataclass_fields__)
    good = isinstance(held, dict)
    return {url: each for url, each in held.items() if set(each) == names} if good else {}


@contextmanager
def _changing(environ: Mapping[str, str]) -> Iterator[None]:
    """Only one command changes the file at a time. Raises `CommandFailed`."""
    path = sessions_file(environ)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _write(held: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str]) -> Path:
    path = sessions_file(environ)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            json.dump(held, file)
        draft.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def _unwritable(path: Path, error: OSError) -> CommandFailed:
    hint = "XDG_CONFIG_HOME names another directory for it."
    return CommandFailed(f"{path} cannot be written: {error.strerror}", hint=hint)
