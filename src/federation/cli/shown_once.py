"""Secrets that are printed once: none may stay valid that could not be printed.

The trap: output stays in a buffer until the command ends, so a reader that has gone, or a full
disk, would be noticed only when everything is done. So it is flushed while something can still
be done about it. A closed standard output is the null device by then (`cli.main`), which takes
everything.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.cli.failures import CommandFailed, Exit, why


def goes_nowhere() -> bool:
    """Whether standard output is closed, or the null device."""
    try:
        out = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):  # a stream of a program that runs the command within itself
        return False
    return stat.S_ISCHR(out.st_mode) and out.st_rdev == Path(os.devnull).stat().st_rdev


def need_reader() -> None:
    """Called before a secret is made. Raises `CommandFailed` where nobody could read it."""
    if goes_nowhere():
        raise CommandFailed(
            "Standard output is closed or goes nowhere, and a secret is shown only once.",
            hint="Nothing was done. Send the output to a terminal, a file or a program.",
            code="not_shown",
            exit_code=Exit.USAGE,
        )


@contextmanager
def shown_once(mend: Callable[[], str]) -> Iterator[None]:
    """What is printed within has left the process when it ends. Raises `CommandFailed` where it
    could not: `mend` is called then, and returns what it did and what is to be done."""
    try:
        yield
        sys.stdout.flush()
    except (OSError, SystemExit) as error:
        # Where a pipe's reader left, rich asks to end the program, and here is more to say.
        cause = error if isinstance(error, OSError) else error.__context__
        _give_up_output()
        told = why(cause) if isinstance(cause, Exception) else "nobody reads"
        raise CommandFailed(
            f"The secret could not be shown: {told}. {mend()}", code="not_shown"
        ) from error


def _give_up_output() -> None:
    """Send what is buffered nowhere: Python would try, and complain, again at its end."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
