"""How much a model is to think, in the two ways in which this language says it.

Claude 4.5 and older take `thinking: {enabled, budget_tokens}`; newer ones take
`thinking: {adaptive}` with `output_config.effort`, think even when nothing is said, and some
cannot stop. The rules that would otherwise be a 400: a budget is at least 1024 and below
`max_tokens`; no forced tool beside thinking; with a budget, the turn whose tool calls are
being answered must begin with its thinking (adaptive thinking does not ask for that).

Reference: https://platform.claude.com/docs/en/build-with-claude/extended-thinking,
https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking,
https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from federation.dialects.anthropic.tables import (
    EFFORT_BUDGETS,
    EFFORTS,
    LEAST_BUDGET,
    LEAST_ROOM,
    NAME,
    budget_effort,
)
from federation.dialects.anthropic.wire import Wire
from federation.dialects.losses import Losses
from federation.domain.catalogue import Ability
from federation.schema.chat import ChatRequest, Reasoning

_RANK: Final = {effort: place for place, effort in enumerate(("minimal", *EFFORTS))}
_NOTHING: Final = Reasoning()


class Plan(msgspec.Struct, frozen=True):
    """What goes into the body, and whether the model will think."""

    thinking: dict[str, Any] | None = None
    effort: str = ""
    max_tokens: int = 0
    thinks: bool = False


def plan(wire: Wire, request: ChatRequest, losses: Losses, *, forced: bool, complete: bool) -> Plan:
    """Decide the thinking of a call. `forced`: a tool must be called, or the caller began
    the answer. `complete`: the turn
    whose tool calls are being answered, if any, begins with its thinking."""
    limit = output_limit(wire, request)
    wish = request.reasoning or _NOTHING
    if wish.is_off:
        return _off(wire, request, losses, limit)
    if not _is_asked(wish):
        return Plan(max_tokens=limit, thinks=wire.always_thinks)
    if not wire.can(Ability.REASONING):
        losses.note("reasoning", "reasoning")
        return Plan(max_tokens=limit)
    if wire.adaptive:
        return _adaptive(wire, request, wish, losses, limit, forced=forced)
    if request.dialect == NAME and wish.enabled is None:
        losses.note("reasoning_effort", "output_config.effort")
        return Plan(max_tokens=limit)
    if forced:
        losses.note("reasoning", "reasoning")
        return Plan(max_tokens=limit)
    if not complete:
        losses.note("thinking_state", "messages")
        return Plan(max_tokens=limit)
    return _budget(request, wish, losses, limit)


def output_limit(wire: Wire, request: ChatRequest) -> int:
    """`max_tokens`, which the vendor requires: the call's, or else the row's default; never
    more than the model can give, which the vendor would refuse."""
    wanted = request.max_output if request.max_output is not None else wire.default_output
    return min(wanted, wire.most_output) if wire.most_output else wanted


def _is_asked(wish: Reasoning) -> bool:
    return wish.enabled is True or wish.adaptive or bool(wish.effort) or wish.budget is not None


def _off(wire: Wire, request: ChatRequest, losses: Losses, limit: int) -> Plan:
    own = request.dialect == NAME
    effort = request.reasoning.effort if own and request.reasoning else ""
    if own and wire.adaptive and "thinking" in request.extra:
        # A word of the client's own model, such as `between_tools`, goes on as it is.
        return Plan({"type": wire.off}, _level(wire, effort) if effort else "", limit)
    if wire.always_thinks and wire.off == "disabled":
        losses.note("reasoning_off", "reasoning")
        return Plan(effort=_least(wire), max_tokens=limit, thinks=True)
    if wire.adaptive:
        return Plan({"type": wire.off}, _level(wire, effort) if effort else "", limit)
    return Plan({"type": "disabled"} if own else None, max_tokens=limit)


def _adaptive(
    wire: Wire, request: ChatRequest, wish: Reasoning, losses: Losses, limit: int, *, forced: bool
) -> Plan:
    effort = wish.effort
    if not effort and wish.budget is not None:
        effort = budget_effort(wish.budget)
    if wish.budget is not None:
        losses.note("reasoning_budget", "reasoning")
    level = _level(wire, effort) if effort else ""
    if request.dialect == NAME and wish.enabled is None:
        return Plan(effort=level, max_tokens=limit, thinks=wire.always_thinks)
    if forced and not wire.always_thinks:
        losses.note("reasoning", "reasoning")
        return Plan({"type": "disabled"}, "", limit)
    thinking = {"type": "adaptive"}
    # The newest models leave the text out unless asked, and a client of another dialect that
    # asks for reasoning has no word for showing it.
    shown = _shown(wish) or ("" if request.dialect == NAME else "summarized")
    if shown:
        thinking["display"] = shown
    return Plan(thinking, level, limit, True)


def _budget(request: ChatRequest, wish: Reasoning, losses: Losses, limit: int) -> Plan:
    own = request.dialect == NAME
    if own and wish.effort:
        losses.note("reasoning_effort", "output_config.effort")
    budget = wish.budget
    if budget is None:
        budget = EFFORT_BUDGETS.get(wish.effort or "high", EFFORT_BUDGETS["high"])
    # Both dialects count thinking against the limit, so the limit stays what the client said
    # (money was reserved for it) and the budget shrinks below it.
    room = min(LEAST_ROOM, limit // 4)
    budget = min(max(budget, LEAST_BUDGET), limit - room)
    if budget < LEAST_BUDGET:
        losses.note("reasoning", "reasoning")
        return Plan(max_tokens=limit)
    thinking: dict[str, Any] = {"type": "enabled", "budget_tokens": budget}
    if own and _shown(wish):
        thinking["display"] = _shown(wish)
    return Plan(thinking, "", limit, True)


def _shown(wish: Reasoning) -> str:
    if wish.show is None:
        return "summarized" if wish.summary else ""
    return "summarized" if wish.show else "omitted"


def _level(wire: Wire, effort: str) -> str:
    """The effort that the row takes: the asked one, or the nearest that is not above it."""
    if effort in wire.efforts or not wire.efforts:
        return effort
    rank = _RANK.get(effort, _RANK["high"])
    levels = sorted(wire.efforts, key=lambda level: _RANK.get(level, 0))
    below = [level for level in levels if _RANK.get(level, 0) <= rank]
    return below[-1] if below else levels[0]


def _least(wire: Wire) -> str:
    return min(wire.efforts, key=lambda level: _RANK.get(level, 0)) if wire.efforts else ""
