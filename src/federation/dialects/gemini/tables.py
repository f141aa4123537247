"""The dialect's words: roles, ways to end, governed and listed fields, and what it cannot say.

Every name here is in the camelCase form; `names` brings the other spelling to it. A member
of `generationConfig` is written `generationConfig.name` where it must be told from one of
the body.

Reference: https://ai.google.dev/api/generate-content, the types of the official SDK, and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from msgspec import Meta, Raw

from federation.dialects.fields import decoders
from federation.dialects.governed import EMPTY, Governed, neutral
from federation.schema import chat

NAME: Final = "gemini"

USER, MODEL = "user", "model"
ROLES: Final = frozenset((USER, MODEL, "function", "tool"))
"""`function` and `tool` are older words for the turn that holds functions' results."""

BYPASS: Final = "skip_thought_signature_validator"
"""What the vendor documents for a function call that another model made or whose signature is
lost: https://ai.google.dev/gemini-api/docs/thought-signatures"""

FINISHES: Final[dict[str, str]] = {
    "STOP": chat.STOP,
    "MAX_TOKENS": chat.LENGTH,
    "CONTINUATION": chat.PAUSE,
    "SAFETY": chat.FILTER,
    "RECITATION": chat.FILTER,
    "BLOCKLIST": chat.FILTER,
    "PROHIBITED_CONTENT": chat.FILTER,
    "SPII": chat.FILTER,
    "MODEL_ARMOR": chat.FILTER,
    "ESCALATION": chat.FILTER,
    "PUP_LIMITED_DISABLED": chat.FILTER,
    "IMAGE_SAFETY": chat.FILTER,
    "IMAGE_PROHIBITED_CONTENT": chat.FILTER,
    "IMAGE_RECITATION": chat.FILTER,
}
"""Finish reasons; every other word (LANGUAGE, MALFORMED_FUNCTION_CALL, ...) is `other`."""

REASONS: Final[dict[str, str]] = {
    "": "STOP",
    chat.STOP: "STOP",
    chat.TOOL_CALLS: "STOP",
    chat.LENGTH: "MAX_TOKENS",
    chat.FILTER: "SAFETY",
    chat.PAUSE: "OTHER",
    chat.OTHER: "OTHER",
}
"""The way back. A pause is no CONTINUATION: that comes with a token that only its maker has."""

MALFORMED: Final = "MALFORMED_FUNCTION_CALL"

Object = dict[str, Raw]
_Limit = Annotated[int, Meta(ge=1, le=1_000_000_000)]


FIELDS: Final = decoders(
    {
        "cachedContent": str,
        "labels": dict[str, str],
        "safetySettings": list[Object] | Object,
        "serviceTier": str,
        "store": bool,
        "toolConfig": Object,
    },
    strict=False,
)
"""Further members of the body, and what their values must be. The vendor's parser also takes
numbers in quotes, and a single object where a list belongs."""

CONFIG: Final = decoders(
    {
        "candidateCount": Annotated[int, Meta(ge=1, le=128)],
        "frequencyPenalty": float,
        "imageConfig": Object,
        "logprobs": Annotated[int, Meta(ge=0)],
        "maxOutputTokens": _Limit,
        "mediaResolution": str,
        "presencePenalty": float,
        "responseLogprobs": bool,
        "responseMimeType": str,
        "responseModalities": list[str],
        "responseSchema": Object,
        "seed": int,
        "speechConfig": Object,
        "stopSequences": list[str] | str,
        "temperature": float,
        "thinkingConfig": Object,
        "topK": float,
        "topP": float,
    },
    strict=False,
)
"""Members of `generationConfig`, likewise."""

_LISTED = """
    audioTimestamp audioTranscriptionConfig enableAffectiveDialog enableEnhancedCivicAnswers
    responseFormat responseJsonSchema translationConfig
"""
CONFIG_LISTED: Final = frozenset(_LISTED.split())
CONFIG_FIELDS: Final = frozenset(CONFIG) | CONFIG_LISTED
"""What a row may name as a member of `generationConfig` without saying so."""

LISTED: Final = frozenset(
    (
        "contents",
        "federation",
        "generateContentRequest",
        "generationConfig",
        "model",
        "systemInstruction",
        "tools",
    )
)
"""Members that are read on their own."""


TOOL_NAMES: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
"""https://ai.google.dev/api/caching#FunctionDeclaration"""

STORED: Final = re.compile(r"gs://|(?:https?://[^/]+/v\w+/)?files/[\w-]+(?:[?#:].*)?$")
"""Files that only their provider can open, not addresses that anybody can."""

GOVERNED: Final[dict[str, Governed]] = {
    "cachedContent": Governed("retention", "Reads a prompt that is kept at the host.", EMPTY),
    "continuationToken": Governed("retention", "Goes on with a stored answer.", EMPTY),
    "fileData": Governed("retention", "Reads a file that is stored under our account."),
    "modelArmorConfig": Governed(
        "model, place", "Has templates of an account check the conversation.", EMPTY
    ),
    "outputConfig": Governed("place, retention", "Writes the answer into a bucket.", EMPTY),
    "safetySettings": Governed("model", "Changes what the host's filters let through.", EMPTY),
    "serviceTier": Governed(
        "price",
        "Buys another processing class at another price.",
        neutral('"standard"', '"unspecified"', '"STANDARD"'),
    ),
    "store": Governed("retention", "Keeps the conversation with the provider.", neutral("false")),
    "generationConfig.modelConfig": Governed("model", "Lets the host choose the model.", EMPTY),
    "generationConfig.modelSelectionConfig": Governed(
        "model", "Lets the host choose the model.", EMPTY
    ),
    "generationConfig.routingConfig": Governed("model", "Lets the host choose the model.", EMPTY),
}
"""Fields that change what a rule may have decided. With a neutral value they are forwarded.
Tools that the host runs are governed by the name `tools.<kind>`."""

FUNCTIONS: Final = "functionDeclarations"
"""The one kind of tool that the caller runs itself."""

STOPS: Final = 5
"""Most stop sequences: `GenerationConfig.stop_sequences`."""
SEEDS: Final = range(-(2**31), 2**31)
"""`seed` is a 32-bit integer on the wire."""

TIERS: Final = {
    "default": "standard",
    "standard": "standard",
    "standard_only": "standard",
    "flex": "flex",
    "priority": "priority",
}
"""Service tiers of any dialect in this one's words; `auto` says nothing and is left out."""

SAMPLING: Final = ("temperature", "topP", "topK", "presencePenalty", "frequencyPenalty")
"""What a row's `sampling: drop` takes away."""

LEVELS: Final = ("minimal", "low", "medium", "high")
"""Thinking levels of a row that does not list its own; XHIGH is not taken by every model."""

BUDGETS: Final = {
    "minimal": 1024,
    "low": 4096,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 32_768,
    "max": 32_768,
}
"""Tokens of thinking for an effort, where the row counts them."""
