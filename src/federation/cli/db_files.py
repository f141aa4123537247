"""The files of a backup: what lies beside the store, keys apart, and a list with their digests.

The trap: journals grow while they are copied. What is copied is what was there, a last line
cut in two included; whoever reads a journal takes that for a torn one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from federation.cli.failures import CommandFailed, wrong_usage
from federation.config.paths import admin_key_file
from federation.storage import backups
from federation.storage.durability import sync_directory
from federation.storage.engine import FILE, LOCAL
from federation.storage.revisions import RESTORING
from federation.storage.sealing_keys import STORE
from federation.storage.sealing_logs import FILES as BOOKS

MANIFEST: Final = "backup.json"
FILES: Final = "files"
UNFINISHED: Final = "backup_unfinished"
FORMAT: Final = 1
_CHUNK: Final = 1 << 20
_KEYS: Final = (".key", ".seed")
_OURS: Final = (FILE, LOCAL)
_KEY_STORE: Final = f"keys/{STORE}"

Files = dict[str, dict[str, Any]]


def fresh(directory: Path) -> None:
    """Make a directory that was not there. Raises `CommandFailed`."""
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise CommandFailed(
            f"{directory} is there already.", hint="Name a new directory.", code="exists"
        ) from None
    except OSError as error:
        raise CommandFailed(f"{directory} cannot be made: {error.strerror}.") from error


def check_outside(copy: Path, data: Path) -> None:
    """Raises `CommandFailed` for a copy within the data directory that it is made of: each later
    copy would hold all the earlier ones."""
    if copy.resolve().is_relative_to(data.resolve()):
        raise wrong_usage(
            f"{copy} lies in the data directory {data}.", "Name a place outside of what is copied."
        )


@contextlib.contextmanager
def fresh_keys(directory: Path) -> Iterator[None]:
    """The same for a copy of keys, which says of itself that it is not whole until the block is
    done: it has no list of what it holds, which would tell of keys."""
    fresh(directory)
    unfinished = directory / UNFINISHED
    unfinished.touch(mode=0o600)
    sync_directory(directory)
    yield
    unfinished.unlink()


def copy_data(data: Path, to: Path, progress: backups.Progress) -> Files:
    """Copy all that is neither store, key nor of the moment; name, size and digest of each."""
    found = list(_data(data))
    files: Files = {}
    for n, path in enumerate(found):
        name = path.relative_to(data).as_posix()
        progress(FILES, n, len(found))
        target = to / FILES / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            files[name] = _copied(path, target)
        except FileNotFoundError:
            continue  # it was swept meanwhile
    return files


def copy_keys(data: Path, to: Path) -> int:
    """Copy the keys, and the store of sealing keys where it is used; how many files.

    What was destroyed is written down beside them: such a list stays where there is one.
    """
    count = 0
    for path in _all(data):
        name = path.relative_to(data)
        if path.suffix in _KEYS or name.parts[0] == "keys":
            target = to / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if name.as_posix() == _KEY_STORE:
                for end in ("", "-wal", "-shm"):
                    target.with_name(STORE + end).unlink(missing_ok=True)
                backups.copy_database(path, target)
            elif path.name.startswith(STORE) or (path.name in BOOKS and target.exists()):
                continue
            else:
                _copied(path, target)
            count += 1
    return count


def write_manifest(to: Path, dump: backups.Dump, files: Files, at_ms: int) -> None:
    """The list, written last: a backup without it is none."""
    whole = {"federation_backup": FORMAT, "at_ms": at_ms, "store": backups.write_dump(dump)}
    stored = {
        path.relative_to(to).as_posix(): _digest(path)
        for path in sorted(to.rglob("*"))
        if path.is_file() and FILES not in path.relative_to(to).parts[:1]
    }
    text = json.dumps(whole | {"files": files, "stored": stored}, indent=1)
    (to / MANIFEST).write_text(text + "\n", "utf-8")


def read_manifest(source: Path) -> tuple[backups.Dump, Files]:
    """What a backup says that it holds, its own files verified. Raises `CommandFailed`."""
    try:
        whole = json.loads((source / MANIFEST).read_text("utf-8"))
        if whole["federation_backup"] != FORMAT:
            raise CommandFailed(f"{source} is a backup of a newer version.", code="newer")
        dump, files = backups.read_dump(whole["store"]), whole["files"]
        for name, said in whole["stored"].items():
            _same(source / name, said)
    except OSError as error:
        raise CommandFailed(
            f"{source} is no backup: {error.strerror}.", code="no_backup"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandFailed(f"{source} is no backup.", code="no_backup") from None
    return dump, files


def verify(source: Path, files: Files, progress: backups.Progress) -> None:
    """Hold every file against its digest, before anything is touched. Raises `CommandFailed`."""
    for n, (name, said) in enumerate(files.items()):
        progress("verify", n, len(files))
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise CommandFailed("The backup names a file outside of itself.", code="no_backup")
        _same(source / FILES / name, said)


def check_room(data: Path, *, force: bool, shared: bool) -> None:
    """Raises `CommandFailed` where there is something in a data directory that would have to be
    put aside, and nobody said to."""
    if not force and any(_in_the_way(data)):
        what = "evidence or journals" if shared else "a store"
        raise CommandFailed(
            f"There is {what} in {data} already.",
            hint="With --force it is put aside, not deleted.",
            code="not_empty",
        )


def begin_restore(data: Path) -> Path:
    """A file that lets no gateway start on a data directory until it is removed."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = data / RESTORING
    unfinished.touch(mode=0o600)
    return unfinished


def put_aside(data: Path) -> Path | None:
    """Make room in a data directory: what is there goes into one beside it, keys stay."""
    there = list(_in_the_way(data))
    if not there:
        return None
    aside = _next_aside(data)
    for path in there:
        target = aside / path.relative_to(data)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.rename(target)
    return aside


def _next_aside(directory: Path) -> Path:
    """A directory that is not there yet, for what is put aside."""
    n = 1
    while (made := directory / "aside" / str(n)).exists():
        n += 1
    return made


def _in_the_way(data: Path) -> Iterator[Path]:
    # A log that was left belongs to the store that is put aside, and damages any other.
    stores = (data / (name + end) for name in _OURS for end in ("", "-wal", "-shm"))
    for path in (*_data(data), *stores):
        if path.is_file() and path.name not in BOOKS:
            yield path


def moved(path: Path) -> Path:
    """Put a store's file aside; where it is now."""
    target = _next_aside(path.parent) / path.name
    target.parent.mkdir(mode=0o700, parents=True)
    path.rename(target)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return target


def put_back(source: Path, data: Path, files: Files, progress: backups.Progress) -> None:
    """Copy the files of a backup into a data directory."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for n, name in enumerate(files):
        progress(FILES, n, len(files))
        target = data / name
        if name in BOOKS and target.exists():
            continue  # it may name keys that were destroyed since
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copied(source / FILES / name, target)


def put_store(source: Path, path: Path) -> None:
    """Copy the SQLite store of a backup to its place."""
    _copied(source / backups.STORE, path)


def check_keys(source: Path, data: Path) -> None:
    """Raises `CommandFailed` where there is no directory of keys, or they are another gateway's
    than those in the data directory, which would be lost under them. An admin key opens nothing
    that is kept, so an older one may take its place."""
    if not source.is_dir():
        raise CommandFailed(f"There are no keys in {source}.", code="not_found")
    if (source / UNFINISHED).exists():
        raise CommandFailed(
            f"The copy of keys in {source} was broken off: it is not whole.",
            hint="Nothing was changed. Take another copy.",
            code="damaged",
        )
    for path in _all(source):
        there = data / path.relative_to(source)
        if path.suffix not in _KEYS or there == admin_key_file(data) or not there.is_file():
            continue
        if _digest(there) != _digest(path):
            raise CommandFailed(
                f"{path} is another key than {there}, which nothing could bring back.",
                hint="Nothing was changed. Name the keys that go with this data directory, or "
                "move its own to a safe place first.",
                code="other_keys",
            )


def unsigned(source: Path, data: Path, keys: Path | None) -> str:
    """The key that signs a backup's evidence log, where its secret is neither among these keys
    nor in the data directory; empty where it is, or where there is no log."""
    try:
        lines = (source / FILES / "evidence" / "keys.jsonl").read_bytes().splitlines()
        key = str(json.loads(lines[-1])["body"]["key"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    places = [data] if keys is None else [data, keys]
    return "" if any((place / "evidence" / f"{key}.seed").is_file() for place in places) else key


def put_keys(source: Path, data: Path) -> int:
    """Copy keys into a data directory, over those that are there; how many there were."""
    return copy_keys(source, data)


def _all(data: Path) -> Iterator[Path]:
    for path in sorted(data.rglob("*")):
        inside = path.relative_to(data).parts
        if path.is_file() and inside[0] not in ("run", "aside"):
            yield path


def _data(data: Path) -> Iterator[Path]:
    stores = {RESTORING} | {
        name + end for name in _OURS for end in ("", "-wal", "-shm", "-journal")
    }
    for path in _all(data):
        name = path.relative_to(data).as_posix()
        if path.relative_to(data).parts[0] == "keys":
            continue
        if name not in stores and path.suffix not in (*_KEYS, ".lock"):
            yield path


def _copied(path: Path, target: Path) -> dict[str, Any]:
    """Copy at most what is there now, for its owner only.

    Raises `FileNotFoundError`, and leaves nothing then.
    """
    whole, size = hashlib.sha256(), 0
    draft = target.with_name(f".{target.name}.new")
    with path.open("rb") as source:
        now = os.fstat(source.fileno())
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as copy:
            left = now.st_size
            while left > 0 and (data := source.read(min(_CHUNK, left))):
                whole.update(data)
                size += copy.write(data)
                left -= len(data)
            copy.flush()
            os.fsync(copy.fileno())
    os.utime(draft, ns=(now.st_atime_ns, now.st_mtime_ns))
    draft.chmod(0o600)
    draft.replace(target)
    return {"bytes": size, "sha256": whole.hexdigest()}


def _digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def _same(path: Path, said: Any) -> None:
    try:
        good = _digest(path) == said
    except OSError:
        good = False
    if not good:
        raise CommandFailed(
            f"{path} is not what the backup says that it is.",
            hint="Nothing was changed. Take another copy of the backup.",
            code="damaged",
        )
