"""Asking for reasoning: the fields of the models' makers, to and from the canonical wish.

Converse itself only knows `outputConfig.effort`; everything else is a field of the model's
maker inside of `additionalModelRequestFields`, and the row says which (`reasoning_control`).

References: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.bedrock.wire import Thinks
from federation.dialects.losses import Losses
from federation.schema.chat import Reasoning

_LEVELS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
_BUDGETS: Final = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 65_536,
}
"""Tokens of thinking that an effort is worth, where a model takes a budget only."""
_LEAST: Final = 1024
_ADAPTIVE: Final = ("low", "medium", "high", "xhigh", "max")
_NOVA: Final = ("low", "medium", "high")


class Steering(msgspec.Struct):
    """What asks for the reasoning that a call wants."""

    extra: dict[str, Any] = {}
    """Members of `additionalModelRequestFields`."""
    effort: str = ""
    """`outputConfig.effort`."""
    thinking: bool = False
    """Thinking of a kind that excludes sampling parameters and forced tools is on."""


def steer(
    wish: Reasoning | None,
    thinks: Thinks,
    losses: Losses,
    *,
    own: bool,
    possible: bool,
    most: int | None,
) -> Steering:
    """What to send for a wish. `possible` is False where thinking excludes what else the call
    asks; `most` is the limit of the answer, which a budget must stay below."""
    if wish is None:
        return Steering()
    control = thinks.control or (_natural(wish) if own else "")
    if wish.is_off:
        return _off(control, thinks, losses)
    if wish.summary and control != "adaptive":
        losses.note("reasoning_summary")
    if not (wish.effort or wish.budget or wish.adaptive or wish.enabled):
        return Steering()
    if control in ("thinking", "budget", "adaptive") and not possible:
        losses.note("reasoning")
        return Steering(effort=_level(wish, thinks, _ADAPTIVE) if control == "adaptive" else "")
    steering = _on(control, wish, thinks, losses, None if own else most)
    if own and not steering.effort and control in ("thinking", "budget"):
        steering.effort = wish.effort
    return steering


def _on(
    control: str, wish: Reasoning, thinks: Thinks, losses: Losses, most: int | None
) -> Steering:
    match control:
        case "thinking" | "budget":
            return _budgeted(wish, losses, most)
        case "adaptive":
            return _adaptive(wish, thinks)
        case "effort":
            level = _level(wish, thinks, ())
            return Steering({"reasoning_effort": level} if level else {})
        case "reasoning_object":
            level = _level(wish, thinks, _NOVA) or "medium"
            return Steering({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}})
        case "enable_thinking" | "chat_template_kwargs":
            if wish.effort or wish.budget:
                losses.note("reasoning_effort" if wish.effort else "reasoning_budget")
            return Steering(_switch(control, on=True))
        case "output_effort":
            return Steering(effort=wish.effort)
    losses.note(_lost(wish))
    return Steering()


def _natural(wish: Reasoning) -> str:
    """The form in which a client of this dialect itself must have asked."""
    if wish.budget or wish.is_off:
        return "thinking"
    return "adaptive" if wish.adaptive else "output_effort" if wish.effort else ""


def _lost(wish: Reasoning) -> str:
    if wish.effort:
        return "reasoning_effort"
    return "reasoning_budget" if wish.budget else "reasoning"


def _off(control: str, thinks: Thinks, losses: Losses) -> Steering:
    if thinks.always:
        losses.note("reasoning_off")
        return Steering()
    match control:
        case "adaptive" | "thinking" | "budget":
            return Steering({"thinking": {"type": "disabled"}})
        case "effort":
            if thinks.none:
                return Steering({"reasoning_effort": thinks.none_value})
            losses.note("reasoning_off")
        case "reasoning_object":
            return Steering({"reasoningConfig": {"type": "disabled"}})
        case "enable_thinking" | "chat_template_kwargs":
            return Steering(_switch(control, on=False))
    return Steering()


def _switch(control: str, *, on: bool) -> dict[str, Any]:
    switch = {"enable_thinking": on}
    return {control: switch} if control == "chat_template_kwargs" else dict(switch)


def _budgeted(wish: Reasoning, losses: Losses, most: int | None) -> Steering:
    budget = max(wish.budget or _BUDGETS.get(wish.effort, _BUDGETS["medium"]), _LEAST)
    if most is not None and budget >= most:
        if most <= _LEAST:
            losses.note("reasoning")
            return Steering()
        budget = max(most // 2, _LEAST)
    return Steering({"thinking": {"type": "enabled", "budget_tokens": budget}}, thinking=True)


def _adaptive(wish: Reasoning, thinks: Thinks) -> Steering:
    thinking = {"type": "adaptive"}
    if wish.show is not None or wish.summary:
        thinking["display"] = "omitted" if wish.show is False else "summarized"
    return Steering({"thinking": thinking}, _level(wish, thinks, _ADAPTIVE), thinking=True)


def _level(wish: Reasoning, thinks: Thinks, usual: tuple[str, ...]) -> str:
    """The accepted level that is nearest to what is asked, in the row's words."""
    level = wish.effort or (_worth(wish.budget) if wish.budget else "")
    allowed = thinks.levels or usual
    if level and allowed and level not in allowed and level in _LEVELS:
        place = _LEVELS.index(level)
        known = [name for name in allowed if name in _LEVELS]
        if known:
            level = min(known, key=lambda name: (abs(_LEVELS.index(name) - place), name))
    return thinks.rename.get(level, level)


def _worth(budget: int) -> str:
    return next((level for level, tokens in _BUDGETS.items() if budget <= tokens), "max")


class _Thinking(msgspec.Struct):
    type: str | None = None
    budget_tokens: int | None = None
    display: str | None = None


class _Nova(msgspec.Struct, rename="camel"):
    type: str | None = None
    max_reasoning_effort: str | None = None


class _Output(msgspec.Struct):
    effort: str | None = None


_THINKING: Final = msgspec.json.Decoder(_Thinking | None)
_NOVA_CONFIG: Final = msgspec.json.Decoder(_Nova | None)
_OUTPUT: Final = msgspec.json.Decoder(_Output | None)
_TEXT: Final = msgspec.json.Decoder(str | None)


def read_wish(effort: str, extra: dict[str, Raw]) -> Reasoning | None:
    """The wish in a client's fields. What has a place in the canonical form is taken out of
    `extra`; the words of single makers stay in it too, for their own models.

    Raises `msgspec.ValidationError`.
    """
    asked: dict[str, Any] = {"effort": effort} if effort else {}
    thinking = extra.pop("thinking", None) or extra.pop("reasoning_config", None)
    found = _THINKING.decode(thinking) if thinking is not None else None
    if found is not None:
        asked |= _read_thinking(found)
    if "output_config" in extra and (output := _OUTPUT.decode(extra["output_config"])):
        asked["effort"] = output.effort or effort
    if "reasoning_effort" in extra and (level := _TEXT.decode(extra["reasoning_effort"])):
        asked["effort"] = level
    if "reasoningConfig" in extra and (nova := _NOVA_CONFIG.decode(extra["reasoningConfig"])):
        asked["enabled"] = nova.type == "enabled"
        asked["effort"] = nova.max_reasoning_effort or asked.get("effort", "")
    return Reasoning(**asked) if asked else None


def _read_thinking(found: _Thinking) -> dict[str, Any]:
    asked: dict[str, Any] = {"enabled": found.type != "disabled"}
    if found.type == "adaptive":
        asked["adaptive"] = True
    if found.budget_tokens is not None:
        asked["budget"] = found.budget_tokens
    if found.display is not None:
        asked["show"] = found.display != "omitted"
    return asked
