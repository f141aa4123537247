"""The shape of a catalogue file as people write it, and its reading into the domain.

One provider a file, prices in decimal USD per million tokens. A number with a point is read
as a decimal, never as a float, so that 0.044 stays 0.044. What is left out is unknown; a
price of zero is refused except on our own machine, where it is the truth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import yaml

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
from federation.errors import ConfigError, Problem


class RatesRow(msgspec.Struct, forbid_unknown_fields=True):
    """USD per million tokens."""

    input: Decimal | None = None
    output: Decimal | None = None
    cached: Decimal | None = None
    cache_write: Decimal | None = None


class TierRow(RatesRow):
    """The whole call's rates when its input exceeds `above` tokens."""

    above: int = msgspec.field(default=-1)


class WindowRow(RatesRow):
    """Rates on these weekdays (1 = Monday) between two times of day, UTC, `HH:MM`."""

    weekdays: list[int] = []
    start: str = "00:00"
    end: str = "24:00"


class PriceRow(RatesRow):
    """A price list. `multipliers` are factors by region class, `units` USD per unit."""

    tiers: list[TierRow] = []
    windows: list[WindowRow] = []
    multipliers: dict[str, Decimal] = {}
    units: dict[str, Decimal] = {}
    batch: Decimal | None = None
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


class _Loader(yaml.SafeLoader):
    """Safe YAML that keeps decimals exact and refuses a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)))


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def parse_row(text: str, where: str) -> Provider:
    """Read one file's text. Raises `ConfigError` with the file and the key at fault."""
    try:
        raw = yaml.load(text, _Loader)  # noqa: S506: a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError([Problem(where, line, str(error.problem))]) from error
    try:
        row = msgspec.convert(raw, ProviderRow)
    except msgspec.ValidationError as error:
        raise ConfigError([Problem(where, None, str(error))]) from error
    problems = [Problem(where, None, message) for message in faults(row)]
    if Path(where).stem != row.id:
        problems.append(Problem(where, None, f"id: the file must be named {row.id}.yaml"))
    if problems:
        raise ConfigError(problems)
    return _provider(row)


_ID = re.compile(r"[a-z0-9_]+\Z")
_ENV = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?\Z")
_URL = re.compile(r"(https?://|\{)[^\s?#]+[^\s?#/]\Z")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z|24:00\Z")
_REGIONS = {"us", "eu", "uk", "apac", "cn", "other", "local"}
_CERTIFICATIONS = {"soc2", "iso27001", "hipaa", "gdpr"}
_MODALITIES = {"text", "image", "pdf", "audio", "video"}
_OPERATIONS = {
    *("chat", "completions", "embeddings", "rerank", "image", "image_edit", "speech"),
    *("transcription", "moderations", "responses", "messages", "batch", "files", "realtime"),
    *("count_tokens", "fim", "ocr", "video", "classify", "tokenize", "score", "guardrails"),
}


def faults(row: ProviderRow) -> Iterator[str]:
    """Yield what is wrong with a row of the right shape, each line opening with the key."""
    if not _ID.match(row.id):
        yield "id: lower-case letters, digits and underscores only"
    if not _URL.match(row.base_url):
        yield "base_url: an http(s) address without query, fragment or trailing slash"
    yield from (f"env: {name} is no variable name" for name in row.env if not _ENV.match(name))
    yield from _strangers("regions", row.regions, _REGIONS)
    yield from _strangers("certifications", row.certifications, _CERTIFICATIONS)
    yield from _strangers("operations", row.operations, _OPERATIONS)
    if not _DATE.match(row.as_of):
        yield "as_of: a date, quoted"
    if not row.sources:
        yield "sources: at least one"
    if row.confidence not in {"high", "medium", "low"}:
        yield "confidence: high, medium or low"
    if row.local != (row.regions == ["local"]):
        yield "local: true exactly where regions is [local]"
    names = [name for model in row.models for name in (model.id, *model.aliases)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"models: {name} is the name of more than one model, or twice the name of one"
    for index, model in enumerate(row.models):
        yield from (f"models[{index}].{fault}" for fault in _model_faults(model, row.local))


def _model_faults(model: ModelRow, local: bool) -> Iterator[str]:
    if not model.id or not model.family:
        yield "id, family: must not be empty"
    yield from _strangers("operations", model.operations, _OPERATIONS)
    yield from _strangers("input_modalities", model.input_modalities, _MODALITIES)
    if model.retires is not None and not _DATE.match(model.retires):
        yield "retires: a date, quoted"
    for key in ("context", "max_input", "max_output", "dimensions"):
        value = getattr(model, key)
        if value is not None and value <= 0:
            yield f"{key}: must be positive"
    yield from (f"price.{fault}" for fault in _price_faults(model.price, local))


def _price_faults(price: PriceRow, local: bool) -> Iterator[str]:
    priced = [price, *price.tiers, *price.windows]
    amounts = [
        amount
        for rates in priced
        for amount in (rates.input, rates.output, rates.cached, rates.cache_write)
        if amount is not None
    ] + [*price.units.values()]
    if any(amount < 0 for amount in amounts):
        yield "rates: must not be negative"
    if not local and any(amount == 0 for amount in amounts):
        yield "rates: zero is not a price; leave an unknown rate out"
    if (amounts or price.batch is not None) and not (price.source and _DATE.match(price.as_of)):
        yield "source, as_of: a price has a source and a date"
    if any(tier.above <= 0 for tier in price.tiers):
        yield "tiers: above must be positive"
    if price.tiers and price.windows:
        yield "tiers, windows: one row cannot have both"
    for window in price.windows:
        if not window.weekdays or not set(window.weekdays) <= set(range(1, 8)):
            yield "windows: weekdays are 1 (Monday) to 7"
        if not (_CLOCK.match(window.start) and _CLOCK.match(window.end)):
            yield "windows: start and end are HH:MM, UTC"
        elif _minute(window.start) >= _minute(window.end):
            yield "windows: start must lie before end; write two windows to cross midnight"


def _strangers(key: str, values: Iterable[str], known: set[str]) -> Iterator[str]:
    yield from (f"{key}: {value} is none of {sorted(known)}" for value in values if value not in known)


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _nano(usd: Decimal | None) -> int | None:
    return None if usd is None else usd_to_nano(usd)


def _permille(factor: Decimal) -> int:
    return int(factor * 1000)


def _rates(row: RatesRow) -> Rates:
    return Rates(_nano(row.input), _nano(row.output), _nano(row.cached), _nano(row.cache_write))


def _price(row: PriceRow) -> Price:
    return Price(
        rates=_rates(row),
        tiers=tuple(ContextTier(tier.above, _rates(tier)) for tier in row.tiers),
        windows=tuple(
            Window(tuple(w.weekdays), _minute(w.start), _minute(w.end), _rates(w))
            for w in row.windows
        ),
        multipliers={region: _permille(factor) for region, factor in row.multipliers.items()},
        units={unit: usd_to_nano(usd) for unit, usd in row.units.items()},
        batch_permille=None if row.batch is None else _permille(row.batch),
        source=row.source,
        as_of=row.as_of,
    )


def _model(row: ModelRow) -> Model:
    quirks = dict(row.quirks)
    if row.price.disputed:
        quirks["price_disputed"] = {
            source: {
                key: str(usd)
                for key in ("input", "output", "cached", "cache_write")
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


def _provider(row: ProviderRow) -> Provider:
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
