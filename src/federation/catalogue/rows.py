"""The shape of a catalogue file as people write it, and its reading into the domain.

One provider a file, prices in decimal USD per million tokens. A number with a point is read
as a decimal, never as a float, so that 0.044 stays 0.044. What is left out is unknown; a
price of zero is refused except on our own machine, where it is the truth.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from federation.domain.catalogue import (
    Ability,
    Auth,
    ContextTier,
    DataUse,
    Limits,
    Model,
    Price,
    Provider,
    Rates,
    Speed,
    Tier,
    Window,
)
from federation.domain.money import usd_to_nano


class RatesRow(msgspec.Struct, forbid_unknown_fields=True):
    """USD per million tokens."""

    input: Decimal | None = None
    output: Decimal | None = None
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_long: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None


class TierRow(RatesRow):
    """The whole call's rates when its input exceeds `above` tokens."""

    above: int = msgspec.field(default=-1)


class WindowRow(RatesRow):
    """Rates on these weekdays (1 = Monday) between two times of day, UTC, `HH:MM`."""

    weekdays: list[int] = []
    start: str = "00:00"
    end: str = "24:00"


class PriceRow(RatesRow):
    """A price list. `multipliers` are factors by region class, `service_tiers` by the class of
    service that was billed, `units` are USD per unit."""

    tiers: list[TierRow] = []
    windows: list[WindowRow] = []
    multipliers: dict[str, Decimal] = {}
    units: dict[str, Decimal] = {}
    batch: Decimal | None = None
    service_tiers: dict[str, Decimal] = {}
    disputed: dict[str, RatesRow] = {}
    """What other sources say, where they differ by more than 2 %."""
    source: str = ""
    as_of: str = ""


class SpeedRow(msgspec.Struct, forbid_unknown_fields=True):
    """What to expect before anything was measured: an assumption, and marked as one."""

    first_token_ms: int
    tokens_per_s: int


class ModelRow(msgspec.Struct, forbid_unknown_fields=True):
    """One model of a provider; see `domain.catalogue.Model` for the meaning of each key."""

    id: str
    family: str
    name: str = ""
    maker: bool = False
    aliases: list[str] = []
    operations: tuple[str, ...] = ("chat",)
    context: int | None = None
    max_input: int | None = None
    max_output: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    abilities: list[Ability] = []
    price: PriceRow = msgspec.field(default_factory=PriceRow)
    speed: SpeedRow | None = None
    retires: str | None = None
    dimensions: int | None = None
    quirks: dict[str, object] = {}


class ProviderRow(msgspec.Struct, forbid_unknown_fields=True):
    """A file; see `domain.catalogue.Provider` for the meaning of each key.

    `hosts` are the provider's other addresses by purpose (a region, another dialect).
    """

    id: str
    name: str
    tier: Tier
    dialect: str
    base_url: str
    as_of: str
    confidence: str
    sources: list[str]
    hosts: dict[str, str] = {}
    auth: Auth = msgspec.field(default_factory=Auth)
    env: list[str] = []
    regions: list[str] = []
    certifications: list[str] = []
    data_use: DataUse = DataUse.UNKNOWN
    retention: str = ""
    operations: tuple[str, ...] = ("chat",)
    quirks: dict[str, object] = {}
    governed: list[str] = []
    limits: Limits = msgspec.field(default_factory=Limits)
    local: bool = False
    note: str = ""
    models: list[ModelRow] = []


def minute(clock: str) -> int:
    """Return the minute of the day of `HH:MM`."""
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _nano(usd: Decimal | None) -> int | None:
    return None if usd is None else usd_to_nano(usd)


def _permille(factor: Decimal) -> int:
    return int(factor * 1000)


def _rates(row: RatesRow) -> Rates:
    return Rates(
        _nano(row.input),
        _nano(row.output),
        _nano(row.cached),
        _nano(row.cache_write),
        _nano(row.cache_write_long),
        _nano(row.audio_input),
        _nano(row.audio_output),
    )


def _price(row: PriceRow) -> Price:
    return Price(
        rates=_rates(row),
        tiers=tuple(ContextTier(tier.above, _rates(tier)) for tier in row.tiers),
        windows=tuple(
            Window(tuple(w.weekdays), minute(w.start), minute(w.end), _rates(w))
            for w in row.windows
        ),
        multipliers={region: _permille(factor) for region, factor in row.multipliers.items()},
        units={unit: usd_to_nano(usd) for unit, usd in row.units.items()},
        batch_permille=None if row.batch is None else _permille(row.batch),
        service_tiers={tier: _permille(factor) for tier, factor in row.service_tiers.items()},
        source=row.source,
        as_of=row.as_of,
    )


def _model(row: ModelRow) -> Model:
    quirks = dict(row.quirks)
    if row.price.disputed:
        quirks["price_disputed"] = {
            source: {
                key: str(usd)
                for key in RatesRow.__struct_fields__
                if (usd := getattr(rates, key)) is not None
            }
            for source, rates in row.price.disputed.items()
        }
    return Model(
        id=row.id,
        name=row.name or row.id,
        family=row.family,
        maker=row.maker,
        aliases=tuple(row.aliases),
        operations=tuple(row.operations),
        context=row.context,
        max_input=row.max_input,
        max_output=row.max_output,
        input_modalities=tuple(row.input_modalities),
        abilities=frozenset(row.abilities),
        price=_price(row.price),
        speed=Speed(row.speed.first_token_ms, row.speed.tokens_per_s) if row.speed else None,
        retires=row.retires,
        dimensions=row.dimensions,
        quirks=quirks,
    )


def provider_of(row: ProviderRow) -> Provider:
    """Return the row as the domain sees it."""
    extra: dict[str, object] = {"hosts": row.hosts} if row.hosts else {}
    if row.note:
        extra["note"] = row.note
    return Provider(
        id=row.id,
        name=row.name,
        tier=row.tier,
        dialect=row.dialect,
        base_url=row.base_url,
        auth=row.auth,
        env=tuple(row.env),
        regions=tuple(row.regions),
        certifications=frozenset(row.certifications),
        data_use=row.data_use,
        retention=row.retention,
        operations=tuple(row.operations),
        models=tuple(_model(model) for model in row.models),
        quirks=row.quirks | extra,
        limits=row.limits,
        governed=tuple(row.governed),
        local=row.local,
        sources=tuple(row.sources),
        as_of=row.as_of,
        confidence=row.confidence,
    )
