"""Routes, weights and the runtime settings that a worker obeys."""

from __future__ import annotations

from dataclasses import dataclass, field


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


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Upstream deadlines in seconds (SPEC 5)."""

    connect_s: float = 5.0
    first_token_s: float = 120.0
    idle_s: float = 120.0
    total_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Route:
    """A public model name and the deployments behind it. No targets: every deployment."""

    name: str
    strategy: str = "quality_first"
    targets: tuple[Target, ...] = ()
    weights: Weights | None = None
    deadlines: Deadlines | None = None


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
    deny_fields: tuple[str, ...] = ()
    """Governed fields refused everywhere."""
    allow_fields: tuple[str, ...] = ()
    """Governed fields that clients may use."""
    responses: Keeping = Keeping()
    passthrough: tuple[str, ...] = ()
    """Providers that clients may be passed through to, where a row's rules let them."""
    access_log: bool = False
    log_level: str = "info"
    log_format: str = "json"
    durability: str = "process"
