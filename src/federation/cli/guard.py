"""The edge of every command: what all are told, and failures as a message and an exit code.

What is not caught here is a bug, and shows its traceback. A file that cannot be used is none,
wherever it is met: a command catches it itself where it has more to say than which and why.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import typer

from federation.cli import options
from federation.cli.failures import CommandFailed, from_error, from_os_error, wrong_usage
from federation.cli.place import Place
from federation.errors import FederationError

_SHARED = {
    "url": options.Url,
    "api_key": options.ApiKey,
    "config": options.ConfigDir,
    "data": options.DataDir,
    "as_json": options.Json,
}


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its failures said and turned into exit codes.

    Where it takes `at`, the command line has the shared options in its place. One that does
    not, and prints JSON on demand, names that switch `as_json`.
    """
    own = inspect.signature(command, eval_str=True)
    for parameter in own.parameters.values():
        for told in getattr(parameter.annotation, "__metadata__", ()):
            told.case_sensitive = False  # of a name out of a list of ours
    shared = "at" in own.parameters and own.parameters["at"].annotation is options.At

    @functools.wraps(command)
    def guarding(**given: Any) -> None:
        as_json = bool(given.get("as_json"))
        if shared:
            place = Place(*(given.pop(name) for name in ("url", "api_key", "config", "data")))
            given["at"] = options.At(place, given.pop("as_json"))
        try:
            _refuse_what_is_no_text(given | {"url": place.url} if shared else given)
            command(**given)
        except FederationError as error:
            _end(from_error(error), as_json=as_json)
        except CommandFailed as failure:
            _end(failure, as_json=as_json)
        except OSError as error:
            unusable = from_os_error(error)
            if unusable is None:
                raise
            _end(unusable, as_json=as_json)

    guarding.__signature__ = _spelled_out(own) if shared else own  # type: ignore[attr-defined]
    return guarding


def _refuse_what_is_no_text(given: Mapping[str, object]) -> None:
    """Refuse arguments with bytes that are not UTF-8; paths may have them.

    Python reads such a byte as half of a surrogate pair, which no address, query or database takes.
    A key is left to who would send it: it must not be shown.
    """
    for value in (value for name, value in given.items() if name != "api_key"):
        for each in value if isinstance(value, list | tuple) else [value]:
            if type(each) is str and not each.isascii():
                shown = each.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                if shown != each:
                    raise wrong_usage(f"'{shown}' is not text in UTF-8.")


def _spelled_out(own: inspect.Signature) -> inspect.Signature:
    """A command's signature with the shared options in place of `at`, as typer reads it."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    named = [each.replace(kind=keyword) for each in own.parameters.values() if each.name != "at"]
    for name, annotation in _SHARED.items():
        default = False if name == "as_json" else None
        named.append(inspect.Parameter(name, keyword, default=default, annotation=annotation))
    return own.replace(parameters=named)


def _end(failure: CommandFailed, *, as_json: bool) -> None:
    from federation.cli.output import fail  # noqa: PLC0415 - start-up time

    fail(failure, as_json=as_json)
    raise typer.Exit(int(failure.exit_code))
