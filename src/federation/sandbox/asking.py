"""Reads an OpenAI chat completion request as strictly as a provider would.

Reference: https://platform.openai.com/docs/api-reference/chat/create

Independent of our own dialect on purpose: a misreading there must not be repeated here, or
tests against the sandbox would pass by being wrong twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from federation.errors import InvalidRequest
from federation.sandbox.tokens import prompt_tokens

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
CHOICES_LIMIT = 8
STOPS_LIMIT = 4


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the caller offers."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the simulation needs of a request, in whatever language it came."""

    model: str
    prompt: str
    """Text of the last user message."""
    system: str
    results: tuple[str, ...]
    """Tool results that end the conversation."""
    messages: int
    input_tokens: int
    images: int
    tools: tuple[Tool, ...]
    tool_choice: str
    """`none`, `auto`, `required`, or the name of the one function to call."""
    parallel: bool
    schema: dict[str, Any] | None
    json_object: bool
    choices: int
    limit: int | None
    stops: tuple[str, ...]
    stream: bool
    include_usage: bool
    seed: int
    reasoning: bool = False
    """The caller wants to see that the model reasons."""
    turns: tuple[tuple[str, str], ...] = ()
    """Role and text of each message."""


def read(body: bytes) -> Asked:
    """Take a request apart; `InvalidRequest` names the field at fault."""
    given = _decode(body)
    model = _typed(given, "model", str, None)
    if not model:
        raise InvalidRequest("you must provide a model parameter", param="model")
    messages = given.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("'messages' must be a non-empty list", param="messages")
    talk = [_message(message, index) for index, message in enumerate(messages)]
    images = sum(one.images for one in talk)
    schema, json_object = _format(given.get("response_format"))
    options = given.get("stream_options") or {}
    if not isinstance(options, dict):
        raise InvalidRequest("'stream_options' must be an object", param="stream_options")
    return Asked(
        model=model,
        prompt=next((one.text for one in reversed(talk) if one.role == "user"), ""),
        system=next((one.text for one in talk if one.role in ("system", "developer")), ""),
        results=_results(talk),
        messages=len(talk),
        input_tokens=prompt_tokens(sum(one.size for one in talk), len(talk), images),
        images=images,
        tools=_tools(given.get("tools")),
        tool_choice=_tool_choice(given.get("tool_choice")),
        parallel=given.get("parallel_tool_calls") is not False,
        schema=schema,
        json_object=json_object,
        choices=_whole_number(given, "n", 1, CHOICES_LIMIT) or 1,
        limit=_limit(given),
        stops=_stops(given.get("stop")),
        stream=_typed(given, "stream", bool, default=False),
        include_usage=bool(options.get("include_usage")),
        seed=_typed(given, "seed", int, 0),
        turns=tuple((one.role, one.text) for one in talk),
    )


def _decode(body: bytes) -> dict[str, Any]:
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("we could not parse the JSON body of your request") from None
    if not isinstance(given, dict):
        raise InvalidRequest("the body must be a JSON object")
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1)):
        value = given.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidRequest(f"'{name}' must be a number", param=name)
        if not low <= value <= high:
            raise InvalidRequest(f"'{name}' must be between {low} and {high}", param=name)
    return given


def _typed(given: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InvalidRequest(f"invalid type for '{name}'", param=name)
    return value


def _whole_number(given: dict[str, Any], name: str, low: int, high: int | None) -> int | None:
    value: int | None = _typed(given, name, int, None)
    if value is not None and (value < low or (high is not None and value > high)):
        raise InvalidRequest(f"'{name}' is out of range", param=name)
    return value


def _limit(given: dict[str, Any]) -> int | None:
    newer = _whole_number(given, "max_completion_tokens", 1, None)
    older = _whole_number(given, "max_tokens", 1, None)
    return newer if newer is not None else older


@dataclass(frozen=True, slots=True)
class _Message:
    role: str
    text: str
    size: int
    """UTF-8 bytes that count as text."""
    images: int


def _message(message: object, index: int) -> _Message:
    where = f"messages[{index}]"
    if not isinstance(message, dict):
        raise InvalidRequest(f"'{where}' must be an object", param=where)
    role = message.get("role")
    if role not in _ROLES:
        raise InvalidRequest(f"unknown role in '{where}.role'", param=f"{where}.role")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise InvalidRequest("a tool message needs a tool_call_id", param=f"{where}.tool_call_id")
    content = message.get("content")
    calls = message.get("tool_calls")
    if content is None and (role != "assistant" or not calls):
        raise InvalidRequest(f"'{where}.content' is missing", param=f"{where}.content")
    text, images = _content(content, f"{where}.content")
    size = len(text.encode("utf-8", "surrogatepass"))
    size += len(msgspec.json.encode(calls)) if calls else 0
    return _Message(role, text, size, images)


def _content(content: object, where: str) -> tuple[str, int]:
    if content is None:
        return "", 0
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise InvalidRequest(f"'{where}' must be text or a list of parts", param=where)
    texts, images = [], 0
    for number, part in enumerate(content):
        place = f"{where}[{number}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "refusal"):
            text = part.get(kind)
            if not isinstance(text, str):
                raise InvalidRequest(f"'{place}.{kind}' must be text", param=f"{place}.{kind}")
            texts.append(text)
        elif kind == "image_url":
            address = part.get("image_url")
            if not isinstance(address, dict) or not isinstance(address.get("url"), str):
                raise InvalidRequest(f"'{place}.image_url.url' is missing", param=place)
            images += 1
        else:
            raise InvalidRequest(f"unknown content part in '{place}.type'", param=f"{place}.type")
    return "\n".join(texts), images


def _results(talk: list[_Message]) -> tuple[str, ...]:
    results: list[str] = []
    for one in reversed(talk):
        if one.role not in ("tool", "function"):
            break
        results.append(one.text)
    return tuple(reversed(results))


def _tools(given: object) -> tuple[Tool, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise InvalidRequest("'tools' must be a list", param="tools")
    found = []
    for index, tool in enumerate(given):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InvalidRequest("a tool needs a function with a name", param=f"tools[{index}]")
        parameters = function.get("parameters")
        found.append(
            Tool(
                function["name"],
                str(function.get("description") or ""),
                parameters if isinstance(parameters, dict) else {},
            )
        )
    return tuple(found)


def _tool_choice(given: object) -> str:
    if given is None:
        return "auto"
    if isinstance(given, str) and given in ("none", "auto", "required"):
        return given
    function = given.get("function") if isinstance(given, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return str(function["name"])
    raise InvalidRequest("invalid 'tool_choice'", param="tool_choice")


def _format(given: object) -> tuple[dict[str, Any] | None, bool]:
    if given is None:
        return None, False
    kind = given.get("type") if isinstance(given, dict) else None
    if not isinstance(given, dict) or kind not in ("text", "json_object", "json_schema"):
        raise InvalidRequest("invalid 'response_format.type'", param="response_format.type")
    if kind != "json_schema":
        return None, kind == "json_object"
    wrapper = given.get("json_schema")
    schema = wrapper.get("schema") if isinstance(wrapper, dict) else None
    if not isinstance(schema, dict):
        where = "response_format.json_schema.schema"
        raise InvalidRequest(f"'{where}' must be an object", param=where)
    return schema, False


def _stops(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    stops = [given] if isinstance(given, str) else given
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise InvalidRequest("'stop' must be text or a list of texts", param="stop")
    if len(stops) > STOPS_LIMIT:
        raise InvalidRequest("'stop' has more than four entries", param="stop")
    return tuple(stop for stop in stops if stop)
