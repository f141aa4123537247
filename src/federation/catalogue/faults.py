"""What can be wrong with a catalogue row that has the right shape.

Each fault opens with the key at fault, so that a person finds the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from federation.catalogue.quirks import QUIRKS
from federation.catalogue.rows import ModelRow, PriceRow, ProviderRow, RatesRow, minute
from federation.domain.quirks import SHAPES, misplaced

_ID = re.compile(r"[a-z0-9_]+\Z")
_ENV = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
_MONTH = re.compile(r"\d{4}-\d\d(-\d\d)?\Z")
_URL = re.compile(r"(https?://|\{api_url\}/)[^\s?#]+[^\s?#/]\Z")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z|24:00\Z")
_COUNTRY = re.compile(r"[a-z]{2}\Z")
_REGION_CLASSES = {"us", "eu", "uk", "apac", "cn", "other", "local"}
_CERTIFICATIONS = {"soc2", "iso27001", "hipaa", "gdpr"}
_CONFIDENCES = {"high", "medium", "low"}
_MODALITIES = {"text", "image", "pdf", "audio", "video"}
_UNITS = {
    *("request", "image", "second", "character", "page"),
    *("search", "web_search", "web_fetch"),
}
_FREE = {"web_fetch"}
"""Units that a vendor counts and does not charge for."""
_SCHEMES = {"none", "bearer", "header", "query", "sigv4", "oauth", "http_signature"}
_OPERATIONS = {
    *("chat", "completions", "embeddings", "rerank", "image", "image_edit", "speech"),
    *(
        "transcription",
        "audio_translation",
        "moderations",
        "responses",
        "messages",
        "batch",
        "files",
        "realtime",
    ),
    *("count_tokens", "fim", "ocr", "video", "classify", "tokenize", "score", "guardrails"),
}


def faults(row: ProviderRow) -> Iterator[str]:
    """Yield every fault of the row and its models."""
    yield from _identity_faults(row)
    yield from _strangers("certifications", row.certifications, _CERTIFICATIONS)
    yield from _strangers("operations", row.operations, _OPERATIONS)
    yield from _quirk_faults(row.quirks, row.dialect)
    for region in row.regions:
        if region not in _REGION_CLASSES and not _COUNTRY.match(region):
            yield f"regions: {region} is neither a class nor a two-letter country"
    if row.local != (row.regions == ["local"]):
        yield "local: true exactly where regions is [local]"
    names = [name for model in row.models for name in (model.id, *model.aliases)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"models: {name} names more than one model, or one model twice"
    for index, model in enumerate(row.models):
        yield from (
            f"models[{index}].{fault}" for fault in _model_faults(model, row.local, row.dialect)
        )


def _identity_faults(row: ProviderRow) -> Iterator[str]:
    if not _ID.match(row.id):
        yield "id: lower-case letters, digits and underscores only"
    for key, url in (("base_url", row.base_url), *row.hosts.items()):
        if not _URL.match(url):
            yield f"{key}: an http(s) address without query, fragment or trailing slash"
    for name in row.env:
        if not _ENV.match(name):
            yield f"env: {name} is no variable name"
    yield from _strangers("auth.scheme", [row.auth.scheme], _SCHEMES)
    yield from _strangers("confidence", [row.confidence], _CONFIDENCES)
    if not _DATE.match(row.as_of):
        yield "as_of: a date, quoted"
    if not row.sources:
        yield "sources: at least one"


def _model_faults(model: ModelRow, local: bool, dialect: str) -> Iterator[str]:
    if not model.id or not model.family:
        yield "id, family: must not be empty"
    yield from _strangers("operations", model.operations, _OPERATIONS)
    yield from _strangers("input_modalities", model.input_modalities, _MODALITIES)
    yield from _quirk_faults(model.quirks, dialect)
    if model.retires is not None and not _DATE.match(model.retires):
        yield "retires: a date, quoted"
    for key in ("context", "max_input", "max_output", "dimensions"):
        value = getattr(model, key)
        if value is not None and value <= 0:
            yield f"{key}: must be positive"
    yield from (f"price.{fault}" for fault in _price_faults(model.price, local))


def _quirk_faults(quirks: dict[str, object], dialect: str) -> Iterator[str]:
    yield from _strangers("quirks", quirks, QUIRKS)
    for word, value in quirks.items():
        shape = SHAPES.get(word)
        if shape is not None and not shape.fits(value):
            yield f"quirks.{word}: should be {shape.said}"
        elif fault := misplaced(word, dialect):
            yield f"quirks.{word}: {fault}"


def _price_faults(price: PriceRow, local: bool) -> Iterator[str]:
    amounts = [
        amount
        for rates in (price, *price.tiers, *price.windows)
        for amount in _amounts(rates)
        if amount is not None
    ]
    amounts += (usd for unit, usd in price.units.items() if usd or unit not in _FREE)
    yield from _strangers("units", price.units, _UNITS)
    yield from _strangers("multipliers", price.multipliers, _REGION_CLASSES)
    if any(factor <= 0 for factor in price.service_tiers.values()):
        yield "service_tiers: must be positive"
    if any(amount < 0 for amount in amounts):
        yield "rates: must not be negative"
    if not local and any(amount == 0 for amount in amounts):
        yield "rates: zero is not a price; leave an unknown rate out"
    if amounts and not (price.source and _MONTH.match(price.as_of)):
        yield "source, as_of: a price has a source and a date"
    if any(tier.above <= 0 for tier in price.tiers):
        yield "tiers: above must be positive"
    if price.tiers and price.windows:
        yield "tiers, windows: a price has one or the other"
    yield from _window_faults(price)


def _amounts(rates: RatesRow) -> Iterator[Decimal | None]:
    yield from (rates.input, rates.output, rates.cached, rates.cache_write)
    yield from (rates.cache_write_long, rates.audio_input, rates.audio_output)


def _window_faults(price: PriceRow) -> Iterator[str]:
    for window in price.windows:
        if not window.weekdays or not set(window.weekdays) <= set(range(1, 8)):
            yield "windows.weekdays: 1 (Monday) to 7"
        if not (_CLOCK.match(window.start) and _CLOCK.match(window.end)):
            yield "windows: start and end are HH:MM, UTC"
        elif minute(window.start) >= minute(window.end):
            yield "windows: start lies before end; two windows cross midnight"


def _strangers(key: str, values: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    known = set(known)
    for value in values:
        if value not in known:
            yield f"{key}: {value} is none of {', '.join(sorted(known))}"
