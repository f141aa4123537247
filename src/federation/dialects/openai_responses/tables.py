"""The words of this dialect: fields with their types, governed ones, kinds of items, losses.

A field that stands in none of these lists is still forwarded, and reported as unlisted: a
rule about place, price or retention then refuses the call. Adding a name to `LISTED` says
"this changes nothing that is governed". Hosts of this dialect are also hosts of Chat
Completions, so their governed fields are the same and come from there.

Reference: https://platform.openai.com/docs/api-reference/responses/create and the
`ResponseCreateParams` of the official SDK.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.fields import decoders
from federation.dialects.governed import EMPTY, Governed, neutral
from federation.dialects.losses import DROP, REFUSE, Rule, Table
from federation.dialects.openai.tables import GOVERNED as CHAT_GOVERNED
from federation.dialects.openai.tables import LISTED as CHAT_LISTED
from federation.dialects.untold import no_place
from federation.schema import chat

NAME: Final = "openai_responses"

_Object = dict[str, Raw]
_Short = Annotated[str, Meta(max_length=512)]


class TextOptions(msgspec.Struct, frozen=True):
    """The part of `text` that a glance reads."""

    format: Raw = Raw(b"null")
    verbosity: str | None = None


class ReasoningOptions(msgspec.Struct, frozen=True):
    """The part of `reasoning` that a glance reads."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


FIELDS: Final = decoders(
    {
        "background": bool | None,
        "include": list[str] | None,
        "instructions": str | None,
        "max_output_tokens": Annotated[int, Meta(ge=1, le=1_000_000_000)] | None,
        "max_tool_calls": int | None,
        "metadata": dict[str, str] | None,
        "model": Annotated[str, Meta(min_length=1, max_length=256)] | None,
        "moderation": _Object | None,
        "parallel_tool_calls": bool | None,
        "previous_response_id": _Short | None,
        "prompt": _Object | None,
        "prompt_cache_key": _Short | None,
        "prompt_cache_options": _Object | None,
        "prompt_cache_retention": str | None,
        "reasoning": ReasoningOptions | None,
        "safety_identifier": _Short | None,
        "service_tier": str | None,
        "store": bool | None,
        "stream": bool | None,
        "stream_options": _Object | None,
        "temperature": float | None,
        "text": TextOptions | None,
        "tool_choice": str | _Object | None,
        "tools": list[Raw] | None,
        "top_logprobs": Annotated[int, Meta(ge=0)] | None,
        "top_p": float | None,
        "truncation": str | None,
        "user": _Short | None,
    }
)
"""Request fields of the vendor, and what their values must be."""

OBJECTS: Final = frozenset(("text", "reasoning"))
"""Fields whose members we read: a duplicate in them is refused too."""

GOVERNED: Final[dict[str, Governed]] = {
    **{name: rule for name, rule in CHAT_GOVERNED.items() if name != "speed"},
    "store": Governed(
        "retention",
        "Keeps the answer to be fetched or continued later; the default of this API is true.",
        neutral("false"),
    ),
    "background": Governed("retention", "Keeps the answer until it is fetched.", EMPTY),
    "previous_response_id": Governed("retention", "Continues a stored conversation."),
    "conversation": Governed("retention", "Reads and writes a stored conversation."),
    "prompt": Governed(
        "model, retention", "Applies instructions and settings that are stored at the provider."
    ),
    "context_management": Governed(
        "model", "Lets the provider shorten the conversation by itself.", EMPTY
    ),
    "truncation": Governed(
        "model",
        "Lets the provider leave out the start of the conversation.",
        neutral('"disabled"'),
    ),
    "access_programs": Governed("model", "Chooses a program that changes what is answered."),
    "moderation": Governed("model, price", "Has a second model read the conversation."),
}
"""Fields that change what a rule may have decided. With a neutral value they are forwarded."""

LISTED: Final = CHAT_LISTED | frozenset(("image", "personality"))

FREE_TOOLS: Final = frozenset(("function", "custom"))
"""Tools that the caller runs; any other is governed by the name `tools.<type>`."""

HOLDING_TOOLS: Final = "namespace"
"""A tool that is a list of tools."""

ROLES: Final = frozenset((chat.SYSTEM, chat.DEVELOPER, chat.USER, chat.ASSISTANT))

MESSAGE, REASONING, REFERENCE = "message", "reasoning", "item_reference"
CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that ask the caller to run a tool, and the member that holds what for."""
OUTPUTS: Final = {"function_call_output": "function", "custom_tool_call_output": "custom"}
"""Items that say what a tool answered, and the kind of the tool."""

CALLER_ITEMS: Final = frozenset(
    (
        "additional_tools",
        "apply_patch_call_output",
        "compaction_trigger",
        "computer_call_output",
        "configuration_update",
        "local_shell_call_output",
        "mcp_approval_response",
        "shell_call_output",
        "tool_search_output",
    )
)
"""Items of hosted tools that the caller writes; any other kind is the model's."""

MODEL_ITEMS: Final = frozenset(
    (
        "apply_patch_call",
        "code_interpreter_call",
        "compaction",
        "computer_call",
        "file_search_call",
        "image_generation_call",
        "local_shell_call",
        "mcp_approval_request",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call",
        "tool_search_call",
        "web_search_call",
    )
)
GOVERNED_ITEMS: Final = frozenset(
    ("additional_tools", "configuration_update", "item_reference", "mcp_approval_response")
)
"""Items that bring in tools, settings or stored content; governed as `input.<type>`."""

LONG_CACHE: Final = frozenset((b'{"mode":"explicit"}', b'{"mode":"explicit","ttl":"30m"}', b"null"))
"""Values of `prompt_cache_breakpoint` that keep a prefix no longer than usual."""

LIMIT: Final = "max_output_tokens"
ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"

FINISH: Final = {
    "max_output_tokens": chat.LENGTH,
    "content_filter": chat.FILTER,
    "max_messages": chat.PAUSE,
}
"""`incomplete_details.reason` to our finish."""

ENDED: Final = frozenset(("completed", "incomplete", "failed", "cancelled"))
"""Statuses of a response that is over."""

INCOMPLETE: Final = {
    chat.LENGTH: "max_output_tokens",
    chat.FILTER: "content_filter",
    chat.PAUSE: "max_messages",
}

_CREATE: Final = "https://platform.openai.com/docs/api-reference/responses/create"
_INPUT: Final = "openai SDK: types/responses/response_input_item_param.py"


def _no_field(name: str) -> str:
    return f"The Responses API has no {name}."


LOSSES: Final[Table] = {
    "temperature": Rule(DROP, "The row says that sampling cannot be set.", _CREATE),
    "top_p": Rule(DROP, "The row says that sampling cannot be set.", _CREATE),
    "top_k": Rule(DROP, _no_field("top_k"), _CREATE),
    "min_p": Rule(DROP, _no_field("min_p"), _CREATE),
    "frequency_penalty": Rule(DROP, _no_field("penalties"), _CREATE),
    "presence_penalty": Rule(DROP, _no_field("penalties"), _CREATE),
    "seed": Rule(DROP, _no_field("seed"), _CREATE),
    "stop": Rule(DROP, _no_field("stop sequences"), _CREATE),
    "logit_bias": Rule(DROP, _no_field("logit_bias"), _CREATE),
    "logprobs": Rule(DROP, "The row does not take `include` or `top_logprobs`.", _CREATE),
    "choices": Rule(REFUSE, "A response is one answer.", _CREATE),
    "output_limit": Rule(DROP, "The row does not take `max_output_tokens`.", _CREATE),
    "tools": Rule(REFUSE, "The row does not take tools.", _CREATE),
    "tool_choice_required": Rule(REFUSE, "The row does not take this choice.", _CREATE),
    "tool_choice_named": Rule(REFUSE, "The row does not take this choice.", _CREATE),
    "parallel_tools": Rule(DROP, "The row does not take `parallel_tool_calls`.", _CREATE),
    "tool_schema": Rule(DROP, "The row's host refuses these keywords.", _CREATE),
    "custom_tools": Rule(REFUSE, "The row lists the kinds of tools that it takes.", _CREATE),
    "hosted_tools": Rule(REFUSE, "It is another vendor's tool.", _CREATE),
    "tool_result_error": Rule(DROP, "A tool's output has no such mark.", _INPUT),
    "tool_result_media": Rule(REFUSE, "An output holds text, pictures and files.", _INPUT),
    "image": Rule(REFUSE, "The row says that the model takes no pictures.", _INPUT),
    "image_url": Rule(REFUSE, "The row says that pictures must be inline.", _INPUT),
    "audio": Rule(REFUSE, "Input content is text, pictures and files.", _INPUT),
    "video": Rule(REFUSE, "Input content is text, pictures and files.", _INPUT),
    "file_id": Rule(
        REFUSE, "An id is good at one account, and nothing tells that this is it.", _INPUT
    ),
    "citations": Rule(DROP, "A document cannot ask to be cited.", _INPUT),
    "cache_marks": Rule(DROP, "The row says nothing of cache breakpoints.", _CREATE),
    "message_name": Rule(DROP, "Messages carry no names.", _INPUT),
    "prefill": Rule(DROP, "A new message follows the last one; none is continued.", _CREATE),
    "foreign_part": Rule(DROP, "No item holds it.", _INPUT),
    "thinking_history": Rule(
        DROP, "Reasoning goes back only in the encrypted form that the provider gave.", _INPUT
    ),
    "thinking_state": Rule(DROP, "Only reasoning items hold a sealed state.", _INPUT),
    "json_mode": Rule(REFUSE, "The row does not take `text`.", _CREATE),
    "json_schema": Rule(REFUSE, "The row does not take `text`.", _CREATE),
    "verbosity": Rule(DROP, "The row does not take `text`.", _CREATE),
    "audio_output": Rule(REFUSE, "Answers are text.", _CREATE),
    "reasoning": Rule(DROP, "The row does not take `reasoning`.", _CREATE),
    "reasoning_effort": Rule(DROP, "The row does not list this effort.", _CREATE),
    "reasoning_budget": Rule(DROP, "Reasoning has an effort and no budget.", _CREATE),
    "reasoning_off": Rule(DROP, "The model cannot do without reasoning.", _CREATE),
    "reasoning_summary": Rule(DROP, "The row does not take `reasoning`.", _CREATE),
    "user": Rule(DROP, "The row does not take `user`.", _CREATE),
    "metadata": Rule(DROP, "The row does not take `metadata`.", _CREATE),
    "service_tier": Rule(DROP, "The row does not take `service_tier`.", _CREATE),
    "store": Rule(DROP, "The row does not take `store`.", _CREATE),
    "cache_key": Rule(DROP, "The row does not take `prompt_cache_key`.", _CREATE),
    "unknown_field": Rule(DROP, "The field belongs to another dialect.", _CREATE),
}
"""What this dialect cannot say, or a row of it does not take."""

UNTOLD: Final[Table] = no_place(
    "openai SDK: types/responses/response_output_item.py",
    "image_url", "audio", "video", "file", "late_citations", "foreign_part",
)  # fmt: skip
"""What an answer to a client of this language cannot say. A stream's items are closed one
after the other, and an annotation stands in its text."""
