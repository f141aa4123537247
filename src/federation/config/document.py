"""YAML with its places: plain values, and for each of them the file and line it came from.

Not `yaml.safe_load`: that turns 2.50 into a float, `no` into False, 12:30 into 750, lets a
second key silently replace the first, and forgets every line number. Here a decimal stays
a `Decimal`, only `true` and `false` are booleans, a repeated key is a problem, and what
aliases may blow up to is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from federation.config.nodes import DEPTH_LIMIT, Broken, Mapping, Node, Scalar, Sequence, compose
from federation.errors import Problem

FILE_LIMIT = 1_048_576
NODE_LIMIT = 100_000

Value: TypeAlias = "bool | int | Decimal | str | list[Value] | dict[str, Value] | None"
Path_: TypeAlias = tuple["str | int", ...]

_NUMBER_LENGTH = 40
_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")) | {"!"}
_INT = re.compile(r"[-+]?[0-9](_?[0-9])*\Z|0x[0-9a-fA-F]+\Z|0o[0-7]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9](_?[0-9])*(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written: a file and line, or an environment variable (no line)."""

    where: str
    line: int | None = None


@dataclass(slots=True)
class Document:
    """A tree of values and the place of each path in it; `problems` if it could not be read."""

    name: str
    value: Value = None
    places: dict[Path_, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path_) -> Place:
        """Where `path`, or the nearest thing around it, was written."""
        for length in range(len(path), -1, -1):
            if (found := self.places.get(path[:length])) is not None:
                return found
        return Place(self.name)

    def enlist(self, path: Path_, key: str) -> None:
        """Turn the mapping at `path` into the list that it abbreviates, in place.

        `{acme: {...}}` becomes `[{key: acme, ...}]`; anything but a mapping stays as it is. A
        row that is no mapping keeps its value under the key "", to be judged by the caller.
        """
        found = self.at(path)
        if not isinstance(found, dict):
            return
        rows: list[Value] = [
            {key: word, **(row if isinstance(row, dict) else {} if row is None else {"": row})}
            for word, row in found.items()
        ]
        index: dict[str | int, int] = {word: at for at, word in enumerate(found)}
        depth = len(path)
        self.places = {
            (*path, index[old[depth]], *old[depth + 1 :])
            if len(old) > depth and old[:depth] == path
            else old: place
            for old, place in self.places.items()
        }
        self.put(path, rows)

    def at(self, path: Path_) -> Value:
        """The value at `path`, None where there is none."""
        here = self.value
        for part in path:
            if isinstance(here, dict) and isinstance(part, str):
                here = here.get(part)
            elif isinstance(here, list) and isinstance(part, int) and part < len(here):
                here = here[part]
            else:
                return None
        return here

    def put(self, path: Path_, value: Value, place: Place | None = None) -> None:
        """Set the value at `path`, making mappings on the way; `place` says who asked for it.

        Where a scalar stands in the way nothing is set: it will be refused for itself.
        """
        if place is not None:
            self.places[path] = place
        if not path:
            self.value = value
            return
        parent = self.at(path[:-1])
        if parent is None:
            parent = {}
            self.put(path[:-1], parent)
        if isinstance(parent, dict):
            parent[str(path[-1])] = value
        elif isinstance(parent, list) and isinstance(path[-1], int):
            parent[path[-1]] = value

    def problem(self, path: Path_, message: str) -> Problem:
        """A problem at the place of `path`."""
        place = self.place(path)
        return Problem(place.where, place.line, message)


def read(path: Path, name: str) -> Document:
    """The document at `path`; missing is empty, and whatever is wrong stands in `problems`."""
    try:
        if path.is_fifo():  # reading it would wait for a writer, maybe for ever
            return Document(name, problems=[Problem(name, None, "is a pipe, and should be a file")])
        data = path.read_bytes()
    except FileNotFoundError:
        return Document(name)
    except OSError as error:
        problem = Problem(name, None, f"cannot be read: {error.strerror}")
        return Document(name, problems=[problem])
    return parse(data, name)


def parse(data: bytes, name: str) -> Document:
    """The document in `data`; never raises for what an operator can get wrong."""
    document = Document(name)
    try:
        _fill(document, data)
    except Broken as error:
        document.value = None
        document.problems.append(Problem(name, error.line, error.message))
    return document


def _fill(document: Document, data: bytes) -> None:
    if len(data) > FILE_LIMIT:
        raise Broken(f"is larger than {FILE_LIMIT} bytes", None)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Broken("is not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
    root = compose(text)
    if root is not None:
        document.value = _Builder(document).build(root, ())


class _Builder:
    """Turns nodes into values; counts them, so that aliases cannot multiply without end."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._nodes = 0

    def build(self, node: Node, path: Path_) -> Value:
        line = node.line
        self._nodes += 1
        if self._nodes > NODE_LIMIT:
            raise Broken(
                f"has more than {NODE_LIMIT} values (each alias counts as what it stands for)", line
            )
        if len(path) > DEPTH_LIMIT:
            raise Broken(f"is nested more than {DEPTH_LIMIT} deep", line)
        self._document.places.setdefault(path, Place(self._document.name, line))
        if node.tag is not None and node.tag not in _TAGS:
            message = f"the tag '{node.tag}' is not read here: write the plain value"
            self._document.problems.append(self._document.problem(path, message))
            return None
        if isinstance(node, Scalar):
            return node.text if node.quoted else plain(node.text)
        if isinstance(node, Sequence):
            return [self.build(item, (*path, at)) for at, item in enumerate(node.items)]
        return self._mapping(node, path)

    def _mapping(self, node: Mapping, path: Path_) -> dict[str, Value]:
        result: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        for key_node, value_node in node.pairs:
            line = key_node.line
            if not isinstance(key_node, Scalar):
                raise Broken("a key must be a word", line)
            key = key_node.text
            if key == "<<" and not key_node.quoted:
                merged |= self._merge(value_node, path, line)
                continue
            here = (*path, key)
            if key in result:
                first = self._document.places[here].line
                message = f"the key '{key}' was already given in line {first}"
                self._document.problems.append(Problem(self._document.name, line, message))
                continue
            self._document.places[here] = Place(self._document.name, line)
            result[key] = self.build(value_node, here)
        return merged | result

    def _merge(self, node: Node, path: Path_, line: int) -> dict[str, Value]:
        parts = node.items if isinstance(node, Sequence) else [node]
        merged: dict[str, Value] = {}
        for part in reversed(parts):
            if not isinstance(part, Mapping):
                raise Broken("'<<' takes a mapping or a list of mappings", line)
            found = self.build(part, (*path, "<<"))
            if isinstance(found, dict):  # one with a tag is a problem already
                merged |= found
        return merged


def plain(text: str) -> bool | int | Decimal | str | None:
    """What an unquoted word means; a decimal number is a `Decimal`, exactly as written."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _NUMBER_LENGTH:
        return text
    if _INT.match(text):
        base = {"0x": 16, "0o": 8}.get(text[:2], 10)
        return int(text.replace("_", ""), base)
    if _FLOAT.match(text):
        return Decimal(text.replace("_", ""))
    return text
