"""`federation budget`: what tenants, teams, users, keys, sessions and tags may spend."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, OwnTenant, WhoseTenant
from federation.domain.budgets import Period, Scope

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Set, list and end budgets, and see them."
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The budget's id.")]


@app.command(name="set")
@guarded
def set_budget(
    scope: Annotated[Scope, typer.Argument(help="What it is attached to.")],
    limit: Annotated[str, typer.Argument(metavar="USD", help="The limit, as in 12.50.")],
    subject: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="NAME",
            help="Whose it is, a tag as name=value; '*' alone gives each of them the whole limit.",
        ),
    ] = "",
    period: Annotated[
        Period, typer.Option("--period", help="After which it begins anew.")
    ] = Period.MONTHLY,
    zone: Annotated[
        str, typer.Option("--zone", metavar="ZONE", help="IANA time zone of its midnight.")
    ] = "UTC",
    soft: Annotated[bool, typer.Option("--soft", help="Only tells, refuses nothing.")] = False,
    alert: Annotated[
        list[int] | None,
        typer.Option("--alert", min=1, max=100, metavar="PERCENT", help="Tell at; repeat."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Replaces the one with this id.")
    ] = None,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Set a budget; every worker obeys it within a second."""
    from federation.cli.budget_work import BUDGETS  # noqa: PLC0415 - start-up time

    wanted = {
        "id": name,
        "tenant": tenant,
        "scope": scope.value,
        "subject": subject,
        "limit_usd": limit,
        "period": period.value,
        "zone": zone,
        "hard": not soft,
        "alerts": alert,
    }
    BUDGETS.put(at.place, wanted, as_json=at.as_json)


@app.command(name="list")
@guarded
def list_budgets(
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """List budgets and what is spent of them."""
    from federation.cli.budget_work import BUDGETS  # noqa: PLC0415 - start-up time

    BUDGETS.list(at.place, tenant, as_json=at.as_json)


@app.command()
@guarded
def show(
    budget: Id,
    tenant: WhoseTenant = None,
    *,
    at: At,
) -> None:
    """Show one budget, and what each spends where each has the whole limit."""
    from federation.cli.budget_work import BUDGETS  # noqa: PLC0415 - start-up time

    BUDGETS.show(at.place, budget, tenant, as_json=at.as_json)


@app.command()
@guarded
def remove(
    budget: Id,
    tenant: WhoseTenant = None,
    *,
    at: At,
) -> None:
    """End a budget. What was counted for it stays in the ledger."""
    from federation.cli.budget_work import BUDGETS  # noqa: PLC0415 - start-up time

    BUDGETS.remove(at.place, budget, tenant, as_json=at.as_json)
