"""`federation config`: looking at what is configured, without starting anything."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ConfigDir, Json

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check the configuration.")


@app.command()
@guarded
def check(
    config: ConfigDir = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    as_json: Json = False,
) -> None:
    """Say whether the configuration can be used, and what it amounts to."""
    from federation.cli.configuring import check  # noqa: PLC0415 - start-up time

    check(config, strict=strict, as_json=as_json)
