"""Forms of answers and of input beside plain text: JSON, pictures, reasoning, probabilities."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import structs

from federation.control.certify.bench import Bench, Whole
from federation.control.certify.claims import ability, modality, unless
from federation.control.certify.findings import Check, Finding, failed, passed, skipped, warned
from federation.control.certify.prompts import (
    PERSON,
    answered,
    chat,
    finish_of,
    raw,
    red_square,
    said,
    text_of,
    user,
)
from federation.control.certify.words import lost, plain, room
from federation.domain.catalogue import Ability
from federation.errors import UpstreamRejected
from federation.schema.chat import ChatResponse, OutputFormat, Reasoning, Sampling
from federation.schema.parts import Text, Thinking

_QUESTION: Final = "What is 17 times 23? Think it through, then answer with the number."
_KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "array": list,
}


async def json_schema(bench: Bench) -> Finding:
    """The answer follows a schema."""
    wanted = OutputFormat("schema", raw(PERSON), name="person", strict=True)
    prompt = "Describe a fictional person named Ada who is 36 years old, as JSON."
    answer = await bench.ask(chat(user(prompt), room=room(bench), format=wanted))
    if (off := lost(answer.losses, "json_schema")) is not None:
        return off
    found = _object(text_of(answer.response))
    if found is None:
        return failed("The answer is not a JSON object.", finish=finish_of(answer.response))
    wrong = [
        name
        for name, rule in PERSON["properties"].items()
        if not isinstance(found.get(name), _KINDS[rule["type"]])
    ]
    extra = sorted(set(found) - set(PERSON["properties"]))
    if wrong or extra:
        return failed("The answer does not follow the schema.", wrong=wrong, extra=len(extra))
    return passed()


async def json_mode(bench: Bench) -> Finding:
    """The answer is some JSON object."""
    prompt = "Answer with a JSON object that has a member named color."
    answer = await bench.ask(chat(user(prompt), room=room(bench), format=OutputFormat("json")))
    if (off := lost(answer.losses, "json_mode")) is not None:
        return off
    found = _object(text_of(answer.response))
    if found is None:
        return failed("The answer is not a JSON object.", finish=finish_of(answer.response))
    return passed(members=len(found))


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


async def image(bench: Bench) -> Finding:
    """A picture is taken."""
    asked = said(Text("Which color fills this picture? One word."), red_square())
    answer = await bench.ask(chat(asked, room=room(bench)))
    text = text_of(answer.response)
    if not text.strip():
        return failed("The answer has no text.", finish=finish_of(answer.response))
    return passed(sees_red="red" in text.casefold())


async def _reasoned(bench: Bench) -> Whole:
    wish = Reasoning(effort="low", show=True)
    request = chat(user(_QUESTION), room=room(bench), reasoning=wish)
    return await bench.once("reasoning", lambda: bench.ask(request))


def _thoughts(response: ChatResponse) -> list[Thinking]:
    parts = response.choices[0].parts if response.choices else ()
    return [part for part in parts if isinstance(part, Thinking)]


async def reasoning(bench: Bench) -> Finding:
    """Reasoning that is asked for is shown, or at least counted."""
    answer = await _reasoned(bench)
    usage, thoughts = answer.response.usage, _thoughts(answer.response)
    tokens = usage.reasoning if usage is not None else 0
    if not tokens and not thoughts:
        if (off := lost(answer.losses, "reasoning", "reasoning_effort")) is not None:
            return off
        if usage is None:
            return warned("No reasoning is shown, and no usage tells whether there was any.")
        return failed("No reasoning is shown, and none is counted.")
    states = sum(bool(part.signature or part.sealed) for part in thoughts)
    shown = sum(len(part.text) for part in thoughts)
    return passed(tokens=tokens, characters=shown, states=states)


async def reasoning_replay(bench: Bench) -> Finding:
    """Reasoning and its states are taken back unchanged with the next turn."""
    first = (await _reasoned(bench)).response
    history = (user(_QUESTION), answered(first), user("And 18 times 23?"))
    wish = Reasoning(effort="low", show=True)
    answer = await bench.ask(chat(*history, room=room(bench), reasoning=wish))
    if not text_of(answer.response).strip():
        return failed("The answer has no text.", finish=finish_of(answer.response))
    states = sum(bool(part.signature or part.sealed) for part in _thoughts(first))
    return passed(states=states)


async def logprobs(bench: Bench) -> Finding:
    """Probabilities of the answer's tokens, where the provider has them. No row claims them."""
    request = structs.replace(plain(bench), sampling=Sampling(logprobs=True, top_logprobs=2))
    try:
        answer = await bench.ask(request)
    except UpstreamRejected as error:
        return warned("They are refused: 'drop: [logprobs, top_logprobs]' helps.", code=error.code)
    if (off := lost(answer.losses, "logprobs")) is not None:
        return off
    found = answer.response.choices[0].logprobs if answer.response.choices else None
    if not found:
        return skipped("The provider sends none.")
    if any(token.logprob > 0 for token in found):
        return failed("A logarithm of a probability is above zero.", tokens=len(found))
    return passed(tokens=len(found))


_REASONS: Final = ability(Ability.REASONING)

CHECKS: Final = (
    Check(
        "json_schema",
        "forms",
        "an answer follows a schema",
        json_schema,
        claim=ability(Ability.JSON_SCHEMA),
    ),
    Check(
        "json_mode",
        "forms",
        "an answer is a JSON object",
        json_mode,
        claim=unless("json_mode", False, ability(Ability.JSON_SCHEMA)),
    ),
    Check("image", "forms", "a picture is taken", image, claim=modality("image")),
    Check("reasoning", "forms", "reasoning is shown or counted", reasoning, claim=_REASONS),
    Check(
        "reasoning_replay",
        "forms",
        "reasoning comes back with the next turn",
        reasoning_replay,
        ("reasoning",),
        _REASONS,
    ),
    Check("logprobs", "forms", "probabilities of tokens can be read", logprobs),
)
