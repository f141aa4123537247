"""What the management API says and hears, as Pydantic models: the source of its OpenAPI page."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from federation.control.permissions import Permission
from federation.domain.access import Role

IN_USD = "The same in USD, as the JSON number nearest to it; count with `cost_nano`."


class Strict(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(BaseModel):
    """What went wrong and what to do about it."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorReply(BaseModel):
    """Any failure, in the shape that clients of the OpenAI API expect."""

    error: ErrorDetail


class KeyView(BaseModel):
    """A virtual key, without its secret."""

    object: Literal["key"] = "key"
    id: str
    name: str
    tenant: str
    role: Role
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    models: list[str]
    providers: list[str]
    hint: str = Field(description="The secret's last characters.")
    team: str = Field(default="", description="Empty is that of its user, or none.")
    user: str = ""
    scopes: list[Permission] = Field(default=[], description="Empty is all that its role may.")


class NewKeyView(KeyView):
    """A key just made: the only time that its secret is told."""

    secret: str


class RotatedKeyView(NewKeyView):
    """A key with its new secret."""

    old_secret_until_ms: int | None = Field(description="Null where it works no more.")


class KeyList(BaseModel):
    """Keys, oldest first. `next` continues the list as `cursor`."""

    object: Literal["list"] = "list"
    data: list[KeyView]
    next: str | None = None


class KeyBody(Strict):
    """A key to be made. It can reach no further than the key that asks for it."""

    name: str = Field(min_length=1, max_length=200)
    role: Role = Role.DEVELOPER
    tenant: str | None = Field(default=None, description="Your own, where left out.")
    expires_in_s: int | None = Field(default=None, gt=0, le=10 * 366 * 86_400)
    models: list[str] = Field(default=[], max_length=1000, description="Empty is all.")
    providers: list[str] = Field(default=[], max_length=1000, description="Empty is all.")
    team: str = Field(default="", max_length=128, description="Left out, that of the user.")
    user: str = Field(default="", max_length=128)
    scopes: list[Permission] = Field(
        default=[], max_length=len(Permission), description="Empty is all that its role may."
    )


class KeyEdit(Strict):
    """What to change of a key; what is left out stays."""

    name: str = Field(default="", min_length=1, max_length=200)
    role: Role = Role.DEVELOPER
    expires_in_s: int | None = Field(
        default=None, gt=0, le=10 * 366 * 86_400, description="From now; null is never."
    )
    models: list[str] = Field(default=[], max_length=1000, description="Empty is all.")
    providers: list[str] = Field(default=[], max_length=1000, description="Empty is all.")
    team: str = Field(default="", max_length=128)
    user: str = Field(default="", max_length=128)
    scopes: list[Permission] = Field(
        default=[], max_length=len(Permission), description="Empty is all that its role may."
    )


class RotateBody(Strict):
    """How to change a key's secret."""

    overlap_s: int = Field(
        default=3600,
        ge=0,
        le=30 * 86_400,
        description="How long the old secret works on; 0 ends it now.",
    )


class EnableBody(Strict):
    """How to switch a provider on."""

    force: bool = Field(
        default=False, description="Also where the provider does not answer a probe."
    )


class ProbeView(BaseModel):
    """What came of asking a provider."""

    ok: bool
    status: int = Field(description="Its HTTP status; 0 where none came.")
    latency_ms: float
    credential: str = Field(description="accepted, refused, missing or unknown.")
    message: str


class SwitchedView(BaseModel):
    """A provider after a change."""

    object: Literal["provider"] = "provider"
    id: str
    enabled: bool
    version: int = Field(description="The configuration version that the change made.")
    probe: ProbeView | None


class WorkerView(BaseModel):
    """An inference worker that is connected."""

    slot: int
    pid: int
    since_ms: int
    reported_ms: int


class ReplicaView(BaseModel):
    """A control process on the same database."""

    id: str
    url: str
    version: str
    workers: int
    alive: bool
    """Heard of within the last 15 seconds."""
    silent_ms: int
    started_ms: int


class ConfigView(BaseModel):
    """The configuration in force."""

    version: int
    digest: str
    loaded_ms: int
    deployments: int
    usable_deployments: int
    routes: int
    problems: list[str] = Field(description="Why newer files are not in force.")
    warnings: list[str]


class StoreView(BaseModel):
    """The store and the journals that it follows."""

    writable: bool
    lines: int
    bad_lines: int
    lost_calls: int
    lost_contents: int = Field(
        description="Contents that were to be kept and that nobody can read, since control started."
    )
    lag_ms: int


class DeploymentHealthView(BaseModel):
    """A deployment that a worker has anything to say of, as all of them together see it."""

    id: str
    health: str = Field(description="unknown, healthy, degraded, unhealthy or disabled: the worst.")
    circuit: str = Field(description="closed, half_open or open: the worst.")
    in_flight: int
    queued: int = Field(description="Calls that wait for room at its provider.")
    tokens: int = Field(description="Expected of what runs at its provider, where that is counted.")
    crowded: bool = Field(description="A host of your own with too much to do: calls spill.")


class OverflowStateView(BaseModel):
    """Where calls go that the hosts of your own have no room for."""

    providers: list[str]
    active: bool = Field(description="Calls spill now, at one worker at least.")


class NodeStateView(BaseModel):
    """A host of your own that was registered."""

    id: str
    state: str
    in_flight: int


class AnchorView(BaseModel):
    """A place outside where checkpoints are put."""

    name: str
    checkpoint: int | None = Field(description="The newest that it has taken; null: none yet.")
    at_ms: int | None = Field(description="When it took that one.")
    failing_ms: int | None = Field(description="Since when it takes none; null: it does.")
    reason: str


class EvidenceView(BaseModel):
    """How the evidence log stands."""

    kept: bool = Field(description="False where it stands still: calls go on, in the journals.")
    reason: str
    records: int = Field(description="Records under a checkpoint.")
    anchors: list[AnchorView]


class StatusView(BaseModel):
    """How the gateway is."""

    status: Literal["ok", "degraded"]
    version: str
    started_ms: int
    uptime_s: float
    workers_wanted: int
    workers: list[WorkerView]
    config: ConfigView
    store: StoreView
    evidence: EvidenceView | None
    deployments: list[DeploymentHealthView]
    overflow: OverflowStateView
    nodes: list[NodeStateView]
    replicas: list[ReplicaView] = []
    """Everybody on a shared database, this one too; empty where it is shared with none."""


class StatsRow(BaseModel):
    """Totals of one deployment."""

    deployment: str
    provider: str
    calls: int
    outcomes: dict[str, int]
    input_tokens: int
    output_tokens: int
    cost_nano: int
    cost_usd: float = Field(description=IN_USD)
    unpriced_calls: int = Field(description="Calls whose cost is unknown.")
    mean_ms: float


class StatsView(BaseModel):
    """Totals of a span of time up to now."""

    since_ms: int
    calls: int
    outcomes: dict[str, int]
    input_tokens: int
    output_tokens: int
    cost_nano: int
    cost_usd: float = Field(description=IN_USD)
    unpriced_calls: int
    deployments: list[StatsRow]


class StartupView(BaseModel):
    """Whether control has started."""

    status: Literal["started"] = "started"
    version: str
    snapshot: int
