"""Options that several commands share, so that they are named and explained once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from federation.cli.place import Place

_GATEWAY = "Gateway"


def a_path(given: str) -> Path:
    """A path. Nothing at all would be the current directory, and whatever lies there."""
    if not given:
        raise typer.BadParameter("it is empty")
    return Path(given)


def in_lower_case(given: str | list[str] | None) -> str | list[str] | None:
    """A name out of a list of ours, as that has it: people write SOC2 and Confidential."""
    if isinstance(given, list):
        return [each.lower() for each in given]
    return None if given is None else given.lower()


Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="FEDERATION_URL",
        metavar="URL",
        help="Where the gateway is; left out, where the one on the data directory listens.",
        rich_help_panel=_GATEWAY,
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="FEDERATION_API_KEY",
        show_envvar=True,
        metavar="KEY",
        help="Left out, FEDERATION_ADMIN_KEY or, on this machine, the admin key in the data "
        "directory.",
        rich_help_panel=_GATEWAY,
    ),
]
ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config",
        parser=a_path,
        envvar="FEDERATION_CONFIG_DIR",
        metavar="DIR",
        help="Directory of the YAML files; ./config if left out.",
        rich_help_panel=_GATEWAY,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data",
        parser=a_path,
        envvar="FEDERATION_DATA_DIR",
        metavar="DIR",
        help="Directory of keys, store and journals; ./data if left out.",
        rich_help_panel=_GATEWAY,
    ),
]
OwnTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="ID", help="Left out: your own.")
]
SeenTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="ID", help="Left out: all you can see.")
]
WhoseTenant = Annotated[
    str | None,
    typer.Option(
        "--tenant", metavar="ID", help="Needed where several tenants that you see have this id."
    ),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Left out or '-': printed.",
        callback=lambda path: None if path == Path("-") else path,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@dataclass(frozen=True, slots=True)
class At:
    """What every command that asks a gateway is told: which gateway, and how to print.

    A guarded command with a parameter `at` of this type has the five options above in its place.
    """

    place: Place
    as_json: bool
