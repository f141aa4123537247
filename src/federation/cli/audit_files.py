"""Exports as files: a directory or a tar of three JSON-lines files, read as streams."""

from __future__ import annotations

import errno
import os
import posixpath
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from federation.cli.failures import CommandFailed, Exit, why

ENTRIES, CHECKPOINTS, KEYS = "entries.jsonl", "checkpoints.jsonl", "keys.jsonl"
NAMES = (KEYS, CHECKPOINTS, ENTRIES)
_HEX = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Streams:
    """An export that is open for reading."""

    keys: Iterable[bytes]
    checkpoints: Iterable[bytes]
    entries: Iterable[bytes]


def exports(path: Path) -> list[Path]:
    """The export at a path, or those in the directory there, as `export --into` makes it."""
    if not path.is_dir() or (path / KEYS).exists():
        return [path]
    # One that lacks a file is among them: it must be refused, not passed over.
    inside = (
        each
        for each in path.iterdir()
        if each.suffix == ".tar" or any((each / name).exists() for name in NAMES)
    )
    return sorted(inside) or [path]


def all_exports(paths: Iterable[Path]) -> list[Path]:
    """Those at all of these paths, each once, whatever it is called by."""
    found: dict[str, Path] = {}
    for path in paths:
        for each in exports(path):
            found.setdefault(os.path.realpath(each), each)
    return list(found.values())


def shown(path: Path) -> str:
    """A path for a terminal, JSON and SQLite: what does not print is escaped, and no two become
    the same. Who made an export has also named it."""
    return "".join(
        each if each.isprintable() and each != "\\" else each.encode("unicode_escape").decode()
        for each in str(path)
    )


@contextmanager
def opened(path: Path) -> Iterator[Streams]:
    """An export's three files. Raises `CommandFailed` where one is missing, or cannot be read."""
    with ExitStack() as stack:
        files: list[IO[bytes]]
        try:
            if path.is_dir():
                files = [stack.enter_context((path / name).open("rb")) for name in NAMES]
            else:
                tar = stack.enter_context(tarfile.open(path, "r:"))
                files = [_member(tar, name) for name in NAMES]
        except (OSError, tarfile.TarError, KeyError) as error:  # KeyError: a link to nothing
            raise _no_export(path, error) from error
        try:
            yield Streams(*files)
        except (OSError, tarfile.TarError) as error:
            raise _no_export(path, error) from error


def _no_export(path: Path, error: Exception) -> CommandFailed:
    return CommandFailed(
        f"{shown(path)} is no export: {why(error)}.",
        hint="An export is what `federation audit export` wrote, a directory or a .tar.",
        exit_code=Exit.USAGE,
    )


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """The last of a name, as unpacking has it; `tar cf x.tar .` puts a `./` before each.

    Where links or names such as `/keys.jsonl` may have it unpacked to another file, it is refused.
    """
    found: IO[bytes] | None = None
    for member in tar.getmembers():
        if member.issym() or posixpath.normpath("/" + member.name.lstrip("/")) == f"/{name}":
            if not member.isreg() or member.name.removeprefix("./") != name:
                raise FileNotFoundError(errno.ENOENT, f"{name} is a link, or has another name")
            found = tar.extractfile(member)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, f"there is no {name} at its root")
    return found


def write(
    to: Path, keys: Iterable[bytes], checkpoints: Iterable[bytes], entries: Iterable[bytes]
) -> int:
    """Write an export; how many records it has. Raises `CommandFailed` for one that is there."""
    try:
        if to.suffix != ".tar":
            to.mkdir(parents=True)
            return _fill(to, keys, checkpoints, entries)
        with (
            to.open("xb") as file,
            tempfile.TemporaryDirectory(dir=to.parent) as draft,
            tarfile.open(fileobj=file, mode="w") as tar,
        ):
            count = _fill(Path(draft), keys, checkpoints, entries)
            for name in NAMES:
                tar.add(Path(draft) / name, name)
            return count
    except FileExistsError:
        raise CommandFailed(f"{to} is there already.", exit_code=Exit.USAGE) from None
    except OSError as error:
        raise CommandFailed(f"{to} cannot be written: {error.strerror}.") from error


def _fill(
    to: Path, keys: Iterable[bytes], checkpoints: Iterable[bytes], entries: Iterable[bytes]
) -> int:
    (to / KEYS).write_bytes(b"".join(keys))
    with (to / CHECKPOINTS).open("wb") as file:
        file.writelines(checkpoints)
    count = 0
    with (to / ENTRIES).open("wb") as file:
        for line in entries:
            file.write(line)
            count += 1
    return count


def trusted_key(given: str) -> bytes:
    """A public key from 64 hex digits, or from a file that holds them."""
    text = given.strip()
    if not _HEX.fullmatch(text):
        try:
            text = Path(given).read_text("ascii").strip()
        except (OSError, ValueError):
            text = ""
    if not _HEX.fullmatch(text):
        raise CommandFailed(
            f"'{given}' is no public key.",
            hint="It is 64 hex digits, or a file with them; "
            "`federation audit checkpoint` shows the one in use.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    return bytes.fromhex(text)
