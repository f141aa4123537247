"""`federation serve` without typer: from arguments to the launcher by the shortest way.

The launcher stays in this process for as long as the service runs, so that what is imported
here is paid for all that time. Arguments that are not plainly right are left to typer,
which explains them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from federation.bootstrap.descriptors import allow_many
from federation.bootstrap.hold import holder
from federation.bootstrap.launcher import LaunchOptions, run
from federation.config import environment, paths
from federation.config.peek import MAX_WORKERS, peek_server
from federation.config.provider_sources import EXTRA_VARIABLE
from federation.config.quantities import is_loopback
from federation.config.variables import PLUG_IN_VARIABLES
from federation.errors import ConfigError, Problem

CONFIG_EXIT = 78
_VALUES = {
    "--host": "host",
    "--port": "port",
    "-p": "port",
    "--workers": "workers",
    "-w": "workers",
    "--config": "config",
    "--data": "data",
}
_RANGES = {"port": (0, 65535), "workers": (1, MAX_WORKERS)}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for; None leaves it to files and environment."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None
    config: Path | None = None
    data: Path | None = None
    open: bool = False


def serve_wishes(arguments: Sequence[str]) -> Wishes | None:
    """The wishes in plain arguments of `serve`; None where they need explaining."""
    given: dict[str, str] = {}
    flags: set[str] = set()
    rest = list(arguments)
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        if word in ("--open", "--reload") and not equals:
            flags.add(word)
            continue
        name = _VALUES.get(word)
        if name is None or (equals and not word.startswith("--")) or not (equals or rest):
            return None
        given[name] = value if equals else rest.pop(0)
    if not all(given.get(name, "named") for name in ("config", "data")):
        return None
    numbers: dict[str, int] = {}
    for name, (low, high) in _RANGES.items():
        text = given.get(name)
        if text is None:
            continue
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            return None
        numbers[name] = int(text)
    return Wishes(
        host=given.get("host"),
        port=numbers.get("port"),
        workers=numbers.get("workers"),
        config=Path(given["config"]) if "config" in given else None,
        data=Path(given["data"]) if "data" in given else None,
        open="--open" in flags,
    )


def launch_options(wishes: Wishes) -> LaunchOptions:
    """What to launch: flags over environment over files. Raises `ConfigError`."""
    config = paths.config_dir(wishes.config, os.environ)
    named = wishes.config is not None or os.environ.get("FEDERATION_CONFIG_DIR")
    if named and not config.is_dir():
        message = "is no directory: `federation init` writes starter files"
        raise ConfigError([Problem(str(config), None, message)])
    env_file = paths.env_file(config)
    server = peek_server(config, os.environ, env_file)
    data = paths.data_dir(wishes.data, environment.gather(os.environ, env_file).values)
    host = wishes.host if wishes.host is not None else server.host
    unlocked = wishes.open or server.open
    if unlocked and not is_loopback(host):
        message = "is only for a loopback address: anyone could use your providers"
        raise ConfigError([Problem("--open" if wishes.open else "server.open", None, message)])
    return LaunchOptions(
        host=host,
        port=wishes.port if wishes.port is not None else server.port,
        workers=wishes.workers if wishes.workers is not None else server.workers,
        data=data,
        config=config,
        run=paths.run_dir(data),
        drain_s=server.drain_s,
        open=unlocked,
    )


def serve(wishes: Wishes) -> int:
    """Launch and supervise until stopped; the exit code."""
    try:
        options = launch_options(wishes)
    except ConfigError as error:
        print(f"The configuration cannot be used:\n{error}", file=sys.stderr)
        return CONFIG_EXIT
    except OSError as error:
        told = f"{error.filename}: cannot be used: {error.strerror}"
        print(f"The configuration cannot be used:\n{told}", file=sys.stderr)
        return CONFIG_EXIT
    _hand_on(paths.env_file(options.config))
    _forget_found(options.run)
    allow_many()
    return run(options)


def _hand_on(env_file: Path | None) -> None:
    """Put what `.env` says for plug-ins into the environment that workers inherit: nothing else of
    the file reaches them, for it holds secrets."""
    values = environment.gather(os.environ, env_file).values
    os.environ.update({name: values[name] for name in PLUG_IN_VARIABLES if name in values})


def _forget_found(run: Path) -> None:
    """Remove what an earlier `up` found here, unless it is handed over to us: commands that work on
    files would take it for what this gateway serves."""
    found = paths.found_file(run.absolute())
    if os.environ.get(EXTRA_VARIABLE) != str(found) and holder(run) is None:
        with suppress(OSError):  # the launcher says what is wrong with the directory
            found.unlink(missing_ok=True)
