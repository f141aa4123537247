"""`federation price`: what deployments charge, and what is unknown or old about it."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ConfigDir, DataDir, Json
from federation.cli.place import Place

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What models charge, by the price book."
)

Everything = Annotated[
    bool, typer.Option("--all", "-a", help="Of providers that cannot be used yet, too.")
]


@app.command()
@guarded
def show(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...", help="provider/model, or a part of it; all if left out."
        ),
    ] = None,
    everything: Everything = False,
    *,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show prices in USD: per million tokens, in every tier and window, and per other unit."""
    from federation.cli import price_work  # noqa: PLC0415 - start-up time

    place = Place(config=config, data=data)
    price_work.show(place, models or [], everything=everything, as_json=as_json)


@app.command(name="set")
@guarded
def put(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="provider/model, whole.")],
    rates: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=USD]...",
            help="input, output, cached, ... per million tokens; any other name is a unit.",
        ),
    ] = None,
    *,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """State a model's whole price in a file of its own; with no rate, the former one is back."""
    from federation.cli import price_setting  # noqa: PLC0415 - start-up time

    price_setting.put(Place(config=config, data=data), model, rates or [], as_json=as_json)


@app.command()
@guarded
def check(
    days: Annotated[
        int, typer.Option("--days", min=1, metavar="N", help="How old a price may be.")
    ] = 180,
    everything: Everything = False,
    *,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Find prices that are unknown, in part or wholly, or old; exit code 1 where one is unknown."""
    from federation.cli import price_work  # noqa: PLC0415 - start-up time

    place = Place(config=config, data=data)
    price_work.check(place, days, everything=everything, as_json=as_json)
