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
    """Started at once, stopped at the end of the process. `fsync` as in production or not."""

    def __init__(self, *, fsync: bool = False) -> None:
        place = binaries()
        if place is None:
            pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
        self.home = Path(tempfile.mkdtemp(prefix="federation-pg-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam(OWNER)
            os.chown(self.home, owner.pw_uid, owner.pw_gid)
            self._as = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self._data = self.home / "data"
        self._bin = place
        self.port = free_port()
        self._options = ["-c", f"fsync={'on' if fsync else 'off'}", "-c", "max_connections=200"]
        command = [str(place / "initdb"), "-D", str(self._data), "-U", "federation", "-A", "trust"]
        command += ["--no-sync", "--no-locale", "-E", "UTF8"]
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
        end = time.monotonic() + 30
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

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"test{next(_numbers)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._address(name)

    def close(self) -> None:
        """Stop it and remove its files. Idempotent."""
        if self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _address(self, name: str) -> str:
        return f"postgresql://federation@127.0.0.1:{self.port}/{name}"


@lru_cache(1)
def postgres() -> PostgresServer:
    """The server of this process."""
    return PostgresServer()
