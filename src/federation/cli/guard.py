"""The edge of every command: failures become a message and an exit code.

What is not caught here is a bug, and shows its traceback.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import typer

from federation.cli.failures import CommandFailed, from_error
from federation.errors import FederationError

P = ParamSpec("P")


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """The command with its failures said and turned into exit codes.

    Commands name their JSON switch `as_json`.
    """

    @functools.wraps(command)
    def guarding(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except FederationError as error:
            _end(from_error(error), as_json=bool(kwargs.get("as_json")))
        except CommandFailed as failure:
            _end(failure, as_json=bool(kwargs.get("as_json")))

    return guarding


def _end(failure: CommandFailed, *, as_json: bool) -> None:
    from federation.cli.output import fail  # noqa: PLC0415 - start-up time

    fail(failure, as_json=as_json)
    raise typer.Exit(int(failure.exit_code))
