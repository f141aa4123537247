"""What may stand behind each word in which a row departs from its dialect.

The words' meanings are in `catalogue.quirks`. Here is only what a value must look like, for
the rows of the catalogue and for an operator's. The trap this is for: whoever reads a row at
call time takes a value of another type as none, so a misspelled one would lie there without
effect, or fail at the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class Shape:
    """What fits, as the rest of the sentence "should be ...", and the words of a choice of one."""

    said: str
    fits: Callable[[object], bool]
    words: tuple[str, ...] = ()


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(_text(item) for item in value)


def _mapping(value: object) -> bool:
    return isinstance(value, dict)


def _renames(value: object) -> bool:
    return isinstance(value, dict) and all(_text(item) for item in value.values())


def _scalars(value: object) -> bool:
    return isinstance(value, dict) and all(_text(item) or _number(item) for item in value.values())


def _one_of(*words: str) -> Shape:
    return Shape(f"one of {', '.join(words)}", lambda value: value in words, words)


def _some_of(*words: str) -> Shape:
    return Shape(
        f"a list of some of {', '.join(words)}",
        lambda value: isinstance(value, list) and all(item in words for item in value),
    )


def _or_null(shape: Shape) -> Shape:
    return Shape(f"{shape.said}, or null", lambda value: value is None or shape.fits(value))


FLAG: Final = Shape("true or false", lambda value: isinstance(value, bool))
TEXT: Final = Shape("text", _text)
TEXTS: Final = Shape("a list of words", _texts)
COUNT: Final = Shape("a whole number", _whole)
NUMBER: Final = Shape("a number", _number)
STATUSES: Final = Shape(
    "a list of HTTP statuses",
    lambda value: (
        isinstance(value, list) and all(_whole(item) and 100 <= item <= 599 for item in value)
    ),
)
FIELDS: Final = Shape("a mapping of fields to values", _mapping)
NAMES: Final = Shape("a mapping of names to names", _renames)
TERMS: Final = Shape("a mapping of names to text or numbers", _scalars)
PATHS: Final = Shape(
    "a path, or a mapping of operations to paths", lambda value: _text(value) or _renames(value)
)
MAKERS: Final = Shape(
    "a field's name, or a mapping of names to names", lambda value: _text(value) or _renames(value)
)
_CONTROL: Final = {"host": _text, "headers": _renames, "set": _mapping, "models": _texts}


def _control(value: object) -> bool:
    return isinstance(value, dict) and all(
        key in _CONTROL and _CONTROL[key](inner) for key, inner in value.items()
    )


CONTROLS: Final = Shape(
    "a mapping of regions to host, headers, set and models",
    lambda value: isinstance(value, dict) and all(_control(item) for item in value.values()),
)
RULES: Final = Shape(
    "a list of mappings",
    lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
)

SHAPES: Final[dict[str, Shape]] = {
    **dict.fromkeys(
        (
            "output_limit_required", "drops_silently", "single_choice", "messages_alternate",
            "role_required", "string_content", "image_urls", "tool_result_string",
            "tool_call_ids", "json_mode", "adds_system_prompt", "model_in_path", "model_suffix",
            "deployment_name", "thinking_always_on", "effort_none", "usage_excludes_cached",
            "usage_excludes_reasoning", "finish_reason_empty", "error_in_stream",
            "retry_in_body", "retry_content_filter", "first_call_slow", "async_jobs",
            "auth_optional", "private_ca", "bills_units", "deprecated", "speed_assumed",
        ),
        FLAG,
    ),
    **dict.fromkeys(
        (
            "context_option", "usage_cached_field", "cost_field", "stream_preamble",
            "error_in_200", "auth_bearer_env", "auth_service", "auth_scope", "token_url",
            "token_path", "token_grant", "scope_env", "list_currency", "note",
        ),
        TEXT,
    ),
    **dict.fromkeys(
        (
            "drop", "accepts_only", "tool_types", "tool_schema_strip", "embedding_input_type",
            "effort_levels", "auth_parts", "header_optional", "base_env", "extra_fees",
            "forbidden_data",
        ),
        TEXTS,
    ),
    **dict.fromkeys(
        ("embedding_batch", "cache_breakpoints", "cache_min_tokens", "token_lifetime_s"), COUNT
    ),
    **dict.fromkeys(("throttle_status", "payment_status", "loading_status"), STATUSES),
    **dict.fromkeys(("default", "set", "schema_limits", "price_disputed"), FIELDS),
    **dict.fromkeys(
        (
            "rename", "tool_schema_rename", "effort_rename", "header_env", "body_env",
            "placeholders", "place_hosts", "hosts",
        ),
        NAMES,
    ),
    "region_controls": CONTROLS,
    "temperature_max": NUMBER,
    "extra_fields": MAKERS,
    "path": PATHS,
    "query": TERMS,
    "passthrough": RULES,
    "output_limit_field": _one_of("max_tokens", "max_completion_tokens"),
    "unknown_fields": _one_of("reject"),
    "sampling": _one_of("drop"),
    "system_role": _one_of("developer", "top_level", "first_only"),
    "empty_assistant": _one_of("reject"),
    "prefill": _one_of("prefix", "continue"),
    "name_field": _one_of("tool_only"),
    "tool_choice": _some_of("auto", "none", "required", "named"),
    "tool_results": _one_of("one_per_assistant_turn"),
    "tool_call_id": _one_of("alnum9"),
    "tool_arguments": _one_of("object"),
    "json_schema_excludes": _some_of("tools", "stream", "documents"),
    "structured_output": _one_of("output_config", "tool"),
    "invoke_body": _one_of("titan", "cohere"),
    "reasoning_field": _one_of(
        "reasoning_content", "reasoning", "thinking", "content_parts", "think_tags"
    ),
    "reasoning_control": _one_of(
        "effort", "thinking", "enable_thinking", "reasoning_object", "adaptive", "budget",
        "chat_template_kwargs",
    ),
    "reasoning_replay": _one_of("always", "tool_turns", "signed"),
    "effort_none_value": _or_null(TEXT),
    "effort_case": _one_of("upper"),
    "stream_usage": _one_of("option", "always", "x_groq", "none"),
    "framing": _one_of("ndjson", "aws_event_stream"),
    "keep_alive": _one_of("comments"),
    "billing": _one_of("subscription"),
    "data_use": _one_of("trains"),
}  # fmt: skip
"""Every quirk there is, with the values that it takes."""

_CHAT: Final = ("openai",)
_OPENAI: Final = ("openai", "openai_responses")
_GEMINI: Final = ("gemini", "vertex")
_EVERY: Final = (*_OPENAI, *_GEMINI, "anthropic", "bedrock", "cohere", "ollama")


def _read_by(dialects: tuple[str, ...], *names: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(names, frozenset(dialects))


READERS: Final[dict[str, frozenset[str]]] = {
    **_read_by(
        _EVERY,
        "default", "drop", "payment_status", "sampling", "set", "thinking_always_on",
        "throttle_status",
    ),
    **_read_by((*_OPENAI, *_GEMINI, "anthropic", "bedrock", "ollama"), "effort_levels"),
    **_read_by((*_OPENAI, *_GEMINI, "anthropic", "cohere"), "image_urls"),
    **_read_by((*_OPENAI, *_GEMINI, "cohere"), "tool_choice"),
    **_read_by((*_OPENAI, *_GEMINI, "bedrock"), "reasoning_replay"),
    **_read_by((*_OPENAI, *_GEMINI), "tool_schema_strip"),
    **_read_by(
        (*_OPENAI, "anthropic", "bedrock", "cohere", "ollama"), "loading_status", "rename"
    ),
    **_read_by((*_OPENAI, "anthropic", "cohere", "ollama"), "accepts_only"),
    **_read_by((*_OPENAI, "anthropic", "bedrock"), "cache_breakpoints", "effort_none_value"),
    **_read_by(
        (*_OPENAI, "bedrock"), "effort_none", "effort_rename", "usage_excludes_cached"
    ),
    **_read_by(
        _OPENAI,
        "cost_field", "effort_case", "output_limit_required", "system_role", "tool_types",
        "usage_excludes_reasoning",
    ),
    **_read_by((*_CHAT, *_GEMINI, "anthropic", "bedrock"), "reasoning_control"),
    **_read_by((*_CHAT, *_GEMINI, "cohere"), "json_schema_excludes"),
    **_read_by((*_CHAT, *_GEMINI), "single_choice", "tool_call_ids", "tool_result_string"),
    **_read_by((*_CHAT, "cohere", "ollama"), "json_mode", "temperature_max"),
    **_read_by((*_CHAT, "bedrock"), "extra_fields"),
    **_read_by(
        _CHAT,
        "empty_assistant", "finish_reason_empty", "messages_alternate", "name_field",
        "output_limit_field", "prefill", "reasoning_field", "stream_usage", "string_content",
        "tool_arguments", "tool_call_id", "tool_results", "tool_schema_rename",
        "unknown_fields", "usage_cached_field",
    ),
    **_read_by(("anthropic",), "model_in_path"),
    **_read_by(_GEMINI, "role_required"),
    **_read_by(("bedrock",), "structured_output"),
}  # fmt: skip
"""The dialects that read a quirk. One that is not here does not hang on the dialect: it says
how to sign in or where to go, is read by other operations than chat, or is a fact for people, be it
that a dialect reads it too (`context_option`, `cache_min_tokens`)."""


def misplaced(word: str, dialect: str) -> str:
    """What is wrong with a quirk on a row of this dialect; empty where nothing is, and for a
    dialect that no code speaks: its rows wait for it."""
    readers = READERS.get(word)
    if readers is None or dialect in readers or dialect not in _EVERY:
        return ""
    others = ", ".join(sorted(readers))
    return f"the dialect '{dialect}' does not read the quirk '{word}'; read by: {others}"
