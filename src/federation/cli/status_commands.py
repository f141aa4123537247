"""`federation status`: how a running gateway is, and what it did."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ApiKey, ConfigDir, DataDir, Json, Url

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="How a running gateway is, and what it did."
)


@app.command()
@guarded
def health(
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Whether it lives and is ready; with an admin key, its workers, store and configuration."""
    from federation.cli import status_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    status_work.health(Place(url, api_key, config, data), as_json=as_json)


@app.command()
@guarded
def stats(
    window: Annotated[
        str, typer.Option("--window", metavar="TIME", help="Looks back 15m, 24h, 7d.")
    ] = "24h",
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Calls, tokens, cost and latency by deployment."""
    from federation.cli import status_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    status_work.stats(Place(url, api_key, config, data), window=window, as_json=as_json)
