"""Says how much to reason in the words that a row accepts.

A budget of tokens has no field here, so it becomes the effort that comes nearest. A level
that the row does not list becomes the next one, upward where two are as near: less thinking
than asked for is the worse surprise.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.losses import Losses
from federation.dialects.openai.row import Row
from federation.dialects.openai.words import EFFORTS
from federation.schema.chat import Reasoning

_BUDGETS: Final = ((1024, "low"), (8192, "medium"))
_LOWEST: Final = "low"
"""An effort that every reasoning model takes."""


def effort_of(reasoning: Reasoning, row: Row, losses: Losses) -> str:
    """The effort to send; empty where the provider's default serves."""
    if reasoning.is_off:
        return _none(row, losses)
    effort = reasoning.effort
    if not effort and reasoning.budget is not None:
        losses.note("reasoning_budget", "reasoning")
        effort = next((word for most, word in _BUDGETS if reasoning.budget <= most), "high")
    if not effort:
        return ""
    if row.levels and effort not in row.levels:
        losses.note("reasoning_effort", "reasoning.effort")
        effort = _nearest(effort, row.levels)
    return _spelled(effort, row)


def _none(row: Row, losses: Losses) -> str:
    if row.always_on or not row.effort_none or row.none_value is None:
        losses.note("reasoning_off", "reasoning.effort")
        lowest = min(row.levels, key=_rank) if row.levels else _LOWEST
        return _spelled(lowest, row)
    return _spelled(row.none_value or "none", row)


def _nearest(effort: str, levels: tuple[str, ...]) -> str:
    wanted = _rank(effort)
    return min(levels, key=lambda level: (abs(_rank(level) - wanted), -_rank(level)))


def _rank(effort: str) -> int:
    return EFFORTS.get(effort, EFFORTS["medium"])


def _spelled(effort: str, row: Row) -> str:
    word = row.effort_rename.get(effort, effort)
    return word.upper() if row.effort_upper else word
