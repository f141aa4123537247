"""Files with checkpoints that were kept elsewhere.

A log server puts a head before each line, and lines of other programs between them: those are
counted. A file without any checkpoint is no anchor, and must not be taken for one that agrees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from federation_verify.checkpoint import FORM
from federation_verify.problem import Problem, Unusable, shown

START = b'{"body":{"log":"'
OURS = re.compile(
    rb'"body\\*"\s*:\s*\{\s*\\*"log\\*"|federation [0-9]+ checkpoint -|'
    rb'"(?:root|previous|runs)\\*"\s*:\s*\\*"[0-9a-f]{64}.*"(?:root|previous|runs|signature)\\*"\s*:'
)
"""Parts of a checkpoint, escaped or not, and the head with which one goes to a log server."""


class Anchors:
    """What the files that were named hold."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        """Checkpoints, by their form only."""
        self.problems: list[Problem] = []
        """Lines that should be checkpoints and are none."""
        self.strange: dict[str, int] = {}
        """How many lines of a file are something else; of those files that have any."""

    def read(self, paths: Iterable[Path]) -> Anchors:
        """Take files in. Raises `Unusable` for one that holds no anchor."""
        for path in paths:
            before = len(self.lines) + len(self.problems)
            try:
                lines = path.read_bytes().splitlines()
            except OSError as error:
                raise Unusable(f"{shown(path)} cannot be read: {error.strerror}") from None
            for n, line in enumerate(lines, 1):
                self._take(shown(path), n, line.rstrip())
            if len(self.lines) + len(self.problems) == before:
                message = f"{shown(path)} holds no anchor: none of its lines is a checkpoint"
                raise Unusable(message)
        return self

    def _take(self, name: str, n: int, line: bytes) -> None:
        start = line.find(START)
        if start >= 0 and FORM.fullmatch(line, start):
            self.lines.append(line[start:])
        elif start >= 0 or OURS.search(line):
            message = f"Line {n} of {name} looks like a checkpoint, and is not in the form of one."
            self.problems.append(Problem("anchor", message))
        elif line:
            self.strange[name] = self.strange.get(name, 0) + 1
