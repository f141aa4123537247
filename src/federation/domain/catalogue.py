"""Providers, models, prices and deployments: the facts that routing chooses among."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from federation.domain.routes import Deadlines


class Tier(str, Enum):
    """Where a provider stands in the market; also a unit that policies can limit."""

    FRONTIER = "frontier"
    CHINESE = "chinese"
    AGGREGATOR = "aggregator"
    CLOUD = "cloud"
    SPECIALIZED = "specialized"
    OPENSOURCE = "opensource"
    EMERGING = "emerging"


class Ability(str, Enum):
    """What a model can be asked for beyond text in, text out."""

    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    REASONING = "reasoning"
    PREFILL = "prefill"
    """Continues an assistant message that the caller began."""
    SAMPLING = "sampling"
    """Accepts temperature and top_p."""
    FORCED_TOOLS = "forced_tools"


class DataUse(str, Enum):
    """Whether the provider trains on what it is sent."""

    NONE = "none"
    TRAINS = "trains"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rates:
    """One price list, in nano-dollars per million tokens. None is unknown, never free."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    cache_write_long: int | None = None
    """For what is kept longer than the provider's default."""
    audio_input: int | None = None
    audio_output: int | None = None


@dataclass(frozen=True, slots=True)
class ContextTier:
    """Rates for calls whose input is longer than `above` tokens."""

    above: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Window:
    """Rates that hold on some weekdays (1 = Monday) between two UTC minutes of the day.

    `start` is included, `end` is not; 0..1440 is the whole day.
    """

    weekdays: tuple[int, ...]
    start: int
    end: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Price:
    """What a deployment charges. `multipliers` maps a region class to permille (1100 = 1.1)."""

    rates: Rates = Rates()
    tiers: tuple[ContextTier, ...] = ()
    windows: tuple[Window, ...] = ()
    multipliers: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    """Nano-dollars per unit other than a token: image, second, character, page, search,
    web_search, ...; `request` is a fee for every call."""
    batch_permille: int | None = None
    service_tiers: dict[str, int] = field(default_factory=dict)
    """Permille of the rates in a class of service (fast, priority, flex, ...) that the provider
    says it billed; one that is not named here has no known price."""
    source: str = ""
    as_of: str = ""


CATEGORIES = (
    "default",
    "code",
    "agentic_code",
    "math",
    "reasoning",
    "writing",
    "data_analysis",
    "instruction_following",
    "long_context",
    "knowledge",
)
"""Of tasks, by which the quality of a model is told."""


@dataclass(frozen=True, slots=True)
class Quality:
    """An estimate in 0..1 and its standard deviation."""

    mean: float
    deviation: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Speed:
    """What to expect before any call was measured."""

    first_token_ms: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Auth:
    """How requests are signed; `credentials` holds the code for each `scheme`.

    scheme: none | bearer | header | query | and later sigv4, oauth, ...
    `name` is the header's or query parameter's name, `prefix` stands before the secret,
    `extra` are constant headers sent with every request.
    """

    scheme: str = "bearer"
    name: str = "authorization"
    prefix: str = "Bearer "
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the provider allows us, where known."""

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None

    @property
    def leased(self) -> bool:
        """Whether a minute has a limit, of which workers lease parts."""
        return self.rpm is not None or self.tpm is not None

    def wanted(self, provider: str, requests: int, tokens: int) -> list[tuple[str, int]]:
        """What to lease for so many, and under which names; never more than there is."""
        found = [] if self.rpm is None else [(f"rpm/{provider}", min(requests, self.rpm))]
        if self.tpm is not None and tokens:
            found.append((f"tpm/{provider}", min(tokens, self.tpm)))
        return found


@dataclass(frozen=True, slots=True)
class Model:
    """One model as one provider offers it."""

    id: str
    """The name that the provider expects on the wire."""
    name: str = ""
    family: str = ""
    maker: bool = False
    """True where the provider made the model: a plain model id prefers its maker."""
    aliases: tuple[str, ...] = ()
    operations: tuple[str, ...] = ("chat",)
    context: int | None = None
    max_input: int | None = None
    max_output: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    abilities: frozenset[Ability] = frozenset()
    price: Price = Price()
    quality: dict[str, Quality] = field(default_factory=dict)
    """Keyed by task category; `default` holds for the rest."""
    speed: Speed | None = None
    retires: str | None = None
    """The ISO date after which the provider no longer serves it."""
    dimensions: int | None = None
    quirks: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provider:
    """A catalogue row: an account at one address, speaking one dialect."""

    id: str
    name: str
    tier: Tier
    dialect: str
    base_url: str
    auth: Auth = Auth()
    env: tuple[str, ...] = ()
    """Variables in which a credential for it is usually found, best first."""
    credential: str | None = None
    """A reference (`env:NAME`, `file:PATH`, `vault:...`), never the secret itself."""
    enabled: bool = True
    regions: tuple[str, ...] = ()
    """Where data is processed: us, eu, uk, apac, cn, other, local, or a country; empty: unknown."""
    certifications: frozenset[str] = frozenset()
    """Only what is evidenced: soc2, iso27001, hipaa, gdpr, ..."""
    data_use: DataUse = DataUse.UNKNOWN
    retention: str = ""
    operations: tuple[str, ...] = ("chat",)
    models: tuple[Model, ...] = ()
    quirks: dict[str, object] = field(default_factory=dict)
    limits: Limits = Limits()
    deadlines: Deadlines | None = None
    """Its own, where the operator gave some."""
    governed: tuple[str, ...] = ()
    """Further request fields of this provider that change model, place, price or retention."""
    local: bool = False
    """Runs on our own machine or network."""
    simulated: bool = False
    private: bool = False
    """The operator named this address, so it may lie on loopback or a private network."""
    sources: tuple[str, ...] = ()
    as_of: str = ""
    confidence: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """Where rules see its data processed: a host of our own that names no region is local."""
        return ("local",) if self.local and not self.regions else self.regions

    @property
    def priced_in(self) -> str | None:
        """The region whose prices it takes: which of several served a call is not known."""
        return self.regions[0] if len(self.regions) == 1 else None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one provider, region and credential: the unit we route to.

    `id` is `provider/model`; a deployment is addressed in a snapshot by its index. Its
    `provider` carries no `models`, or a snapshot would grow with their square.
    """

    id: str
    provider: Provider
    model: Model
    usable: bool
    """Has the credential that its provider needs, or needs none."""
    enabled: bool = True

    @property
    def operations(self) -> tuple[str, ...]:
        """What may be asked of it."""
        return self.model.operations
