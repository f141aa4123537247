"""`federation playbook`: the life of a call as a machine, proven, run, mutated and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ApiKey, Json, OutputFile, in_lower_case

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check, run, mutate and draw the life of a call.",
)

File = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="A playbook; left out, the one in force.")
]


@app.command()
@guarded
def check(file: File = None, as_json: Json = False) -> None:
    """Prove a playbook: no orphan, dead end, gap, overlap or forbidden way; tours come out."""
    from federation.cli import playbook_work  # noqa: PLC0415 - start-up time

    playbook_work.check(file, as_json=as_json)


@app.command()
@guarded
def run(
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="Its name; left out, all of them.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="Against the gateway there, which needs the simulated providers and the routes "
            "of `playbook export --format routes`; left out, on a virtual clock.",
        ),
    ] = None,
    api_key: ApiKey = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="A playbook; left out, the one in force."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run scenarios; exit code 1 where one does not come out as promised."""
    from federation.cli import playbook_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    place = None if url is None else Place(url, api_key)
    raise typer.Exit(playbook_work.run(file, scenario, place, as_json=as_json))


@app.command()
@guarded
def mutate(
    file: File = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            "--judge",
            metavar="NAME",
            callback=in_lower_case,
            help="validator, tours, walks or scenarios; repeat; left out, all of them.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make every mutant of the classes M1 to M5; exit code 1 where under 95 % are noticed."""
    from federation.cli import playbook_mutating  # noqa: PLC0415 - start-up time

    raise typer.Exit(playbook_mutating.mutate(file, tuple(judge or ()), as_json=as_json))


@app.command()
@guarded
def export(
    file: File = None,
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORMAT", callback=in_lower_case, help="dot, svg or routes."
        ),
    ] = "dot",
    to: OutputFile = None,
    as_json: Json = False,
) -> None:
    """Draw a playbook, or print the routes that its scenarios need in federation.yaml."""
    from federation.cli import playbook_work  # noqa: PLC0415 - start-up time

    playbook_work.export(file, form, to, as_json=as_json)
