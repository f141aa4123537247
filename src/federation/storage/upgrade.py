"""Running the migrations: imported only when a store is older than this code.

The trap: Alembic's command line is not used, and no alembic.ini exists. Scripts ship inside
the package, so an installed gateway can upgrade its own store.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Engine

from federation.errors import ConfigError, Problem

SCRIPTS = Path(__file__).parent / "migrations"


def scripts() -> ScriptDirectory:
    """The migrations, in order."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def upgrade(engine: Engine, found: str) -> None:
    """Bring a store from revision `found` (`base`: an empty one) to the newest, all or nothing.

    Raises `ConfigError` where `found` is not a revision that this code knows.
    """
    directory = scripts()
    try:
        steps = list(directory.iterate_revisions("head", found))
    except (CommandError, RevisionError) as error:
        message = (
            f"was made by a newer version of Federation (schema {found}). "
            "Install that version, or start with another data directory."
        )
        raise ConfigError([Problem(str(engine.url.database), None, message)]) from error
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"as_sql": False})
        with Operations.context(context):
            for step in reversed(steps):
                step.module.upgrade()
                context.stamp(directory, step.revision)
