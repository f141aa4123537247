"""What the dialect knows of request fields: types, governed ones, those of other hosts.

A field that stands in none of these lists is still forwarded, and reported as unlisted: a
rule about place, price or retention then refuses the call, for nobody knows what the field
does. So adding a name to `LISTED` says "this changes nothing that is governed".

Sources: the `CompletionCreateParams` of the official SDK, and the API references of the
hosts that are named in the catalogue. `docs/reference/governed-fields.md` is the reader's
form of `GOVERNED`.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.fields import decoders
from federation.dialects.governed import EMPTY, Governed, neutral
from federation.dialects.losses import DROP, REFUSE, Rule, Table
from federation.dialects.untold import no_place

_Object = dict[str, Raw]
_Limit = Annotated[int, Meta(ge=1, le=1_000_000_000)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Short = Annotated[str, Meta(max_length=512)]


class StreamOptions(msgspec.Struct, frozen=True):
    """The part of `stream_options` that concerns us."""

    include_usage: bool | None = None


class JsonFormat(msgspec.Struct, frozen=True):
    """The part of `response_format` that concerns us."""

    type: str


FIELDS: Final = decoders(
    {
        "audio": _Object | None,
        "frequency_penalty": float | None,
        "function_call": str | _Object | None,
        "functions": list[_Object] | None,
        "logit_bias": dict[str, float] | None,
        "logprobs": bool | None,
        "max_completion_tokens": _Limit | None,
        "max_tokens": _Limit | None,
        "metadata": _Object | None,
        "modalities": list[str] | None,
        "model": _Name | None,
        "moderation": _Object | None,
        "n": Annotated[int, Meta(ge=1, le=128)] | None,
        "parallel_tool_calls": bool | None,
        "prediction": _Object | None,
        "presence_penalty": float | None,
        "prompt_cache_key": _Short | None,
        "prompt_cache_options": _Object | None,
        "prompt_cache_retention": str | None,
        "reasoning_effort": str | None,
        "response_format": JsonFormat | None,
        "safety_identifier": _Short | None,
        "seed": int | None,
        "service_tier": str | None,
        "stop": str | list[str] | None,
        "store": bool | None,
        "stream": bool | None,
        "stream_options": StreamOptions | None,
        "temperature": float | None,
        "tool_choice": str | _Object | None,
        "tools": list[Raw] | None,
        "top_logprobs": Annotated[int, Meta(ge=0)] | None,
        "top_p": float | None,
        "user": _Short | None,
        "verbosity": str | None,
        "web_search_options": _Object | None,
    }
)
"""Every request field of the vendor, and what its value must be. Ranges that differ between
hosts (temperature, penalties, efforts) are left to the host."""

OBJECTS: Final = frozenset(("stream_options", "response_format"))
"""Fields whose members we read: a duplicate in them is refused too."""


GOVERNED: Final[dict[str, Governed]] = {
    "store": Governed("retention", "Keeps the conversation with the provider.", neutral("false")),
    "service_tier": Governed(
        "price", "Buys another processing class at another price.", neutral('"default"', '"auto"')
    ),
    "prompt_cache_retention": Governed(
        "retention", "Keeps prompt prefixes for longer.", neutral('"in_memory"', '"in-memory"')
    ),
    "prompt_cache_options": Governed(
        "retention", "Sets how long prompt prefixes are kept.", neutral("{}")
    ),
    "content.file": Governed("retention", "Reads a file that is stored under our account."),
    "messages.audio": Governed("retention", "Reads sound that is stored under our account."),
    "web_search_options": Governed("place, price", "Sends parts of the prompt to a search engine."),
    "moderation": Governed("model, price", "Has a second model read the conversation."),
    "background": Governed("retention", "Keeps the answer until it is fetched.", EMPTY),
    "deferred": Governed("retention", "Keeps the answer until it is fetched.", EMPTY),
    "models": Governed("model, price", "Lets the host answer with another model.", EMPTY),
    "route": Governed("model", "Lets the host choose the model.", EMPTY),
    "fallbacks": Governed("model, price", "Lets the host answer with another model.", EMPTY),
    "preset": Governed("model", "Applies settings that are stored at the host.", EMPTY),
    "provider": Governed("place, price", "Chooses whom the host passes the call on to.", EMPTY),
    "providerOptions": Governed("place, credentials", "Steers the host's own routing.", EMPTY),
    "plugins": Governed("place, price", "Runs the host's tools on the prompt.", EMPTY),
    "transforms": Governed("model", "Lets the host cut the conversation.", EMPTY),
    "lora": Governed("model", "Puts an adapter on the model.", EMPTY),
    "adapter_id": Governed("model", "Puts an adapter on the model.", EMPTY),
    "adapters": Governed("model", "Puts an adapter on the model.", EMPTY),
    "compound_custom": Governed("model, price", "Chooses models and tools inside the host.", EMPTY),
    "search_parameters": Governed("place, price", "Searches the web, at a fee.", EMPTY),
    "search_settings": Governed("place", "Steers a web search.", EMPTY),
    "search_mode": Governed("place, price", "Steers a web search.", EMPTY),
    "search_domain_filter": Governed("place", "Steers a web search.", EMPTY),
    "search_recency_filter": Governed("place", "Steers a web search.", EMPTY),
    "search_options": Governed("place, price", "Steers a web search.", EMPTY),
    "enable_search": Governed("place, price", "Searches the web, at a fee.", EMPTY),
    "return_images": Governed("price", "Adds pictures from a web search.", EMPTY),
    "return_related_questions": Governed("price", "Adds generated questions.", EMPTY),
    "web_search": Governed("place, price", "Searches the web, at a fee.", EMPTY),
    "venice_parameters": Governed("place, price", "Can switch a web search on.", EMPTY),
    "citation_options": Governed("place", "Steers a web search.", EMPTY),
    "connectors": Governed("place, credentials", "Reads from connected data sources.", EMPTY),
    "data_sources": Governed("place, credentials", "Names further hosts and their keys.", EMPTY),
    "dataSources": Governed("place, credentials", "Names further hosts and their keys.", EMPTY),
    "mcp_servers": Governed("place, credentials", "Has the provider call other servers.", EMPTY),
    "container": Governed("retention, price", "Keeps a sandbox with files at the host.", EMPTY),
    "conversation": Governed("retention", "Reads and writes a stored conversation.", EMPTY),
    "previous_response_id": Governed("retention", "Reads a stored conversation.", EMPTY),
    "bot_id": Governed("model", "Chooses a configured application.", EMPTY),
    "id_slot": Governed("retention", "Chooses a cache that others may share.", neutral("-1")),
    "slot_id": Governed("retention", "Chooses a cache that others may share.", neutral("-1")),
    "kv_transfer_params": Governed("place", "Names hosts to fetch caches from.", EMPTY),
    "context_length_exceeded_behavior": Governed(
        "model", "Lets the host cut the conversation.", neutral('"error"')
    ),
    "prompt_truncate_len": Governed("model", "Lets the host cut the conversation."),
    "truncate_prompt_tokens": Governed("model", "Lets the host cut the conversation."),
    "best_of": Governed("price", "Pays for answers that are not returned.", neutral("1")),
    "speed": Governed("price", "Buys another processing class.", neutral('"standard"')),
    "inference_geo": Governed("place, price", "Chooses where the call is processed.", EMPTY),
    "region": Governed("place", "Chooses where the call is processed.", EMPTY),
    "data_collection": Governed("retention", "Lets the host keep the prompt.", neutral('"deny"')),
    "zdr": Governed("retention", "Changes what the host keeps.", neutral("true")),
    "api_key": Governed("credentials", "Would replace the provider's credential.", EMPTY),
    "api_base": Governed("place", "Would replace the provider's address.", EMPTY),
    "base_url": Governed("place", "Would replace the provider's address.", EMPTY),
    "api_version": Governed("place", "Would change the provider's address.", EMPTY),
    "organization": Governed("credentials", "Would change the account that is billed.", EMPTY),
    "project": Governed("credentials", "Would change the account that is billed.", EMPTY),
    "extra_headers": Governed("credentials, place", "Would add headers to the call.", EMPTY),
    "extra_query": Governed("credentials, place", "Would add to the address.", EMPTY),
    "custom_llm_provider": Governed("place", "Would choose another provider.", EMPTY),
}
"""Fields that change what a rule may have decided. With a neutral value they are forwarded."""

FREE_TOOLS: Final = frozenset(("function", "custom"))
"""Tools that the caller runs. Any other type runs at the provider and is governed by the
name `tools.<type>`: it may search the web, call other servers or run code."""

_LISTED = """
    add_generation_prompt bad_words cache_prompt cache_salt chat_template_kwargs
    continue_final_message do_sample documents dry_allowed_length dry_base dry_multiplier
    dry_penalty_last_n dry_sequence_breakers dynatemp_exponent dynatemp_range echo effort
    enable_thinking force_reasoning format grammar guided_choice guided_decoding_backend
    guided_grammar guided_json guided_regex guided_whitespace_pattern ignore_eos
    include_reasoning include_stop_str_in_output json_schema keep_alive length_penalty
    logits_processors min_keep min_p min_tokens mirostat mirostat_eta mirostat_tau n_probs
    num_ctx options output_config parallel_tool_choice perf_metrics_in_response
    prompt_logprobs prompt_mode random_seed raw_output reasoning reasoning_format
    reasoning_history reasoning_split regex ebnf repeat_last_n repeat_penalty
    repetition_penalty request_id response_mask return_token_ids return_tokens_as_token_ids
    safe_prompt samplers separate_reasoning session_id skip_special_tokens
    spaces_between_special_tokens speculation stop_token_ids structured_outputs template
    tfs_z think thinking thinking_budget tool_stream top_a top_k top_n_sigma trace
    typical_p usage use_beam_search verbosity_level vl_high_resolution_images
    xtc_probability xtc_threshold
"""
LISTED: Final = frozenset(_LISTED.split())
"""Fields of other hosts that change the answer's wording, not model, place, price or retention."""

ROLES: Final = frozenset(("system", "developer", "user", "assistant", "tool", "function"))

MESSAGE_FIELDS: Final = decoders(
    {
        "audio": _Object | None,
        "function_call": _Object | None,
        "name": str | None,
        "refusal": str | None,
        "tool_call_id": str | None,
        "tool_calls": list[_Object] | None,
    }
)
"""Members of a message beside role and content; others are forwarded unseen."""

TEXT, IMAGE, AUDIO, FILE, OTHER = range(5)

PART_KINDS: Final = {
    "text": TEXT,
    "refusal": TEXT,
    "thinking": TEXT,
    "reasoning": TEXT,
    "redacted_thinking": TEXT,
    "image_url": IMAGE,
    "input_image": IMAGE,
    "image": IMAGE,
    "input_audio": AUDIO,
    "audio_url": AUDIO,
    "file": FILE,
    "document_url": FILE,
}
"""Types of content parts; a type that is not here is forwarded and reported as unlisted."""


class ImageUrl(msgspec.Struct, frozen=True):
    """A picture: `url` may be megabytes of base64, so it stays raw."""

    url: Raw


PART_FIELDS: Final = decoders(
    {
        "text": str,
        "refusal": str,
        "image_url": ImageUrl | str,
        "input_audio": _Object,
        "file": _Object,
    }
)

LONG_CACHE: Final = {
    "cache_control": neutral('{"type":"ephemeral"}', '{"type":"ephemeral","ttl":"5m"}'),
    "prompt_cache_breakpoint": neutral('{"mode":"explicit"}', '{"mode":"explicit","ttl":"30m"}'),
}
"""Cache markers on content parts, with the values that keep a prefix no longer than usual."""

SAMPLING: Final = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")
"""What a row's `sampling: drop` takes away."""

_SDK: Final = "openai.types.chat.completion_create_params"
_MESSAGES: Final = "openai.types.chat.chat_completion_message_param"
_PARTS: Final = "openai.types.chat.chat_completion_content_part_param"
_ROW: Final = "the host's row in the catalogue"


def _lost(why: str, source: str, *features: str) -> dict[str, Rule]:
    return {feature: Rule(DROP, why, source) for feature in features}


def _refused(why: str, source: str, *features: str) -> dict[str, Rule]:
    return {feature: Rule(REFUSE, why, source) for feature in features}


LOSSES: Final[Table] = {
    **_lost("The host refuses the field, or takes less of it.", _ROW,
            "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop",
            "logit_bias", "logprobs", "output_limit", "parallel_tools", "verbosity", "user",
            "cache_key", "tool_choice_none", "json_mode"),
    **_lost("No field of the vendor; sent only where the row names it.", _SDK, "top_k", "min_p"),
    **_lost("The vendor takes four stop sequences.", _SDK, "stop_count"),
    **_refused("The host gives one answer.", _ROW, "choices"),
    **_refused("The host takes no such tools, or no such choice among them.", _ROW,
               "tools", "tool_choice_required", "tool_choice_named", "custom_tools"),
    **_refused("A hosted tool runs at one provider only.", _SDK, "hosted_tools"),
    **_lost("The host refuses the keyword.", _ROW, "tool_schema", "strict_tools"),
    **_lost("The row takes an object; other text goes along inside of one.", _ROW,
            "tool_arguments"),
    **_lost("A tool message says nothing about success.", _MESSAGES, "tool_result_error"),
    **_refused("Content is a string at this host.", _ROW, "image", "file"),
    **_refused("The host takes pictures inline only.", _ROW, "image_url"),
    **_refused("No such content part.", _PARTS, "audio", "video", "file_url", "file_id"),
    **_lost("Messages of a request carry no citations.", _MESSAGES, "citations"),
    **_lost("The host caches by itself, without marks.", _SDK, "cache_marks"),
    **_lost("The host takes names on tool messages alone.", _ROW, "message_name"),
    **_lost("The host takes one system message; text from further down moves into it.", _ROW,
            "system_place"),
    **_lost("The model answers a last assistant message unless its row says how it goes on.",
            _MESSAGES, "prefill"),
    **_lost("No place for parts of other languages.", _PARTS, "foreign_part"),
    **_lost("The host takes no reasoning of earlier turns.", _ROW,
            "thinking_history", "thinking_state"),
    **_refused("The host cannot combine a schema with what else is asked.", _ROW, "json_schema"),
    **_refused("Voices have other names at every provider.", _SDK, "audio_output"),
    **_lost("The row does not say how its models are asked to reason.", _ROW, "reasoning"),
    **_lost("The host knows other efforts, or none; the nearest is asked for.", _ROW,
            "reasoning_effort"),
    **_lost("The host takes an effort and no limit.", _ROW, "reasoning_budget"),
    **_lost("The model always reasons.", _ROW, "reasoning_off"),
    **_lost("No field for summaries of reasoning.", _SDK, "reasoning_summary"),
    **_lost("Metadata is the vendor's own, with limits of its own.", _SDK, "metadata"),
    **_lost("The tier has no name here.", _SDK, "service_tier"),
    **_lost("Answers are kept in the vendor's own way.", _SDK, "store"),
    **_lost("Only the call's own language knows the field.", _SDK, "unknown_field"),
}  # fmt: skip
"""What cannot be said to some row of this language, and what happens then."""

UNTOLD: Final[Table] = {
    **no_place("openai.types.chat.chat_completion_message", "foreign_part"),
    "citation_source": Rule(
        DROP, "An annotation names an address.", "openai.types.chat.chat_completion_message"
    ),
    "parallel_calls": Rule(
        DROP,
        "Only for calls with the deprecated `functions`, whose answer is one `function_call`: "
        "send `tools` instead.",
        "openai.types.chat.chat_completion_message",
    ),
}
"""What an answer to a client of this language cannot say."""
