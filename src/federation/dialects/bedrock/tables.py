"""The words of Converse: kinds of content, formats, stop reasons, governed fields, losses.

A field or kind of content that no list names is forwarded and reported as unlisted, so that
a rule about place, price or retention refuses it.

Source: the service model `bedrock-runtime` 2023-09-30 that the official client is made from,
and https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.fields import decoders
from federation.dialects.governed import Governed, neutral
from federation.dialects.losses import DROP, REFUSE, Rule
from federation.dialects.untold import no_place
from federation.schema.chat import FILTER, LENGTH, OTHER, STOP, TOOL_CALLS

NAME: Final = "bedrock"

_Object = dict[str, Raw]


class Inference(msgspec.Struct, frozen=True, rename="camel"):
    """`inferenceConfig`."""

    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None


class ToolConfig(msgspec.Struct, frozen=True, rename="camel"):
    """`toolConfig`."""

    tools: list[_Object]
    tool_choice: _Object | None = None


class OutputConfig(msgspec.Struct, frozen=True, rename="camel"):
    """`outputConfig`."""

    text_format: _Object | None = None
    effort: str | None = None


class ServiceTier(msgspec.Struct, frozen=True):
    """`serviceTier`."""

    type: str


FIELDS: Final = decoders(
    {
        "additionalModelRequestFields": _Object | None,
        "additionalModelResponseFieldPaths": list[str] | None,
        "guardrailConfig": _Object | None,
        "inferenceConfig": Inference | None,
        "outputConfig": OutputConfig | None,
        "performanceConfig": _Object | None,
        "promptVariables": _Object | None,
        "requestMetadata": dict[str, str] | None,
        "serviceTier": ServiceTier | None,
        "system": list[Raw] | None,
        "toolConfig": ToolConfig | None,
    }
)
"""Every member of a body beside `messages`, and what its value must be."""

OBJECTS: Final = frozenset(
    ("inferenceConfig", "outputConfig", "toolConfig", "additionalModelRequestFields")
)
"""Fields whose members we read: a duplicate in them is refused too."""


_NOTHING: Final = neutral("{}")

GOVERNED: Final[dict[str, Governed]] = {
    "guardrailConfig": Governed("price, place", "Has a guardrail read the conversation.", _NOTHING),
    "promptVariables": Governed(
        "model", "Fills a prompt that is stored at the provider.", _NOTHING
    ),
    "performanceConfig": Governed(
        "price, place",
        "Buys another processing class.",
        neutral("{}", '{"latency":"standard"}'),
    ),
    "serviceTier": Governed(
        "price",
        "Buys another processing class at another price.",
        neutral('{"type":"default"}'),
    ),
    "additionalModelRequestFields": Governed(
        "price, place",
        "Can switch on betas, tools and another processing class of the model's maker.",
        _NOTHING,
    ),
    "cachePoint": Governed(
        "price, retention", "Keeps prompt prefixes for longer than usual.", _NOTHING
    ),
    "s3Location": Governed(
        "place, credentials", "Has our account read a file from a bucket.", _NOTHING
    ),
}
"""Fields that change what a rule may have decided; the last two stand inside of content."""

FREE_EXTRAS: Final = frozenset(
    (
        "thinking",
        "reasoning_config",
        "reasoningConfig",
        "reasoning_effort",
        "enable_thinking",
        "chat_template_kwargs",
        "output_config",
        "inferenceConfig",
        "top_k",
        "k",
    )
)
"""Members of `additionalModelRequestFields` that steer wording and reasoning only."""

ROLES: Final = frozenset(("user", "assistant", "system"))

TEXTS: Final = frozenset(
    ("text", "toolUse", "toolResult", "guardContent", "reasoningContent", "citationsContent",
     "searchResult", "cachePoint", "toolAddition", "toolRemoval")
)  # fmt: skip
"""Kinds of content whose bytes are tokens."""

MEDIA: Final = {"image": "images", "video": "files", "audio": "audio", "document": "files"}
"""Kinds of content that attach something, and where a glance counts them."""

STOP_REASONS: Final = {
    "end_turn": STOP,
    "stop_sequence": STOP,
    "tool_use": TOOL_CALLS,
    "max_tokens": LENGTH,
    "model_context_window_exceeded": LENGTH,
    "guardrail_intervened": FILTER,
    "content_filtered": FILTER,
    "malformed_model_output": OTHER,
    "malformed_tool_use": OTHER,
}

FINISHES: Final = {
    STOP: "end_turn",
    TOOL_CALLS: "tool_use",
    LENGTH: "max_tokens",
    FILTER: "content_filtered",
}
"""What stands for a finish that another provider gave; any other one is an ended turn."""

TIERS: Final = frozenset(("priority", "flex", "reserved"))
TTLS: Final = frozenset(("5m", "1h"))
"""How long a cache point may be kept."""

JSON_ANSWER: Final = "federation_json_answer"
"""The one tool by which a model without structured output answers in JSON. Its call is
turned back into text, so this name is ours on every deployment."""

_API = "https://docs.aws.amazon.com/bedrock/latest/APIReference/"
_CONVERSE = _API + "API_runtime_Converse.html"
_INFERENCE = _API + "API_runtime_InferenceConfiguration.html"
_BLOCK = _API + "API_runtime_ContentBlock.html"
_TOOLS = _API + "API_runtime_ToolConfiguration.html"
_CHOICE = _API + "API_runtime_ToolChoice.html"
_REASON = _API + "API_runtime_ReasoningContentBlock.html"
_GUIDE = "https://docs.aws.amazon.com/bedrock/latest/userguide/"


def _absent(action: str, where: str) -> Rule:
    return Rule(action, "Converse has no such field.", where)


LOSSES: Final[dict[str, Rule]] = {
    "temperature": Rule(
        DROP, "The row refuses it, or it lies above 1, the highest.", _INFERENCE
    ),
    "top_p": Rule(DROP, "The row refuses it.", _INFERENCE),
    "top_k": Rule(DROP, "A field of the model's maker; the row names none.", _INFERENCE),
    "min_p": _absent(DROP, _INFERENCE),
    "frequency_penalty": _absent(DROP, _INFERENCE),
    "presence_penalty": _absent(DROP, _INFERENCE),
    "seed": _absent(DROP, _INFERENCE),
    "stop": Rule(DROP, "Models refuse a blank stop sequence.", _INFERENCE),
    "logit_bias": _absent(DROP, _INFERENCE),
    "logprobs": _absent(DROP, _INFERENCE),
    "choices": _absent(REFUSE, _CONVERSE),
    "tools": Rule(REFUSE, "A tool's name has 1 to 64 of A-Z a-z 0-9 _ -.", _TOOLS),
    "tool_choice_none": Rule(
        DROP, "Tools that the history used must stay listed, and no choice forbids them.", _CHOICE
    ),
    "tool_choice_required": Rule(REFUSE, "The model takes no forced tool.", _CHOICE),
    "tool_choice_named": Rule(REFUSE, "The model takes no forced tool.", _CHOICE),
    "parallel_tools": _absent(DROP, _TOOLS),
    "tool_arguments": Rule(DROP, "An object; other text goes along inside of one.", _TOOLS),
    "custom_tools": Rule(REFUSE, "A tool's input follows a JSON schema.", _TOOLS),
    "hosted_tools": Rule(REFUSE, "Another provider runs them.", _TOOLS),
    "tool_result_media": Rule(
        REFUSE, "A result holds text, JSON, pictures, films and documents, inline.",
        _API + "API_runtime_ToolResultContentBlock.html",
    ),
    "image": Rule(
        REFUSE, "Pictures are png, jpeg, gif or webp, outside of system text.",
        _API + "API_runtime_ImageBlock.html",
    ),
    "image_url": Rule(
        REFUSE, "Pictures are inline or in S3.", _API + "API_runtime_ImageSource.html"
    ),
    "image_detail": _absent(DROP, _API + "API_runtime_ImageBlock.html"),
    "audio": Rule(
        REFUSE, "Sound is inline, in one of the formats listed.",
        _API + "API_runtime_AudioBlock.html",
    ),
    "video": Rule(
        REFUSE, "Films are inline, in one of the formats listed.",
        _API + "API_runtime_VideoBlock.html",
    ),
    "file": Rule(
        REFUSE, "Documents are of one of the formats listed.",
        _API + "API_runtime_DocumentBlock.html",
    ),
    "file_url": Rule(
        REFUSE, "Documents are inline or in S3.", _API + "API_runtime_DocumentSource.html"
    ),
    "file_id": _absent(REFUSE, _API + "API_runtime_DocumentSource.html"),
    "citations": Rule(DROP, "Citations of another provider's answer name its documents.", _BLOCK),
    "cache_marks": Rule(
        DROP, "The model has no prompt cache, or the marks are too many.",
        _GUIDE + "prompt-caching.html",
    ),
    "message_name": _absent(DROP, _API + "API_runtime_Message.html"),
    "system_place": Rule(
        DROP, "System text stands before the conversation; later one is moved there.", _CONVERSE
    ),
    "foreign_part": Rule(DROP, "Only the client's dialect knows it.", _BLOCK),
    "thinking_history": Rule(
        DROP, "Reasoning without its signature is refused by the model.", _REASON
    ),
    "thinking_state": Rule(DROP, "Sealed reasoning is of another provider's form.", _REASON),
    "json_mode": Rule(
        REFUSE, "The model has no JSON mode and takes no forced tool.",
        _GUIDE + "structured-output.html",
    ),
    "json_schema": Rule(
        REFUSE, "The model has no structured output, and no tool could stand for it.",
        _GUIDE + "structured-output.html",
    ),
    "verbosity": _absent(DROP, _CONVERSE),
    "audio_output": _absent(REFUSE, _CONVERSE),
    "reasoning": Rule(
        DROP, "The row names no control, or the call excludes reasoning (a forced tool, a turn "
        "without its reasoning, an answer too short).",
        _GUIDE + "claude-messages-extended-thinking.html",
    ),
    "reasoning_effort": Rule(DROP, "The row names no control of the effort.", _CONVERSE),
    "reasoning_budget": Rule(DROP, "The row names no budget.", _CONVERSE),
    "reasoning_off": Rule(DROP, "The model always reasons.", _CONVERSE),
    "reasoning_summary": Rule(DROP, "The row names no control of summaries.", _CONVERSE),
    "user": _absent(DROP, _CONVERSE),
    "metadata": Rule(
        DROP, "At most 16 pairs of plain characters are taken.", _CONVERSE
    ),
    "service_tier": Rule(
        DROP, "Tiers are default, flex, priority and reserved.",
        _API + "API_runtime_ServiceTier.html",
    ),
    "store": _absent(DROP, _CONVERSE),
    "cache_key": _absent(DROP, _CONVERSE),
    "unknown_field": Rule(DROP, "Only the client's dialect knows it.", _CONVERSE),
}  # fmt: skip
"""What a request to Converse cannot say."""

UNTOLD: Final = no_place(
    "bedrock-runtime service model, ContentBlock of an assistant's turn",
    "image_url", "image_form", "audio", "video", "file", "late_citations", "logprobs",
    "foreign_part",
)  # fmt: skip
"""What an answer to a client of this language cannot say. A stream's blocks are closed one
after the other, and a citation stands in its block."""
