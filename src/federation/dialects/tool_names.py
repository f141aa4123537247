"""Names of tools that a provider's dialect does not take, under a short name that it does.

Programs name their tools after servers and paths (`mcp__server__tool`, `files.read`), and
dialects differ in what a name may be. A name that breaks the rule gets an alias that is made of
the name alone, so that it is the same in every turn of a conversation and nothing has to be
kept: what an answer calls is looked up among the names that the call itself holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from operator import is_
from typing import Final

from msgspec import structs

from federation.dialects.openai_responses.parse_tools import held_in
from federation.schema.chat import ChatRequest, ChatResponse, Message, Tool
from federation.schema.parts import Part, ToolCall, ToolResult

PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What most dialects take."""
_STRICTEST: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""A name of this form fits every dialect's rule, an alias among them."""
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_-]")
_SHOWN: Final = 40
_HOSTED: Final = "hosted"


def alias(name: str) -> str:
    """The short name that stands for this one; the same always and everywhere."""
    proof = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    shown = _STRANGE.sub("_", name)[:_SHOWN]
    start = "" if shown[:1].isalpha() or shown[:1] == "_" else "t_"
    return f"{start}{shown}_{proof}"


def opened(request: ChatRequest) -> ChatRequest:
    """A call whose lists of tools are taken apart, for a language that knows none."""
    if not any(tool.kind == _HOSTED for tool in request.tools):
        return request
    tools = [one for tool in request.tools for one in (held_in(tool) or (tool,))]
    return structs.replace(request, tools=tuple(tools))


def with_aliases(request: ChatRequest, rule: re.Pattern[str]) -> ChatRequest:
    """A call whose tools have names after the rule, wherever they stand."""
    strange = {name: alias(name) for name in _names(request) if rule.fullmatch(name) is None}
    if not strange:
        return request

    def short(name: str) -> str:
        return strange.get(name, name)

    choice = request.tool_choice
    if choice is not None:
        allowed = tuple([short(name) for name in choice.allowed])
        choice = structs.replace(choice, name=short(choice.name), allowed=allowed)
    return structs.replace(
        request,
        tools=tuple([_tool(tool, strange) for tool in request.tools]),
        tool_choice=choice,
        messages=tuple([_message(message, strange) for message in request.messages]),
    )


def originals(request: ChatRequest) -> dict[str, str]:
    """The names that an alias may stand for in the answer to a call."""
    return {
        alias(tool.name): tool.name
        for tool in opened(request).tools
        if tool.kind != _HOSTED and _STRICTEST.fullmatch(tool.name) is None
    }


def with_originals(response: ChatResponse, names: Mapping[str, str]) -> ChatResponse:
    """An answer whose calls have the names that the client gave its tools."""
    if not names:
        return response
    choices = tuple(
        [
            structs.replace(choice, parts=tuple([_part(part, names) for part in choice.parts]))
            for choice in response.choices
        ]
    )
    return structs.replace(response, choices=choices)


def _names(request: ChatRequest) -> set[str]:
    names = {tool.name for tool in request.tools if tool.kind != _HOSTED and tool.name}
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCall | ToolResult) and part.name:
                names.add(part.name)
    return names


def _tool(tool: Tool, names: Mapping[str, str]) -> Tool:
    new = names.get(tool.name)
    return tool if new is None or tool.kind == _HOSTED else structs.replace(tool, name=new)


def _message(message: Message, names: Mapping[str, str]) -> Message:
    parts = [_part(part, names) for part in message.parts]
    if all(map(is_, parts, message.parts)):
        return message
    return structs.replace(message, parts=tuple(parts))


def _part(part: Part, names: Mapping[str, str]) -> Part:
    if isinstance(part, ToolCall | ToolResult) and part.name in names:
        return structs.replace(part, name=names[part.name])
    return part
