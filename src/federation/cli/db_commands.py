"""`federation db`: the store's schema, its soundness, and copies of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ConfigDir, DataDir, Json

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The store: its schema, whether it is sound, copies of it.",
)

Keys = Annotated[
    Path | None,
    typer.Option("--keys", metavar="DIR", help="The same for the keys: keep it somewhere else."),
]


@app.command()
@guarded
def upgrade(config: ConfigDir = None, data: DataDir = None, as_json: Json = False) -> None:
    """Bring the store's schema up to date. A gateway does so by itself when it starts."""
    from federation.cli import db_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    db_work.upgrade(Place(config=config, data=data), as_json=as_json)


@app.command()
@guarded
def check(
    sums: Annotated[
        bool,
        typer.Option(
            "--sums", help="Sum every call again, and hold what costs are told from to it."
        ),
    ] = False,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Look whether the store is sound and up to date; exit code 1 where it is not."""
    from federation.cli import db_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    db_work.check(Place(config=config, data=data), sums=sums, as_json=as_json)


@app.command(name="sum")
@guarded
def sum_(config: ConfigDir = None, data: DataDir = None, as_json: Json = False) -> None:
    """Make the sums that costs are told from anew, of every call; a gateway may go on meanwhile."""
    from federation.cli import db_sums  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    db_sums.make(Place(config=config, data=data), as_json=as_json)


@app.command()
@guarded
def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="A new directory.")],
    keys: Keys = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Copy the store, the journals and the evidence log, also while a gateway runs."""
    from federation.cli import db_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    db_work.backup(Place(config=config, data=data), to, keys, as_json=as_json)


@app.command()
@guarded
def move(
    force: Annotated[
        bool, typer.Option("--force", help="Empty the shared database first, if need be.")
    ] = False,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Move the data directory's own store into the shared database that is configured now."""
    from federation.cli import db_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    db_work.move(Place(config=config, data=data), force=force, as_json=as_json)


@app.command()
@guarded
def restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A backup's directory.")],
    keys: Keys = None,
    force: Annotated[
        bool, typer.Option("--force", help="Put what is there aside; a shared database is emptied.")
    ] = False,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Put a backup in place. No gateway may be running on it."""
    from federation.cli import db_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    db_work.restore(Place(config=config, data=data), source, keys, force=force, as_json=as_json)


@app.command()
@guarded
def create(config: ConfigDir = None, data: DataDir = None, as_json: Json = False) -> None:
    """Make an empty store where the one that a data directory had is lost, and no gateway starts
    without it: put it back, or restore a backup, where you can."""
    from federation.cli import db_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    db_work.create(Place(config=config, data=data), as_json=as_json)


@app.command()
@guarded
def give_up_keys(
    force: Annotated[
        bool, typer.Option("--force", help="Do it; left out, it is only said what would be lost.")
    ] = False,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Give up the sealing keys of a shared database that a former master key wrapped, for good:
    what they sealed is unreadable, and tenants get new ones. No gateway may be running on it."""
    from federation.cli import db_sealing  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    db_sealing.give_up(Place(config=config, data=data), force=force, as_json=as_json)


@app.command()
@guarded
def accept_master(config: ConfigDir = None, data: DataDir = None, as_json: Json = False) -> None:
    """Let the store go with the master key of now; what was made under the former one opens
    nothing. No gateway may be running on it."""
    from federation.cli import db_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    db_work.accept_master(Place(config=config, data=data), as_json=as_json)
