"""The parameters of a call as the API repeats them in its answer.

Clients build their next call from them, and the official types insist on some. What the
call left out is answered with the API's default.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from federation.dialects.losses import Losses
from federation.dialects.openai.row import Row
from federation.dialects.openai_responses.encode import format_item
from federation.dialects.openai_responses.encode_tools import choice_item, tool_item
from federation.dialects.openai_responses.parse import INSTRUCTIONS
from federation.schema.chat import ChatRequest
from federation.schema.parts import Text

_ROW: Final = Row()
_UNSAID: Final = frozenset(("include", "text", "reasoning", "tool_choice", "stream_options"))


def echo_of(request: ChatRequest) -> dict[str, Any]:
    """The echo of a call of this dialect. An extra that it carries is repeated as it came:
    that is how a gateway has `previous_response_id` or `background` said."""
    sampling, wanted = request.sampling, request.reasoning
    losses = Losses({})
    choice = request.tool_choice
    return {
        "background": False,
        "instructions": _instructions(request),
        "max_output_tokens": request.max_output,
        "max_tool_calls": None,
        "metadata": request.metadata,
        "parallel_tool_calls": request.parallel_tools is not False,
        "previous_response_id": None,
        "prompt_cache_key": request.cache_key or None,
        "reasoning": {
            "effort": (wanted and wanted.effort) or None,
            "summary": (wanted and wanted.summary) or None,
        },
        "safety_identifier": None,
        "service_tier": request.service_tier or "default",
        "store": request.store is not False,
        "temperature": 1.0 if sampling.temperature is None else sampling.temperature,
        "text": _text(request),
        "tool_choice": choice_item(choice, request.tools)
        if choice is not None
        else request.extra.get("tool_choice", "auto"),
        "tools": [
            tool_item(tool, own=True, row=_ROW, losses=losses, where="tools")
            for tool in request.tools
        ],
        "top_logprobs": sampling.top_logprobs or 0,
        "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
        "truncation": "disabled",
        "user": request.user or None,
        **{name: raw for name, raw in request.extra.items() if name not in _UNSAID},
    }


def _text(request: ChatRequest) -> dict[str, Any]:
    wanted = request.format
    found: dict[str, Any] = {"format": format_item(wanted) if wanted else {"type": "text"}}
    if request.verbosity:
        found["verbosity"] = request.verbosity
    return found


def _instructions(request: ChatRequest) -> str | Raw | None:
    for message in request.messages:
        if INSTRUCTIONS in message.extra:
            return "".join([part.text for part in message.parts if isinstance(part, Text)])
    return None
