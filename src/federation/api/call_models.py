"""What the management API says of calls, as Pydantic models."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from federation.api.models import IN_USD


class UsageView(BaseModel):
    """Tokens. `input` includes cached reads and cache writes, `output` includes reasoning."""

    input: int
    output: int
    cached: int
    cache_write: int
    reasoning: int
    estimated: bool = Field(description="True where the provider sent no usage.")


class AttemptView(BaseModel):
    """One request to one deployment."""

    deployment: str
    started_ms: int
    status: int
    error: str
    first_byte_ms: float | None = Field(description="Null where it did not answer.")
    total_ms: float
    usage: UsageView
    cost_nano: int | None = Field(description="Nano-dollars, exact; null where unknown.")


class CallView(BaseModel):
    """One call as the ledger knows it."""

    object: Literal["call"] = "call"
    id: str
    tenant: str
    key: str = Field(description="The id of the key that called.")
    operation: str
    requested: str = Field(description="The model, route or `auto` that the client named.")
    outcome: str = Field(description="ok, error, canceled, cut, running or lost.")
    status: int | None
    stream: bool
    provider: str
    deployment: str
    response_model: str
    finish: str
    error: str
    started_ms: int
    ended_ms: int | None
    duration_ms: float | None
    first_byte_ms: float | None = Field(
        description="From the call's start to the answer's beginning: the first content of a "
        "stream, else the head. Null where no provider answered."
    )
    usage: UsageView
    cost_nano: int | None = Field(description="Nano-dollars, exact; null where unknown.")
    cost_usd: float | None = Field(description=IN_USD)
    simulated: bool
    tags: dict[str, str]
    session: str
    user: str
    client_id: str = Field(description="The id that the client gave its request; `id` is ours.")


class ReceiptView(BaseModel):
    """What proves the content of a call to whoever has it; see `federation audit receipt`."""

    salt: str = Field(description="32 bytes, as 64 hexadecimal digits.")
    input: str = Field(
        description="SHA-256 of `federation/input/1`, a line feed, the salt, and the body that the "
        "client sent."
    )
    output: str = Field(
        description="The same, with `federation/output/1`, of the body that it got; empty where "
        "the gateway refused the call."
    )
    unproven: dict[str, str] = Field(
        description="Of these two what could not be made, and the name of the fault."
    )


class CallStoryView(CallView):
    """One call with its attempts and the decision behind it."""

    attempts: list[AttemptView]
    decision: dict[str, object] | None = Field(
        description="What was known, who was considered, and the scores."
    )
    policies: list[str] = Field(description="Those that bound it: name, version, digest.")
    refusals: dict[str, int] = Field(
        description="Of a call that was refused or failed: the rules that kept deployments from "
        "it, and how many each."
    )
    findings: dict[str, int] = Field(
        description="What checks on its content found, in the call and its answer: as "
        "`type:action`, how often. Never a value."
    )
    watched: dict[str, int] = Field(
        description="Rules of policies in report mode: as `policy.rule`, how many each would have "
        "kept out; as `policy.rule:type:action`, how often it would have done that to content."
    )
    receipt: ReceiptView | None = Field(
        description="For the key that made the call, and with `receipt=true` for who may read "
        "contents."
    )


class CallList(BaseModel):
    """Calls, newest first. `next` continues the list as `cursor`."""

    object: Literal["list"] = "list"
    data: list[CallView]
    next: int | None
