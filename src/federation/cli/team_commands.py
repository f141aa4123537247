"""`federation team`: people of a tenant whom policies and budgets can name."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, OwnTenant, SeenTenant

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Teams of a tenant.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The team's id.")]


@app.command(name="list")
@guarded
def list_teams(
    tenant: SeenTenant = None,
    *,
    at: At,
) -> None:
    """List teams."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.list_all(at.place, "team", {"tenant": tenant}, as_json=at.as_json)


@app.command()
@guarded
def show(
    team: Id,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Show a team."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.show(at.place, "team", team, tenant, as_json=at.as_json)


@app.command()
@guarded
def create(
    team: Id,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What it is called.")
    ] = None,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Make a team."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    fields = {"id": team, "name": name, "tenant": tenant}
    tenant_work.create(at.place, "team", fields, as_json=at.as_json)


@app.command()
@guarded
def rename(
    team: Id,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called now.")],
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Call a team something else; its id stays."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.change(at.place, "team", team, {"name": name}, tenant, as_json=at.as_json)


@app.command()
@guarded
def delete(
    team: Id,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Delete a team that has no users, and no keys but revoked ones."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.delete(at.place, "team", team, tenant, as_json=at.as_json)
