"""What the dialect knows: request fields, finish reasons, and what it cannot say as a target.

Traps: a call without `stream` is streamed; sampling stands inside `options`; a prompt that
does not fit the context is cut without a word; and a finish of `stop` may mean tool calls.

Sources: `ChatRequest`, `Message` and `Options` of the official client, and
https://docs.ollama.com/openapi.yaml
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Raw

from federation.dialects.fields import decoders
from federation.dialects.governed import Governed
from federation.dialects.losses import DROP, REFUSE, Rule
from federation.dialects.untold import no_place
from federation.schema.chat import FILTER, LENGTH, OTHER, PAUSE, STOP, TOOL_CALLS

NAME: Final = "ollama"
GENERATE: Final = "ollama_generate"
OWN: Final = frozenset((NAME, GENERATE))
"""Client dialects whose extras this dialect can write back."""
NULL: Final = Raw(b"null")
"""A member that is absent or null: msgspec knows no optional raw value."""

_Object = dict[str, Raw]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]


FIELDS: Final = decoders(
    {
        "format": str | _Object | None,
        "keep_alive": str | float | None,
        "logprobs": bool | None,
        "model": _Name | None,
        "options": _Object | None,
        "shift": bool | None,
        "stream": bool | None,
        "think": bool | str | None,
        "tools": list[_Object] | None,
        "top_logprobs": Annotated[int, Meta(ge=0, le=100)] | None,
        "truncate": bool | None,
    }
)
"""Every field of a chat call, and what its value must be."""

GENERATE_FIELDS: Final = FIELDS | decoders(
    {
        "context": list[int] | None,
        "images": list[str] | None,
        "prompt": str | None,
        "raw": bool | None,
        "suffix": str | None,
        "system": str | None,
        "template": str | None,
    }
)
"""Every field of a generate call."""

KNOWN: Final = frozenset(
    (
        "federation",
        "format",
        "logprobs",
        "messages",
        "model",
        "options",
        "stream",
        "think",
        "tools",
        "top_logprobs",
    )
)
"""Fields that have a place in the canonical form; the others travel as extras."""
GENERATE_KNOWN: Final = KNOWN | {
    "context",
    "images",
    "prompt",
    "raw",
    "suffix",
    "system",
    "template",
}


GOVERNED: Final[dict[str, Governed]] = {}
"""Nothing that the vendor documents changes model, place, price, retention or credentials. A
hosted tool is governed as `tools.<type>`."""

ROLES: Final = frozenset(("system", "user", "assistant", "tool"))

FINISH: Final = {"stop": STOP, "length": LENGTH, "load": OTHER, "unload": OTHER}
"""Theirs to ours; anything else is `other`."""

REASONS: Final = {
    STOP: "stop",
    LENGTH: "length",
    TOOL_CALLS: "stop",
    FILTER: "content_filter",
    PAUSE: "length",
    OTHER: "stop",
}
"""Ours to theirs: tool calls end with `stop`, and there is no word for moderation."""

LEVELS: Final = frozenset(("low", "medium", "high", "max"))
"""Values of `think` beside true and false; only some models take them."""

_CHAT = "https://docs.ollama.com/api/chat"
_SDK = "ollama 0.6 ChatRequest"
_MESSAGE = "ollama 0.6 Message"
_NO_FIELD = "The request has no such field."


def _absent(*features: str) -> dict[str, Rule]:
    return {feature: Rule(DROP, _NO_FIELD, _SDK) for feature in features}


LOSSES: Final[dict[str, Rule]] = {
    **_absent(
        "logit_bias",
        "parallel_tools",
        "verbosity",
        "reasoning_budget",
        "reasoning_summary",
        "user",
        "metadata",
        "service_tier",
        "store",
        "cache_key",
        "unknown_field",
    ),
    "choices": Rule(REFUSE, "One call has one answer.", _SDK),
    "temperature": Rule(DROP, "The row refuses it, or it is above its highest.", _CHAT),
    "top_p": Rule(DROP, "The row refuses it.", _CHAT),
    "top_k": Rule(DROP, "The row refuses it.", _CHAT),
    "min_p": Rule(DROP, "The row refuses it.", _CHAT),
    "frequency_penalty": Rule(DROP, "The row refuses it.", _CHAT),
    "presence_penalty": Rule(DROP, "The row refuses it.", _CHAT),
    "logprobs": Rule(DROP, "At most twenty alternatives are given.", _SDK),
    "tools": Rule(REFUSE, "The row refuses tools.", _CHAT),
    "tool_choice_required": Rule(REFUSE, "No call can be forced.", _SDK),
    "tool_choice_named": Rule(REFUSE, "No call can be forced.", _SDK),
    "tool_choice_allowed": Rule(REFUSE, "None of the allowed tools is listed.", _SDK),
    "strict_tools": Rule(DROP, _NO_FIELD, "ollama 0.6 Tool"),
    "tool_arguments": Rule(
        DROP, "An object; other text goes along inside of one.", "ollama 0.6 Message"
    ),
    "custom_tools": Rule(REFUSE, "A tool is a function.", "ollama 0.6 Tool"),
    "hosted_tools": Rule(REFUSE, "A tool is a function of the caller's.", "ollama 0.6 Tool"),
    "tool_result_error": Rule(DROP, _NO_FIELD, _MESSAGE),
    "tool_result_media": Rule(REFUSE, "A result is text.", _MESSAGE),
    "image": Rule(REFUSE, "Only pictures given as data are taken.", _MESSAGE),
    "image_url": Rule(REFUSE, "Pictures are given as data, not by address.", _MESSAGE),
    "image_detail": Rule(DROP, _NO_FIELD, _MESSAGE),
    "audio": Rule(REFUSE, "A message is text and pictures.", _MESSAGE),
    "video": Rule(REFUSE, "A message is text and pictures.", _MESSAGE),
    "file": Rule(REFUSE, "Documents are text in the message.", _MESSAGE),
    "file_url": Rule(REFUSE, "Documents are text in the message.", _MESSAGE),
    "file_id": Rule(REFUSE, "There are no stored files.", _MESSAGE),
    "citations": Rule(DROP, _NO_FIELD, _MESSAGE),
    "cache_marks": Rule(DROP, "Caching is not steered.", _MESSAGE),
    "message_name": Rule(DROP, _NO_FIELD, _MESSAGE),
    "foreign_part": Rule(DROP, _NO_FIELD, _MESSAGE),
    "thinking_history": Rule(DROP, "The row refuses it.", _MESSAGE),
    "thinking_state": Rule(DROP, "Reasoning is text without state.", _MESSAGE),
    "json_mode": Rule(REFUSE, "The row refuses it.", _CHAT),
    "json_schema": Rule(REFUSE, "The row refuses it.", _CHAT),
    "audio_output": Rule(REFUSE, "Answers are text.", _SDK),
    "reasoning": Rule(DROP, "A model that does not reason refuses the field.", _CHAT),
    "reasoning_effort": Rule(
        DROP,
        "Only some models take levels; others refuse them.",
        "claude-code-router issue 1093",
    ),
    "reasoning_off": Rule(DROP, "The model cannot switch it off.", _CHAT),
}

DROPPED: Final = {
    "tools": "tools",
    "think": "reasoning",
    "logprobs": "logprobs",
    "top_logprobs": "logprobs",
}
"""Which feature goes when a row does not take a field; others are `unknown_field`."""

SAMPLING: Final = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
)
"""Options that a row's `sampling: drop` takes away."""

UNTOLD: Final = no_place(
    "official client: ChatResponse, Message",
    "image_url", "audio", "video", "file", "citations", "foreign_part",
)  # fmt: skip
"""What an answer to a client of this language cannot say."""
GENERATE_UNTOLD: Final = UNTOLD | no_place(
    "official client: GenerateResponse", "image", "tool_calls"
)
"""The same for the generate call."""
