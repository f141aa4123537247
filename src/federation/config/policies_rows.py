"""What an operator may write in policies/*.yaml: Pydantic models of a policy and its rules.

A rule is a mapping with one word that says what it demands, and what it says of itself
(`control`, `evidence`, `when`). The trap: an empty list of what is allowed is meant as
written, and allows nothing; an empty list of what is forbidden is refused, because it looks
like a rule and is none.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from federation.config import pii_patterns, quantities
from federation.config.nearest import unknown_word
from federation.config.policies_words import (
    GUARDS,
    OPERATIONS,
    PII_TYPES,
    VALIDATORS,
)
from federation.config.policies_zones import known_zone
from federation.config.provider_row import Listed, Minute, Name, Region, Usd, Written
from federation.config.words import UNITS
from federation.domain.policies import (
    CUSTOM_TYPE,
    DATA_CLASSES,
    OWN_CLASS,
    Mode,
    PiiAction,
    Privacy,
)

LONGEST_DAYS = 36_500
MOST_PATTERNS = 50
"""Of one rule: each is looked for in every text."""


def _told(value: Any) -> Any:
    if value is not True:
        raise ValueError("should be true; leave the rule out where it should not hold")
    return value


def _class(value: Any) -> str:
    word = value if isinstance(value, str) else ""
    own = word.startswith(OWN_CLASS) and word.isascii() and word.isprintable()
    if word not in DATA_CLASSES and not own:
        said = unknown_word("class of data", word, DATA_CLASSES)
        raise ValueError(f"holds an {said}; classes of your own begin with '{OWN_CLASS}'")
    return word


def _entity(value: Any) -> str:
    word = value if isinstance(value, str) else ""
    if word not in PII_TYPES and not word.startswith(CUSTOM_TYPE):
        raise ValueError(f"holds an {unknown_word('type of personal data', word, PII_TYPES)}")
    return word


def _permille(value: Any) -> int:
    number = quantities.permille(value)
    if number > 1000:
        raise ValueError("should be between 0 and 1")
    return number


def _days(value: Any) -> Any:
    """`mon-fri`, `sat, sun`, or a list of either, as numbers; 1 is Monday."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list):
        return value
    found: list[int] = []
    for word in words:
        first, dash, last = word.partition("-") if isinstance(word, str) else (word, "", "")
        start = quantities.weekday(first.strip() if isinstance(first, str) else first)
        end = quantities.weekday(last.strip()) if dash else start
        found += range(start, end + 1) if start <= end else [*range(start, 8), *range(1, end + 1)]
    return sorted(set(found))


def _one_or_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _filled(value: Any) -> Any:
    if not value:
        raise ValueError("is empty: write what it names, or leave it out")
    return value


# Not a least length: pydantic counts that after it dropped the items that are at fault.
Filled = AfterValidator(_filled)
Words = Annotated[tuple[Name, ...], Listed]
SomeWords = Annotated[tuple[Name, ...], Listed, Filled]
Places = Annotated[tuple[Region, ...], Listed]
Certification = Annotated[str, BeforeValidator(quantities.certification)]
Operation = Literal[OPERATIONS]  # type: ignore[valid-type]
Classes = Annotated[tuple[Annotated[str, BeforeValidator(_class)], ...], Listed, Filled]
Days = Annotated[int, Field(ge=1, le=LONGEST_DAYS)]
Told = Annotated[Literal[True], BeforeValidator(_told)]
Expression = Annotated[str, Field(min_length=1, max_length=2_000)]
Sentence = Annotated[str, Field(max_length=1_000)]


class HoursRow(Written):
    """Hours of the week in a time zone."""

    zone: Annotated[str, BeforeValidator(known_zone)] = "UTC"
    days: Annotated[tuple[int, ...], BeforeValidator(_days), Filled] = tuple(range(1, 8))
    start: Annotated[Minute, Field(alias="from")] = 0
    end: Annotated[Minute, Field(alias="to")] = 1440


class MaxPriceRow(Written):
    """USD per million tokens, and per other unit."""

    input: Usd | None = None
    output: Usd | None = None
    cache_write: Usd | None = None
    cache_write_long: Usd | None = None
    units: dict[Literal[UNITS], Usd] = Field(default_factory=dict)  # type: ignore[valid-type]

    @model_validator(mode="before")
    @classmethod
    def _both(cls, value: Any) -> Any:
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        return {"input": value, "output": value} if number else value

    @model_validator(mode="after")
    def _some(self) -> MaxPriceRow:
        capped = (self.input, self.output, self.cache_write, self.cache_write_long)
        if not self.units and all(cap is None for cap in capped):
            raise ValueError(
                "should cap something: input, output, cache_write, cache_write_long or units"
            )
        return self


class PatternRow(Written):
    """A type of personal data of the operator's own."""

    pattern: Annotated[str, AfterValidator(pii_patterns.checked)]
    entity: Literal[PII_TYPES] | None = None  # type: ignore[valid-type]
    context: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[\w][\w .-]{0,63}$")], ...], Listed, Filled
    ] = ()
    validator: Literal[VALIDATORS] | None = None  # type: ignore[valid-type]
    ignore_case: bool = False

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"pattern": value} if isinstance(value, str) else value


class PiiRow(Written):
    """What happens to personal data."""

    action: PiiAction | None = None
    types: dict[Annotated[str, BeforeValidator(_entity)], PiiAction] = Field(default_factory=dict)
    on_failure: Literal["block", "allow"] = "block"
    max_characters: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    patterns: Annotated[
        dict[Annotated[str, BeforeValidator(quantities.identifier)], PatternRow],
        Field(max_length=MOST_PATTERNS),
    ] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"action": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _some(self) -> PiiRow:
        if self.action is None and not self.types:
            raise ValueError("should name an action, or types with theirs")
        for name, row in self.patterns.items():
            kind = row.entity or CUSTOM_TYPE + name
            if self.action is None and kind not in self.types:
                raise ValueError(f"should name an action, or one for '{kind}' among its types")
        return self


class GuardRow(Written):
    """A check on content."""

    name: Literal[GUARDS]  # type: ignore[valid-type]
    action: Literal["block", "log"] = "block"
    threshold: Annotated[int, BeforeValidator(_permille)] = 500

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class PayloadsRow(Written):
    """Whether content is kept, and for how long at most."""

    keep: Annotated[bool | Literal["hashes"], BeforeValidator(quantities.keeping)]
    days: Days | None = None

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"keep": value} if isinstance(value, bool | str) else value


class ApprovalRow(Written):
    """An approval that calls need, and the deployments that need it."""

    name: Name
    at: Annotated[SomeWords, Field(alias="for")] = ("*",)

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class RuleRow(Written):
    """One rule: one of its demands, and what it says of itself."""

    all_requests_logged: Told | None = None
    pii_exclusion_required: Told | None = None
    data_residency: Places | None = None
    store_residency: Places | None = None
    certifications: Annotated[tuple[Certification, ...], Listed, Filled] | None = None
    privacy: Privacy | None = None
    data_use: Annotated[tuple[Literal["none", "trains"], ...], Listed] | None = None
    prohibited_data: Annotated[dict[Name, Classes], Filled] | None = None
    allowed_providers: Words | None = None
    denied_providers: SomeWords | None = None
    allowed_models: Words | None = None
    denied_models: SomeWords | None = None
    allowed_operations: Annotated[tuple[Operation, ...], Listed] | None = None
    denied_operations: Annotated[tuple[Operation, ...], Listed, Filled] | None = None
    hours: Annotated[tuple[HoursRow, ...], BeforeValidator(_one_or_list), Filled] | None = None
    max_price: MaxPriceRow | None = None
    max_cost: Usd | None = None
    pii: PiiRow | None = None
    guardrails: Annotated[tuple[GuardRow, ...], Listed, Filled] | None = None
    durability: Literal["disk"] | None = None
    retention_days: Days | None = None
    payloads: PayloadsRow | None = None
    encryption: Literal["aes-256-gcm"] | None = None
    approval: ApprovalRow | None = None
    condition: Expression | None = None
    deployments: Expression | None = None

    control: Sentence = ""
    evidence: Sentence = ""
    when: Annotated[str, Field(max_length=2_000)] = ""

    @model_validator(mode="after")
    def _one(self) -> RuleRow:
        written = sorted(self.model_fields_set - SAID)
        if len(written) != 1:
            raise ValueError(
                f"a rule should demand one thing, and this one names {', '.join(written)}"
                if written
                else "a rule should demand something: this one only describes"
            )
        if getattr(self, written[0]) is None:
            raise ValueError(f"'{written[0]}' is empty: write what it demands")
        return self

    @property
    def kind(self) -> str:
        """The word of its demand."""
        return next(iter(self.model_fields_set - SAID))


SAID = frozenset({"control", "evidence", "when"})
"""What a rule says of itself."""


class AttachRow(Written):
    """Who must obey; a list that is left out is everybody."""

    tenants: SomeWords = ()
    teams: SomeWords = ()
    keys: SomeWords = ()
    routes: SomeWords = ()


class PolicyRow(Written):
    """A named set of rules."""

    name: Annotated[str, BeforeValidator(quantities.identifier)]
    version: Annotated[int, Field(ge=1, le=10**9)] = 1
    description: Annotated[str, Field(max_length=4_000)] = ""
    mode: Mode = Mode.ENFORCE
    attach: AttachRow | None = None
    packs: SomeWords = ()
    rules: tuple[RuleRow, ...] = ()

    @field_validator("attach", mode="before")
    @classmethod
    def _attach(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("is empty: leave it out where everybody should obey")
        return value

    @model_validator(mode="after")
    def _some(self) -> PolicyRow:
        if not self.rules and not self.packs:
            raise ValueError("a policy should have 'rules' or 'packs'")
        return self


class PackRow(PolicyRow):
    """A shipped policy, and what it is for."""

    framework: str
    title: str


class PolicyFile(Written):
    """The whole of a file in policies/: one `policy`, or a list of `policies`."""

    policy: PolicyRow | None = None
    policies: tuple[PolicyRow, ...] = ()
