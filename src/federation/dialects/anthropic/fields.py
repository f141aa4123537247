"""What the dialect knows of request fields and betas: types, and what is governed.

A field or beta that stands in no list is forwarded and reported as unlisted. Betas come in
the `anthropic-beta` header, one comma list; some of them change what a call costs, where it
goes or what is kept, so those are governed like fields, by the name `anthropic-beta.<family>`.

Sources: `MessageCreateParams` of the official SDK 2.11 (also its beta), `AnthropicBetaParam`,
https://platform.claude.com/docs/en/api/beta-headers
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.fields import decoders
from federation.dialects.governed import EMPTY, Governed, neutral

_Object = dict[str, Raw]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]


class Typed(msgspec.Struct, frozen=True):
    """An object that says what it is."""

    type: str


class Metadata(msgspec.Struct, frozen=True):
    """The part of `metadata` that concerns us."""

    user_id: str | None = None


class OutputConfig(msgspec.Struct, frozen=True):
    """The part of `output_config` that concerns us."""

    effort: str | None = None
    format: Typed | None = None


FIELDS: Final = decoders(
    {
        "cache_control": Typed | None,
        "container": str | _Object | None,
        "context_management": _Object | None,
        "diagnostics": _Object | None,
        "inference_geo": str | None,
        "max_tokens": Annotated[int, Meta(ge=0, le=1_000_000_000)] | None,
        "mcp_servers": list[_Object] | None,
        "metadata": Metadata | None,
        "model": _Name | None,
        "output_config": OutputConfig | None,
        "output_format": Typed | None,
        "service_tier": str | None,
        "speed": str | None,
        "stop_sequences": list[str] | None,
        "stream": bool | None,
        "system": str | list[Raw] | None,
        "temperature": float | None,
        "thinking": Typed | None,
        "tool_choice": Typed | None,
        "tools": list[Raw] | None,
        "top_k": int | None,
        "top_p": float | None,
    }
)
"""Request fields of the vendor, and what their value must be. Ranges are left to the host."""

OBJECTS: Final = frozenset(
    ("metadata", "output_config", "output_format", "thinking", "tool_choice")
)
"""Fields whose members we read: a duplicate in them is refused too."""

LISTED: Final = frozenset(("anthropic_version", "compaction"))
"""Further fields that change neither model, place, price nor retention."""


GOVERNED: Final[dict[str, Governed]] = {
    "anthropic_beta": Governed("price", "Switches previews on, where a host takes them so.", EMPTY),
    "billing_policy": Governed("credentials, price", "Chooses whose account is billed.", EMPTY),
    "cache_control": Governed(
        "retention, price",
        "Keeps prompt prefixes for an hour.",
        neutral('{"type":"ephemeral"}', '{"type":"ephemeral","ttl":"5m"}'),
    ),
    "container": Governed("retention, price", "Keeps a sandbox with files at the host.", EMPTY),
    "context_management": Governed(
        "model, price", "Has the host summarize the conversation.", neutral("{}", '{"edits":[]}')
    ),
    "diagnostics": Governed(
        "retention",
        "Compares with an earlier call that the host remembers.",
        neutral("{}", '{"previous_message_id":null}'),
    ),
    "fallback_credit_token": Governed("price", "Spends a credit of an earlier call.", EMPTY),
    "fallbacks": Governed("model, price", "Lets the host answer with another model.", EMPTY),
    "inference_geo": Governed("place, price", "Chooses where the call is processed.", EMPTY),
    "mcp_servers": Governed("place, credentials", "Has the provider call other servers.", EMPTY),
    "service_tier": Governed(
        "price",
        "Buys another processing class at another price.",
        neutral('"auto"', '"standard_only"'),
    ),
    "speed": Governed("price", "Buys another processing class.", neutral('"standard"')),
    "thread": Governed("retention", "Reads and writes a stored conversation.", EMPTY),
    "user_profile_id": Governed("credentials", "Calls in the name of another account.", EMPTY),
    "workspace_id": Governed("credentials", "Would change the account that is billed.", EMPTY),
    "api_key": Governed("credentials", "Would replace the provider's credential.", EMPTY),
    "base_url": Governed("place", "Would replace the provider's address.", EMPTY),
    "extra_headers": Governed("credentials, place", "Would add headers to the call.", EMPTY),
    "content.file": Governed("retention", "Reads a file that is stored under our account."),
    "content.container_upload": Governed("retention, price", "Puts a file into a sandbox."),
}
"""Fields that change what a rule may have decided. With a neutral value they are forwarded.
`content.` stands before what messages hold."""

QUIET_EDITS: Final = frozenset(("clear_thinking", "clear_tool_uses"))
"""Kinds of `context_management` edits, without their date, that only leave parts out."""

GOVERNED_BETAS: Final[dict[str, Governed]] = {
    "advisor-tool": Governed("model, price", "Lets a second model answer in between."),
    "agent-memory": Governed("retention", "Keeps memories at the provider."),
    "cache-diagnosis": Governed("retention", "Compares with calls that the host remembers."),
    "code-execution": Governed("retention, price", "Runs code in a sandbox at the host."),
    "compact": Governed("model, price", "Has the host summarize the conversation."),
    "context-1m": Governed("price", "Opens the long context, at its own price."),
    "dreaming": Governed("retention", "Keeps memories at the provider."),
    "extended-cache-ttl": Governed("retention, price", "Keeps prompt prefixes for an hour."),
    "fallback-credit": Governed("price", "Spends a credit of an earlier call."),
    "fast-mode": Governed("price", "Buys another processing class."),
    "files-api": Governed("retention", "Reads files that are stored under our account."),
    "managed-agents": Governed("retention, price", "Runs agents at the provider."),
    "mcp-client": Governed("place, credentials", "Has the provider call other servers."),
    "mcp-tunnels": Governed("place, credentials", "Has the provider call other servers."),
    "message-threads": Governed("retention", "Reads and writes a stored conversation."),
    "server-side-fallback": Governed("model, price", "Lets the host answer with another model."),
    "skills": Governed("retention, price", "Loads skills that are stored at the host."),
    "user-profiles": Governed("credentials", "Calls in the name of another account."),
    "user-profiles-billing": Governed("credentials, price", "Chooses whose account is billed."),
    "web-fetch": Governed("place", "Has the provider read web pages."),
    "web-search": Governed("place, price", "Searches the web, at a fee."),
}
"""Betas by family (without the date); governed as `anthropic-beta.<family>`."""

_FREE_BETAS: Final = frozenset(
    [
        "advanced-tool-use",
        "claude-code",
        "computer-use",
        "context-management",
        "dev-full-thinking",
        "effort",
        "fine-grained-tool-streaming",
        "inline-tools",
        "interleaved-thinking",
        "mid-conversation-output-config",
        "mid-conversation-system-clear-at",
        "mid-conversation-tool-changes",
        "model-context-window-exceeded",
        "oauth",
        "output-128k",
        "output-300k",
        "pdfs",
        "prompt-caching",
        "prompt-caching-scope",
        "redact-thinking",
        "structured-outputs",
        "task-budgets",
        "thinking-binding-controls",
        "thinking-display-updates",
        "thinking-token-count",
        "token-counting",
        "token-efficient-tools",
        "tool-examples",
        "tool-search-tool",
    ]
)
_BETA: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_BETA_DATE: Final = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
MOST_BETAS: Final = 50


def read_betas(header: bytes) -> tuple[str, ...]:
    """The betas of an `anthropic-beta` header, each once. Raises `ValueError` for a name that
    is none, and for more than `MOST_BETAS`: the names go into a header of ours."""
    names = dict.fromkeys(
        name for part in header.decode("latin-1").split(",") if (name := part.strip())
    )
    if len(names) > MOST_BETAS or not all(_BETA.fullmatch(name) for name in names):
        raise ValueError("a comma-separated list of names such as files-api-2025-04-14")
    return tuple(names)


def judge_betas(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The governed names that these betas have, and those that no list names."""
    governed: dict[str, None] = {}
    unlisted: dict[str, None] = {}
    for name in names:
        family = _BETA_DATE.sub("", name)
        if family in GOVERNED_BETAS:
            governed[f"anthropic-beta.{family}"] = None
        elif family not in _FREE_BETAS:
            unlisted[f"anthropic-beta.{name}"] = None
    return tuple(governed), tuple(unlisted)
