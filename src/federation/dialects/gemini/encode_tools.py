"""Writes tools and how they may be chosen.

Schemas go as JSON Schema, which needs no conversion; one that came in the vendor's own form
goes back in that. `ANY` with names forces one of them; to let the model choose freely among
some, the wire has `VALIDATED`, because `AUTO` takes no names.

Reference: https://ai.google.dev/gemini-api/docs/function-calling
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.encode_parts import Job
from federation.dialects.gemini.tables import FUNCTIONS
from federation.dialects.gemini.write_parts import Json
from federation.schema.chat import AUTO, NAMED, NONE, REQUIRED, Tool, ToolChoice

_FUNCTION, _HOSTED = "function", "hosted"
_REFUSED: Final = {
    NONE: "tool_choice_none",
    REQUIRED: "tool_choice_required",
    NAMED: "tool_choice_named",
}


def write_tools(job: Job) -> list[Any]:
    """The tools of a call."""
    declared: list[Json] = []
    hosted: list[Any] = []
    for index, tool in enumerate(job.request.tools):
        where = f"tools[{index}]"
        if tool.cache is not None:
            job.losses.note("cache_marks", where)
        if tool.kind == _FUNCTION:
            declared.append(_declaration(job, tool, where))
        elif tool.kind == _HOSTED and job.own and tool.raw is not None:
            hosted.append(tool.raw)
        else:
            job.losses.note("hosted_tools" if tool.kind == _HOSTED else "custom_tools", where)
    return ([{FUNCTIONS: declared}] if declared else []) + hosted


def _declaration(job: Job, tool: Tool, where: str) -> Json:
    item: Json = {"name": tool.name}
    if tool.description:
        item["description"] = tool.description
    if tool.strict:
        job.losses.note("strict_tools", where)
    if tool.extra:
        if job.own:
            item.update(tool.extra)
        else:
            job.losses.note("unknown_field", where)
    if tool.schema is not None and "parameters" not in item:
        item["parametersJsonSchema"] = _schema(job, tool.schema, where)
    return item


def _schema(job: Job, schema: Raw, where: str) -> Any:
    if not job.wire.strip:
        return schema
    found = msgspec.json.decode(schema)
    if _stripped(found, job.wire.strip):
        job.losses.note("tool_schema", where)
        return found
    return schema


def _stripped(node: Any, keys: frozenset[str]) -> bool:
    """Take keys out of a schema in place; whether there were any. Names of properties stay."""
    changed = False
    open_nodes = [node]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, list):
            open_nodes += node
        elif isinstance(node, dict):
            for key in keys & node.keys():
                del node[key]
                changed = True
            for key, value in node.items():
                named = key in ("properties", "$defs", "definitions") and isinstance(value, dict)
                open_nodes += list(value.values()) if named else [value]
    return changed


def write_choice(job: Job, tools: list[Any]) -> Json:
    """The `toolConfig` of a call; empty where there is nothing to say."""
    request, losses = job.request, job.losses
    if tools and request.parallel_tools is False:
        losses.note("parallel_tools", "parallel_tools")
    config: Json = {}
    if job.own and "toolConfig" in request.extra:
        config = msgspec.json.decode(request.extra["toolConfig"], type=dict[str, Raw])
    choice = request.tool_choice
    callable_ = any(isinstance(tool, dict) for tool in tools)
    if choice is None or "functionCallingConfig" in config or not (callable_ or job.own):
        return config
    accepted = job.wire.choices
    if accepted is not None and choice.mode in _REFUSED and choice.mode not in accepted:
        losses.note(_REFUSED[choice.mode], "tool_choice")
        return config
    config["functionCallingConfig"] = _calling(choice)
    return config


def _calling(choice: ToolChoice) -> Json:
    if choice.mode == NAMED:
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    if choice.mode == NONE:
        return {"mode": "NONE"}
    mode = "ANY" if choice.mode == REQUIRED else "AUTO"
    if not choice.allowed:
        return {"mode": mode}
    return {
        "mode": "VALIDATED" if choice.mode == AUTO else mode,
        "allowedFunctionNames": list(choice.allowed),
    }
