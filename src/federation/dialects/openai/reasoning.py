"""How much a model is to think: the vendor's `reasoning_effort` and the hosts' own words.

What a client says in any of these words is read into `chat.Reasoning`. What a row takes is
written in its one way, `reasoning_control`:

    effort                reasoning_effort: word
    thinking              thinking: {type: enabled | disabled}
    enable_thinking       enable_thinking: bool, thinking_budget: tokens
    reasoning_object      reasoning: {effort | max_tokens | enabled, exclude}
    adaptive              thinking: {type: adaptive | disabled}, output_config: {effort}
    budget                thinking: {type: enabled, budget_tokens} | {type: disabled}
    chat_template_kwargs  chat_template_kwargs: {enable_thinking, thinking, reasoning_effort}

An effort that the row does not take goes as the nearest one that it does.

References: https://openrouter.ai/docs/use-cases/reasoning-tokens,
https://api-docs.deepseek.com/guides/thinking_mode,
https://www.alibabacloud.com/help/en/model-studio/deep-thinking
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.losses import Losses
from federation.dialects.openai.row import Row
from federation.dialects.openai.words import EFFORTS
from federation.schema.chat import Reasoning
from federation.schema.parts import Fields

_NULL: Final = Raw(b"null")
_STEPS: Final = ((1, "none"), (2048, "low"), (12_288, "medium"))
"""Below so many tokens a limit means this effort; the hosts give none of their own."""
_BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384}
_LARGE: Final = 32_768
_FALLBACK: Final = "low"
"""Every model that reasons takes it."""


class _Object(msgspec.Struct):
    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    summary: str | None = None


class _Thinking(msgspec.Struct):
    type: str | None = None
    budget_tokens: int | None = None


class _Template(msgspec.Struct):
    enable_thinking: bool | None = None
    thinking: bool | None = None
    reasoning_effort: str | None = None
    thinking_budget: int | None = None


_OBJECT: Final = msgspec.json.Decoder(_Object | None)
_THINKING: Final = msgspec.json.Decoder(_Thinking | str | bool | None)
_TEMPLATE: Final = msgspec.json.Decoder(_Template | None)
_SWITCH: Final = msgspec.json.Decoder(bool | str | None)
_TOKENS: Final = msgspec.json.Decoder(int | None)


def read_reasoning(effort: str, words: Fields) -> Reasoning | None:
    """What a client asks, from `reasoning_effort` and the hosts' words among its extras.

    The words are hosts' own, so one of another type than ours is left to its host.
    """
    said: dict[str, Any] = {}
    for name, read in _READERS.items():
        raw = words.get(name, _NULL)
        if raw != _NULL:
            try:
                read(raw, said)
            except msgspec.DecodeError:
                continue
    if effort:
        said["effort"] = effort
    if not said:
        return None
    if said.get("effort") == "none" or said.get("budget") == 0:
        said["enabled"] = False
    return Reasoning(**said)


def _keep(said: dict[str, Any], **found: Any) -> None:
    said.update({name: value for name, value in found.items() if value is not None})


def _read_object(raw: Raw, said: dict[str, Any]) -> None:
    found = _OBJECT.decode(raw)
    if found is not None:
        show = None if found.exclude is None else not found.exclude
        _keep(
            said,
            effort=found.effort,
            budget=found.max_tokens,
            enabled=found.enabled,
            show=show,
            summary=found.summary,
        )


def _read_thinking(raw: Raw, said: dict[str, Any]) -> None:
    found = _THINKING.decode(raw)
    if isinstance(found, bool):
        said["enabled"] = found
    elif isinstance(found, str):
        if found in EFFORTS:
            said["effort"] = found
    elif found is not None:
        if found.type in ("adaptive", "auto"):
            said["adaptive"] = True
        elif found.type in ("enabled", "disabled"):
            said["enabled"] = found.type == "enabled"
        _keep(said, budget=found.budget_tokens)


def _read_template(raw: Raw, said: dict[str, Any]) -> None:
    found = _TEMPLATE.decode(raw)
    if found is not None:
        enabled = found.thinking if found.enable_thinking is None else found.enable_thinking
        _keep(said, enabled=enabled, effort=found.reasoning_effort, budget=found.thinking_budget)


def _read_switch(raw: Raw, said: dict[str, Any]) -> None:
    found = _SWITCH.decode(raw)
    if isinstance(found, bool):
        said["enabled"] = found


def _read_budget(raw: Raw, said: dict[str, Any]) -> None:
    _keep(said, budget=_TOKENS.decode(raw))


def _read_include(raw: Raw, said: dict[str, Any]) -> None:
    found = _SWITCH.decode(raw)
    if isinstance(found, bool):
        said["show"] = found


_READERS: Final[dict[str, Callable[[Raw, dict[str, Any]], None]]] = {
    "chat_template_kwargs": _read_template,
    "enable_thinking": _read_switch,
    "thinking_budget": _read_budget,
    "think": _read_thinking,
    "thinking": _read_thinking,
    "reasoning": _read_object,
    "include_reasoning": _read_include,
}


def write_reasoning(asked: Reasoning, row: Row, losses: Losses) -> dict[str, Any]:
    """The members that ask a row for reasoning as the caller asked; may be empty."""
    if asked.summary:
        losses.note("reasoning_summary", "reasoning.summary")
    if not row.control:
        if not asked.is_off:
            losses.note("reasoning", "reasoning_effort")
        return {}
    if asked.is_off:
        if row.always_on:
            losses.note("reasoning_off", "reasoning_effort")
            return {}
        return _OFF[row.control](row, losses)
    return _ON[row.control](asked, row, losses)


def _effort_of(asked: Reasoning, losses: Losses) -> str:
    """The word for what is asked; empty where the model is to decide."""
    if asked.effort:
        return asked.effort
    if asked.budget is not None:
        losses.note("reasoning_budget", "reasoning")
        return next((word for least, word in _STEPS if asked.budget < least), "high")
    return "medium" if asked.enabled and not asked.adaptive else ""


def _spelled(effort: str, row: Row, losses: Losses) -> str:
    """An effort in the row's spelling, the nearest where it has not this one."""
    if row.levels and effort not in row.levels:
        rank = EFFORTS.get(effort, EFFORTS["medium"])
        nearest = min(row.levels, key=lambda level: abs(EFFORTS.get(level, 3) - rank))
        if EFFORTS.get(nearest) != EFFORTS.get(effort):
            losses.note("reasoning_effort", "reasoning_effort")
        effort = nearest
    effort = row.effort_rename.get(effort, effort)
    return effort.upper() if row.effort_upper else effort


def _effort_on(asked: Reasoning, row: Row, losses: Losses) -> dict[str, Any]:
    effort = _effort_of(asked, losses)
    return {"reasoning_effort": _spelled(effort, row, losses)} if effort else {}


def _effort_off(row: Row, losses: Losses) -> dict[str, Any]:
    if row.none_value is None or row.none_value:
        return {"reasoning_effort": row.none_value}
    lowest = [level for level in row.levels if EFFORTS.get(level) == 0]
    if not row.effort_none or (row.levels and not lowest):
        losses.note("reasoning_off", "reasoning_effort")
        return {"reasoning_effort": _spelled(_FALLBACK, row, losses)}
    return {"reasoning_effort": _spelled("none", row, losses)}


def _thinking_on(asked: Reasoning, row: Row, losses: Losses) -> dict[str, Any]:
    fields: dict[str, Any] = {"thinking": {"type": "enabled"}}
    if row.levels and asked.effort:
        fields["reasoning_effort"] = _spelled(asked.effort, row, losses)
    else:
        _note_measure(asked, losses)
    return fields


def _note_measure(asked: Reasoning, losses: Losses) -> None:
    """A host that only knows on and off takes no measure."""
    if asked.effort:
        losses.note("reasoning_effort", "reasoning_effort")
    if asked.budget is not None:
        losses.note("reasoning_budget", "reasoning")


def _switch_on(asked: Reasoning, _row: Row, losses: Losses) -> dict[str, Any]:
    fields: dict[str, Any] = {"enable_thinking": True}
    if asked.budget is not None:
        fields["thinking_budget"] = asked.budget
    elif asked.effort:
        losses.note("reasoning_effort", "reasoning_effort")
    return fields


def _object_on(asked: Reasoning, row: Row, losses: Losses) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    if asked.effort:
        inner["effort"] = _spelled(asked.effort, row, losses)
    elif asked.budget is not None:
        inner["max_tokens"] = asked.budget
    elif asked.enabled or asked.adaptive:
        inner["enabled"] = True
    if asked.show is not None:
        inner["exclude"] = not asked.show
    return {"reasoning": inner} if inner else {}


def _object_off(row: Row, losses: Losses) -> dict[str, Any]:
    if not row.effort_none or row.none_value != "":
        return {"reasoning": {"effort": _effort_off(row, losses)["reasoning_effort"]}}
    return {"reasoning": {"enabled": False}}


def _adaptive_on(asked: Reasoning, row: Row, losses: Losses) -> dict[str, Any]:
    fields: dict[str, Any] = {"thinking": {"type": "adaptive"}}
    effort = _effort_of(asked, losses) if asked.effort or asked.budget is not None else ""
    if effort:
        fields["output_config"] = {"effort": _spelled(effort, row, losses)}
    return fields


def _budget_on(asked: Reasoning, _row: Row, losses: Losses) -> dict[str, Any]:
    budget = asked.budget
    if budget is None:
        if asked.effort:
            losses.note("reasoning_effort", "reasoning_effort")
        budget = _BUDGETS.get(asked.effort or "medium", _LARGE)
    return {"thinking": {"type": "enabled", "budget_tokens": max(budget, 1024)}}


def _template_on(asked: Reasoning, row: Row, losses: Losses) -> dict[str, Any]:
    kwargs: dict[str, Any] = {"enable_thinking": True, "thinking": True}
    if asked.effort:
        kwargs["reasoning_effort"] = _spelled(asked.effort, row, losses)
    if asked.budget is not None:
        losses.note("reasoning_budget", "reasoning")
    return {"chat_template_kwargs": kwargs}


_ON: Final[dict[str, Callable[[Reasoning, Row, Losses], dict[str, Any]]]] = {
    "effort": _effort_on,
    "thinking": _thinking_on,
    "enable_thinking": _switch_on,
    "reasoning_object": _object_on,
    "adaptive": _adaptive_on,
    "budget": _budget_on,
    "chat_template_kwargs": _template_on,
}
_OFF: Final[dict[str, Callable[[Row, Losses], dict[str, Any]]]] = {
    "effort": _effort_off,
    "thinking": lambda _row, _losses: {"thinking": {"type": "disabled"}},
    "enable_thinking": lambda _row, _losses: {"enable_thinking": False},
    "reasoning_object": _object_off,
    "adaptive": lambda _row, _losses: {"thinking": {"type": "disabled"}},
    "budget": lambda _row, _losses: {"thinking": {"type": "disabled"}},
    "chat_template_kwargs": lambda _row, _losses: {
        "chat_template_kwargs": {"enable_thinking": False, "thinking": False}
    },
}
