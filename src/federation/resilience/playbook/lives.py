"""What a virtual world keeps of each deployment, and of the call that goes through it."""

from __future__ import annotations

from federation.errors import UpstreamError
from federation.resilience.circuit import Circuit
from federation.resilience.playbook.model import Station, Turn
from federation.resilience.playbook.replies import ANSWER, REPLIES, Reply
from federation.resilience.playbook.stepping import Chart, Machine
from federation.resilience.recovery import Tries

_ATTEMPTS = 6


class Life:
    """One deployment of the world, and the machine that stands for it."""

    def __init__(self, station: Station, chart: Chart) -> None:
        self.station = station
        self.machine = Machine(chart)
        self.script: list[str] = []
        self.listed = False
        self.monitored = False
        self.degraded = False
        self.circuit = Circuit.CLOSED
        """What the actions say; the board has its own mind."""
        self.opened_s = 0.0
        self.owed = 0
        """Parts in calls that are not settled."""

    def reply(self) -> Reply:
        """The next word of the script, else what it always does."""
        word = self.script.pop(0) if self.script else self.station.fault or ANSWER
        return REPLIES[word]


class Part:
    """The present call, as far as it has come."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.tries = Tries(_ATTEMPTS)
        self.attempts = 0
        self.eligible = True
        self.last = False
        self.begun = False
        self.reply: Reply | None = None
        self.error: UpstreamError | None = None
        self.probe = False
        self.started_s = 0.0
        self.result = ""
        """answered | next | failed | broken | refused | passed"""
        self.by = ""
