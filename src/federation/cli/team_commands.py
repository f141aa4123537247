"""`federation team`: people of a tenant whom policies and budgets can name."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ApiKey, ConfigDir, DataDir, Json, Url

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Teams of a tenant.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The team's id.")]
Tenant = Annotated[str | None, typer.Option("--tenant", metavar="ID", help="Left out: your own.")]


@app.command(name="list")
@guarded
def list_teams(
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="ID", help="Left out: all you can see.")
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """List teams."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    place = Place(url, api_key, config, data)
    tenant_work.list_all(place, "team", {"tenant": tenant}, as_json=as_json)


@app.command()
@guarded
def show(
    team: Id,
    tenant: Tenant = None,
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show a team."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    place = Place(url, api_key, config, data)
    tenant_work.show(place, "team", team, tenant, as_json=as_json)


@app.command()
@guarded
def create(
    team: Id,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What it is called.")
    ] = None,
    tenant: Tenant = None,
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a team."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    place = Place(url, api_key, config, data)
    fields = {"id": team, "name": name, "tenant": tenant}
    tenant_work.create(place, "team", fields, as_json=as_json)


@app.command()
@guarded
def rename(
    team: Id,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called now.")],
    tenant: Tenant = None,
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Call a team something else; its id stays."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    place = Place(url, api_key, config, data)
    tenant_work.change(place, "team", team, {"name": name}, tenant, as_json=as_json)


@app.command()
@guarded
def delete(
    team: Id,
    tenant: Tenant = None,
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Delete a team that has no users, and no keys but revoked ones."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    place = Place(url, api_key, config, data)
    tenant_work.delete(place, "team", team, tenant, as_json=as_json)
