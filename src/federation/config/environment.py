"""The process environment and the `.env` file as one mapping that knows its places.

The real environment always wins over the file, also where it holds an empty value: that is
how a variable is switched off for one run. SWARMROUTER_X stands for FEDERATION_X.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from federation.config import dotenv
from federation.config.document import Document, Place
from federation.config.nearest import nearest
from federation.config.server_settings import Access
from federation.config.variables import (
    ALIAS_PREFIX,
    OWN_PREFIX,
    PROVIDER_PREFIX,
    VARIABLES,
    WITHOUT_EFFECT,
)
from federation.errors import Problem

JWT_SECRET_BYTES = 32
KEY_LENGTH = 16
_TRUE = frozenset({"1", "true", "yes", "on"})
_EITHER_CASE = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_LISTS = frozenset({"upstream.no_proxy"})


@dataclass(slots=True)
class Environment:
    """Variables with the place of each; `problems` of the `.env` file, `warnings` of names."""

    values: dict[str, str] = field(repr=False)
    places: dict[str, Place]
    problems: list[Problem]
    warnings: list[Problem] = field(default_factory=list)

    def problem(self, name: str, message: str) -> Problem:
        """A problem with one variable; the message must not hold its value."""
        place = self.places[name]
        return Problem(place.where, place.line, f"{name} {message}")


def gather(environ: Mapping[str, str], env_file: Path | None) -> Environment:
    """Both sources as one. Never raises: what is wrong stands in `problems`."""
    file = dotenv.read(env_file)
    values = {**file.values, **environ}
    places = {
        name: Place(f"environment variable {name}")
        if name in environ
        else file.places.get(name, Place(str(env_file)))
        for name in values
    }
    for name in list(values):
        if name.startswith(ALIAS_PREFIX):
            own = OWN_PREFIX + name.removeprefix(ALIAS_PREFIX)
            if own not in values:
                values[own], places[own] = values[name], places[name]
    for name in _EITHER_CASE:
        lower = name.lower()
        if lower in values and not values.get(name):
            values[name], places[name] = values[lower], places[lower]
    if values.get("ALL_PROXY") and not values.get("HTTP_PROXY"):
        values["HTTP_PROXY"], places["HTTP_PROXY"] = values["ALL_PROXY"], places["ALL_PROXY"]
    found = Environment(values, places, file.problems)
    _note_unknown(found)
    return found


def _note_unknown(found: Environment) -> None:
    known = [variable.name for variable in VARIABLES if variable.name.startswith(OWN_PREFIX)]
    for name in found.values:
        if (
            name.startswith(OWN_PREFIX)
            and name not in known
            and not name.startswith(PROVIDER_PREFIX)
        ):
            message = f"is not known and has no effect{nearest(name, known)}"
            found.warnings.append(found.problem(name, message))
        elif name in WITHOUT_EFFECT and found.values[name]:
            found.warnings.append(found.problem(name, f"has no effect: {WITHOUT_EFFECT[name]}"))


def lay_over(found: Environment, document: Document) -> None:
    """Write what the variables set into federation.yaml's tree; they win over the file.

    The first variable of the table wins where several set the same key.
    """
    taken: set[str] = set()
    for variable in VARIABLES:
        text = found.values.get(variable.name, "").strip()
        if not variable.sets or not text or variable.sets in taken:
            continue
        section, _, key = variable.sets.partition(".")
        path = (section, key) if key else (section,)
        generic = variable.name in _EITHER_CASE
        if generic and document.at(path) is not None:
            continue  # made for every program: what was written for this one wins
        taken.add(variable.sets)
        value = [part.strip() for part in text.split(",")] if variable.sets in _LISTS else text
        document.put(path, value, found.places[variable.name])  # type: ignore[arg-type]
    if found.values.get("DEBUG", "").strip().lower() in _TRUE and "telemetry.level" not in taken:
        document.put(("telemetry", "level"), "debug", found.places["DEBUG"])


def access(found: Environment) -> Access:
    """The keys that the environment brings; bad ones are added to `problems`."""
    listed = found.values.get("ALLOWED_API_KEYS", "")
    keys = tuple(key.strip() for key in listed.split(",") if key.strip())
    if any(len(key) < KEY_LENGTH or not key.isascii() or not key.isprintable() for key in keys):
        message = f"holds a key that is shorter than {KEY_LENGTH} characters or not plain ASCII"
        found.problems.append(found.problem("ALLOWED_API_KEYS", message))
    secret = found.values.get("JWT_SECRET_KEY") or None
    if secret is not None and len(secret.encode()) < JWT_SECRET_BYTES:
        message = f"is shorter than {JWT_SECRET_BYTES} bytes: make one with 'openssl rand -hex 32'"
        found.problems.append(found.problem("JWT_SECRET_KEY", message))
    return Access(keys)
