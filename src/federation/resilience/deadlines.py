"""How long each phase of an attempt may take: from what operators set, and what was measured.

What a route or a provider's row says holds. Where they say nothing, silence is not waited out
as long as there is another candidate to turn to. A client may only shorten a deadline, and only
that of the whole call.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.domain.routes import LONGEST_S, Deadlines
from federation.schema.http import Timeouts

CONNECT_S = 5.0
PATIENT_S = 120.0
"""For a first token or the next where nobody else can be asked, and for a model that thinks."""
FIRST_TOKEN_S = 10.0
IDLE_S = 15.0
WHOLE_S = 30.0
SURE_S = 2.0
"""Less silence than this is nobody's failure where the client is in a hurry."""
_TIMES = 3.0
SHORT_S = WHOLE_S / _TIMES
"""A whole answer predicted to take less gets `WHOLE_S`."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What is known of an attempt before it is made."""

    stream: bool
    others: bool
    """Another candidate is left."""
    thinks: bool
    """The model may think in silence before it answers."""
    p99_first_s: float
    """The slowest hundredth of times to the first token; 0 where nothing was measured."""
    expected_s: float
    """The predicted time to the last token."""
    left_s: float
    """What the client still waits."""


def deadlines(said: Deadlines, prospect: Prospect) -> Timeouts:
    """The deadlines of one attempt."""
    whole_s = _or(said.total_s, _whole_s(prospect))
    whole_s = min(whole_s, LONGEST_S, prospect.left_s)
    if prospect.stream:
        first_s = _or(said.first_token_s, _first_s(prospect))
        idle_s = _or(said.idle_s, _idle_s(prospect))
    else:
        # The head of a whole answer comes with its body: only who says so has it hurry.
        first_s = _or(said.first_token_s, whole_s)
        idle_s = _or(said.idle_s, whole_s)
    return Timeouts(
        _or(said.connect_s, CONNECT_S), min(first_s, whole_s), min(idle_s, whole_s), whole_s
    )


def due_s(prospect: Prospect, slowest_s: float) -> float:
    """How long a deployment may take for what tells that it is well, the beginning of a stream or
    a whole answer, before its silence is no longer only its client's haste.

    `slowest_s`: the slowest hundredth of what it took lately; 0 where nothing was measured, or it
    answers others meanwhile, and then it has as long as if nobody were in a hurry. The trap: were
    that so where it was quick and answers nobody, a dead one would keep the calls of all who wait
    for less, and none would end it.
    """
    if slowest_s > 0.0:
        return max(SURE_S, _TIMES * slowest_s)
    return _first_s(prospect) if prospect.stream else _whole_s(prospect)


def _or(said: float | None, otherwise: float) -> float:
    return said if said is not None else otherwise


def _whole_s(prospect: Prospect) -> float:
    if prospect.stream or not prospect.others:
        return LONGEST_S
    return max(WHOLE_S, _TIMES * prospect.expected_s)


def _first_s(prospect: Prospect) -> float:
    if prospect.thinks or not prospect.others:
        return PATIENT_S
    return max(FIRST_TOKEN_S, _TIMES * prospect.p99_first_s)


def _idle_s(prospect: Prospect) -> float:
    return PATIENT_S if prospect.thinks or not prospect.others else IDLE_S
