"""Policies: rules that an operator wrote, typed, versioned, and attached to who must obey.

Rules are `msgspec.Struct`s although they are nouns: they travel in a snapshot as a tagged
union, which a dataclass cannot be. Nothing here decides; `governance` compiles them.

The trap: `file` and `line` say where a rule was written, for people. They are no part of
what it says, so `digest_of` leaves them out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal, TypeAlias

import msgspec

from federation.domain.catalogue import DataUse

DATA_CLASSES = (
    "pii",
    "phi",
    "pci",
    "credentials",
    "financial",
    "biometric",
    "genetic",
    "minors",
    "location",
    "proprietary",
    "source_code",
)
OWN_CLASS = "x-"
"""Before the name of a class of data that only the operator knows."""
CUSTOM_TYPE = "custom:"
"""Before the name of a type of personal data that an operator's pattern tells."""


class Mode(str, Enum):
    """Whether a policy decides, or only says what it would have decided."""

    ENFORCE = "enforce"
    REPORT = "report"


class Privacy(str, Enum):
    """How far data may travel; each level demands what the one before it does, and more."""

    PUBLIC = "public"
    INTERNAL = "internal"
    """Nobody trains on it."""
    CONFIDENTIAL = "confidential"
    """Moreover in a known place, with an evidenced SOC 2 or ISO 27001 certification."""
    RESTRICTED = "restricted"
    """On premises only."""


class PiiAction(str, Enum):
    """What happens to personal data that is found, the strictest first."""

    BLOCK = "block"
    REDACT = "redact"
    TOKENIZE = "tokenize"
    HASH = "hash"
    MASK = "mask"
    LOG = "log"


STRICTEST_FIRST: tuple[PiiAction, ...] = tuple(PiiAction)


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="rule"):
    """What every rule may say of itself."""

    control: str = ""
    """The control of a framework that it serves."""
    evidence: str = ""
    """What in the records shows that it was kept."""
    when: str = ""
    """A condition (CEL) under which it holds; one that cannot be decided counts as true."""
    file: str = ""
    line: int = 0


class Residency(Rule, frozen=True, tag="data_residency"):
    """Data is processed in none but these classes and countries."""

    places: tuple[str, ...]


class StoreResidency(Rule, frozen=True, tag="store_residency"):
    """Our own store lies in one of these places."""

    places: tuple[str, ...]


class Certified(Rule, frozen=True, tag="certifications"):
    """The provider has an evidenced certification of each of these names."""

    names: tuple[str, ...]


class PrivacyLevel(Rule, frozen=True, tag="privacy"):
    """The least level of privacy of every call."""

    level: Privacy


class Use(Rule, frozen=True, tag="data_use"):
    """What the provider may do with what it is sent; unknown is never among them."""

    allowed: tuple[DataUse, ...]


class Prohibited(Rule, frozen=True, tag="prohibited_data"):
    """These classes of data never go to these selectors."""

    classes: tuple[str, ...]
    at: tuple[str, ...]


class AllowedProviders(Rule, frozen=True, tag="allowed_providers"):
    """None but these selectors."""

    names: tuple[str, ...]


class DeniedProviders(Rule, frozen=True, tag="denied_providers"):
    """Never these selectors."""

    names: tuple[str, ...]


class AllowedModels(Rule, frozen=True, tag="allowed_models"):
    """None but these model or deployment names; `*` stands for any letters."""

    names: tuple[str, ...]


class DeniedModels(Rule, frozen=True, tag="denied_models"):
    """Never these model or deployment names; `*` stands for any letters."""

    names: tuple[str, ...]


class AllowedOperations(Rule, frozen=True, tag="allowed_operations"):
    """None but these operations."""

    names: tuple[str, ...]


class DeniedOperations(Rule, frozen=True, tag="denied_operations"):
    """Never these operations."""

    names: tuple[str, ...]


class Window(msgspec.Struct, frozen=True):
    """Some hours of some weekdays (1 = Monday) in a time zone, in minutes of the day.

    `start` is included, `end` is not; an end at or before the start is on the next day.
    `shifts` are (from Unix milliseconds, minutes ahead of UTC), ascending: a worker needs no
    table of time zones, and outside what they cover the hour is unknown.
    """

    zone: str
    shifts: tuple[tuple[int, int], ...]
    days: tuple[int, ...]
    start: int
    end: int


class Hours(Rule, frozen=True, tag="hours"):
    """Calls are made within one of these windows."""

    windows: tuple[Window, ...]


class MaxPrice(Rule, frozen=True, tag="max_price"):
    """The dearest that a deployment may ever charge, in nano-dollars: per million tokens, and
    per other unit. An unknown price is above any."""

    input: int | None = None
    output: int | None = None
    cache_write: int | None = None
    """For what is written into a cache, the longer kept included where it has a price and
    `cache_write_long` says nothing."""
    cache_write_long: int | None = None
    units: tuple[tuple[str, int], ...] = ()


class MaxCost(Rule, frozen=True, tag="max_cost"):
    """The most that one call may be predicted to cost, in nano-dollars."""

    nano: int


class PiiPattern(msgspec.Struct, frozen=True, omit_defaults=True):
    """A type of personal data of the operator's own, told by a pattern."""

    name: str
    pattern: str
    entity: str = ""
    """The type that it counts as; empty: `custom:` and its name."""
    context: tuple[str, ...] = ()
    """Words of which one must stand before it."""
    validator: str = ""
    """The check digit that it must have; empty: none."""
    ignore_case: bool = False

    @property
    def kind(self) -> str:
        """The type that findings have."""
        return self.entity or f"{CUSTOM_TYPE}{self.name}"


class Pii(Rule, frozen=True, tag="pii"):
    """What happens to personal data, by type where one is named."""

    action: PiiAction | None = None
    """For all types that are not named."""
    types: tuple[tuple[str, PiiAction], ...] = ()
    block_on_failure: bool = True
    """A detector that fails blocks the call, and so does content that no detector reads."""
    max_characters: int | None = None
    """A longer text is refused, not read."""
    patterns: tuple[PiiPattern, ...] = ()
    """Types of the operator's own."""


class PiiExcluded(Rule, frozen=True, tag="pii_exclusion_required"):
    """No personal data reaches a provider."""


class Guard(msgspec.Struct, frozen=True, omit_defaults=True):
    """A check on content. `threshold` is in thousandths: it acts from that score on."""

    name: str
    block: bool = True
    threshold: int = 500


class Guardrails(Rule, frozen=True, tag="guardrails"):
    """These checks are made."""

    guards: tuple[Guard, ...]


class Logged(Rule, frozen=True, tag="all_requests_logged"):
    """A call of which no record can be written is refused."""


class Durable(Rule, frozen=True, tag="durability"):
    """Records of a call outlive a loss of power: they are on the disk before its answer ends."""


class Retention(Rule, frozen=True, tag="retention_days"):
    """Records are kept for so long at least."""

    days: int


Keep: TypeAlias = bool | Literal["hashes"]
"""What is kept of content: all of it, hashes of it, nothing."""


class Payloads(Rule, frozen=True, tag="payloads"):
    """Whether content is kept (sealed), and for how long at most."""

    keep: Keep
    days: int | None = None


class Encryption(Rule, frozen=True, tag="encryption"):
    """What is kept of a call's content is sealed with this algorithm."""

    algorithm: str


class Approval(Rule, frozen=True, tag="approval"):
    """Somebody must have approved, under this name, of calls that reach these selectors."""

    name: str
    at: tuple[str, ...] = ("*",)


class Condition(Rule, frozen=True, tag="condition"):
    """A condition (CEL) on the call, which must be true."""

    expression: str


class DeploymentCondition(Rule, frozen=True, tag="deployments"):
    """A condition (CEL) on the deployment, which must be true."""

    expression: str


AnyRule: TypeAlias = (
    Residency
    | StoreResidency
    | Certified
    | PrivacyLevel
    | Use
    | Prohibited
    | AllowedProviders
    | DeniedProviders
    | AllowedModels
    | DeniedModels
    | AllowedOperations
    | DeniedOperations
    | Hours
    | MaxPrice
    | MaxCost
    | Pii
    | PiiExcluded
    | Guardrails
    | Logged
    | Durable
    | Retention
    | Payloads
    | Encryption
    | Approval
    | Condition
    | DeploymentCondition
)


def kind_of(rule: AnyRule) -> str:
    """The word that a rule is written with."""
    return str(rule.__struct_config__.tag)


@dataclass(frozen=True, slots=True)
class Attachment:
    """Who must obey: within a list any one, all lists together; an empty list is everybody."""

    tenants: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """A named, versioned set of rules."""

    name: str
    rules: tuple[AnyRule, ...]
    mode: Mode = Mode.ENFORCE
    version: int = 1
    attach: Attachment = Attachment()
    description: str = ""
    packs: tuple[str, ...] = ()
    """Shipped packs whose rules are among `rules`."""
    digest: str = ""
    """`digest_of`, filled in when it was read."""

    @property
    def label(self) -> str:
        """Name, version and content, as records name it."""
        return f"{self.name}@{self.version}+{self.digest[:12]}"


@dataclass(frozen=True, slots=True)
class Trial:
    """A policy test: a call, and what the policies should say of it."""

    name: str
    call: dict[str, Any]
    """Facts by the names of `governance.facts.CallFacts`; others have their defaults."""
    allow: bool
    deployment: str = ""
    """The one that is meant; left out, any."""
    why: str = ""
    """A rule's word, or `policy.rule`, that should be among the reasons."""
    duties: dict[str, Any] = field(default_factory=dict)
    """Obligations that should hold, as `governance.explain.duties` shows them."""
    file: str = ""
    line: int = 0


def digest_of(policy: Policy) -> str:
    """SHA-256, in hex, of what a policy says: equal for equal content, wherever it stands."""
    rules = tuple(msgspec.structs.replace(rule, file="", line=0) for rule in policy.rules)
    bare = replace(policy, rules=rules, digest="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()
