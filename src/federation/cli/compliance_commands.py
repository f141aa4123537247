"""`federation compliance`: what the records show of a framework's controls."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ConfigDir, DataDir, OutputFile, in_lower_case

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Report what the records show of a framework's controls.",
)


class Form(str, Enum):
    """How a report is written."""

    MARKDOWN = "md"
    MARKDOWN_IN_FULL = "markdown"
    PAGE = "html"
    JSON = "json"


@app.callback()
def root() -> None:
    """Keep `report` a command of its own."""


@app.command()
@guarded
def report(
    framework: Annotated[
        str,
        typer.Option(
            "--framework",
            metavar="NAME",
            callback=in_lower_case,
            help="soc2, gdpr, hipaa or ccpa.",
        ),
    ],
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="30d, 2026-01-01 or 2026-01-01T12:00.")
    ] = "30d",
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Last day, or the moment that ends it; now."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.MARKDOWN,
    to: OutputFile = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="ID", help="Left out: all.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify/--no-verify", help="Hold the records against the signed log."),
    ] = True,
    config: ConfigDir = None,
    data: DataDir = None,
) -> None:
    """Write a report: each control with its evidence, counts and gaps in a period."""
    from federation.cli import compliance_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    wanted = compliance_work.Wanted(framework, start, end, tenant, verify=verify)
    compliance_work.report(Place(None, None, config, data), wanted, form.value, to)
