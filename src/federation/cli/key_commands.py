"""`federation key`: making, listing and ending virtual keys."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, OwnTenant, SeenTenant
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
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="NAME",
        help="A permission it is limited to, such as 'infer'; repeat. Left out: all of its role.",
    ),
]
Expires = Annotated[
    str | None, typer.Option("--expires", metavar="TIME", help="In 12h, 30d, 8w; or seconds.")
]
Team = Annotated[
    str | None, typer.Option("--team", metavar="ID", help="Its team; left out, the user's.")
]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="Whose it is.")]
Key = Annotated[str, typer.Argument(metavar="ID", help="The key's id.")]


@app.command()
@guarded
def create(
    name: Name,
    role: RoleWished = Role.DEVELOPER,
    model: Models = None,
    provider: Providers = None,
    expires: Expires = None,
    tenant: OwnTenant = None,
    team: Team = None,
    user: User = None,
    scope: Scopes = None,
    *,
    at: At,
) -> None:
    """Make a key. Its secret is shown once and kept nowhere."""
    from federation.cli import key_work  # noqa: PLC0415 - start-up time
    from federation.cli.new_key import NewKey  # noqa: PLC0415 - start-up time

    wish = NewKey(
        name=name,
        role=role,
        models=tuple(model or ()),
        providers=tuple(provider or ()),
        expires_s=key_work.seconds(expires),
        tenant=tenant,
        team=team or "",
        user=user or "",
        scopes=tuple(scope or ()),
    )
    key_work.create(at.place, wish, as_json=at.as_json)


@app.command(name="list")
@guarded
def list_keys(
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Revoked and expired ones, too.")
    ] = False,
    tenant: SeenTenant = None,
    *,
    at: At,
) -> None:
    """List keys, without their secrets."""
    from federation.cli import key_work  # noqa: PLC0415 - start-up time

    key_work.list_all(at.place, tenant, everything=everything, as_json=at.as_json)


@app.command()
@guarded
def revoke(
    key: Key,
    *,
    at: At,
) -> None:
    """End a key; every worker refuses it within a second."""
    from federation.cli import key_work  # noqa: PLC0415 - start-up time

    key_work.revoke(at.place, key, as_json=at.as_json)


@app.command()
@guarded
def show(
    key: Key,
    *,
    at: At,
) -> None:
    """Show a key, without its secret."""
    from federation.cli import key_work  # noqa: PLC0415 - start-up time

    key_work.show(at.place, key, as_json=at.as_json)


@app.command(name="set")
@guarded
def set_key(
    key: Key,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What it is for.")
    ] = None,
    role: Annotated[Role | None, typer.Option("--role", "-r", help="What it may do.")] = None,
    model: Models = None,
    provider: Providers = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="TIME", help="In 12h, 30d, 8w; 'never'."),
    ] = None,
    team: Team = None,
    user: User = None,
    scope: Scopes = None,
    *,
    at: At,
) -> None:
    """Change a key; its secret stays, and what is left out does. `--model all` lifts a limit."""
    from federation.cli import key_work  # noqa: PLC0415 - start-up time

    changes = key_work.changes(
        name=name,
        role=role,
        models=model,
        providers=provider,
        expires=expires,
        team=team,
        user=user,
        scopes=scope,
    )
    key_work.change(at.place, key, changes, as_json=at.as_json)


@app.command()
@guarded
def rotate(
    key: Key,
    overlap: Annotated[
        str,
        typer.Option(
            "--overlap", metavar="TIME", help="How long the old secret works on; 0 ends it now."
        ),
    ] = "1h",
    *,
    at: At,
) -> None:
    """Give a key a new secret, shown once; the old one works on for a while."""
    from federation.cli import key_work  # noqa: PLC0415 - start-up time

    key_work.rotate(at.place, key, overlap, as_json=at.as_json)
