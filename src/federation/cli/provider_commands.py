"""`federation provider`: what there is, whether it answers, switching it on and off."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, ConfigDir, DataDir, Json

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, show, test and switch providers."
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The provider's id.")]


@app.command(name="list")
@guarded
def list_providers(
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Those that cannot be used yet, too.")
    ] = False,
    *,
    at: At,
) -> None:
    """List providers; left without --all, those that can be used."""
    from federation.cli import provider_work  # noqa: PLC0415 - start-up time

    provider_work.list_all(at.place, everything=everything, as_json=at.as_json)


@app.command()
@guarded
def show(
    provider: Id,
    *,
    at: At,
) -> None:
    """Show a provider: where it is, its certifications, models and prices."""
    from federation.cli import provider_work  # noqa: PLC0415 - start-up time

    provider_work.show(at.place, provider, as_json=at.as_json)


@app.command(name="test")
@guarded
def ask(
    provider: Id,
    *,
    at: At,
) -> None:
    """Ask a provider whether it answers and takes the credential; costs no token."""
    from federation.cli import provider_work  # noqa: PLC0415 - start-up time

    provider_work.ask(at.place, provider, as_json=at.as_json)


@app.command()
@guarded
def enable(
    provider: Id,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Also where it does not answer.")
    ] = False,
    *,
    at: At,
) -> None:
    """Switch a provider on, once it answered."""
    from federation.cli import provider_work  # noqa: PLC0415 - start-up time

    provider_work.switch(at.place, provider, enabled=True, force=force, as_json=at.as_json)


@app.command()
@guarded
def disable(
    provider: Id,
    *,
    at: At,
) -> None:
    """Switch a provider off for new calls."""
    from federation.cli import provider_work  # noqa: PLC0415 - start-up time

    provider_work.switch(at.place, provider, enabled=False, force=False, as_json=at.as_json)


@app.command()
@guarded
def certify(
    provider: Id,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="Another address than the row's."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="MODEL", help="Left out, the row's first."),
    ] = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Prove a row against its endpoint with some 45 checks; costs about 40 short calls."""
    from federation.cli import certifying  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    wish = certifying.Wish(provider, base_url, model)
    place = Place(None, None, config, data)
    raise typer.Exit(certifying.certify(place, wish, as_json=as_json))
