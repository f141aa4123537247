"""A client's body as a canonical call.

System text becomes the first message, and a user turn that holds tools' results beside text
becomes two, the results first; the encoder puts both together again.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.blocks import read_content, read_mark, rest
from federation.dialects.anthropic.tables import NAME, tool_kind
from federation.dialects.tokenizer import Members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import (
    AUTO,
    NAMED,
    NONE,
    REQUIRED,
    SYSTEM,
    TOOL,
    USER,
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Fields, Part, ToolResult

_NULL: Final = Raw(b"null")


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _Format(msgspec.Struct):
    type: str
    schema: Raw = _NULL


class _Config(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(kind)
    for name, kind in {
        "messages": list[dict[str, Raw]],
        "max_tokens": int | None,
        "metadata": _Metadata | None,
        "model": str | None,
        "output_config": _Config | None,
        "output_format": _Format | None,
        "service_tier": str | None,
        "stop_sequences": list[str] | None,
        "stream": bool | None,
        "system": Raw,
        "temperature": float | None,
        "thinking": _Thinking | None,
        "tool_choice": _Choice | None,
        "tools": list[dict[str, Raw]] | None,
        "top_k": int | None,
        "top_p": float | None,
    }.items()
}
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_STRING: Final = msgspec.json.Decoder(str)
_TEXT: Final = msgspec.json.Decoder(str | None)
_FLAG: Final = msgspec.json.Decoder(bool | None)
_OURS: Final = frozenset(("federation", "anthropic_version"))
_MODES: Final = {"auto": AUTO, "any": REQUIRED, "tool": NAMED, "none": NONE}
_SHOWN: Final = {None: None, "summarized": True, "omitted": False}


def parse(request: ClientRequest, glance: Glance) -> ChatRequest:
    """Read a glanced-at call. Raises `InvalidRequest` with the field."""
    values, raws, extra = _decoded(request.body, glance)
    get = values.get
    choice, parallel = _tool_choice(get("tool_choice"))
    reasoning = _reasoning(values, raws, extra)
    metadata = get("metadata")
    if metadata is not None and rest(_OBJECT.decode(raws["metadata"]), _USER_ID):
        extra["metadata"] = raws["metadata"]
    tools = get("tools")
    return ChatRequest(
        dialect=NAME,
        model=get("model") or "",
        messages=_messages(get("system"), values["messages"]),
        stream=glance.stream,
        tools=tuple([_tool(tool, i) for i, tool in enumerate(tools)]) if tools else (),
        tool_choice=choice,
        parallel_tools=parallel,
        format=_format(get("output_config"), get("output_format")),
        sampling=Sampling(
            temperature=get("temperature"),
            top_p=get("top_p"),
            top_k=get("top_k"),
            stop=tuple(get("stop_sequences") or ()),
        ),
        max_output=get("max_tokens"),
        reasoning=reasoning,
        user=(metadata.user_id or "") if metadata is not None else "",
        service_tier=_TIERS.get(get("service_tier") or "", get("service_tier") or ""),
        extra=extra,
        betas=glance.betas,
    )


def _decoded(body: bytes, glance: Glance) -> tuple[dict[str, Any], Members, Fields]:
    """The fields that we know, as values and as written, and the others as written."""
    values: dict[str, Any] = {}
    raws: Members = {}
    extra: Fields = {}
    name = ""
    try:
        for name, span in glance.spans.items():
            raw = Raw(body[span.value : span.end])
            decoder = _DECODERS.get(name)
            if decoder is not None:
                values[name] = decoder.decode(raw)
                raws[name] = raw
            elif name not in _OURS and raw != _NULL:
                extra[name] = raw
    except msgspec.ValidationError as error:
        raise wrong_type(error, name) from None
    return values, raws, extra


_USER_ID: Final = frozenset(("user_id",))
_TIERS: Final = {"standard_only": "default"}
"""The one tier that has another name elsewhere: no more than the usual class."""
_MESSAGE_KNOWN: Final = frozenset(("role", "content"))


def _messages(system: Raw | None, items: list[Members]) -> tuple[Message, ...]:
    messages: list[Message] = []
    if system is not None and system != _NULL:
        parts = read_content(system, "system")
        if parts:
            messages.append(Message(SYSTEM, parts))
    for index, item in enumerate(items):
        where = f"messages[{index}]"
        role = _STRING.decode(item["role"])
        content = item.get("content", _NULL)
        parts = read_content(content, f"{where}.content")
        extra = rest(item, _MESSAGE_KNOWN)
        if role == USER and any(isinstance(part, ToolResult) for part in parts):
            results = tuple([part for part in parts if isinstance(part, ToolResult)])
            messages.append(Message(TOOL, results, extra=extra))
            parts = tuple([part for part in parts if not isinstance(part, ToolResult)])
            if not parts:
                continue
        else:
            _refuse_results(role, parts, where)
        messages.append(Message(role, parts, extra=extra))
    return tuple(messages)


def _refuse_results(role: str, parts: tuple[Part, ...], where: str) -> None:
    for i, part in enumerate(parts):
        if isinstance(part, ToolResult):
            param = f"{where}.content[{i}]"
            raise InvalidRequest(
                f"'{param}': a tool's result stands in a user turn, not in a turn of the {role}.",
                code="invalid_value",
                param=param,
            )


_TOOL_KNOWN: Final = frozenset(
    ("type", "name", "description", "input_schema", "strict", "cache_control")
)


def _tool(tool: Members, index: int) -> Tool:
    where = f"tools[{index}]"

    def read(name: str, decoder: msgspec.json.Decoder[Any]) -> Any:
        try:
            return decoder.decode(tool.get(name, _NULL))
        except msgspec.ValidationError as error:
            raise wrong_type(error, f"{where}.{name}") from None

    kind = read("type", _TEXT)
    cache = read_mark(tool.get("cache_control"), f"{where}.cache_control")
    if kind not in (None, "custom"):
        name = read("name", _TEXT) or tool_kind(kind)
        whole = {name: raw for name, raw in tool.items() if name != "cache_control"}
        return Tool(name, kind="hosted", raw=Raw(msgspec.json.encode(whole)), cache=cache)
    name = read("name", _STRING)
    read("input_schema", _OBJECT)
    return Tool(
        name,
        read("description", _TEXT) or "",
        Raw(bytes(tool["input_schema"])),
        read("strict", _FLAG),
        cache=cache,
        extra=rest(tool, _TOOL_KNOWN),
    )


def _tool_choice(choice: _Choice | None) -> tuple[ToolChoice | None, bool | None]:
    if choice is None:
        return None, None
    off = choice.disable_parallel_tool_use
    mode = _MODES.get(choice.type)
    if mode is None or (mode == NAMED and not choice.name):
        raise InvalidRequest(
            "'tool_choice' must be of the type auto, any, none, or tool with a name.",
            code="invalid_value",
            param="tool_choice",
        )
    named = (choice.name or "") if mode == NAMED else ""
    return ToolChoice(mode, named), None if off is None else not off


def _reasoning(values: dict[str, Any], raws: Members, extra: Fields) -> Reasoning | None:
    """What `thinking` and `output_config.effort` say. Members that have no place in the
    canonical form go into `extra`, whole."""
    config: _Config | None = values.get("output_config")
    effort = (config.effort or "") if config is not None else ""
    if config is not None and rest(_OBJECT.decode(raws["output_config"]), _CONFIG_KNOWN):
        extra["output_config"] = raws["output_config"]
    thinking: _Thinking | None = values.get("thinking")
    if thinking is None:
        return Reasoning(effort) if effort else None
    known = _OBJECT.decode(raws["thinking"]).keys() <= _THINKING_KNOWN
    if not known or thinking.type not in _PLAIN_THINKING or thinking.display not in _SHOWN:
        extra["thinking"] = raws["thinking"]
    return Reasoning(
        effort,
        thinking.budget_tokens,
        thinking.type in ("enabled", "adaptive"),
        thinking.type == "adaptive",
        show=_SHOWN.get(thinking.display),
    )


_CONFIG_KNOWN: Final = frozenset(("effort", "format"))
_THINKING_KNOWN: Final = frozenset(("type", "budget_tokens", "display"))
_PLAIN_THINKING: Final = frozenset(("enabled", "adaptive", "disabled"))


def _format(config: _Config | None, older: _Format | None) -> OutputFormat | None:
    wanted = config.format if config is not None and config.format is not None else older
    if wanted is None:
        return None
    where = "output_config.format" if older is not wanted else "output_format"
    if wanted.type != "json_schema" or bytes(wanted.schema)[:1] != b"{":
        raise InvalidRequest(
            f"'{where}' must be of the type json_schema, with a schema.",
            code="invalid_value",
            param=where,
        )
    return OutputFormat("schema", Raw(bytes(wanted.schema)), strict=True)
