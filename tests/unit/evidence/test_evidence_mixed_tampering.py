"""Several things done to one export at once: something is found, and both verifiers find the same.

A table of single forgeries says nothing of two that hide each other: a checkpoint that is cut off
with its records, a block that is moved and numbered anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from evidence_world import Export, World
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.evidence.verify import Verification
from federation_verify.log import Log

Lines = list[bytes]
At = tuple[int, int, int]
"""A line, another one, and a number for whatever is done to it."""


def flip(lines: Lines, at: At) -> None:
    line = bytearray(lines[at[0]])
    line[at[2] % len(line)] ^= 1 << at[2] % 8
    lines[at[0]] = bytes(line)


def drop(lines: Lines, at: At) -> None:
    del lines[at[0]]


def cut_off(lines: Lines, at: At) -> None:
    del lines[-1 - at[2] % len(lines) :]


def repeat(lines: Lines, at: At) -> None:
    lines.insert(at[1], lines[at[0]])


def move_block(lines: Lines, at: At) -> None:
    block = lines[at[0] : at[0] + 1 + at[2] % 8]
    del lines[at[0] : at[0] + len(block)]
    lines[at[1] : at[1]] = block


def cut_line(lines: Lines, at: At) -> None:
    lines[at[0]] = lines[at[0]][: at[2] % len(lines[at[0]])]


def join(lines: Lines, at: At) -> None:
    lines[at[0] : at[0] + 2] = [b"".join(lines[at[0] : at[0] + 2]).replace(b"\n", b"", 1)]


def blank(lines: Lines, at: At) -> None:
    lines.insert(at[0], b"\n")


def pad(lines: Lines, at: At) -> None:
    lines[at[0]] = lines[at[0]].replace(b":", b": ", 1)


def turn_letters(lines: Lines, at: At) -> None:
    lines[at[0]] = lines[at[0]].swapcase()


DEEDS: tuple[Callable[[Lines, At], None], ...] = (
    *(flip, drop, cut_off, repeat, move_block),
    *(cut_line, join, blank, pad, turn_letters),
)
NUMBERS = st.integers(0, 10_000)
CHANGES = st.tuples(st.sampled_from(DEEDS), st.booleans(), NUMBERS, NUMBERS, NUMBERS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Export]:
    world = World(tmp_path_factory.mktemp("mixed"))
    world.fill().close()
    yield world.export()
    world.close()


def said(export: Export) -> tuple[bytes, bytes]:
    """All of it, but for the line feed behind the last line: a line says the same without it."""
    entries, checkpoints = b"".join(export.entries), b"".join(export.checkpoints)
    return entries.removesuffix(b"\n"), checkpoints.removesuffix(b"\n")


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(CHANGES, min_size=1, max_size=4), renumbered=st.booleans())
def test_whatever_is_done_together_something_is_found(
    whole: Export,
    changes: list[tuple[Callable[[Lines, At], None], bool, int, int, int]],
    renumbered: bool,
) -> None:
    export = whole.copy()
    for deed, of_records, *numbers in changes:
        lines = export.entries if of_records else export.checkpoints
        if lines:
            deed(lines, (numbers[0] % len(lines), numbers[1] % len(lines), numbers[2]))
            # As they come out of a file again.
            lines[:] = re.findall(rb"[^\n]*\n|[^\n]+", b"".join(lines))
    if renumbered:
        export.renumber()
    anchors = whole.anchors()
    report = Verification(export.trusted, export.keys).run(
        export.checkpoints, export.entries, anchors
    )
    theirs = Log().verify(export.trusted, export.keys, export.checkpoints, export.entries, anchors)
    ours = [(found.kind, found.record) for found in report.findings]
    assert [(problem.kind, problem.record) for problem in theirs] == ours
    assert bool(ours) is (said(export) != said(whole))
