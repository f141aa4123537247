"""The work of `federation tenant`, `team` and `user`: a running gateway is asked, always.

The trap: what is changed here is in force at once on a running gateway, and only there. So
nothing is done to the store behind its back; where no gateway answers, the command says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from federation.cli import output
from federation.cli.client import part
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place

_COLUMNS: dict[str, tuple[tuple[str, ...], Callable[[Any], tuple[object, ...]]]] = {
    "tenant": (
        ("=Id", "Name", "Tier", ">Requests a month", ">Providers", "State"),
        lambda row: (
            row["id"],
            row["name"],
            row["tier"],
            _count(row["quota"]["requests_month"]),
            _count(row["quota"]["providers"]),
            _state(row),
        ),
    ),
    "team": (
        ("=Id", "Name", "Tenant"),
        lambda row: (row["id"], row["name"], row["tenant"]),
    ),
    "user": (
        ("=Id", "Name", "Role", "Team", "E-mail", "Tenant", "State"),
        lambda row: (
            *(row["id"], row["name"], row["role"], row["team"], row["email"], row["tenant"]),
            _state(row),
        ),
    ),
}


_WRITTEN_OTHERWISE: Final = ("object", "quota", "created_ms")


def list_all(
    place: Place, kind: str, query: Mapping[str, object] | None = None, *, as_json: bool
) -> None:
    """Print every object of a kind."""
    rows = place.gateway().pages(_path(kind), query)
    if as_json:
        output.print_json({"object": "list", "data": rows})
        return
    columns, cells = _COLUMNS[kind]
    output.table(columns, [cells(row) for row in rows])


def show(place: Place, kind: str, name: str, tenant: str | None = None, *, as_json: bool) -> None:
    """Print one object."""
    _shown(place.gateway().get(_path(kind, name, tenant)), as_json=as_json)


def create(place: Place, kind: str, fields: Mapping[str, object], *, as_json: bool) -> None:
    """Make an object; fields that are None are left out."""
    _shown(place.gateway().post(_path(kind), _given(fields)), as_json=as_json)


def change(
    place: Place,
    kind: str,
    name: str,
    fields: Mapping[str, object],
    tenant: str | None = None,
    *,
    as_json: bool,
) -> None:
    """Change an object; fields that are None stay as they are."""
    wanted = _given(fields)
    if not wanted:
        raise CommandFailed(
            "Nothing is to be changed.",
            hint="Say what: --help lists the options.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    _shown(place.gateway().patch(_path(kind, name, tenant), wanted), as_json=as_json)


def delete(place: Place, kind: str, name: str, tenant: str | None = None, *, as_json: bool) -> None:
    """Delete an object."""
    place.gateway().delete(_path(kind, name, tenant))
    if as_json:
        output.print_json({"id": name, "object": kind, "deleted": True})
    else:
        output.say(f"The {kind} {name} is deleted.")


def export(place: Place, tenant: str | None, file: Path | None) -> None:
    """Write all tenancy objects as YAML, or JSON by the file's name; None is to the terminal."""
    query = None if tenant is None else {"tenant": tenant}
    found = place.gateway().get("/v1/admin/tenancy", query)
    if file is not None and file.suffix == ".json":
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    else:
        text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}.") from error
    output.note(f"Written to {file}, without any secret.")


def _path(kind: str, name: str | None = None, tenant: str | None = None) -> str:
    path = f"/v1/admin/{kind}s" if name is None else f"/v1/admin/{kind}s/{part(name)}"
    return path if tenant is None else f"{path}?tenant={part(tenant)}"


def _given(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _shown(row: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(row)
        return
    flat = {name: value for name, value in row.items() if name not in _WRITTEN_OTHERWISE}
    if "created_ms" in row:
        flat["created"] = f"{output.minute(row['created_ms'])} UTC"
    for name, count in row.get("quota", {}).items():
        flat[name] = _count(count)
    output.facts(flat.items())


def _count(count: int | None) -> str:
    return "unlimited" if count is None else f"{count:,}"


def _state(row: Mapping[str, Any]) -> str:
    return "suspended" if row["suspended"] else "active"
