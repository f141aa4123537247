"""Settings that are read and checked but that nothing obeys yet, and the warning for each.

They are accepted so that a file written for later versions loads; in silence, an operator
would believe that a budget or a limit holds. What is built goes from this table.
"""

from __future__ import annotations

from collections.abc import Iterable

from federation.config.document import Document, Path_
from federation.config.environment import Environment
from federation.config.provider_files import Entry
from federation.errors import Problem

MESSAGE = "is read but not enforced by this version"

FILE: tuple[str, ...] = ()
LIMITS: tuple[str, ...] = ()
VARIABLES: tuple[str, ...] = ()

MARKED = frozenset({*FILE, *(f"limits.{name}" for name in LIMITS), *VARIABLES})
"""Keys and variables whose description in the reference says so."""


def warnings(found: Environment, whole: Document, entries: Iterable[Entry]) -> list[Problem]:
    """One for each that is set, at its place: a line of a file or a variable."""
    noted: list[Problem] = []
    for key in FILE:
        path: Path_ = tuple(key.split("."))
        if whole.at(path) not in (None, []):
            noted.append(whole.problem(path, f"'{key}' {MESSAGE}"))
    for entry in entries:
        limits = entry.row.limits
        for name in LIMITS if limits is not None else ():
            if getattr(limits, name) is not None:
                path = (*entry.path, "limits", name)
                message = f"'limits.{name}' of '{entry.row.id}' {MESSAGE}"
                noted.append(entry.document.problem(path, message))
    noted += [found.problem(name, MESSAGE) for name in VARIABLES if found.values.get(name)]
    return noted


def described(name: str, about: str, sets: str = "") -> str:
    """`about`, marked where `name`, or the key that it sets, is not obeyed."""
    return f"{about}; {MESSAGE}" if MARKED & {name, sets} else about
