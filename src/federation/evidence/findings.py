"""What a verification may find, in words that an auditor can act on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    `kind` is a stable word: edited | inserted | deleted | swapped | duplicated | renumbered |
    link_altered | replaced | unreadable | truncated | gap | root | signature | forged | chain |
    fork | rolled_back | keys | index | anchor; over several logs also missing | witness |
    answered_twice | ledger.
    """

    kind: str
    message: str
    record: int | None = None
    """The place in the log of the first bad record."""
    until: int | None = None
    """Where only a stretch can be named: the place after its last."""
    checkpoint: int | None = None
    writer: str = ""
    seq: int = 0
    log: str = ""
    """Which of several logs, by the name under which it was given."""


@dataclass(slots=True)
class Report:
    """What was verified, and what was found."""

    log: str = ""
    records: int = 0
    checkpoints: int = 0
    keys: int = 0
    anchors: int = 0
    """Checkpoints kept elsewhere that it was held against."""
    set_aside: int = 0
    """Checkpoints that were kept elsewhere, or that others hold, past its end and past the time
    that is judged."""
    root: str = ""
    first_ms: int = 0
    """The times of the first and last checkpoint."""
    last_ms: int = 0
    longest_silence_ms: int = 0
    """Between two checkpoints."""
    witnessed: int = 0
    """Of its checkpoints, those that other logs hold; as often as they do."""
    closed: bool = False
    """Whether its gateway was told to stop, and did not start again; known of several logs."""
    calls: int = 0
    """Of the store, where that was compared: those that say in every column what was recorded."""
    behind: int = 0
    """Records of calls that the store had not taken in yet."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
