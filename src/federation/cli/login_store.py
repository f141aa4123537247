"""Where the command line keeps the tokens of who has signed in: one file, its owner's alone.

The trap: two commands may find the access token over at the same moment. Both refresh it, and the
gateway gives both the same next token; whoever writes last writes what the other wrote.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
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
    """The file of all sessions of this person."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "federation" / "sessions.json"


def kept_of(answer: Mapping[str, Any]) -> Kept:
    """What to keep of an answer with tokens."""
    until_s = time.time() + float(answer["expires_in"])
    return Kept(str(answer["access_token"]), str(answer["refresh_token"]), until_s)


def keep(url: str, kept: Kept, environ: Mapping[str, str]) -> Path:
    """Keep tokens for a gateway. Raises `CommandFailed`."""
    return _write(_read(environ) | {url: asdict(kept)}, environ)


def forget(url: str, environ: Mapping[str, str]) -> Kept | None:
    """Forget a gateway's tokens: what they were."""
    held = _read(environ)
    if url not in held:
        return None
    found = Kept(**held.pop(url))
    _write(held, environ)
    return found


def access_token(url: str, environ: Mapping[str, str]) -> str | None:
    """An access token for a gateway that is good now, None where nobody has signed in there.

    Raises `CommandFailed` where the session is over, and where the gateway cannot be asked.
    """
    found = _read(environ).get(url)
    if found is None:
        return None
    kept = Kept(**found)
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
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CommandFailed(
            f"{path} cannot be read: {why(error)}", hint="Delete it, then sign in again."
        ) from None
    names = set(Kept.__dataclass_fields__)
    good = isinstance(held, dict)
    return {url: each for url, each in held.items() if set(each) == names} if good else {}


def _write(held: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str]) -> Path:
    path = sessions_file(environ)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            json.dump(held, file)
        draft.replace(path)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None
    return path
