from __future__ import annotations

import subprocess
import sys

WORKER_SAFE = (
    "federation.control.frames",
    "federation.control.worker_link",
    "federation.storage.journal",
    "federation.storage.journal_reader",
    "federation.storage.keyring",
    "federation.telemetry.logs",
    "federation.telemetry.meter",
)
HEAVY = (
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "alembic",
    "pydantic",
    "prometheus_client",
    "opentelemetry",
    "yaml",
    "typer",
    "rich",
    "structlog",
)


def loaded(*modules: str) -> set[str]:
    code = f"import sys\nimport {', '.join(modules)}\nprint(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return {name.partition(".")[0] for name in found.stdout.split()}


def test_what_a_worker_takes_from_these_rooms_loads_nothing_heavy() -> None:
    assert not loaded(*WORKER_SAFE) & set(HEAVY)


def test_control_sends_its_snapshot_before_it_loads_a_web_framework() -> None:
    found = loaded("federation.bootstrap.control_life")
    late = {"fastapi", "starlette", "uvicorn", "alembic", "prometheus_client"}
    assert not found & late


def test_control_loads_clients_of_shared_stores_only_where_they_are_shared() -> None:
    assert not loaded("federation.bootstrap.control_life") & {"psycopg", "redis"}


def test_the_launcher_is_made_of_the_standard_library() -> None:
    outside = loaded("federation.bootstrap.launcher") - set(sys.stdlib_module_names)
    assert {name for name in outside if not name.startswith("_")} <= {"federation", "sitecustomize"}
