"""What this dialect cannot say to a provider, feature by feature, and what then happens."""

from __future__ import annotations

from typing import Final

from federation.dialects.losses import DROP, REFUSE, Rule, Table
from federation.dialects.untold import no_place

_API: Final = "https://ai.google.dev/api/generate-content"
_CONFIG: Final = f"{_API}#generationconfig"
_PART: Final = "https://ai.google.dev/api/caching#Part"
_TOOL: Final = "https://ai.google.dev/api/caching#Tool"
_CALLING: Final = "https://ai.google.dev/api/caching#FunctionCallingConfig"
_FILES: Final = "https://ai.google.dev/gemini-api/docs/files"
_THINKING: Final = "https://ai.google.dev/gemini-api/docs/thinking"
_SIGNATURES: Final = "https://ai.google.dev/gemini-api/docs/thought-signatures"
_ROW: Final = "the provider's row"

_NO_FIELD: Final = "The API has no such field."
_NOT_TAKEN: Final = "The row says that the model does not take it."


def _absent(source: str = _CONFIG) -> Rule:
    return Rule(DROP, _NO_FIELD, source)


LOSSES: Final[Table] = {
    "temperature": Rule(DROP, _NOT_TAKEN, _ROW),
    "top_p": Rule(DROP, _NOT_TAKEN, _ROW),
    "top_k": Rule(DROP, _NOT_TAKEN, _ROW),
    "frequency_penalty": Rule(DROP, _NOT_TAKEN, _ROW),
    "presence_penalty": Rule(DROP, _NOT_TAKEN, _ROW),
    "output_limit": Rule(DROP, _NOT_TAKEN, _ROW),
    "stop": Rule(DROP, _NOT_TAKEN, _ROW),
    "logprobs": Rule(DROP, _NOT_TAKEN, _ROW),
    "min_p": _absent(),
    "logit_bias": _absent(),
    "seed": Rule(DROP, "A seed has 32 bits; a longer one is left out.", _CONFIG),
    "stop_count": Rule(DROP, "At most 5 stop sequences are accepted; the first 5 are sent.", _API),
    "choices": Rule(REFUSE, _NOT_TAKEN, _ROW),
    "tools": Rule(REFUSE, _NOT_TAKEN, _ROW),
    "tool_choice_none": Rule(REFUSE, _NOT_TAKEN, _ROW),
    "tool_choice_required": Rule(REFUSE, _NOT_TAKEN, _ROW),
    "tool_choice_named": Rule(REFUSE, _NOT_TAKEN, _ROW),
    "tool_choice_allowed": Rule(DROP, _NOT_TAKEN, _ROW),
    "parallel_tools": Rule(DROP, "Parallel calls cannot be switched off.", _CALLING),
    "strict_tools": Rule(DROP, "A declaration has no such field.", _TOOL),
    "tool_schema": Rule(DROP, "The row names keys that its schemas may not have.", _ROW),
    "tool_arguments": Rule(DROP, "An object; other text goes along inside of one.", _TOOL),
    "custom_tools": Rule(REFUSE, "A function's arguments are always an object.", _TOOL),
    "hosted_tools": Rule(REFUSE, "It is a tool of another provider.", _TOOL),
    "tool_result_media": Rule(REFUSE, _NOT_TAKEN, _ROW),
    "image_url": Rule(REFUSE, "The row takes inline pictures only.", _ROW),
    "file_url": Rule(REFUSE, "The row takes inline files only.", _ROW),
    "image_detail": Rule(DROP, "Resolution by part is not taken by every model.", _PART),
    "file_id": Rule(REFUSE, "A file that is stored at another provider is out of reach.", _FILES),
    "citations": Rule(DROP, "Parts of a request hold no citations.", _PART),
    "cache_marks": Rule(
        DROP,
        "Prefixes are cached without marks.",
        "https://ai.google.dev/gemini-api/docs/caching",
    ),
    "message_name": _absent("https://ai.google.dev/api/caching#Content"),
    "system_place": Rule(
        DROP, "There is one system instruction; later ones are added to it.", _API
    ),
    "foreign_part": Rule(DROP, "Only the client's dialect knows this part.", _PART),
    "thinking_history": Rule(DROP, "Reasoning of another model is not sent.", _SIGNATURES),
    "thinking_state": Rule(DROP, "Sealed reasoning of another provider is not sent.", _SIGNATURES),
    "json_schema": Rule(REFUSE, "The row cannot combine it with what else is asked.", _ROW),
    "json_mode": Rule(REFUSE, "The row cannot combine it with what else is asked.", _ROW),
    "verbosity": _absent(),
    "audio_output": Rule(REFUSE, "Voices and formats are not those of other dialects.", _CONFIG),
    "reasoning": Rule(DROP, "The model does not think.", _ROW),
    "reasoning_effort": Rule(DROP, "The nearest level that exists is asked for.", _THINKING),
    "reasoning_budget": Rule(DROP, "The most that every model takes is asked for.", _THINKING),
    "reasoning_off": Rule(DROP, "Thinking cannot be switched off; the least is asked.", _THINKING),
    "reasoning_summary": Rule(DROP, "Thoughts come in one form of summary only.", _THINKING),
    "user": _absent(_API),
    "metadata": Rule(DROP, "Labels take a narrow alphabet and are for billing.", _API),
    "service_tier": Rule(DROP, "The tier has no counterpart.", _API),
    "store": Rule(DROP, "Whether answers are kept is not a matter of the call.", _API),
    "cache_key": _absent(_API),
    "unknown_field": Rule(DROP, "Only the client's dialect knows the field.", _API),
}

UNTOLD: Final[Table] = {
    **no_place(_API + "#candidate", "foreign_part"),
    "citation_source": Rule(DROP, "A source is named by its address.", _API + "#citationmetadata"),
}
"""What an answer to a client of this language cannot say."""
