"""A chat call and its answer in the canonical form, between every dialect and every other.

Only translations and content checks build these objects; a call between equal dialects is
forwarded as bytes. Whatever a dialect can say has a place here, or in an `extra` that the
same dialect writes back.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from federation.schema.parts import CacheMark, Fields, Part
from federation.schema.usage import Usage

SYSTEM, DEVELOPER, USER, ASSISTANT, TOOL = "system", "developer", "user", "assistant", "tool"
"""Roles. A message with the role `tool` holds `ToolResult` parts and nothing else; a dialect
that puts results beside text in a user turn is read as two messages, results first."""

STOP, LENGTH, TOOL_CALLS, FILTER, PAUSE, OTHER = (
    "stop",
    "length",
    "tool_calls",
    "filter",
    "pause",
    "other",
)
"""Finish reasons. `filter`: the provider's moderation, recitation or refusal stopped it;
`pause`: a long turn that the client is to continue; `other`: see `Choice.reason`."""

AUTO, NONE, REQUIRED, NAMED = "auto", "none", "required", "named"


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn. System text stands among the messages, where the client put it."""

    role: str
    parts: tuple[Part, ...]
    name: str = ""
    id: str = ""
    extra: Fields = {}


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool that the model may call. `kind`: function, custom (free text), or hosted (the
    provider runs it; `raw` is all there is, in the words of the call's own dialect)."""

    name: str
    description: str = ""
    schema: Raw | None = None
    """The JSON schema of the arguments."""
    strict: bool | None = None
    kind: str = "function"
    format: Raw | None = None
    """What a custom tool's text must look like."""
    raw: Raw | None = None
    cache: CacheMark | None = None
    extra: Fields = {}


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether and which tools must be called: AUTO, NONE, REQUIRED, or NAMED with `name`.

    `allowed` narrows AUTO and REQUIRED to some of the tools.
    """

    mode: str
    name: str = ""
    kind: str = "function"
    allowed: tuple[str, ...] = ()


class OutputFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the answer's text must be: kind `text`, `json` (any object) or `schema`."""

    kind: str
    schema: Raw | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


class Reasoning(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much the model is to think. Several may be set; a target takes what it knows.

    `effort`: none, minimal, low, medium, high, xhigh, max. `enabled` False is the same as
    effort none. `adaptive`: the model decides how much. `show`: whether the thinking is to be
    returned, None where nobody said.
    """

    effort: str = ""
    budget: int | None = None
    """Most tokens of thinking."""
    enabled: bool | None = None
    adaptive: bool = False
    summary: str = ""
    """auto, concise, detailed."""
    show: bool | None = None

    @property
    def is_off(self) -> bool:
        """Whether no reasoning is asked for, in any of the ways to say so."""
        return self.enabled is False or self.effort == "none" or self.budget == 0


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How tokens are drawn; None where the client said nothing."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: Raw | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    choices: int | None = None


class ChatRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A chat call. `dialect` is the client's: `extra`s and hosted tools belong to it."""

    dialect: str
    model: str
    """As the client wrote it; the encoder writes the deployment's own name."""
    messages: tuple[Message, ...]
    stream: bool = False
    usage_in_stream: bool = True
    """The client wants (or by its dialect always gets) usage in the stream."""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: OutputFormat | None = None
    sampling: Sampling = Sampling()
    max_output: int | None = None
    reasoning: Reasoning | None = None
    verbosity: str = ""
    modalities: tuple[str, ...] = ()
    """Of the answer; empty: text."""
    audio: Raw | None = None
    """Voice and format of a spoken answer."""
    user: str = ""
    metadata: dict[str, str] = {}
    service_tier: str = ""
    store: bool | None = None
    cache_key: str = ""
    begun: bool = False
    """The last message is the beginning of the answer, which is to go on from there."""
    extra: Fields = {}
    betas: tuple[str, ...] = ()
    """Previews of its own dialect's API that the client switched on. No other dialect loses
    anything by not knowing them: what they allow is reported where it is used."""


class TopToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the likeliest tokens at a place."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None


class TokenLogprob(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token of the answer with its probability."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple[TopToken, ...] = ()


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the answers. `reason` is the provider's own word for why it ended."""

    index: int
    parts: tuple[Part, ...]
    finish: str = ""
    reason: str = ""
    stop_sequence: str | None = None
    detail: Raw | None = None
    """What the provider says besides about the end (safety ratings, refusal category)."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    extra: Fields = {}


class ChatResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole answer. `dialect` is the provider's: `extra`s belong to it."""

    dialect: str
    id: str
    model: str
    """The response model: what the provider says answered."""
    choices: tuple[Choice, ...]
    created: int = 0
    """Unix seconds; 0 where the provider does not say."""
    usage: Usage | None = None
    service_tier: str = ""
    extra: Fields = {}
