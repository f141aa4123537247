"""How a command ends: exit codes, and the errors that carry one.

A message says what happened, a hint what to do. Both are for a terminal: no traceback is
ever shown for anything that a person can mend.
"""

from __future__ import annotations

import errno
import os
from enum import IntEnum
from typing import Final

from federation.errors import (
    ConfigError,
    FederationError,
    Forbidden,
    NotEligible,
    Unauthorized,
)

_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG)
"""Errors of writing, which name no file."""
_READ_ONLY: Final = (
    "Nothing can be written there. To read a gateway's data from such a place, copy them to "
    "another and name it with --data."
)


class Exit(IntEnum):
    """What a script can tell from the exit code."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    CONFIG = 78


class CommandFailed(Exception):
    """A command cannot do what was asked. `details` is what `--json` adds."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "failed",
        exit_code: Exit = Exit.FAILURE,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.exit_code = exit_code
        self.details = details or {}


def wrong_usage(message: str, hint: str = "") -> CommandFailed:
    """The failure of a command that was not told what it needs, or too much."""
    return CommandFailed(message, hint=hint, code="usage", exit_code=Exit.USAGE)


def why(error: Exception) -> str:
    """Why a file could not be used, in words for a sentence that names the file already."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    return str(error)


def from_os_error(error: OSError) -> CommandFailed | None:
    """The same for a file or directory that cannot be used; None for what is about neither, such
    as a reader of our output that went away."""
    if isinstance(error.filename, str | bytes):
        told = f"{os.fsdecode(error.filename)} cannot be used: {why(error)}."
    elif error.errno in _WRITING:
        told = f"A file cannot be written: {why(error)}."
    else:
        return None
    hint = _READ_ONLY if error.errno == errno.EROFS else ""
    return CommandFailed(told, hint=hint, code="file_unusable")


def from_error(error: FederationError) -> CommandFailed:
    """The same failure, for a terminal."""
    if isinstance(error, ConfigError):
        problems = [str(problem) for problem in error.problems]
        return CommandFailed(
            "The configuration cannot be used:\n" + "\n".join(f"  {each}" for each in problems),
            hint="Mend the lines above; `federation config check` looks again.",
            code=error.code,
            exit_code=Exit.CONFIG,
            details={"problems": problems},
        )
    refused = isinstance(error, Unauthorized | Forbidden | NotEligible)
    details: dict[str, object] = {}
    if isinstance(error, NotEligible):
        details["removed"] = error.removed
    return CommandFailed(
        error.message,
        code=error.code,
        exit_code=Exit.REFUSED if refused else Exit.FAILURE,
        details=details,
    )
