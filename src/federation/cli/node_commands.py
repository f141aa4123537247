"""`federation node`: hosts of your own, registered while the gateway runs."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, in_lower_case

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Register, list, drain and remove hosts of your own.",
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The node's id.")]


@app.command()
@guarded
def register(
    node: Id,
    base_url: Annotated[str, typer.Argument(metavar="URL", help="Its address, /v1 included.")],
    model: Annotated[
        list[str], typer.Option("--model", "-m", metavar="NAME", help="A model there; repeat.")
    ],
    dialect: Annotated[
        str,
        typer.Option(
            "--dialect", metavar="NAME", callback=in_lower_case, help="Its wire language."
        ),
    ] = "openai",
    region: Annotated[
        str, typer.Option("--region", metavar="PLACE", help="Where it stands.")
    ] = "local",
    ability: Annotated[
        list[str] | None,
        typer.Option("--ability", metavar="NAME", help="What its models can do; repeat."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, metavar="N", help="Requests at a time.")
    ] = None,
    *,
    at: At,
) -> None:
    """Register a node, or register it anew; it is ready once it answers."""
    from federation.cli import node_work  # noqa: PLC0415 - start-up time

    wanted = {
        "id": node,
        "base_url": base_url,
        "dialect": dialect,
        "region": region,
        "models": model,
        "abilities": ability or [],
        "concurrency": concurrency,
    }
    node_work.register(at.place, wanted, as_json=at.as_json)


@app.command(name="list")
@guarded
def list_nodes(
    *,
    at: At,
) -> None:
    """List nodes and their states."""
    from federation.cli import node_work  # noqa: PLC0415 - start-up time

    node_work.list_all(at.place, as_json=at.as_json)


@app.command()
@guarded
def drain(
    node: Id,
    *,
    at: At,
) -> None:
    """Send a node no new calls; those that run there finish."""
    from federation.cli import node_work  # noqa: PLC0415 - start-up time

    node_work.drain(at.place, node, as_json=at.as_json)


@app.command()
@guarded
def remove(
    node: Id,
    *,
    at: At,
) -> None:
    """Forget a node; calls that run there finish."""
    from federation.cli import node_work  # noqa: PLC0415 - start-up time

    node_work.remove(at.place, node, as_json=at.as_json)
