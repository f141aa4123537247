"""What a vendor was asked and what a client heard, as facts that can be compared.

Ids never match across dialects, so calls are known by their number in the conversation; the
vendor's side says by itself whether the ids that it gave came back (`ids`), and whether
results name calls (`linked`), whoever gave the ids.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeAlias

from matrix.scenes import Answer, Counts, Document, Picture, Result, Scene

Said: TypeAlias = tuple[Any, ...]


@dataclass
class Asked:
    """What stood in a request, as far as the vendor's side understood it."""

    system: str = ""
    said: list[Said] = field(default_factory=list)
    tools: dict[str, Any] = field(default_factory=dict)
    forced: bool = False
    schema: Any = None
    limit: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    reasons: bool = False
    """Reasoning that is shown is asked for."""
    ids: bool = True
    """Calls have the ids that the vendor gave them."""
    linked: bool = True
    """Results name calls that stand before them."""
    thoughts: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    stream: bool = False


@dataclass
class Heard:
    """What the client's program got."""

    text: str = ""
    thought: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str = ""
    stopped: bool = False
    """A stop sequence ended the answer, and the client is told."""
    counts: dict[str, int | None] = field(default_factory=dict)
    flow: frozenset[str] = frozenset()
    """What came in more than one piece: text, thought, arguments."""
    ended: bool = True
    """A stream had its end."""
    error: str = ""
    """The class of the client's own error."""
    status: int | None = None
    retry_after: str = ""
    warning: tuple[str, ...] = ()


@dataclass(frozen=True)
class Traits:
    """What a vendor wants back of its reasoning in the next turn."""

    states: bool = False
    """Its state."""
    thoughts: bool = True
    """Its text."""
    signs_calls: bool = False
    """Its state for calls, without any reasoning shown."""
    strangers: bool = False
    """It takes the reasoning's text of other providers."""
    plans: bool = False
    """What it says beside calls is reasoning: there is no text beside calls."""


STATE: Final = "c3RhdGUtb2YtdGhlLXJlYXNvbmluZy0wMDEyMzQ1Njc4OQ=="
"""What the vendors give as the state of their reasoning; base64, as some demand it."""
CLIENT: Final = "matrix-client"
"""The header that tells a vendor's side whose program asks; it is not on the wire."""
COUNTS: Final = ("input", "output", "cached", "written", "reasoning")


def expected_asked(
    scene: Scene, step: int, traits: Traits, *, stream: bool, other: Traits | None = None
) -> Asked:
    """What a vendor should find in the request of a step.

    `other` answered the steps before, if not the vendor itself: its states are worth nothing.
    """
    asked = Asked(
        system=scene.system,
        tools={tool.name: (tool.description, tool.schema) for tool in scene.tools},
        forced=scene.forced and step == 0,
        schema=scene.schema,
        limit=scene.limit,
        stop=scene.stop,
        temperature=scene.temperature,
        reasons=scene.reasons,
        stream=stream,
    )
    number = 0
    for at in range(step + 1):
        for item in scene.steps[at].says:
            asked.said += _item(item)
        answer = scene.steps[at].answer
        if at == step or not isinstance(answer, Answer):
            break
        text, thought = spoken(answer, other or traits)
        if text and not (traits.plans and answer.calls):
            asked.said.append(("assistant", "text", text))
            text = ""
        for call in answer.calls:
            asked.said.append(("assistant", "call", number, call.name, call.arguments))
            number += 1
        if traits.strangers if other else traits.thoughts:
            asked.thoughts += [one for one in (thought, text) if one]
        if other is None and traits.states:
            signed = thought or (traits.signs_calls and answer.calls)
            asked.states += [STATE] if signed else []
    return asked


def spoken(answer: Answer, traits: Traits) -> tuple[str, str]:
    """The text and the reasoning of an answer, as a vendor tells them apart."""
    if traits.plans and answer.calls:
        return "", answer.thought + answer.text
    return answer.text, answer.thought


def _item(item: str | Picture | Document | Result) -> list[Said]:
    match item:
        case Picture():
            return [("user", "image", item.media_type, item.data)]
        case Document():
            return [("user", "document", item.media_type, item.data)]
        case Result():
            said: list[Said] = [("tool", "result", item.call, outcome(item.text))]
            if item.picture is not None:
                said.append(("tool", "image", item.picture.media_type, item.picture.data))
            return said
        case _:
            return [("user", "text", item)]


def joined(said: list[Said]) -> list[Said]:
    """With texts of one side that follow one another in one: pieces of a stream stay pieces in
    some programs' histories, and dialects cut turns at different places."""
    found: list[Said] = []
    for item in said:
        if found and item[:2] == found[-1][:2] == ("assistant", "text"):
            found[-1] = (*item[:2], found[-1][2] + item[2])
        else:
            found.append(item)
    return found


def outcome(value: Any) -> Any:
    """What a tool said: JSON as a value, a lone text without the object that a dialect needs
    around it."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    if isinstance(value, dict) and len(value) == 1:
        (name, inner), *_ = value.items()
        if name in ("output", "result", "content", "data"):
            return outcome(inner)
    return value


def expected_heard(scene: Scene, step: int, traits: Traits, *, stream: bool) -> Heard:
    """What a client should hear of a step's answer."""
    answer = scene.steps[step].answer
    assert isinstance(answer, Answer)
    text, thought = spoken(answer, traits)
    heard = Heard(
        text=text,
        thought=thought,
        calls=[(call.name, call.arguments) for call in answer.calls],
        finish="stop" if answer.finish == "stop_sequence" else answer.finish,
        stopped=answer.finish == "stop_sequence",
        counts=told(answer.counts),
    )
    if stream:
        long = {"text": text, "thought": thought, "arguments": answer.calls}
        heard.flow = frozenset(name for name, value in long.items() if value)
    return heard


def told(counts: Counts) -> dict[str, int | None]:
    """Token counts as facts. Nothing and zero are the same here."""
    return {name: getattr(counts, name) or None for name in COUNTS}


def differences(side: str, wanted: Asked | Heard, found: Asked | Heard) -> dict[str, str]:
    """Facts in which two differ, by name, with what was wanted and found."""
    unlike: dict[str, str] = {}
    for one in fields(wanted):
        if one.name == "warning":
            continue
        want, got = getattr(wanted, one.name), getattr(found, one.name)
        if one.name in ("counts", "flow"):
            for name in sorted({*want, *got}):
                pair = (
                    (want.get(name), got.get(name))
                    if isinstance(want, dict)
                    else (name in want, name in got)
                )
                if pair[0] != pair[1]:
                    unlike[f"{side}.{one.name}.{name}"] = f"{pair[0]!r} -> {pair[1]!r}"
        elif want != got:
            unlike[f"{side}.{one.name}"] = f"{want!r} -> {got!r}"
    return unlike
