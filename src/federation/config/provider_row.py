"""What an operator may write about a provider: Pydantic models of one row.

A field that is left out means "as in the catalogue"; `model_fields_set` tells it from one
that was written. Defaults here are therefore never applied by themselves: `providers`
decides what a missing fact of a new row is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from federation.config import quantities
from federation.config.words import MODALITIES, SCHEMES, UNITS
from federation.domain.catalogue import CATEGORIES, Ability, DataUse, Tier
from federation.domain.routes import LONGEST_S

Usd = Annotated[int, BeforeValidator(quantities.usd)]
Permille = Annotated[int, BeforeValidator(quantities.permille)]
Region = Annotated[str, BeforeValidator(quantities.region)]
Name = Annotated[str, BeforeValidator(quantities.name)]
Minute = Annotated[int, BeforeValidator(quantities.minute)]
Weekday = Annotated[int, BeforeValidator(quantities.weekday)]
HeaderName = Annotated[str, BeforeValidator(quantities.header_name)]
HeaderValue = Annotated[str, BeforeValidator(quantities.header_value)]
Count = Annotated[int, Field(gt=0, le=10**12)]
Deadline = Annotated[float, Field(gt=0, le=LONGEST_S)]
Share = Annotated[float, Field(ge=0, le=1)]


def _counts(annotation: Any) -> bool:
    return annotation in (int, float) or any(map(_counts, get_args(annotation)))


class Written(BaseModel):
    """Anything that a person writes: an unknown key is an error, a value is not changed later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic takes `true` for 1: records would be kept for one day."""
        if isinstance(value, bool) and _counts(cls.model_fields[str(info.field_name)].annotation):
            raise ValueError("should be a number")
        return value


def _listed(value: Any) -> Any:
    """`a, b` or a single word as a list, so that both forms may be written."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


Listed = BeforeValidator(_listed)


class RatesRow(Written):
    """USD per million tokens; what is left out is unknown, not free."""

    input: Usd | None = None
    output: Usd | None = None
    cached: Usd | None = None
    cache_write: Usd | None = None
    cache_write_long: Usd | None = None
    audio_input: Usd | None = None
    audio_output: Usd | None = None


class TierRow(RatesRow):
    """Rates for calls whose input is longer than `above` tokens."""

    above: Count


class WindowRow(RatesRow):
    """Rates between two times of day (UTC); an end before the start is on the next day."""

    start: Minute
    end: Minute
    weekdays: Annotated[tuple[Weekday, ...], Listed] = (1, 2, 3, 4, 5, 6, 7)


class PriceRow(RatesRow):
    """A model's price list. Given at all, it replaces the catalogue's price as a whole."""

    tiers: tuple[TierRow, ...] = ()
    windows: tuple[WindowRow, ...] = ()
    multipliers: dict[Region, Permille] = {}
    units: dict[Literal[UNITS], Usd] = {}  # type: ignore[valid-type]
    batch: Permille | None = None
    service_tiers: dict[Annotated[str, BeforeValidator(quantities.identifier)], Permille] = {}

    @field_validator("tiers")
    @classmethod
    def _each_once(cls, value: tuple[TierRow, ...]) -> tuple[TierRow, ...]:
        if len({row.above for row in value}) < len(value):
            raise ValueError("should not name a threshold twice: only one of them would count")
        return value


class QualityRow(Written):
    """An estimate in 0..1 and how unsure it is."""

    mean: Share
    deviation: Annotated[float, Field(gt=0, le=0.5)] = 0.1


class SpeedRow(Written):
    """What to expect before a call was measured."""

    first_token_ms: Annotated[float, Field(gt=0, le=3_600_000)]
    tokens_per_s: Annotated[float, Field(gt=0, le=1_000_000)]


class LimitsRow(Written):
    """What the provider allows."""

    rpm: Count | None = None
    tpm: Count | None = None
    concurrency: Count | None = None


class TimeoutsRow(Written):
    """Upstream deadlines in seconds; what is left out follows from what is measured."""

    connect_s: Deadline | None = None
    first_token_s: Deadline | None = None
    idle_s: Deadline | None = None
    total_s: Deadline | None = None


class AuthRow(Written):
    """How requests are signed."""

    scheme: Literal[SCHEMES] = "bearer"  # type: ignore[valid-type]
    name: HeaderName = "authorization"
    prefix: HeaderValue = ""
    extra: dict[HeaderName, HeaderValue] = {}

    @field_validator("extra")
    @classmethod
    def _no_secret(cls, value: dict[str, str]) -> dict[str, str]:
        if "authorization" in value:
            raise ValueError("should hold no authorization header: use 'credential'")
        return value


class ModelRow(Written):
    """One model of a provider."""

    id: Name
    name: str = ""
    family: str = ""
    maker: bool = False
    aliases: Annotated[tuple[Name, ...], Listed] = ()
    operations: Annotated[tuple[Name, ...], Listed] = ("chat",)
    context: Count | None = None
    max_input: Count | None = None
    max_output: Count | None = None
    input_modalities: Annotated[tuple[Literal[MODALITIES], ...], Listed] = ("text",)  # type: ignore[valid-type]
    abilities: Annotated[tuple[Ability, ...], Listed] = ()
    price: PriceRow | None = None
    quality: dict[Literal[CATEGORIES], QualityRow] = {}  # type: ignore[valid-type]
    speed: SpeedRow | None = None
    retires: Annotated[str, BeforeValidator(quantities.day)] | None = None
    dimensions: Count | None = None
    quirks: dict[str, Any] = {}

    @field_validator("quality", mode="before")
    @classmethod
    def _quality(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            value = {"default": value}
        return {
            category: given if isinstance(given, dict) else {"mean": given}
            for category, given in value.items()
        }


class ProviderRow(Written):
    """One row of providers.yaml."""

    id: Annotated[str, BeforeValidator(quantities.identifier)]
    extends: str | None = None
    name: str | None = None
    tier: Tier | None = None
    dialect: str | None = None
    base_url: Annotated[str, BeforeValidator(quantities.base_url)] | None = None
    auth: AuthRow | None = None
    credential: Annotated[str, BeforeValidator(quantities.credential)] | None = None
    enabled: bool = True
    region: Region | None = None
    """There alone, by a control of the row; refused where there is none."""
    regions: Annotated[tuple[Region, ...], Listed] = ()
    certifications: Annotated[
        tuple[Annotated[str, BeforeValidator(quantities.certification)], ...], Listed
    ] = ()
    data_use: DataUse | None = None
    retention: str | None = None
    operations: Annotated[tuple[Name, ...], Listed] = ("chat",)
    models: tuple[ModelRow, ...] = ()
    replace_models: bool = False
    """The listed models stand alone, instead of being added to the catalogue's."""
    quirks: dict[str, Any] = {}
    limits: LimitsRow | None = None
    timeouts: TimeoutsRow | None = None
    governed: Annotated[tuple[Name, ...], Listed] = ()
    local: bool = False
    simulated: bool = False

    @field_validator("auth", mode="before")
    @classmethod
    def _auth(cls, value: Any) -> Any:
        return {"scheme": value} if isinstance(value, str) else value

    @field_validator("models", mode="before")
    @classmethod
    def _models(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [{"id": row} if isinstance(row, str) else row for row in value]
        return value
