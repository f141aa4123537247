"""What the dialect knows: request fields, finish reasons, and what it cannot say as a target.

A trap for whoever knows the compatible languages only: sampling fields are called `p` and
`k`, a forced tool cannot be named, text beside tool calls is refused (a plan goes into
`tool_plan`), and the answer does not say which model gave it.

Sources: `V2Client.chat` and the types of the official SDK, https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.fields import decoders
from federation.dialects.governed import EMPTY, Governed, neutral
from federation.dialects.losses import DROP, REFUSE, Rule
from federation.dialects.untold import no_place
from federation.schema.chat import FILTER, LENGTH, OTHER, PAUSE, STOP, TOOL_CALLS

NAME: Final = "cohere"
NULL: Final = Raw(b"null")
"""A member that is absent or null: msgspec knows no optional raw value."""

_Object = dict[str, Raw]
_Limit = Annotated[int, Meta(ge=1, le=1_000_000_000)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]


class Format(msgspec.Struct, frozen=True):
    """`response_format`."""

    type: str
    json_schema: Raw = NULL
    older: Raw = msgspec.field(default=NULL, name="schema")
    """As v1 names it, and clients of v2 still do."""

    @property
    def schema(self) -> Raw:
        """What the answer must adhere to; null where that is open."""
        return self.json_schema if self.json_schema != NULL else self.older


class Thinking(msgspec.Struct, frozen=True):
    """`thinking`."""

    type: str
    token_budget: int | None = None


FIELDS: Final = decoders(
    {
        "citation_options": _Object | None,
        "documents": list[str | _Object] | None,
        "frequency_penalty": float | None,
        "k": int | None,
        "logprobs": bool | None,
        "max_tokens": _Limit | None,
        "model": _Name | None,
        "p": float | None,
        "presence_penalty": float | None,
        "priority": int | None,
        "raw_prompting": bool | None,
        "response_format": Format | None,
        "safety_mode": str | None,
        "seed": int | None,
        "stop_sequences": list[str] | None,
        "stream": bool | None,
        "strict_tools": bool | None,
        "temperature": float | None,
        "thinking": Thinking | None,
        "tool_choice": str | None,
        "tools": list[_Object] | None,
    }
)
"""Every request field of the vendor, and what its value must be."""

OBJECTS: Final = frozenset(("citation_options", "response_format", "thinking"))
"""Fields whose members we read or write back: a duplicate in them is refused too."""

KNOWN: Final = frozenset(
    (
        "messages",
        "model",
        "stream",
        "tools",
        "strict_tools",
        "documents",
        "response_format",
        "max_tokens",
        "stop_sequences",
        "temperature",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "k",
        "p",
        "logprobs",
        "tool_choice",
        "thinking",
        "federation",
    )
)
"""Fields that have a place in the canonical form; the others travel as extras."""


GOVERNED: Final[dict[str, Governed]] = {
    "connectors": Governed("place, credentials", "Reads from connected data sources.", EMPTY),
    "content.file": Governed("retention", "Reads a file that is stored under our account."),
    "conversation_id": Governed("retention", "Reads and writes a stored conversation.", EMPTY),
    "prompt_truncation": Governed("model", "Lets the host cut the conversation.", neutral('"OFF"')),
}
"""Fields that change what a rule may have decided. Those of a body are of v1, and some hosts still
take them; of v2 only a picture in a provider's storage is governed. A hosted tool is governed as
`tools.<type>`."""

LISTED: Final = frozenset(("citation_quality", "preamble", "return_prompt", "truncate"))
"""Fields of v1 and of other hosts that change the answer's wording only."""

ROLES: Final = frozenset(("system", "user", "assistant", "tool"))

PLAN: Final = "tool_plan"
"""The name of an `extra` that marks a thinking part as the message's `tool_plan`.

The plan is reasoning, not answer: the models write it between the same tokens as thinking."""
MARK: Final = Raw(b"true")

FINISH: Final = {
    "COMPLETE": STOP,
    "STOP_SEQUENCE": STOP,
    "MAX_TOKENS": LENGTH,
    "TOOL_CALL": TOOL_CALLS,
    "ERROR_TOXIC": FILTER,
    "ERROR_LIMIT": LENGTH,
}
"""Theirs to ours; anything else is `other`."""

FAILURES: Final = frozenset(("ERROR", "TIMEOUT"))
"""Finish reasons that are no end of an answer but a failure of the provider."""

REASONS: Final = {
    STOP: "COMPLETE",
    LENGTH: "MAX_TOKENS",
    TOOL_CALLS: "TOOL_CALL",
    FILTER: "ERROR",
    PAUSE: "MAX_TOKENS",
    OTHER: "ERROR",
}
"""Ours to theirs. There is no word for moderation, so it ends like any answer that is not to
be relied on; a pause is, like a limit, an end to be continued."""

_CHAT = "https://docs.cohere.com/reference/chat"
_SDK = "cohere 7.3 V2Client.chat"
_ERRORS = "https://docs.cohere.com/reference/errors"
_NO_FIELD = "The request has no such field."


def _absent(*features: str) -> dict[str, Rule]:
    return {feature: Rule(DROP, _NO_FIELD, _SDK) for feature in features}


LOSSES: Final[dict[str, Rule]] = {
    **_absent(
        "min_p",
        "logit_bias",
        "parallel_tools",
        "verbosity",
        "reasoning_effort",
        "reasoning_summary",
        "user",
        "metadata",
        "service_tier",
        "store",
        "cache_key",
        "unknown_field",
    ),
    "choices": Rule(REFUSE, "One call has one answer.", _SDK),
    "temperature": Rule(DROP, "The row refuses it, or it is out of range.", _CHAT),
    "top_p": Rule(DROP, "The row refuses it.", _CHAT),
    "top_k": Rule(DROP, "The row refuses it, or it is above 500.", _CHAT),
    "frequency_penalty": Rule(DROP, "Only 0 to 1 is accepted.", _CHAT),
    "presence_penalty": Rule(DROP, "Only 0 to 1 is accepted.", _CHAT),
    "seed": Rule(DROP, "Only seeds from 0 are accepted.", _CHAT),
    "stop": Rule(REFUSE, "The row refuses it.", _CHAT),
    "stop_count": Rule(DROP, "At most five are accepted.", _CHAT),
    "logprobs": Rule(DROP, "Only the chosen tokens' probabilities are given.", _SDK),
    "output_limit": Rule(DROP, "The row refuses it.", _CHAT),
    "tools": Rule(REFUSE, "The row refuses tools.", _CHAT),
    "tool_choice_none": Rule(DROP, "The row refuses it.", _CHAT),
    "tool_choice_required": Rule(REFUSE, "The row refuses it.", _CHAT),
    "tool_choice_named": Rule(
        REFUSE, "Only some call can be forced, and the named tool is not among the tools.", _SDK
    ),
    "tool_choice_allowed": Rule(REFUSE, "None of the allowed tools is listed.", _SDK),
    "strict_tools": Rule(DROP, "Strictness holds for all tools or none.", _SDK),
    "custom_tools": Rule(REFUSE, "A tool is a function.", "cohere 7.3 ToolV2"),
    "hosted_tools": Rule(REFUSE, "A tool is a function of the caller's.", "cohere 7.3 ToolV2"),
    "tool_result_error": Rule(DROP, _NO_FIELD, "cohere 7.3 ToolMessageV2"),
    "tool_result_media": Rule(REFUSE, "A result is text or documents.", "cohere 7.3 ToolContent"),
    "image": Rule(REFUSE, "Only a user's message takes pictures.", "cohere 7.3 Content"),
    "image_url": Rule(REFUSE, "The row takes inline pictures only.", _CHAT),
    "image_detail": Rule(DROP, "Only auto, low and high are known.", "cohere 7.3 ImageUrlDetail"),
    "audio": Rule(REFUSE, "Content is text or pictures.", "cohere 7.3 Content"),
    "video": Rule(REFUSE, "Content is text or pictures.", "cohere 7.3 Content"),
    "file": Rule(REFUSE, "Documents are text.", "cohere 7.3 Document"),
    "file_url": Rule(REFUSE, "Documents are text.", "cohere 7.3 Document"),
    "file_id": Rule(REFUSE, "There are no stored files.", "cohere 7.3 Content"),
    "citations": Rule(
        DROP, "A citation names one of its own documents or tool results.", "cohere 7.3 Citation"
    ),
    "cache_marks": Rule(DROP, "Caching is not steered.", _SDK),
    "message_name": Rule(DROP, _NO_FIELD, "cohere 7.3 ChatMessageV2"),
    "system_place": Rule(DROP, "A system turn must be the first.", _ERRORS),
    "prefill": Rule(REFUSE, "The last turn is a user's or a tool's.", _CHAT),
    "foreign_part": Rule(DROP, _NO_FIELD, "cohere 7.3 Content"),
    "thinking_history": Rule(
        DROP, "Reasoning is taken back by models that reason only.", "vercel/ai issue 5794"
    ),
    "thinking_state": Rule(DROP, "Reasoning carries no state.", "cohere 7.3 ChatThinkingContent"),
    "json_mode": Rule(REFUSE, "The row refuses it.", _CHAT),
    "json_schema": Rule(
        REFUSE, "The row refuses it here: not beside tools or documents.", "cohere 7.3 docstrings"
    ),
    "audio_output": Rule(REFUSE, "Answers are text.", _SDK),
    "reasoning": Rule(DROP, "The model does not reason.", _CHAT),
    "reasoning_off": Rule(DROP, "The row cannot switch it off.", _CHAT),
    "reasoning_budget": Rule(DROP, "A budget must be positive.", "cohere 7.3 Thinking"),
}

DROPPED: Final = {
    "temperature": "temperature",
    "p": "top_p",
    "k": "top_k",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "stop_sequences": "stop",
    "logprobs": "logprobs",
    "max_tokens": "output_limit",
    "tools": "tools",
    "tool_choice": "tool_choice_required",
    "strict_tools": "strict_tools",
    "thinking": "reasoning",
}
"""Which feature goes when a row does not take a field; others are `unknown_field`."""

SAMPLING: Final = ("temperature", "p", "k", "presence_penalty", "frequency_penalty")
"""What a row's `sampling: drop` takes away."""

UNTOLD: Final = no_place(
    "cohere SDK: AssistantMessageResponse", "image", "audio", "video", "file", "foreign_part"
)
"""What an answer to a client of this language cannot say."""
