"""Running the migrations: imported only when a store is older than this code.

The trap: Alembic's command line is not used, and no alembic.ini exists. Scripts ship inside
the package, so an installed gateway can upgrade its own store.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Engine

from federation.errors import ConfigError, Problem
from federation.storage.revisions import alone, revision

SCRIPTS = Path(__file__).parent / "migrations"


def scripts() -> ScriptDirectory:
    """The migrations, in order."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def upgrade(engine: Engine, found: str) -> list[str]:
    """Bring a store from revision `found` (`base`: an empty one) to the newest, all or nothing.

    Returns the revisions that it went through: none where another replica was faster. Raises
    `ConfigError` where its revision is not one that this code knows.
    """
    return _run(engine, found, "head")


def upgrade_to(engine: Engine, wanted: str) -> None:
    """Make the schema of revision `wanted`, in an empty database or of an older one.

    Raises `ConfigError` where this code does not know it.
    """
    _run(engine, "base", wanted)


def _run(engine: Engine, found: str, wanted: str) -> list[str]:
    directory = scripts()
    with engine.begin() as connection:
        alone(connection)
        # Another replica may have been at it while we waited for our turn.
        steps = _steps(engine, directory, revision(connection) or found, wanted)
        context = MigrationContext.configure(connection, opts={"as_sql": False})
        with Operations.context(context):
            for step in steps:
                step.module.upgrade()
                context.stamp(directory, step.revision)
    return [step.revision for step in steps]


def pending(engine: Engine, found: str) -> list[str]:
    """The revisions between `found` and the newest. Raises as `upgrade` does."""
    return [step.revision for step in _steps(engine, scripts(), found, "head")]


def _steps(engine: Engine, directory: ScriptDirectory, found: str, wanted: str) -> list[Script]:
    try:
        return list(reversed(list(directory.iterate_revisions(wanted, found))))
    except (CommandError, RevisionError) as error:
        message = (
            f"was made by a newer version of Federation (schema {found}). "
            "Install that version, or start with another data directory."
        )
        raise ConfigError([Problem(str(engine.url.database), None, message)]) from error
