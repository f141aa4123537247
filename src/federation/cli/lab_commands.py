"""federation lab: a provider that misbehaves by name, and a live view of what it sees."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import Json


@guarded
def lab(
    port: Annotated[
        int,
        typer.Option(
            "--port", "-p", min=0, max=65535, metavar="PORT", help="Port; 0 takes a free one."
        ),
    ] = 9700,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Makes its chances repeatable.")
    ] = 0,
    pace_ms: Annotated[
        float,
        typer.Option(
            "--pace", min=0.0, max=60_000.0, metavar="MS", help="Time between two tokens."
        ),
    ] = 20.0,
    as_json: Json = False,
) -> None:
    """Run a provider that fails in every known way, chosen by the model's name."""
    from federation.cli.lab_work import run  # noqa: PLC0415 - start-up time

    raise typer.Exit(run(port=port, seed=seed, pace_s=pace_ms / 1000.0, as_json=as_json))
