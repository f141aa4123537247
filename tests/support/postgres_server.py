"""A PostgreSQL server of one's own, from the binaries that Debian installs.

It refuses to run as root, so there it runs as the user that the package made. One server
serves a test process; each caller gets a database of its own in it.
"""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from outliving import end_with_parent, free_port

OWNER = "postgres"
_RECOVERS_S = 90.0
"""What was killed first plays its log again, on a machine that does much else."""
_numbers = itertools.count(1)


@lru_cache(1)
def binaries() -> Path | None:
    """Where `initdb` and `postgres` are; None where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    named = shutil.which("postgres")
    return None if named is None else Path(named).resolve().parent


class PostgresServer:
    """Started at once, stopped at the end of the process. `fsync` as in production or not.

    With a `home` it is kept there, and is the server that was kept there before.
    """

    def __init__(self, *, fsync: bool = False, home: Path | None = None) -> None:
        place = binaries()
        if place is None:
            pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
        self._kept = home is not None
        self.home = Path(tempfile.mkdtemp(prefix="federation-pg-")) if home is None else home
        self.home.mkdir(parents=True, exist_ok=True)
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam(OWNER)
            os.chown(self.home, owner.pw_uid, owner.pw_gid)
            self._as = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self._data = self.home / "data"
        self._bin = place
        self.port = free_port()
        self._options = ["-c", f"fsync={'on' if fsync else 'off'}", "-c", "max_connections=200"]
        self._options += ["-c", "checkpoint_timeout=30s"]  # who is killed has less to recover
        command = [str(place / "initdb"), "-D", str(self._data), "-U", "federation", "-A", "trust"]
        command += ["--no-sync", "--no-locale", "-E", "UTF8"]
        if not self._data.exists():
            subprocess.run(command, check=True, capture_output=True, cwd=self.home, **self._as)
        atexit.register(self.close)
        self.start()

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        command += ["-k", str(self.home), "-c", "listen_addresses=127.0.0.1", *self._options]
        log = (self.home / "log").open("ab")
        self._process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=self.home,
            preexec_fn=end_with_parent(signal.SIGQUIT),  # noqa: PLW1509  one thread starts it
            **self._as,
        )
        log.close()
        end = time.monotonic() + _RECOVERS_S
        while True:
            try:
                psycopg.connect(self._address("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it without ceremony, as a loss of power would."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    def database(self, name: str = "") -> str:
        """The address of a new, empty database; of the one of this name if it is there."""
        named = name or f"test{next(_numbers)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            there = "SELECT 1 FROM pg_database WHERE datname = %s"
            if not name or connection.execute(there, (name,)).fetchone() is None:
                connection.execute(f"CREATE DATABASE {named}")
        return self._address(named)

    def close(self) -> None:
        """Stop it and remove its files, unless they are kept. Idempotent."""
        if self._process.poll() is None and self._kept:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)
        if self._process.poll() is None:
            self.kill()
        if not self._kept:
            shutil.rmtree(self.home, ignore_errors=True)

    def _address(self, name: str) -> str:
        return f"postgresql://federation@127.0.0.1:{self.port}/{name}"


@lru_cache(1)
def postgres() -> PostgresServer:
    """The server of this process."""
    return PostgresServer()
