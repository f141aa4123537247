"""Namespaces of tools, which no other language knows: a tool's full name stands for both names.

The canonical call has full names throughout; what is written for this language has the
namespace as a member of its own again.

Reference: https://developers.openai.com/api/docs/guides/function-calling
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, structs

from federation.dialects.openai_responses.fields import text_or_nothing
from federation.schema.parts import ToolCall

SPACE: Final = "namespace"
_JOINT: Final = "__"


def full_name(space: str, name: str) -> str:
    """A tool's name beyond its namespace."""
    return f"{space}{_JOINT}{name}"


def short_name(call: ToolCall) -> str:
    """The name of the tool of a call inside of the namespace that the call names."""
    space = text_or_nothing(call.extra.get(SPACE))
    return call.name.removeprefix(f"{space}{_JOINT}") if space else call.name


def with_space(call: ToolCall, space: Raw) -> ToolCall:
    """A call that names its tool's namespace."""
    return structs.replace(call, extra=call.extra | {SPACE: space})
