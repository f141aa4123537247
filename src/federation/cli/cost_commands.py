"""`federation cost`: what was spent, on what and by whom, and what it would have cost elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, in_lower_case

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What was spent, on what and by whom.",
)

By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="GROUPS",
        callback=in_lower_case,
        help="hour, day, provider, model, tenant, team, user, key, tag; several with commas.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help="First day, or a moment; thirty days if left out."),
]
Until = Annotated[
    str | None,
    typer.Option("--to", metavar="DATE", help="Last day, or the moment that ends it; now."),
]
Zone = Annotated[
    str, typer.Option("--timezone", metavar="ZONE", help="Where days begin, as Europe/Berlin.")
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="NAME=VALUE", help="tenant, team, user, key, ...; repeat."),
]
Top = Annotated[
    int | None, typer.Option("--top", min=1, max=5000, metavar="N", help="The N dearest only.")
]


@app.command()
@guarded
def show(
    by: By = "day",
    since: Since = None,
    until: Until = None,
    timezone: Zone = "UTC",
    where: Where = None,
    top: Top = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="MODEL", help="provider/model to compare with."),
    ] = None,
    *,
    at: At,
) -> None:
    """Costs in groups."""
    from federation.cli import cost_work  # noqa: PLC0415 - start-up time

    wish = cost_work.Wish(by, since, until, timezone, tuple(where or ()), top, baseline)
    cost_work.show(at.place, wish, as_json=at.as_json)


@app.command()
@guarded
def savings(
    baseline: Annotated[str, typer.Argument(metavar="MODEL", help="provider/model to compare.")],
    by: By = "model",
    since: Since = None,
    until: Until = None,
    timezone: Zone = "UTC",
    where: Where = None,
    *,
    at: At,
) -> None:
    """What the same usage would have cost at one model's prices."""
    from federation.cli import cost_work  # noqa: PLC0415 - start-up time

    wish = cost_work.Wish(by, since, until, timezone, tuple(where or ()), None, baseline)
    cost_work.show(at.place, wish, as_json=at.as_json)


@app.command()
@guarded
def mine(
    timezone: Zone = "UTC",
    *,
    at: At,
) -> None:
    """What the key that asks has used today and this month."""
    from federation.cli import cost_work  # noqa: PLC0415 - start-up time

    cost_work.mine(at.place, timezone, as_json=at.as_json)
