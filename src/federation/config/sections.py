"""What an operator may write in federation.yaml: Pydantic models of its sections.

Defaults are the domain's own; they are taken from its dataclasses, so that a default has
one home.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from federation.config import quantities, stores
from federation.config.peek import LONGEST_DRAIN_S, MAX_WORKERS
from federation.config.policies_rows import Filled
from federation.config.provider_row import Count, Listed, Name, Region, TimeoutsRow, Written
from federation.config.rate_limits import RateLimitRow
from federation.config.server_settings import ServerSettings
from federation.config.settings import (
    Budgets,
    EvidenceSettings,
    Remedying,
    SealingSettings,
    SecretsSettings,
    TelemetrySettings,
)
from federation.config.sign_in import AlertsSection, SignInSection
from federation.config.words import REMEDIES, STRATEGIES
from federation.domain.routes import (
    AUTO,
    Admission,
    Keeping,
    ListenerLimits,
    Overflow,
    PayloadKeeping,
    Settings,
    Weights,
)

Seconds = Annotated[float, Field(gt=0, le=3600)]
Weight = Annotated[float, Field(ge=0, le=1000)]
Strategy = Literal[STRATEGIES]  # type: ignore[valid-type]
Mend = Literal["on", "exact", "off"]
OnOff = BeforeValidator(quantities.on_off)
Approver = Annotated[str, BeforeValidator(quantities.approver)]
_limits = ListenerLimits()
_server = ServerSettings()
_settings = Settings()
_telemetry = TelemetrySettings()
_evidence = EvidenceSettings()
_secrets = SecretsSettings()
_remedying = Remedying()


class LimitsSection(Written):
    """What the listener accepts of one connection or request."""

    head_bytes: Count = _limits.head_bytes
    head_count: Count = _limits.head_count
    body_bytes: Count = _limits.body_bytes
    head_s: Seconds = _limits.head_s
    body_s: Seconds = _limits.body_s
    idle_s: Seconds = _limits.idle_s
    write_s: Seconds = _limits.write_s
    connections: Count = _limits.connections


class ServerSection(Written):
    """Where and how the gateway listens."""

    host: Name = _server.host
    port: Annotated[int, Field(ge=0, le=65535)] = _server.port
    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] = _server.workers
    open: bool = _server.open
    drain_s: Annotated[float, Field(ge=0, le=LONGEST_DRAIN_S)] = _server.drain_s
    trusted_proxies: Annotated[
        tuple[Annotated[str, BeforeValidator(quantities.network)], ...], Listed
    ] = _server.trusted_proxies
    limits: LimitsSection = Field(default_factory=LimitsSection)


class StorageSection(Written):
    """Where our own store lies, and how safe a record must be before the answer goes on."""

    durability: Literal["process", "disk"] = "process"
    region: Annotated[tuple[Region, ...], Listed] = ()
    database: Annotated[str, BeforeValidator(stores.database)] | None = None
    redis: Annotated[str, BeforeValidator(stores.redis)] | None = None
    replica: Annotated[str, BeforeValidator(stores.replica)] | None = None


class GovernanceSection(Written):
    """Whether there must be policies."""

    required: bool | None = None
    """Left out: only a configuration that loses them while it runs is refused."""
    approve_files: bool = False
    """Whether policies in files bind only once somebody approved them."""
    approvers: Annotated[tuple[Approver, ...], Listed, Filled] = ()
    """Who alone approves what others propose, by the id under which they ask."""
    remedies: Annotated[tuple[Literal[REMEDIES], ...], Listed] = ()  # type: ignore[valid-type]
    """What is done by itself about a violation that escalates."""
    remedies_per_day: Annotated[int, Field(ge=0, le=10_000)] = _remedying.per_day


class WeightsSection(Written):
    """How much each part of the score counts."""

    quality: Weight = Weights().quality
    speed: Weight = Weights().speed
    cost: Weight = Weights().cost
    reliability: Weight = Weights().reliability

    @field_validator("reliability")
    @classmethod
    def _not_all_zero(cls, value: float, info: Any) -> float:
        if value == 0 and not any(info.data.values()):
            raise ValueError("should not be zero like all the others: nothing would count")
        return value


class TargetRow(Written):
    """A deployment of a route, and its share where lots are drawn."""

    deployment: Name
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0


class RouteRow(Written):
    """A public model name and the deployments behind it."""

    name: Name
    strategy: Strategy | None = None
    targets: tuple[TargetRow, ...] = ()
    weights: WeightsSection | None = None
    timeouts: TimeoutsRow | None = None
    mend: Annotated[Mend, OnOff] | None = None
    hedge: bool = False
    cheaper: bool | None = None

    @field_validator("targets", mode="before")
    @classmethod
    def _targets(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [value]
        if isinstance(value, list):
            return [{"deployment": row} if isinstance(row, str) else row for row in value]
        return value

    @field_validator("name")
    @classmethod
    def _not_auto(cls, value: str) -> str:
        if value == AUTO:
            raise ValueError("should not be 'auto': that name means every deployment")
        return value


class AutoSection(Written):
    """What `auto` and plain model ids may reach."""

    unknown: bool = _settings.auto_unknown
    """Deployments whose region or data use is unknown."""
    other_hosts: bool = _settings.other_hosts
    """For a plain model id, hosts other than the model's maker."""


class DefaultsSection(Written):
    """Used where a call says nothing."""

    model: Name | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None


class FieldsSection(Written):
    """Governed request fields: those clients may use, those refused everywhere."""

    allow: Annotated[tuple[Name, ...], Listed] = ()
    deny: Annotated[tuple[Name, ...], Listed] = ()


class ResponsesSection(Written):
    """Answers of `/v1/responses` that clients may come back to by their id."""

    store: bool = Keeping().store
    keep_days: Annotated[int, Field(ge=1, le=3650)] = Keeping().keep_days


class PayloadsSection(Written):
    """Whether what is said and answered is kept, sealed, where no policy says anything."""

    keep: Annotated[bool | Literal["hashes"], BeforeValidator(quantities.keeping)] = (
        PayloadKeeping().keep
    )
    days: Annotated[int, Field(ge=1, le=3650)] = PayloadKeeping().days


class SealingSection(Written):
    """Where the keys are that seal whatever is kept of contents."""

    root: Annotated[str, BeforeValidator(quantities.sealing_root)] = SealingSettings().root
    directory: Name | None = None
    tombstones: Name | None = None


class SecretsSection(Written):
    """How secrets are read that lie in a Vault."""

    refresh_s: Seconds = _secrets.refresh_s
    lifetime_s: Annotated[float, Field(ge=0, le=604_800)] = _secrets.lifetime_s


class PassthroughSection(Written):
    """Providers that clients may reach untranslated, by the rules of their rows."""

    enabled: bool = False
    providers: Annotated[tuple[Name, ...], Listed] = ()


class UpstreamSection(Written):
    """How providers are reached."""

    https_proxy: Annotated[str, BeforeValidator(quantities.proxy_url)] | None = None
    http_proxy: Annotated[str, BeforeValidator(quantities.proxy_url)] | None = None
    no_proxy: Annotated[tuple[str, ...], Listed] = ()
    ca_file: Annotated[str, Field(min_length=1)] | None = None
    content_hosts: Annotated[
        tuple[Annotated[str, BeforeValidator(quantities.host_or_network)], ...], Listed
    ] = ()
    response_bytes: Count = _settings.response_bytes
    attempts: Annotated[int, Field(ge=1, le=_settings.attempts)] = _settings.attempts


class AdmissionSection(Written):
    """How many calls may wait and run."""

    queue: Annotated[int, Field(ge=0, le=100_000)] = Admission().queue
    wait_s: Seconds = Admission().wait_s
    calls: Count = Admission().calls
    critical: Annotated[tuple[str, ...], Listed] = ()


class OverflowSection(Written):
    """When `local_first` leaves the hosts of our own, and where to."""

    providers: Annotated[tuple[Name, ...], Listed] = ()
    max_queue: Annotated[int, Field(ge=0, le=100_000)] = Overflow().max_queue
    max_wait_s: Annotated[float, Field(ge=0, le=3600)] = Overflow().max_wait_s
    max_tokens: Count | None = None


class TelemetrySection(Written):
    """How much is said in the log, and in what form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"
    access_log: bool = _telemetry.access_log


class EvidenceSection(Written):
    """How the log of evidence is sealed and anchored."""

    checkpoint_s: Seconds = _evidence.checkpoint_s
    heartbeat_s: Seconds = _evidence.heartbeat_s
    anchors: Annotated[tuple[Name, ...], Listed] = _evidence.anchors


class BudgetsSection(Written):
    """Default budgets per user, in USD, and what becomes of calls that do not fit."""

    daily: Annotated[int, BeforeValidator(quantities.usd)] | None = Budgets().daily_nano
    monthly: Annotated[int, BeforeValidator(quantities.usd)] | None = Budgets().monthly_nano
    lower: bool = _settings.spending.lower
    wait_s: Annotated[float, Field(ge=0, le=30)] = _settings.spending.wait_s
    cheaper: bool = _settings.spending.cheaper


class FederationFile(Written):
    """The whole of federation.yaml."""

    server: ServerSection = Field(default_factory=ServerSection)
    storage: StorageSection = Field(default_factory=StorageSection)
    strategy: Strategy = _settings.strategy
    weights: WeightsSection = Field(default_factory=WeightsSection)
    timeouts: TimeoutsRow = Field(default_factory=TimeoutsRow)
    mend: Annotated[Mend, OnOff] = _settings.mend  # type: ignore[assignment]
    routes: tuple[RouteRow, ...] = ()
    auto: AutoSection = Field(default_factory=AutoSection)
    defaults: DefaultsSection = Field(default_factory=DefaultsSection)
    fields: FieldsSection = Field(default_factory=FieldsSection)
    responses: ResponsesSection = Field(default_factory=ResponsesSection)
    payloads: PayloadsSection = Field(default_factory=PayloadsSection)
    sealing: SealingSection = Field(default_factory=SealingSection)
    secrets: SecretsSection = Field(default_factory=SecretsSection)
    passthrough: PassthroughSection = Field(default_factory=PassthroughSection)
    upstream: UpstreamSection = Field(default_factory=UpstreamSection)
    admission: AdmissionSection = Field(default_factory=AdmissionSection)
    overflow: OverflowSection = Field(default_factory=OverflowSection)
    telemetry: TelemetrySection = Field(default_factory=TelemetrySection)
    budgets: BudgetsSection = Field(default_factory=BudgetsSection)
    rate_limits: tuple[RateLimitRow, ...] = ()
    evidence: EvidenceSection = Field(default_factory=EvidenceSection)
    governance: GovernanceSection = Field(default_factory=GovernanceSection)
    sign_in: SignInSection = Field(default_factory=SignInSection)
    alerts: AlertsSection = Field(default_factory=AlertsSection)
