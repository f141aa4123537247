"""`federation data`: contents that are kept, and what is done about them."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.failures import CommandFailed
from federation.cli.guard import guarded
from federation.cli.options import At, OwnTenant

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Kept contents: list, show, hold, erase them; rotate the keys that seal them.",
)

Subject = Annotated[
    str | None,
    typer.Option(
        "--subject", metavar="USER", help="The user's id as calls carry it, or key:ID for a key's."
    ),
]
OneSubject = Annotated[
    str,
    typer.Option(
        "--subject", metavar="USER", help="The user's id as calls carry it, or key:ID for a key's."
    ),
]


@app.command(name="list")
@guarded
def list_payloads(
    tenant: OwnTenant = None,
    subject: Subject = None,
    *,
    at: At,
) -> None:
    """List the calls of which contents are kept."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    data_work.list_payloads(at.place, tenant, subject, as_json=at.as_json)


@app.command()
@guarded
def show(
    call: Annotated[str, typer.Argument(metavar="CALL", help="The call's id.")],
    *,
    at: At,
) -> None:
    """Show what was said and answered in a call; that you did is put on record."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    data_work.show(at.place, call, as_json=at.as_json)


@app.command()
@guarded
def erase(
    subject: OneSubject,
    tenant: OwnTenant = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask no question.")] = False,
    *,
    at: At,
) -> None:
    """Make a person's contents unreadable for good, in backups too."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    if not yes and not _sure(f"Destroy the keys to all that is kept of {subject}?"):
        raise CommandFailed("Nothing was erased.", hint="--yes asks no question.", code="not_sure")
    data_work.erase(at.place, tenant, subject, as_json=at.as_json)


def _sure(question: str) -> bool:
    """Whether somebody says so; asked beside the output, which may be for a program."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # nobody is there to answer
        typer.echo(err=True)
        return False


@app.command()
@guarded
def erasures(
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """List erasures: those done, and those that wait for a hold."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    data_work.list_erasures(at.place, tenant, as_json=at.as_json)


@app.command()
@guarded
def name(
    who: Annotated[str, typer.Argument(metavar="WHO", help="A user, or a pseudonym.")],
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """Tell a user's pseudonym, or whom one stands for; that you asked is put on record."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    data_work.name(at.place, tenant, who, as_json=at.as_json)


@app.command()
@guarded
def hold(
    reason: Annotated[str, typer.Argument(metavar="REASON", help="Why, such as a case number.")],
    tenant: OwnTenant = None,
    subject: Subject = None,
    *,
    at: At,
) -> None:
    """Keep a person's contents, or a whole tenant's, whatever their time and whoever erases."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    data_work.hold(at.place, tenant, subject, reason, as_json=at.as_json)


@app.command()
@guarded
def holds(
    tenant: OwnTenant = None,
    *,
    at: At,
) -> None:
    """List the legal holds in force."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    data_work.list_holds(at.place, tenant, as_json=at.as_json)


@app.command()
@guarded
def release(
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="The hold's id.")],
    *,
    at: At,
) -> None:
    """End a hold; what waited for it happens now."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    data_work.release(at.place, hold, as_json=at.as_json)


@app.command()
@guarded
def keys(
    tenant: OwnTenant = None,
    root: Annotated[bool, typer.Option("--root", help="The root key's.")] = False,
    *,
    at: At,
) -> None:
    """Show how many keys each key wraps."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    data_work.keys(at.place, tenant, root=root, as_json=at.as_json)


@app.command()
@guarded
def rotate(
    tenant: OwnTenant = None,
    root: Annotated[
        bool, typer.Option("--root", help="The root key, above those of all tenants.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a rotation; make no newer key.")
    ] = False,
    most: Annotated[
        int | None,
        typer.Option("--most", min=1, max=1_000_000, metavar="N", help="Rewrap so many now."),
    ] = None,
    *,
    at: At,
) -> None:
    """Make a newer key and bring the others under it; all stays readable meanwhile."""
    from federation.cli import data_work  # noqa: PLC0415 - start-up time

    wanted = {"tenant": tenant, "root": root, "begin": not resume, "most": most}
    data_work.rotate(at.place, wanted, as_json=at.as_json)
