"""Reads plain values strictly: what is not of the wanted form becomes a finding and a blank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeVar

from federation.resilience.playbook.model import Finding, Path

T = TypeVar("T")
_SHOWN = 80


class Form:
    """Collects what is wrong while the rest is read on."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def wrong(self, path: Path, message: str) -> None:
        """Note a fault of form."""
        self.findings.append(Finding("form", path, message))

    def mapping(self, path: Path, value: object, keys: Sequence[str] = ()) -> dict[str, Any]:
        """A mapping; with `keys` only these are known. Nothing stands for an empty one."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.wrong(path, f"'{path[-1]}' should be a mapping" if path else "is not a playbook")
            return {}
        for key in value:
            if keys and key not in keys:
                self.wrong((*path, str(key)), f"unknown key{near(str(key), keys)}")
        return {str(key): each for key, each in value.items() if not keys or key in keys}

    def items(self, path: Path, value: object) -> list[Any]:
        """A list; nothing stands for an empty one."""
        if value is None:
            return []
        if isinstance(value, list):
            return value
        self.wrong(path, f"'{path[-1]}' should be a list")
        return []

    def text(self, path: Path, value: object) -> str:
        """A text."""
        if isinstance(value, str):
            return value
        self.wrong(path, f"'{path[-1]}' should be text")
        return ""

    def flag(self, path: Path, value: object) -> bool:
        """True or false; nothing stands for false."""
        if value is None or isinstance(value, bool):
            return bool(value)
        self.wrong(path, f"'{path[-1]}' should be true or false")
        return False

    def number(self, path: Path, value: object) -> float:
        """A number that is not negative."""
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and value >= 0:
            return float(value)
        self.wrong(path, f"'{path[-1]}' should be a number of zero or more")
        return 0.0

    def count(self, path: Path, value: object) -> int:
        """A whole number that is not negative."""
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self.wrong(path, f"'{path[-1]}' should be a whole number")
        return 0

    def words(self, path: Path, value: object, *, again: bool = False) -> tuple[str, ...]:
        """A list of words; none of them twice but where they may come `again`."""
        found: list[str] = []
        for at, word in enumerate(self.items(path, value)):
            if not isinstance(word, str):
                self.wrong((*path, at), "should be a word")
            elif word in found and not again:
                self.findings.append(
                    Finding("duplicate", (*path, at), f"'{word[:_SHOWN]}' stands here twice")
                )
            else:
                found.append(word)
        return tuple(found)

    def terms(
        self, path: Path, value: object, read: Callable[[str], T | None], like: str
    ) -> tuple[T, ...]:
        """A list of terms of the small language."""
        found: list[T] = []
        for at, written in enumerate(self.items(path, value)):
            term = read(written) if isinstance(written, str) else None
            if term is None:
                self.wrong((*path, at), f"should be like '{like}'")
            else:
                found.append(term)
        return tuple(found)


def near(word: str, words: Sequence[str]) -> str:
    """` 'x'`, with the nearest known word where there is one."""
    found = get_close_matches(word, words, n=1, cutoff=0.6)
    return f" '{word[:_SHOWN]}'" + (f": did you mean '{found[0]}'?" if found else "")
