"""`federation limit`: how much tenants, teams, users, keys and routes may ask in which time."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, SeenTenant, WhoseTenant
from federation.domain.limits import Counted, LimitScope, Method

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Set, list and end limits, and see them."
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The limit's id.")]


@app.command(name="set")
@guarded
def set_limit(
    scope: Annotated[LimitScope, typer.Argument(help="What it is attached to.")],
    amount: Annotated[int, typer.Argument(min=0, metavar="AMOUNT", help="How much.")],
    counts: Annotated[
        Counted, typer.Option("--counts", help="What is counted.")
    ] = Counted.REQUESTS,
    window: Annotated[
        str,
        typer.Option(
            "--window",
            metavar="WINDOW",
            help="In which time: second, minute, hour, day, month or a number of seconds.",
        ),
    ] = "minute",
    subject: Annotated[
        str,
        typer.Option("--for", metavar="NAME", help="Whose it is; '*' gives each of them its own."),
    ] = "",
    method: Annotated[
        Method | None,
        typer.Option("--method", help="Left out: a token bucket, of a month a fixed window."),
    ] = None,
    burst: Annotated[
        int,
        typer.Option(
            "--burst", min=0, metavar="N", help="Of a token bucket, at once; 0: the whole amount."
        ),
    ] = 0,
    name: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Replaces the one with this id.")
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", metavar="ID", help="Left out: your own; '*': every tenant."),
    ] = None,
    *,
    at: At,
) -> None:
    """Set a limit; every worker obeys it within a second."""
    from federation.cli.limit_work import LIMITS  # noqa: PLC0415 - start-up time

    wanted = {
        "id": name,
        "tenant": tenant,
        "scope": scope.value,
        "subject": subject,
        "counts": counts.value,
        "amount": amount,
        "window": window,
        "method": None if method is None else method.value,
        "burst": burst,
    }
    LIMITS.put(at.place, wanted, as_json=at.as_json)


@app.command(name="list")
@guarded
def list_limits(
    tenant: SeenTenant = None,
    *,
    at: At,
) -> None:
    """List limits: a tenant's own, the configuration's and the tiers'."""
    from federation.cli.limit_work import LIMITS  # noqa: PLC0415 - start-up time

    LIMITS.list(at.place, tenant, as_json=at.as_json)


@app.command()
@guarded
def show(
    limit: Id,
    tenant: WhoseTenant = None,
    *,
    at: At,
) -> None:
    """Show one limit, and what is used of it."""
    from federation.cli.limit_work import LIMITS  # noqa: PLC0415 - start-up time

    LIMITS.show(at.place, limit, tenant, as_json=at.as_json)


@app.command()
@guarded
def delete(
    limit: Id,
    tenant: WhoseTenant = None,
    *,
    at: At,
) -> None:
    """End a limit."""
    from federation.cli.limit_work import LIMITS  # noqa: PLC0415 - start-up time

    LIMITS.remove(at.place, limit, tenant, as_json=at.as_json)
