"""`federation key`: making, listing and ending virtual keys."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ApiKey, ConfigDir, DataDir, Json, Url
from federation.domain.access import Role

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Make, list and revoke keys for clients."
)


Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")]
RoleWished = Annotated[Role, typer.Option("--role", "-r", help="What it may do.")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", metavar="NAME", help="A model or route it may use; repeat. Left out: all."
    ),
]
Providers = Annotated[
    list[str] | None,
    typer.Option("--provider", metavar="ID", help="A provider it may use; repeat. Left out: all."),
]
Expires = Annotated[
    str | None, typer.Option("--expires", metavar="TIME", help="In 12h, 30d, 8w; or seconds.")
]
Tenant = Annotated[str | None, typer.Option("--tenant", metavar="ID", help="Left out: your own.")]


@app.command()
@guarded
def create(
    name: Name,
    role: RoleWished = Role.DEVELOPER,
    model: Models = None,
    provider: Providers = None,
    expires: Expires = None,
    tenant: Tenant = None,
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a key. Its secret is shown once and kept nowhere."""
    from federation.cli import key_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    wish = key_work.Wish(
        name=name,
        role=role,
        models=tuple(model or ()),
        providers=tuple(provider or ()),
        expires_s=key_work.seconds(expires),
        tenant=tenant,
    )
    key_work.create(Place(url, api_key, config, data), wish, as_json=as_json)


@app.command(name="list")
@guarded
def list_keys(
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Revoked and expired ones, too.")
    ] = False,
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """List keys, without their secrets."""
    from federation.cli import key_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    place = Place(url, api_key, config, data)
    key_work.list_all(place, everything=everything, as_json=as_json)


@app.command()
@guarded
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """End a key; every worker refuses it within a second."""
    from federation.cli import key_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    key_work.revoke(Place(url, api_key, config, data), key, as_json=as_json)
