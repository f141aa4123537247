"""What an inference worker loads: a worker is lean, or its memory and start are not."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "alembic",
    "fastapi",
    "jinja2",
    "numpy",
    "opentelemetry",
    "prometheus_client",
    "pydantic",
    "pydantic_core",
    "redis",
    "requests",
    "rich",
    "sqlalchemy",
    "sqlite3",
    "starlette",
    "typer",
    "uvicorn",
    "yaml",
}


def loaded(statement: str) -> set[str]:
    """Every module that is loaded after a statement in a fresh interpreter, but not before."""
    code = f"import sys; before = set(sys.modules); {statement}; "
    code += "print(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("module", ["federation.bootstrap.worker", "federation.bootstrap.assembly"])
def test_a_worker_loads_no_framework(module: str) -> None:
    found = packages(loaded(f"import {module}"))
    assert {"federation", "msgspec"} <= found
    assert not found & HEAVY


def test_a_worker_loads_nothing_of_control_but_its_own_end_of_the_link() -> None:
    found = loaded("import federation.bootstrap.worker")
    rooms = {name for name in found if name.startswith("federation.")}
    assert {name for name in rooms if name.startswith("federation.control.")} == {
        "federation.control.frames",
        "federation.control.worker_link",
    }
    for room in ("api", "cli", "config", "sandbox"):
        assert f"federation.{room}" not in rooms


def test_the_launcher_is_the_standard_library_alone() -> None:
    found = packages(loaded("import federation.bootstrap.launcher"))
    foreign = found - set(sys.stdlib_module_names)
    assert foreign == {"federation"}


def test_importing_the_package_loads_nothing_else() -> None:
    found = loaded("import federation")
    assert found - {"__future__"} == {"federation"}
