"""The provider rows that an operator wrote, in the order in which they are laid over.

Files come first (providers.yaml, then providers/*.yaml by name), then the variables
FEDERATION_PROVIDER_<ID>_<KEY>. A row keeps the document that it came from, so that what is
wrong with it is reported there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from federation.config import document
from federation.config.document import Document, Path_, Place, Value, plain
from federation.config.nearest import unknown_word
from federation.config.problems import translate
from federation.config.provider_row import ProviderRow
from federation.config.variables import PROVIDER_PREFIX, variable_word
from federation.errors import Problem

_LIMITS = ("rpm", "tpm", "concurrency")
_TEXT = {"name", "dialect", "base_url", "credential", "retention", "extends"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that passed its own checks, and where it stands."""

    row: ProviderRow
    document: Document
    path: Path_

    def quirks(self) -> list[tuple[Path_, object]]:
        """The quirks of the provider and its models, each with the path that it stands at."""
        return [(("quirks", word), value) for word, value in self.row.quirks.items()] + [
            (("models", at, "quirks", word), value)
            for at, model in enumerate(self.row.models)
            for word, value in model.quirks.items()
        ]

    def problem(self, message: str, *key: str | int) -> Problem:
        """A problem with this row, or with one key of it."""
        return self.document.problem((*self.path, *key), message)


def read(paths: list[Path], problems: list[Problem]) -> list[Entry]:
    """Every row of every file; what is wrong is added to `problems`."""
    entries: list[Entry] = []
    for path in paths:
        found = document.read(path, str(path))
        problems += found.problems
        entries += rows(found, problems)
    return entries


def rows(found: Document, problems: list[Problem]) -> list[Entry]:
    """The rows of one document in any of its three shapes."""
    prefix: Path_ = ()
    if isinstance(found.value, dict) and "providers" in found.value:
        problems += [
            found.problem((key,), f"unknown key '{key}' beside 'providers'")
            for key in found.value
            if key != "providers"
        ]
        prefix = ("providers",)
    found.enlist(prefix, "id")
    listed = found.at(prefix)
    if listed is None:
        return []
    if not isinstance(listed, list):
        problems.append(found.problem(prefix, "should be a list of providers"))
        return []
    entries: list[Entry] = []
    seen: dict[str, int | None] = {}
    for index, row in enumerate(listed):
        entry = _entry(found, (*prefix, index), row, problems)
        if entry is None:
            continue
        if entry.row.id in seen:
            message = f"'{entry.row.id}' was already given in line {seen[entry.row.id]}"
            problems.append(entry.problem(message, "id"))
            continue
        seen[entry.row.id] = found.place(entry.path).line
        problems += _twice(entry)
        entries.append(entry)
    return entries


def _twice(entry: Entry) -> list[Problem]:
    """Models whose name is taken by a model above: the lower would silently win."""
    taken: dict[str, int] = {}
    problems: list[Problem] = []
    for at, model in enumerate(entry.row.models):
        for key, name in (("id", model.id), *(("aliases", alias) for alias in model.aliases)):
            first = taken.setdefault(name, at)
            if first != at:
                line = entry.document.place((*entry.path, "models", first)).line
                message = f"the model '{name}' was already given in line {line}"
                problems.append(entry.problem(message, "models", at, key))
    return problems


def _entry(found: Document, path: Path_, row: Value, problems: list[Problem]) -> Entry | None:
    if isinstance(row, dict) and "" in row and "id" in row:
        problems.append(found.problem(path, "should be a mapping of the provider's keys"))
        return None
    if isinstance(row, str):
        row = {"id": row}
        found.put(path, row)
    found.enlist((*path, "models"), "id")
    row = found.at(path)
    try:
        return Entry(ProviderRow.model_validate(row), found, path)
    except ValidationError as error:
        problems += translate(error, ProviderRow, found, path)
        return None


def overrides(
    environ: Mapping[str, str],
    places: Mapping[str, Place],
    known: Collection[str],
    problems: list[Problem],
) -> list[Entry]:
    """Rows made of FEDERATION_PROVIDER_<ID>_<KEY>; one for each provider that is named."""
    words = {variable_word(provider): provider for provider in sorted(known)}
    made = Document("environment", value=[])
    index: dict[str, int] = {}
    for name in sorted(environ):
        if not name.startswith(PROVIDER_PREFIX):
            continue
        rest = name.removeprefix(PROVIDER_PREFIX)
        word = max((w for w in words if rest.startswith(f"{w}_")), key=len, default=None)
        if word is None:
            hint = unknown_word("provider in", rest, words)
            problems.append(Problem(places[name].where, places[name].line, hint))
            continue
        key = rest[len(word) + 1 :].lower()
        at = index.setdefault(words[word], len(index))
        if at == len(made.value or ()):  # type: ignore[arg-type]
            made.put((), [*made.value, {"id": words[word]}])  # type: ignore[misc]
        problems += _override(made, at, key, name, environ[name], places[name])
    listed = made.value if isinstance(made.value, list) else []
    entries = (_entry(made, (at,), row, problems) for at, row in enumerate(listed))
    return [entry for entry in entries if entry is not None]


def _override(
    made: Document, at: int, key: str, name: str, text: str, place: Place
) -> list[Problem]:
    """Set one key; structures are written as YAML, lists also with commas. What is wrong with the
    writing: a key that is then left out is none that the operator left out."""
    found = Document(name)
    if key == "api_key":
        made.put((at, "credential"), f"env:{name}", place)
    elif key in _LIMITS:
        made.put((at, "limits", key), plain(text), place)
    elif key in _TEXT:
        made.put((at, key), text, place)
    else:
        found = document.parse(text.encode(), name)
        made.put((at, key), found.value, place)
    return [Problem(place.where, place.line, f"'{key}': {each.message}") for each in found.problems]
