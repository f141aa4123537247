"""YAML text to bare nodes with their lines, under a limit on depth.

PyYAML's own composer recurses without one: in its C form half a million opening brackets
end the process. Its events come from a parser with a stack of its own and are safe to read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

try:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]
except ImportError:  # PyYAML built without libyaml: the same events, more slowly
    from yaml import SafeLoader as _Parser  # type: ignore[assignment]

DEPTH_LIMIT = 32


class Broken(Exception):
    """The document cannot be used at all; carries the line."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word; `quoted` where it is meant as text whatever it looks like."""

    line: int
    tag: str | None
    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    tag: str | None
    items: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Pairs as written, repeated keys included."""

    line: int
    tag: str | None
    pairs: list[tuple[Node, Node]] = field(default_factory=list)


Node: TypeAlias = Scalar | Sequence | Mapping


def compose(text: str) -> Node | None:
    """The root of the only document in `text`, None where it is empty.

    An alias is the very node of its anchor, so the result may hold circles. Raises `Broken`.
    """
    try:
        parser = _Parser(text)
        try:
            return _Composer(parser).document()
        finally:
            parser.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "is not YAML"
        raise Broken(f"is not YAML: {what}", mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise Broken(f"is not YAML: {str(error).splitlines()[0]}", None) from None


class _Composer:
    def __init__(self, parser: Any) -> None:
        self._next = parser.get_event
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node | None:
        self._next()  # the stream's start
        if isinstance(self._next(), StreamEndEvent):
            return None
        node = self._node(self._next(), 0)
        self._next()  # the document's end
        last = self._next()
        if not isinstance(last, StreamEndEvent):
            raise Broken("holds more than one document", last.start_mark.line + 1)
        return node

    def _node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise Broken(f"is not YAML: nothing is anchored as '{event.anchor}'", line)
            return self._anchors[event.anchor]
        if depth > DEPTH_LIMIT:
            raise Broken(f"is nested more than {DEPTH_LIMIT} deep", line)
        if isinstance(event, ScalarEvent):
            quoted = bool(event.style) or event.tag is not None
            return self._anchored(event, Scalar(line, event.tag, event.value, quoted))
        if isinstance(event, SequenceStartEvent):
            sequence = Sequence(line, event.tag)
            self._anchored(event, sequence)
            while not isinstance(item := self._next(), SequenceEndEvent):
                sequence.items.append(self._node(item, depth + 1))
            return sequence
        mapping = Mapping(line, event.tag)
        self._anchored(event, mapping)
        while not isinstance(key := self._next(), MappingEndEvent):
            pair = (self._node(key, depth + 1), self._node(self._next(), depth + 1))
            mapping.pairs.append(pair)
        return mapping

    def _anchored(self, event: Any, node: Node) -> Node:
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node
