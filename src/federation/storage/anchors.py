"""Where signed checkpoints are put out of our own reach: a file elsewhere, a syslog server.

The trap: an anchor protects only as far as it lies outside the power of who could change
the data directory. A file belongs on another volume, append-only where the system has that;
a log server belongs to somebody else.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from federation.errors import ConfigError, Problem, Unavailable

SYSLOG_PORT = 514
TIMEOUT_S = 1.0
"""A local log server that stands still takes nothing once its queue is full."""
_NOTICE = 13 * 8 + 5
"""Facility 13, log audit, severity 5, notice (RFC 5424, section 6.2.1)."""


class Anchor(Protocol):
    """A place for checkpoints that is not ours."""

    name: str

    def put(self, line: bytes, at_ms: int) -> None:
        """Keep a signed checkpoint's short line. Raises `Unavailable`."""
        ...


class FileAnchor:
    """A file that only grows, one checkpoint a line."""

    def __init__(self, path: Path) -> None:
        self.name = f"file {path}"
        self._path = path

    def put(self, line: bytes, at_ms: int) -> None:
        """Append and sync. Raises `Unavailable`."""
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            try:
                size = os.fstat(fd).st_size
                if os.write(fd, line) != len(line):
                    os.ftruncate(fd, size)
                    raise Unavailable(f"The anchor {self.name} took only part of a line.")
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise _unavailable(self.name, error) from error


class SyslogAnchor:
    """A syslog server, by datagram (RFC 5424 over RFC 5426, or a local socket's path)."""

    def __init__(self, address: str) -> None:
        """`udp://host:port`, or the path of a socket such as /dev/log."""
        self.name = f"syslog {address}"
        self._address = address
        self._host = socket.gethostname()[:255] or "-"

    def put(self, line: bytes, at_ms: int) -> None:
        """Send one datagram. Raises `Unavailable` where that shows to be impossible."""
        at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        head = f"<{_NOTICE}>1 {at} {self._host} federation {os.getpid()} checkpoint - "
        message = head.encode() + line.rstrip(b"\n")
        try:
            with _opened(self._address) as sender:
                sender.settimeout(TIMEOUT_S)
                sender.send(message)
        except (OSError, UnicodeError) as error:  # an over-long label is a UnicodeError
            raise _unavailable(self.name, error) from error


def open_anchor(url: str, data: Path) -> Anchor:
    """The anchor that an operator named: `file:PATH`, `syslog:udp://HOST:PORT` or `syslog:PATH`.

    Raises `ConfigError` for others, and for a file inside the data directory.
    """
    kind, _, rest = url.partition(":")
    if kind == "file" and rest:
        path = Path(rest)
        if path.resolve().is_relative_to(data.resolve()):
            message = f"'{url}' is inside the data directory: an anchor must lie elsewhere"
            raise ConfigError([Problem("evidence.anchors", None, message)])
        return FileAnchor(path)
    if kind == "syslog" and (rest.startswith("/") or _names_a_server(rest)):
        return SyslogAnchor(rest)
    message = f"'{url}' should be file:PATH, syslog:PATH, syslog:udp://HOST:PORT or s3:https://..."
    raise ConfigError([Problem("evidence.anchors", None, message)])


def _names_a_server(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme == "udp" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _opened(address: str) -> socket.socket:
    if address.startswith("/"):
        local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            local.connect(address)
        except OSError:
            local.close()
            raise
        return local
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or SYSLOG_PORT
    family, kind, proto, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    remote = socket.socket(family, kind, proto)
    try:
        remote.connect(where)
    except OSError:
        remote.close()
        raise
    return remote


def _unavailable(name: str, error: OSError | UnicodeError) -> Unavailable:
    why = error.strerror if isinstance(error, OSError) else None
    return Unavailable(f"The anchor {name} cannot be used: {why or error}.")
