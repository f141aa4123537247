"""Routes, weights and the runtime settings that a worker obeys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

AUTO: Final = "auto"
"""The name of a model that stands for every deployment: no route may have it."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part of the score counts. They need not sum to one."""

    quality: float = 0.5
    speed: float = 0.3
    cost: float = 0.1
    reliability: float = 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment that a route names, and its share where the strategy draws lots."""

    deployment: str
    weight: float = 1.0


LONGEST_S = 600.0
"""No call may run longer."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Upstream deadlines in seconds; None where nobody says (`resilience.deadlines` then
    does)."""

    connect_s: float | None = None
    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None

    def over(self, general: Deadlines) -> Deadlines:
        """These, and `general` for what they leave open."""
        return Deadlines(
            *(
                own if own is not None else other
                for own, other in (
                    (self.connect_s, general.connect_s),
                    (self.first_token_s, general.first_token_s),
                    (self.idle_s, general.idle_s),
                    (self.total_s, general.total_s),
                )
            )
        )


MEND, MEND_EXACT, MEND_OFF = "on", "exact", "off"
"""What may follow a stream that breaks: anything that makes it whole; only what goes on or
repeats to the letter; an error."""


@dataclass(frozen=True, slots=True)
class Route:
    """A public model name and the deployments behind it. No targets: every deployment."""

    name: str
    strategy: str = "quality_first"
    targets: tuple[Target, ...] = ()
    weights: Weights | None = None
    deadlines: Deadlines | None = None
    """The route's own."""
    mend: str | None = None
    """MEND, MEND_EXACT or MEND_OFF; None: as in general."""
    hedge: bool = False
    """A chat that takes longer than nearly all others did is asked of the next target, too."""
    cheaper: bool | None = None
    """Whether a chat that a budget cannot bear goes on to a target that it can; None: as in
    general."""


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """What the listener accepts of one connection or request."""

    head_bytes: int = 65_536
    head_count: int = 100
    body_bytes: int = 33_554_432
    head_s: float = 10.0
    body_s: float = 60.0
    """Longest silence while a body arrives; its whole may take ten times as long."""
    idle_s: float = 75.0
    write_s: float = 60.0
    """Longest time that a client may leave our bytes unread before it is hung up on."""
    connections: int = 10_000
    bodies_bytes: int = 268_435_456
    """Bodies of all connections of a process together, while they arrive and are answered."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Answers that clients may come back to by their id."""

    store: bool = True
    """Keep those of calls that do not say whether; also whether a call may ask for it."""
    keep_days: int = 30


@dataclass(frozen=True, slots=True)
class PayloadKeeping:
    """Whether what is said and answered is kept, sealed, where no policy says anything."""

    keep: bool | Literal["hashes"] = False
    """`hashes`: what proves later what was said, and cannot be read."""
    days: int = 30


@dataclass(frozen=True, slots=True)
class Admission:
    """How many calls may wait and run."""

    queue: int = 100
    """Waiting calls of one provider, and of one tenant, for each worker."""
    wait_s: float = 10.0
    calls: int = 5_000
    """Running and waiting calls of a worker, from which on only critical ones are taken."""
    critical: tuple[str, ...] = ()
    """Keys and tenants, by their ids, whose calls may be critical; administrators' always may."""


@dataclass(frozen=True, slots=True)
class Overflow:
    """When `local_first` leaves the hosts of our own, and where to; in each worker."""

    providers: tuple[str, ...] = ()
    """Asked in turn. None: every other deployment behind the name."""
    max_queue: int = 4
    """Calls that may wait for a host."""
    max_wait_s: float = 5.0
    """The longest predicted wait."""
    max_tokens: int | None = None
    """Expected tokens of the calls that a host works on."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What becomes of a call for which a hard budget has too little left just now."""

    lower: bool = False
    """Its limit of output is lowered to what is left, instead of a refusal."""
    wait_s: float = 10.0
    """How long it may wait for calls under way to leave enough."""
    cheaper: bool = False
    """It goes on to the next candidate that the budget can bear, instead of a refusal."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator decided, as far as a worker needs it."""

    strategy: str = "quality_first"
    """For `auto` and for plain model ids."""
    weights: Weights = Weights()
    deadlines: Deadlines = Deadlines()
    listener: ListenerLimits = ListenerLimits()
    default_model: str | None = None
    max_tokens_default: int | None = None
    temperature_default: float | None = None
    attempts: int = 6
    mend: str = MEND
    auto_unknown: bool = False
    """Lets `auto` use deployments whose region or data use is unknown."""
    other_hosts: bool = False
    """Lets a plain model id go to hosts other than its maker."""
    open: bool = False
    """No key is asked for (loopback only)."""
    response_bytes: int = 67_108_864
    proxy: str | None = field(default=None, repr=False)
    """For https origins; it may hold a password."""
    http_proxy: str | None = field(default=None, repr=False)
    no_proxy: tuple[str, ...] = ()
    """Hosts that are reached without either."""
    authorities: str = field(default="", repr=False)
    """Certificates, as PEM, of whom is trusted beside the system's authorities."""
    deny_fields: tuple[str, ...] = ()
    """Governed fields refused everywhere."""
    allow_fields: tuple[str, ...] = ()
    """Governed fields that clients may use."""
    content_hosts: tuple[str, ...] = ()
    """Inside hosts and networks that pictures and files of a call may name."""
    responses: Keeping = Keeping()
    payloads: PayloadKeeping = PayloadKeeping()
    admission: Admission = Admission()
    overflow: Overflow = Overflow()
    spending: Spending = Spending()
    workers: int = 1
    """Who share a provider's limit of requests at a time."""
    passthrough: tuple[str, ...] = ()
    """Providers that clients may be passed through to, where a row's rules let them."""
    access_log: bool = False
    log_level: str = "info"
    log_format: str = "json"
    durability: str = "process"
