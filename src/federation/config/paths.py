"""Where things are: configuration, data, and the sockets of a running gateway.

Pure path arithmetic: nothing is created here, so that asking never changes a disk.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

# sun_path holds 108 bytes on Linux and 104 on macOS; the room below is for the socket's name.
RUN_DIR_BYTES = 100
_LONGEST_SOCKET = len("/control.sock")


def config_dir(given: Path | str | None, environ: Mapping[str, str]) -> Path:
    """The directory of the YAML files: `--config`, FEDERATION_CONFIG_DIR, else ./config."""
    return _chosen(given, environ, "FEDERATION_CONFIG_DIR", "config")


def data_dir(given: Path | str | None, environ: Mapping[str, str]) -> Path:
    """The directory of keys, store and journals: `--data`, FEDERATION_DATA_DIR, else ./data."""
    return _chosen(given, environ, "FEDERATION_DATA_DIR", "data")


def run_dir(data: Path) -> Path:
    """The directory of the sockets: inside `data`, or a short one where that is too long.

    A Unix socket's path is limited by the operating system; a data directory's is not.
    """
    inside = data.absolute() / "run"
    if len(bytes(inside)) + _LONGEST_SOCKET <= RUN_DIR_BYTES:
        return inside
    name = hashlib.sha256(bytes(data.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"federation-{name}"


def env_file(directory: Path) -> Path:
    """The `.env` file of a configuration directory: beside one named config, else inside."""
    whole = directory.absolute()
    return (whole.parent if whole.name == "config" else whole) / ".env"


def admin_key_file(data: Path) -> Path:
    """Where the first start leaves the admin key, readable by its owner only."""
    return data / "admin.key"


def found_file(run: Path) -> Path:
    """Where `up` leaves the rows of what it found on this machine, or simulates."""
    return run / "found.yaml"


def _chosen(
    given: Path | str | None, environ: Mapping[str, str], variable: str, default: str
) -> Path:
    return Path(given or environ.get(variable) or default)
