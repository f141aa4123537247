"""The configuration's reference page, written from what the loader itself checks against.

A key without a description, or a description without a key, is an error: so the page
cannot fall behind. `cli.reference` writes the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from federation.config.provider_row import ProviderRow
from federation.config.reference_text import FILE, HEAD, ROW
from federation.config.sections import FederationFile
from federation.config.templates import provider_variables
from federation.config.variables import PROVIDER_VARIABLES, VARIABLES
from federation.domain.catalogue import Provider


def page(catalogue: Mapping[str, Provider]) -> str:
    """The whole page as Markdown."""
    lines = [
        HEAD,
        "## federation.yaml",
        "",
        *_table(FederationFile, FILE),
        "",
        "## providers.yaml",
        "",
        "Keys of a row. Without a default, a key that is left out stays as in the catalogue;",
        "in a new row it is unknown.",
        "",
        *_table(ProviderRow, ROW),
        "",
        "## Environment",
        "",
        *_variables(catalogue),
    ]
    return "\n".join(lines) + "\n"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key below `model` as a dotted path; `[]` stands for the rows of a list."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        inner, many = _inner(field.annotation)
        yield path, field
        if inner is not None:
            yield from keys(inner, f"{path}[]." if many else f"{path}.")


def _table(model: type[BaseModel], about: Mapping[str, str]) -> list[str]:
    found = dict(keys(model))
    if found.keys() != about.keys():
        odd = sorted(found.keys() ^ about.keys())
        raise ValueError(f"keys without a description, or the reverse: {', '.join(odd)}")
    lines = ["| Key | Value | Default | |", "| --- | --- | --- | --- |"]
    for path, field in found.items():
        value = _value(field.annotation).replace("|", "\\|")
        lines.append(f"| `{path}` | {value} | {_default(field)} | {about[path]} |")
    return lines


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model behind a key, and whether there are many of it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    many = get_origin(annotation) in (tuple, dict)
    for part in get_args(annotation):
        inner, below = _inner(part)
        if inner is not None:
            return inner, many or below
    return None, False


_WORDS: dict[Any, str] = {bool: "true, false", int: "number", float: "number", str: "text"}


def _value(annotation: Any) -> str:
    if annotation in _WORDS:
        return _WORDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{word.value}`" for word in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        inner = _value(args[0])
        return "list" if inner == "mapping" else f"list of {inner}"
    if origin is dict:
        return "mapping"
    if args and all(isinstance(word, str) for word in args):
        return ", ".join(f"`{word}`" for word in args)
    named = [part for part in args if isinstance(part, type) or get_args(part)]
    named = [part for part in named if part is not type(None)]
    if bool in named:
        return ", ".join(map(_value, named))
    return _value(named[0]) if named else "anything"


def _default(field: FieldInfo) -> str:
    default = field.default
    if field.is_required():
        return "required"
    if default is PydanticUndefined or default in (None, (), "", {}):
        return ""
    words = default if isinstance(default, tuple) else (default,)
    return f"`{', '.join(map(_written, words))}`"


def _written(value: object) -> str:
    """A value as a file holds it."""
    if isinstance(value, Enum):
        return str(value.value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _variables(catalogue: Mapping[str, Provider]) -> Iterator[str]:
    yield "| Variable | Sets | |"
    yield "| --- | --- | --- |"
    for variable in VARIABLES:
        sets = f"`{variable.sets}`" if variable.sets else ""
        yield f"| `{variable.name}` | {sets} | {variable.about} |"
    yield "| `FEDERATION_PROVIDER_<ID>_<KEY>` | any key of a row | lists with commas, the rest as YAML; `_API_KEY` is the secret itself, `_RPM`, `_TPM` and `_CONCURRENCY` are limits (see `limits`) |"  # noqa: E501 - a table's row
    yield "| `<ID>_API_KEY` | `credential` | for every provider |"
    yield "| `<ID>_API_BASE` | `base_url` | for every provider whose address no file names |"
    yield "| `SWARMROUTER_<NAME>` | | read in the place of a missing `FEDERATION_<NAME>` |"
    for provided in PROVIDER_VARIABLES:
        yield f"| `{provided.name}` | `{provided.provider}` | {provided.about} |"
    for row in catalogue.values():
        for name, what in provider_variables(row).items():
            yield f"| `{name}` | `{row.id}` | {what} |"
