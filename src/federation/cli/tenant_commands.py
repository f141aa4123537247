"""`federation tenant`: the customers of a gateway, their tiers, and files with all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ApiKey, At, ConfigDir, DataDir, Url
from federation.domain.tenancy import Tier

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Tenants: make, change, export, import."
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The tenant's id.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What it is called.")]
TierWished = Annotated[Tier | None, typer.Option("--tier", help="What it may use.")]
Requests = Annotated[
    int | None,
    typer.Option("--requests", min=0, metavar="N", help="Requests a month, for the tier custom."),
]
Providers = Annotated[
    int | None,
    typer.Option("--providers", min=0, metavar="N", help="Providers, for the tier custom."),
]


def _quota(requests: int | None, providers: int | None) -> dict[str, int | None] | None:
    if requests is None and providers is None:
        return None
    return {"requests_month": requests, "providers": providers}


@app.command(name="list")
@guarded
def list_tenants(
    *,
    at: At,
) -> None:
    """List tenants."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.list_all(at.place, "tenant", as_json=at.as_json)


@app.command()
@guarded
def show(
    tenant: Id,
    *,
    at: At,
) -> None:
    """Show a tenant."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.show(at.place, "tenant", tenant, as_json=at.as_json)


@app.command()
@guarded
def create(
    tenant: Id,
    name: Name = None,
    tier: TierWished = None,
    requests: Requests = None,
    providers: Providers = None,
    *,
    at: At,
) -> None:
    """Make a tenant; left out, its tier is community."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    fields = {
        "id": tenant,
        "name": name,
        "tier": tier and tier.value,
        "quota": _quota(requests, providers),
    }
    tenant_work.create(at.place, "tenant", fields, as_json=at.as_json)


@app.command(name="set")
@guarded
def set_tenant(
    tenant: Id,
    name: Name = None,
    tier: TierWished = None,
    requests: Requests = None,
    providers: Providers = None,
    *,
    at: At,
) -> None:
    """Change a tenant. A quota is set as a whole: what is left out of it is unlimited."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    fields = {"name": name, "tier": tier and tier.value, "quota": _quota(requests, providers)}
    tenant_work.change(at.place, "tenant", tenant, fields, as_json=at.as_json)


@app.command()
@guarded
def suspend(
    tenant: Id,
    *,
    at: At,
) -> None:
    """End all keys of a tenant, until it is resumed."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.change(at.place, "tenant", tenant, {"suspended": True}, as_json=at.as_json)


@app.command()
@guarded
def resume(
    tenant: Id,
    *,
    at: At,
) -> None:
    """Let the keys of a suspended tenant work again."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.change(at.place, "tenant", tenant, {"suspended": False}, as_json=at.as_json)


@app.command()
@guarded
def delete(
    tenant: Id,
    *,
    at: At,
) -> None:
    """Delete a tenant that has no teams, users or keys."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.delete(at.place, "tenant", tenant, as_json=at.as_json)


@app.command()
@guarded
def export(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="YAML, or JSON where it ends in .json."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="ID", help="Only this one.")
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
) -> None:
    """Write tenants, teams, users and keys to a file, without secrets."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    place = Place(url, api_key, config, data)
    tenant_work.export(place, tenant, file)


@app.command(name="import")
@guarded
def import_tenancy(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote.")],
    *,
    at: At,
) -> None:
    """Make and change what a file says; keys that are new get new secrets, shown once."""
    from federation.cli import tenant_import  # noqa: PLC0415 - start-up time

    tenant_import.bring(at.place, file, as_json=at.as_json)
