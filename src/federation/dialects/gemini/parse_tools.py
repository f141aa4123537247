"""Reads tools and how they may be chosen.

One tool object holds many functions, or switches on things that the host runs. A function's
parameters come as the vendor's own schema or as JSON Schema; the canonical tool has the
second, and keeps the first in `extra` for a deployment of this dialect.

Reference: https://ai.google.dev/api/caching#Tool
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.contents import one_or_more
from federation.dialects.gemini.names import tidy
from federation.dialects.gemini.read_parts import inner, string
from federation.dialects.gemini.schemas import json_schema
from federation.dialects.gemini.tables import FUNCTIONS
from federation.dialects.malformed import missing
from federation.dialects.tokenizer import Members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import AUTO, NAMED, NONE, REQUIRED, Tool, ToolChoice

HOSTED: Final = "hosted"
_STRINGS: Final = msgspec.json.Decoder(list[str] | str)
_TAKEN: Final = frozenset(("name", "description", "parametersJsonSchema"))
_CALLING: Final = "functionCallingConfig"
_MODES: Final = {
    "AUTO": AUTO,
    "MODE_UNSPECIFIED": AUTO,
    "ANY": REQUIRED,
    "NONE": NONE,
    "VALIDATED": AUTO,
}


def read_tools(raw: Raw) -> tuple[Tool, ...]:
    """The tools of a call. Raises `InvalidRequest` with the field."""
    tools: list[Tool] = []
    for index, item in enumerate(one_or_more(raw, "tools")):
        where = f"tools[{index}]"
        for name, value in tidy(item, where).items():
            if name == FUNCTIONS:
                place = f"{where}.{name}"
                declared = one_or_more(value, place)
                tools += [_function(one, f"{place}[{n}]") for n, one in enumerate(declared)]
            else:
                whole = Raw(msgspec.json.encode({name: value}))
                tools.append(Tool(name, kind=HOSTED, raw=whole))
    return tuple(tools)


def _function(item: Members, where: str) -> Tool:
    found = tidy(item, where)
    raw = found.get("name")
    if raw is None:
        param = f"{where}.name"
        raise missing(param)
    schema = found.get("parametersJsonSchema")
    if "parameters" in found:
        if schema is not None:
            param = f"{where}.parameters"
            raise InvalidRequest(
                f"Send either '{param}' or parametersJsonSchema.", code="invalid_value", param=param
            )
        schema = json_schema(found["parameters"], f"{where}.parameters")
    return Tool(
        string(raw, where, "name"),
        string(found["description"], where, "description") if "description" in found else "",
        schema,
        extra={name: value for name, value in found.items() if name not in _TAKEN},
    )


def read_tool_choice(raw: Raw) -> tuple[ToolChoice | None, Members]:
    """How tools may be chosen, and the members of `toolConfig` that say more than that."""
    left = dict(inner(raw, "toolConfig"))
    calling = left.get(_CALLING)
    if calling is None:
        return None, left
    where = f"toolConfig.{_CALLING}"
    found = dict(inner(calling, where))
    if found.pop("streamFunctionCallArguments", None) is not None:
        # Pieces of arguments come by path, and an answer that is translated is read whole.
        left[_CALLING] = Raw(msgspec.json.encode(found))
    word = string(found["mode"], where, "mode").upper() if "mode" in found else "AUTO"
    mode = _MODES.get(word)
    if mode is None:
        raise InvalidRequest(
            f"'{where}.mode' must be AUTO, ANY, NONE or VALIDATED.",
            code="invalid_value",
            param=f"{where}.mode",
        )
    allowed = _allowed(found, where)
    if found.keys() <= {"mode", "allowedFunctionNames"} and (word != "VALIDATED" or allowed):
        del left[_CALLING]
    if mode == REQUIRED and len(allowed) == 1:
        return ToolChoice(NAMED, allowed[0]), left
    return ToolChoice(mode, allowed=allowed), left


def _allowed(found: Members, where: str) -> tuple[str, ...]:
    raw = found.get("allowedFunctionNames")
    if raw is None:
        return ()
    try:
        names = _STRINGS.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{where}.allowedFunctionNames") from None
    return (names,) if isinstance(names, str) else tuple(names)
