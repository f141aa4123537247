"""What analytics say, as Pydantic models. Amounts of money are decimal strings: exact."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class AgainstView(BaseModel):
    """The same usage by the baseline's prices."""

    attempts: int = Field(description="Attempts that were compared.")
    left_out: int = Field(description="Attempts of unknown price, or billed by the piece.")
    cost_usd: str = Field(description="What the compared ones cost.")
    baseline_usd: str | None = Field(description="Null where the baseline lacks a price.")
    saved_usd: str | None


class CostView(BaseModel):
    """Sums of one group, or of all."""

    group: dict[str, str] = Field(description="Empty names are calls that have none.")
    calls: int
    failed_calls: int
    attempts: int = Field(description="Tokens and cost are of these, where they were billed.")
    failed_attempts: int
    unpriced: int = Field(description="Attempts of unknown price, lost calls among them.")
    estimated: int = Field(description="Attempts whose tokens we counted.")
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nano: int
    cost_usd: str
    mean_ms: float | None
    against: AgainstView | None = None


class CostsView(BaseModel):
    """Costs from `start` up to `end`, which is not part of it. `next` continues as `cursor`.

    A call with several tags is in each of their groups; `total` counts it once.
    """

    object: Literal["analytics.costs"] = "analytics.costs"
    start: str
    end: str
    timezone: str
    group_by: list[str]
    baseline: str | None
    data: list[CostView]
    total: CostView
    next: str | None


class SpentView(BaseModel):
    """What a key used in a stretch of time."""

    start: str
    calls: int
    failed_calls: int
    input_tokens: int
    output_tokens: int
    cost_nano: int
    cost_usd: str
    unpriced: int


class UserStatsView(BaseModel):
    """What the asking key itself used."""

    object: Literal["user.stats"] = "user.stats"
    tenant: str
    team: str
    user: str
    key: str
    timezone: str
    today: SpentView
    month: SpentView
    models: list[CostView] = Field(description="This month, the dearest first.")


class LineView(BaseModel):
    """One call, or one of its attempts where `attempt` is a number."""

    call: str
    attempt: int | None
    at: str
    tenant: str
    team: str
    user: str
    key: str
    operation: str
    requested: str
    provider: str
    model: str
    outcome: str = Field(description="Of a call; of an attempt its error, empty where it is ok.")
    status: int | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost_nano: int | None
    cost_usd: str | None
    duration_ms: float | None
    simulated: bool
    session: str
    tags: dict[str, str]


class LinesView(BaseModel):
    """Ledger lines in the order in which they were taken in. `next` continues as `cursor`."""

    object: Literal["list"] = "list"
    start: str
    end: str
    data: list[LineView]
    next: str | None
