"""What a dialect cannot say, and what then happens: one table, which is also a page of the docs.

An encoder never leaves anything out silently: it names the feature. The rule then says
whether the call goes on without it (a warning header names it), or is refused before a token
is spent. Under `Ask.strict` the dispatcher refuses any loss. A feature that a dialect can
express is not in its table; mapping into other words without losing the meaning is no loss.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest
from federation.schema.parts import IMAGE, Media, ToolResult

DROP, REFUSE = "drop", "refuse"
_PUBLIC: Final = re.compile(r"https?://|data:", re.IGNORECASE)

FEATURES: Final[dict[str, str]] = {
    # Sampling
    "temperature": "sampling temperature",
    "top_p": "nucleus sampling",
    "top_k": "sampling among the k likeliest tokens",
    "min_p": "least probability of a sampled token",
    "frequency_penalty": "penalty by a token's frequency",
    "presence_penalty": "penalty for a token's presence",
    "seed": "seed of the sampling",
    "stop": "stop sequences",
    "stop_count": "stop sequences beyond the most that are accepted",
    "logit_bias": "bias of single tokens",
    "logprobs": "log probabilities of the answer's tokens",
    "choices": "more than one answer",
    "output_limit": "limit of the answer's tokens",
    # Tools
    "tools": "tools",
    "tool_choice_none": "forbidding tool calls while tools are listed",
    "tool_choice_required": "forcing some tool call",
    "tool_choice_named": "forcing one tool",
    "tool_choice_allowed": "narrowing the choice to some of the tools",
    "parallel_tools": "switching parallel tool calls off",
    "strict_tools": "strict adherence to a tool's schema",
    "tool_schema": "parts of a tool's schema",
    "custom_tools": "tools that take free text",
    "hosted_tools": "tools that the provider runs",
    "tool_arguments": "arguments of earlier calls that are no JSON object",
    "tool_result_error": "marking a tool's result as an error",
    "tool_result_media": "pictures or files in a tool's result",
    # Content
    "image": "pictures",
    "image_url": "pictures by remote address",
    "image_detail": "how closely a picture is looked at",
    "audio": "sound in messages",
    "video": "films in messages",
    "file": "documents",
    "file_url": "documents by remote address",
    "file_id": "files stored at a provider",
    "citations": "citations in messages, or asking for them",
    "cache_marks": "marks of what may be cached",
    "message_name": "names of participants",
    "system_place": "system messages after the first turn",
    "prefill": "an answer that the caller began",
    "foreign_part": "parts that only the client's dialect knows",
    "thinking_history": "reasoning of earlier turns",
    "thinking_state": "sealed reasoning of another provider",
    # The answer's form
    "json_mode": "any JSON object as the answer",
    "json_schema": "an answer after a schema",
    "verbosity": "how long the answer is to be",
    "audio_output": "spoken answers",
    "reasoning": "asking for reasoning",
    "reasoning_effort": "the effort of reasoning",
    "reasoning_budget": "a limit of reasoning tokens",
    "reasoning_off": "switching reasoning off",
    "reasoning_summary": "how reasoning is summarized",
    # The call
    "user": "the end user's id",
    "metadata": "metadata of the call",
    "service_tier": "the service tier",
    "store": "keeping the answer at the provider",
    "cache_key": "the key that groups calls for caching",
    "unknown_field": "fields that only the client's dialect knows",
}
"""The vocabulary: every name that an encoder may report."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to a feature that a dialect cannot express, why, and where that is said."""

    action: str
    why: str
    source: str


Table = Mapping[str, Rule]
"""Feature to rule, for one dialect."""


class Losses:
    """Gathers what one encoding leaves out."""

    __slots__ = ("_features", "_found", "_table")

    def __init__(self, table: Table, features: Mapping[str, str] = FEATURES) -> None:
        self._table = table
        self._features = features
        self._found: dict[str, None] = {}

    def note(self, feature: str, field: str = "") -> None:
        """Say that a feature is left out. Raises `InvalidRequest` where its rule refuses that,
        and `KeyError` for a feature that the dialect's table does not name."""
        rule = self._table[feature]
        if rule.action == REFUSE:
            raise refusal(feature, field, self._features)
        self._found[feature] = None

    def found(self) -> tuple[str, ...]:
        """The features that were left out."""
        return tuple(self._found)


def refusal(
    feature: str, field: str = "", features: Mapping[str, str] = FEATURES
) -> InvalidRequest:
    """The refusal of a call whose target cannot do what is asked; `features` says it in words."""
    return InvalidRequest(
        f"The deployment that would serve this call cannot take {features[feature]}. Leave it "
        "out, or name another model.",
        code="not_expressible",
        param=field or None,
    )


def check_addresses(request: ChatRequest) -> None:
    """Raise `InvalidRequest` for an address that is none for everybody (`s3://`, `gs://`): it
    means something in the dialect that it came in, where it is a governed field, and another
    one's provider would open it with our account there."""
    for index, message in enumerate(request.messages):
        for part in message.parts:
            for media in part.parts if isinstance(part, ToolResult) else (part,):
                if isinstance(media, Media) and media.url and not _PUBLIC.match(media.url):
                    feature = "image_url" if media.kind == IMAGE else "file_url"
                    raise refusal(feature, f"messages[{index}]")
