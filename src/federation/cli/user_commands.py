"""`federation user`: the people of a tenant."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, OwnTenant, SeenTenant
from federation.domain.access import Role

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="People of a tenant; their keys follow them."
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The user's id.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What they are called.")]
RoleWished = Annotated[
    Role | None, typer.Option("--role", "-r", help="The most that a key of theirs can do.")
]
Team = Annotated[
    str | None, typer.Option("--team", metavar="ID", help="Where they belong; '' is nowhere.")
]
Email = Annotated[str | None, typer.Option("--email", metavar="ADDRESS", help="Their address.")]


@app.command(name="list")
@guarded
def list_users(
    tenant: SeenTenant = None,
    team: Annotated[
        str | None, typer.Option("--team", metavar="ID", help="Only those of this team.")
    ] = None,
    *,
    at: At,
) -> None:
    """List users."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    query = {"tenant": tenant, "team": team}
    tenant_work.list_all(at.place, "user", query, as_json=at.as_json)


@app.command()
@guarded
def show(
    user: Id,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Show a user."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.show(at.place, "user", user, tenant, as_json=at.as_json)


@app.command()
@guarded
def create(
    user: Id,
    name: Name = None,
    role: RoleWished = None,
    team: Team = None,
    email: Email = None,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Make a user; left out, their role is developer."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    fields = {
        "id": user,
        "name": name,
        "role": role and role.value,
        "team": team,
        "email": email,
        "tenant": tenant,
    }
    tenant_work.create(at.place, "user", fields, as_json=at.as_json)


@app.command(name="set")
@guarded
def set_user(
    user: Id,
    name: Name = None,
    role: RoleWished = None,
    team: Team = None,
    email: Email = None,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Change a user. Their keys follow within a second."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    fields = {"name": name, "role": role and role.value, "team": team, "email": email}
    tenant_work.change(at.place, "user", user, fields, tenant, as_json=at.as_json)


@app.command()
@guarded
def suspend(
    user: Id,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """End all keys of a user, until they are resumed."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.change(at.place, "user", user, {"suspended": True}, tenant, as_json=at.as_json)


@app.command()
@guarded
def resume(
    user: Id,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Let the keys of a suspended user work again."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.change(at.place, "user", user, {"suspended": False}, tenant, as_json=at.as_json)


@app.command()
@guarded
def delete(
    user: Id,
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Delete a user that has no keys but revoked ones."""
    from federation.cli import tenant_work  # noqa: PLC0415 - start-up time

    tenant_work.delete(at.place, "user", user, tenant, as_json=at.as_json)
