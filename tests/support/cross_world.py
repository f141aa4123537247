"""Any dialect's call and answer through any other: the two upstream faces that write, the two
client faces that read, and what is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from federation.dialects.anthropic.tables import ANSWER_TOOL
from federation.dialects.faces import ClientFace, Upstream
from federation.dialects.losses import REFUSE, Table
from federation.dialects.table import CLIENTS, UPSTREAMS
from federation.domain.catalogue import Ability, Deployment, Model, Price, Provider, Rates, Tier
from federation.domain.routes import Settings
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest, Message, Reasoning
from federation.schema.http import ClientRequest
from federation.schema.parts import Media, Part, Refusal, Text, Thinking, ToolCall, ToolResult

DIALECTS: Final = ("openai", "openai_responses", "anthropic", "gemini", "bedrock", "cohere")
_ADDRESSES: Final = {
    "bedrock": "https://bedrock-runtime.eu-west-1.amazonaws.com",
    "gemini": "https://acme.test/v1beta",
    "ollama": "https://acme.test",
}
MODEL: Final = "acme-large"

JSON_TOOL: Final = "federation_json_answer"
"""What a call is forced to by a dialect that has no JSON mode."""
_ALL: Final = 0.99
"""From here on `top_p` cuts nothing off that any vendor would notice; one takes no more."""
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "anthropic": {"temperature": 1.0, "reasons": False},
    "bedrock": {"reasons": False},
}
"""What a vendor does unasked, so that asking for it may be left out."""

_FORCED: Final = ("required", "named")
"""A call is all that comes, whatever form an answer should have."""

Facts: TypeAlias = dict[str, Any]


def upstream_of(dialect: str) -> Upstream:
    """A deployment that can do all that its dialect can say."""
    address = _ADDRESSES.get(dialect, "https://acme.test/v1")
    provider = Provider("acme", "Acme", Tier.FRONTIER, dialect, address)
    model = Model(
        MODEL,
        max_output=64_000,
        input_modalities=("text", "image", "pdf", "audio", "video"),
        abilities=frozenset(Ability),
        price=Price(Rates(1, 1, 1, 1)),
    )
    deployment = Deployment(f"acme/{MODEL}", provider, model, usable=True)
    return UPSTREAMS[dialect](
        deployment, Settings(), headers=(), query="", secret="key", private=True
    )


@dataclass(frozen=True)
class Wire:
    """Both sides of a dialect, which speak the same wire."""

    name: str
    upstream: Upstream
    face: ClientFace

    def through(self, request: ChatRequest) -> tuple[ChatRequest, frozenset[str]] | None:
        """A call written for a provider of this dialect and read as its client's, with what
        was left out; None where it was refused."""
        try:
            encoded = self.upstream.encode(request)
        except InvalidRequest as refused:
            if refused.code != "not_expressible":
                raise
            return None
        sent = encoded.request
        path, _, query = sent.target.partition("?")
        # Its own client may not use the name of the tool that stands for a format.
        body = sent.body.replace(ANSWER_TOOL.encode(), JSON_TOOL.encode())
        asked = ClientRequest("POST", path, query, dict(sent.headers), body)
        return self.face.parse(asked, self.face.glance(asked)), frozenset(encoded.losses)


WIRES: Final = {
    name: Wire(name, upstream_of(name), CLIENTS[name]) for name in (*DIALECTS, "ollama")
}


def refuses(table: Table) -> set[str]:
    """Features whose loss is refused."""
    return {feature for feature, rule in table.items() if rule.action == REFUSE}


# What a call says, without what no dialect is bound to keep: ids, the place of a line break.


def facts(request: ChatRequest) -> Facts:
    """A call as facts that can be compared, each under the features that excuse its loss."""
    return {
        **_content(request),
        **_tooling(request),
        **_settings(request),
    }


def squeezed(text: str) -> str:
    """Without white space: turns and parts of text are joined with line breaks."""
    return "".join(text.split())


def _content(request: ChatRequest) -> Facts:
    messages = request.messages
    names = [
        (part.id, part.name)
        for message in messages
        for part in message.parts
        if isinstance(part, ToolCall)
    ]
    order = {call: number for number, (call, _) in enumerate(names)}
    return {
        "system": squeezed("".join(_texts(m.parts) for m in messages if _is_system(m))),
        "turns": _turns(messages),
        "media": [_media(part) for part in _all(messages, Media)],
        "details": [part.detail for part in _all(messages, Media) if part.detail not in _AUTO],
        "calls": [(part.name, _arguments(part)) for part in _all(messages, ToolCall)],
        "results": sorted(
            (order.get(part.call_id, -1), squeezed(_texts(part.parts)))
            for part in _all(messages, ToolResult)
        ),
        "result_errors": sorted(
            order.get(part.call_id, -1) for part in _all(messages, ToolResult) if part.error
        ),
        "result_media": [
            _media(inner)
            for part in _all(messages, ToolResult)
            for inner in part.parts
            if isinstance(inner, Media)
        ],
        "plans": _plans(messages),
        "thoughts": [squeezed(p.text) for p in _all(messages, Thinking) if p.text and p.signature],
    }


_AUTO: Final = ("", "auto")


def _is_system(message: Message) -> bool:
    return message.role in ("system", "developer")


def _texts(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text | Refusal))


def _turns(messages: Iterable[Message]) -> list[tuple[str, str]]:
    """Who said what: turns of one role are one."""
    out: list[tuple[str, str]] = []
    for message in messages:
        if _is_system(message):
            continue
        role = message.role
        said = squeezed(_texts(message.parts))
        if role == "tool" or not said or _calls(message):
            continue
        if out and out[-1][0] == role:
            out[-1] = (role, out[-1][1] + said)
        else:
            out.append((role, said))
    return out


def _calls(message: Message) -> bool:
    return any(isinstance(part, ToolCall) for part in message.parts)


def _plans(messages: Iterable[Message]) -> list[str]:
    """What is said beside calls: one vendor knows it as reasoning only."""
    return [
        squeezed("".join(p.text for p in m.parts if isinstance(p, Text | Thinking)))
        for m in messages
        if _calls(m)
    ]


def _all(messages: Iterable[Message], kind: type[Any]) -> list[Any]:
    return [part for message in messages for part in message.parts if isinstance(part, kind)]


def _media(part: Media) -> tuple[str, ...]:
    return (part.kind, part.url, part.data, part.text and squeezed(part.text))


def _arguments(call: ToolCall) -> Any:
    return json.loads(call.arguments or "{}")


def _tooling(request: ChatRequest) -> Facts:
    """Tools that nobody may call are no tools; one that must be called is as good as alone;
    and a tool that stands for a format is one."""
    choice = request.tool_choice
    mode = choice.mode if choice is not None and request.tools else "auto"
    offered = [tool for tool in request.tools if tool.name != JSON_TOOL]
    if mode == "named" and choice is not None:
        mode, offered = "required", [tool for tool in offered if tool.name == choice.name]
    if mode == "none":
        mode, offered = "auto", []
    if any(tool.name == JSON_TOOL for tool in request.tools):
        mode = "auto"
    return {
        "tools": [(tool.name, tool.description) for tool in offered],
        "schemas": [_json(tool.schema) for tool in offered],
        "strict": [bool(tool.strict) for tool in offered],
        "choice": mode,
        "parallel": request.parallel_tools is not False or not offered,
    }


def _json(raw: Any) -> Any:
    return None if raw is None else json.loads(bytes(raw))


def _settings(request: ChatRequest) -> Facts:
    sampling, form = request.sampling, request.format
    kind = form.kind if form is not None else "text"
    if any(tool.name == JSON_TOOL for tool in request.tools):
        kind = "json"
    elif request.tools and request.tool_choice and request.tool_choice.mode in _FORCED:
        kind = "text"
    return {
        "temperature": sampling.temperature,
        "top_p": None if sampling.top_p is None or sampling.top_p >= _ALL else sampling.top_p,
        "top_k": sampling.top_k,
        "frequency_penalty": sampling.frequency_penalty or None,
        "presence_penalty": sampling.presence_penalty or None,
        "seed": sampling.seed,
        "stop": sampling.stop,
        "choices": sampling.choices or 1,
        "max_output": request.max_output,
        "form": kind,
        "form_schema": _json(form.schema) if form is not None and kind == "schema" else None,
        "reasons": _reasons(request.reasoning),
        "user": request.user,
        "metadata": request.metadata,
        "verbosity": request.verbosity,
        "cache_key": request.cache_key,
        "stream": request.stream,
    }


def _reasons(reasoning: Reasoning | None) -> bool | None:
    """Whether reasoning is asked for, forbidden, or nothing is said."""
    if reasoning is None:
        return None
    if reasoning.enabled is False or reasoning.effort == "none" or reasoning.budget == 0:
        return False
    asked = (reasoning.enabled, reasoning.effort, reasoning.adaptive, reasoning.budget)
    return True if any(asked) or reasoning.show or reasoning.summary else None


EXCUSES: Final[dict[str, frozenset[str]]] = {
    name: frozenset(features.split())
    for name, features in {
        "system": "",
        "turns": "prefill foreign_part",
        "media": "image file",
        "details": "image_detail",
        "calls": "",
        "results": "",
        "result_errors": "tool_result_error",
        "result_media": "tool_result_media",
        "plans": "thinking_history thinking_state",
        "thoughts": "thinking_history thinking_state",
        "tools": "tool_choice_none",
        "schemas": "tool_schema tool_choice_none",
        "strict": "strict_tools tool_choice_none",
        "choice": "tool_choice_none tool_choice_required tool_choice_named",
        "parallel": "parallel_tools",
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "frequency_penalty": "frequency_penalty",
        "presence_penalty": "presence_penalty",
        "seed": "seed",
        "stop": "stop stop_count",
        "choices": "choices",
        "max_output": "output_limit",
        "form": "json_mode json_schema",
        "form_schema": "json_schema tool_schema",
        "reasons": "reasoning reasoning_effort reasoning_budget reasoning_off",
        "user": "user",
        "metadata": "metadata",
        "verbosity": "verbosity",
        "cache_key": "cache_key",
        "stream": "",
    }.items()
}
"""For each fact the features whose loss excuses that it is gone or changed."""


def differences(
    before: Facts, after: Facts, losses: frozenset[str], target: str
) -> dict[str, tuple[Any, Any]]:
    """The facts that changed on the way to a target without a loss that says so. A limit that
    nobody set may be set: one vendor demands it."""
    unasked = _DEFAULTS.get(target, {})
    return {
        name: (was, now)
        for name, was in before.items()
        if was != (now := after[name])
        and not EXCUSES[name] & losses
        and not (name == "max_output" and was is None)
        and not (now is None and name in unasked and was == unasked[name])
    }
