"""Files with checkpoints that were kept elsewhere, as they come back from there.

The trap: an anchor alone tells an older copy from the log of today, so a file without one must
not be taken for one that agrees. A log server puts a head before each line, and lines of other
programs between them: those are counted. What looks like ours and cannot be read is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from federation.cli.audit_files import shown
from federation.cli.failures import CommandFailed, Exit, why
from federation.evidence.checkpoints import BadCheckpoint, read_checkpoint
from federation.evidence.findings import Finding

_START = b'{"body":{"log":"'
_OURS = re.compile(
    rb'"body\\*"\s*:\s*\{\s*\\*"log\\*"|federation [0-9]+ checkpoint -|'
    rb'"(?:root|previous|runs)\\*"\s*:\s*\\*"[0-9a-f]{64}.*"(?:root|previous|runs|signature)\\*"\s*:'
)
"""What no other program writes: parts of a checkpoint, escaped or not, and the syslog head."""


@dataclass(slots=True)
class Anchors:
    """What files that were named as anchors hold."""

    lines: list[bytes] = field(default_factory=list)
    """Checkpoints, in their own form; whether they were signed is not said by that."""
    findings: list[Finding] = field(default_factory=list)
    """Lines that should be checkpoints and are none."""
    strange: dict[str, int] = field(default_factory=dict)
    """How many lines of a file are something else; of those files that have any."""


def read_anchors(paths: Iterable[Path]) -> Anchors:
    """The checkpoints in these files. Raises `CommandFailed` for one that cannot be read, and for
    one in which there is none."""
    anchors = Anchors()
    for path in paths:
        before = len(anchors.lines) + len(anchors.findings)
        try:
            text = path.read_bytes()
        except OSError as error:
            raise _unusable(f"{shown(path)} cannot be read: {why(error)}.") from error
        for n, line in enumerate(text.splitlines(), 1):
            _take(anchors, shown(path), n, line.rstrip())
        if len(anchors.lines) + len(anchors.findings) == before:
            raise _unusable(f"{shown(path)} holds no anchor: none of its lines is a checkpoint.")
    return anchors


def strange_lines(strange: Mapping[str, int]) -> list[str]:
    """A sentence for each file with lines that are something else."""
    return [
        f"{count} {'line' if count == 1 else 'lines'} of {name} {'is' if count == 1 else 'are'} "
        f"no {'anchor' if count == 1 else 'anchors'}."
        for name, count in strange.items()
    ]


def _take(anchors: Anchors, name: str, n: int, line: bytes) -> None:
    start = line.find(_START)
    if not line or (start < 0 and not _OURS.search(line)):
        if line:
            anchors.strange[name] = anchors.strange.get(name, 0) + 1
        return
    try:
        if start < 0:
            raise BadCheckpoint("not the form of a checkpoint")
        read_checkpoint(line[start:])
    except BadCheckpoint as error:
        message = f"Line {n} of {name} looks like a checkpoint and cannot be read ({error})."
        anchors.findings.append(Finding("anchor", message))
        return
    anchors.lines.append(line[start:])


def _unusable(message: str) -> CommandFailed:
    return CommandFailed(
        message,
        hint="An anchor is a file with the lines that `file:` or `syslog:` anchors got, or the "
        "objects of a bucket one after the other; `federation audit checkpoint` shows such a line.",
        code="usage",
        exit_code=Exit.USAGE,
    )
