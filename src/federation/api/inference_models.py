"""The inference routes' bodies for the OpenAPI page. Workers serve these routes.

The trap: these models document, they do not validate. A worker forwards fields that nobody
has listed here, so each body allows more than it names.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Loose(BaseModel):
    """An object that may hold more than is listed."""

    model_config = ConfigDict(extra="allow")


class FunctionCall(Loose):
    """What a tool is called with."""

    name: str
    arguments: str = Field(description="JSON, as the model wrote it.")


class ToolCall(Loose):
    """A call that the model asks for."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class Message(Loose):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = Field(
        default=None, description="Text, or parts: text, image_url, input_audio, file."
    )
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class StreamOptions(Loose):
    """What a stream carries beside its chunks."""

    include_usage: bool = False


class Constraints(BaseModel):
    """What whoever serves the call must fulfill."""

    max_cost: float | None = Field(default=None, description="USD for this call.")
    max_latency_ms: float | None = None
    data_residency: str | list[str] | None = Field(
        default=None, description="Such as eu or us. Nobody serves a call that allows no place."
    )
    gdpr_required: bool = False
    soc2_required: bool = False
    hipaa_required: bool = False
    provider_preference: str | list[str] = Field(default=[], description="An order among equals.")


class FederationFields(BaseModel):
    """Our own fields; removed before a call is forwarded."""

    strategy: str | None = None
    session: str = ""
    user: str = ""
    tags: dict[str, str] = {}
    constraints: Constraints = Constraints()
    metadata: bool = Field(
        default=False, description="Asks for `router_metadata` in a whole answer."
    )
    strict: bool = Field(
        default=False, description="Refuse what a target cannot express, instead of leaving it out."
    )
    timeout_ms: int | None = Field(default=None, description="The longest that the call may take.")
    priority: int | None = Field(default=None, ge=1, le=5, description="1 is critical, 3 usual.")
    privacy: Literal["public", "internal", "confidential", "restricted"] | None = None
    data_classes: list[str] | None = Field(
        default=None, description="What kinds of data the call holds; left out: nobody knows."
    )


class ChatBody(Loose):
    """A chat call. Fields that are not listed are forwarded to the provider."""

    model: str | None = Field(
        default=None,
        description="A route, `provider/model`, a model or alias, or `auto` (the default).",
    )
    messages: list[Message]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    federation: FederationFields | None = None


class TokenUsage(Loose):
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(Loose):
    """What the model said."""

    role: Literal["assistant"] = "assistant"
    content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(Loose):
    """One answer."""

    index: int
    message: AnswerMessage
    finish_reason: str | None


class RouterMetadata(BaseModel):
    """What the router chose; present where it chose the model, or where it was asked for."""

    selected_provider: str
    selected_model: str
    routing_reason: str
    estimated_cost: float | None
    response_time_ms: float | None = None


class ChatAnswer(Loose):
    """A whole answer. Headers `x-federation-*` name the call, provider, model and strategy."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: TokenUsage | None = None
    router_metadata: RouterMetadata | None = None


class ModelRow(Loose):
    """A name that may stand in `model`."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    federation: dict[str, Any] = Field(description="Kind, abilities, prices, regions.")


class ModelList(BaseModel):
    """The names that your key may use."""

    object: Literal["list"] = "list"
    data: list[ModelRow]


class ProviderRow(Loose):
    """A provider as it is just now."""

    id: str
    object: Literal["provider"] = "provider"
    name: str
    tier: str
    dialect: str
    enabled: bool
    available: bool
    needs: str = Field(description="What is missing for it to be used.")
    local: bool
    simulated: bool
    regions: list[str]
    certifications: list[str]
    data_use: str
    models: list[dict[str, Any]]


class ProviderList(BaseModel):
    """Every provider with its real availability and prices."""

    object: Literal["list"] = "list"
    data: list[ProviderRow]


class RouteBody(BaseModel):
    """What to route: `prompt` or `messages`, not both."""

    model_config = ConfigDict(extra="forbid")

    prompt: str | None = None
    messages: list[Message] | None = None
    system_prompt: str | None = None
    model: str | None = None
    strategy: str | None = None
    constraints: Constraints = Constraints()
    max_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    stream: bool = False
    privacy: Literal["public", "internal", "confidential", "restricted"] | None = None
    data_classes: list[str] | None = None
    dry_run: bool = Field(default=False, description="Decide and explain; no token is spent.")


class RouteAnswer(Loose):
    """The answer in short, or with `dry_run` the decision and every candidate."""

    provider: str
    model: str
    content: str | None = None
    cost: float | None = None
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    confidence: float
    reasoning: str


class Alive(BaseModel):
    """The worker answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Calls can be served."""

    status: Literal["ready"] = "ready"
    deployments: int = Field(description="How many are usable.")
    snapshot: int
