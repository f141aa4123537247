"""Finds files beside the configuration that look as if they belonged to it, and are not read.

They have another ending, or lie in another place. The trap: a file that is silently ignored may
hold a rule, so such files are refused, as a misspelled key is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from federation.errors import Problem

_STEMS: Final = ("federation", "providers")
_ENDINGS: Final = (".yml", ".json")
_POLICIES: Final = ("policies", "policy")
_FOLDERS: Final = ("providers", "policies/tests")


def strays(config_dir: Path) -> list[Path]:
    """Those files, in the order of their names. Never raises."""
    return [path for path, _ in _found(config_dir)]


def check(config_dir: Path, named: Iterable[Path], problems: list[Problem]) -> None:
    """Add what to do with each of them to `problems`, save for those that a variable names."""
    known = {path.resolve() for path in named}
    for path, message in _found(config_dir):
        if path.resolve() not in known:
            problems.append(Problem(str(path), None, message))


def _found(config_dir: Path) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    for path in _entries(config_dir):
        stem, ending = path.stem.lower(), path.suffix.lower()
        if stem in _STEMS and ending in _ENDINGS:
            found.append((path, f"is not read: name it {stem}.yaml"))
        elif stem in _POLICIES and ending in (".yaml", *_ENDINGS):
            found.append((path, "is not read: put it into the directory 'policies'"))
    for folder in _FOLDERS:
        found += [
            (path, "is not read: name it *.yaml")
            for path in _entries(config_dir / folder)
            if path.suffix.lower() in (".yaml", *_ENDINGS) and path.suffix != ".yaml"
        ]
    return found


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_file())
    except OSError:
        return []
