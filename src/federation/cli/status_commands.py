"""`federation status`: how a running gateway is, and what it did."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="How a running gateway is, and what it did."
)


@app.command()
@guarded
def health(
    *,
    at: At,
) -> None:
    """Whether it lives and is ready; with an admin key, its workers, store and configuration."""
    from federation.cli import status_work  # noqa: PLC0415 - start-up time

    status_work.health(at.place, as_json=at.as_json)


@app.command()
@guarded
def stats(
    window: Annotated[
        str, typer.Option("--window", metavar="TIME", help="Looks back 15m, 24h, 7d.")
    ] = "24h",
    *,
    at: At,
) -> None:
    """Calls, tokens, cost and latency by deployment."""
    from federation.cli import status_work  # noqa: PLC0415 - start-up time

    status_work.stats(at.place, window=window, as_json=at.as_json)
