"""`federation status`: how a running gateway is, and what it did."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

from federation.cli.guard import guarded
from federation.cli.options import At


class StatusGroup(TyperGroup):
    """A group that means `health` where no subcommand is named."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put `health` in front of nothing, and of options of its own."""
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["health", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=StatusGroup,
    rich_markup_mode=None,
    help="How a running gateway is, and what it did.",
    epilog="`federation status` is short for `federation status health`; "
    "its options are listed by `federation status health --help`.",
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
