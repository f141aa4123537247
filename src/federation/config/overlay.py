"""One provider row laid over another: what was written wins, the rest stays as it was.

Pure. The trap is in what a fact that nobody wrote becomes: unknown, never the pleasant
value. A new row at a loopback address may well be a tunnel to somewhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from federation.config.provider_row import (
    AuthRow,
    LimitsRow,
    ModelRow,
    PriceRow,
    ProviderRow,
    RatesRow,
)
from federation.config.quantities import is_loopback
from federation.domain.catalogue import (
    Auth,
    ContextTier,
    Limits,
    Model,
    Price,
    Provider,
    Quality,
    Rates,
    Speed,
    Tier,
    Window,
)
from federation.domain.routes import Deadlines

SOURCE = "operator"
# Sign-in that a wire language's clients send, where a row does not say.
_DIALECT_AUTH = {
    "anthropic": Auth("header", "x-api-key", "", {"anthropic-version": "2023-06-01"}),
    "gemini": Auth("header", "x-goog-api-key", ""),
    "azure_openai": Auth("header", "api-key", ""),
}
_PLAIN = ("name", "tier", "dialect", "base_url", "credential", "enabled", "data_use", "retention")
_LISTS = ("regions", "operations", "governed")
_MODEL_PLAIN = ("name", "family", "maker", "context", "max_input", "max_output", "retires")
_MODEL_LISTS = ("aliases", "operations", "input_modalities")
_DAY = 1440


def new_provider(row: ProviderRow, makers: frozenset[str]) -> Provider:
    """A provider that no catalogue row stands behind. `dialect` and `base_url` are given."""
    assert row.dialect is not None  # noqa: S101 - the caller checked
    assert row.base_url is not None  # noqa: S101 - the caller checked
    blank = Provider(
        id=row.id,
        name=row.id,
        tier=Tier.OPENSOURCE if row.local else Tier.EMERGING,
        dialect=row.dialect,
        base_url=row.base_url,
        auth=_DIALECT_AUTH.get(row.dialect, Auth()),
    )
    return lay(blank, row, makers)


def at_this_machine(provider: Provider) -> bool:
    """True where the address is a loopback one."""
    return is_loopback(urlsplit(provider.base_url).hostname or "")


def lay(base: Provider, row: ProviderRow, makers: frozenset[str]) -> Provider:
    """`base` with everything that `row` says.

    `makers` are the model ids that some provider of the catalogue made itself: a model
    that an operator adds counts as its provider's own unless it is one of those.
    """
    written = row.model_fields_set
    changes: dict[str, Any] = {key: getattr(row, key) for key in _PLAIN if key in written}
    changes |= {key: getattr(row, key) for key in _LISTS if key in written}
    changes |= {key: getattr(row, key) for key in ("local", "simulated") if key in written}
    changes = {key: value for key, value in changes.items() if value is not None}
    if "certifications" in written:
        changes["certifications"] = frozenset(row.certifications)
    if row.auth is not None:
        changes["auth"] = _auth(row.auth, base.auth)
    if row.limits is not None:
        changes["limits"] = _limits(row.limits, base.limits)
    if row.timeouts is not None:
        changes["deadlines"] = Deadlines(**row.timeouts.model_dump())
    if row.quirks:
        changes["quirks"] = base.quirks | _numbers(row.quirks)
    if "models" in written:
        changes["models"] = _models(base, row, makers)
    return replace(base, **changes)


def _auth(row: AuthRow, base: Auth) -> Auth:
    written = row.model_fields_set
    if row.scheme == "none":
        return Auth("none", "", "", base.extra | row.extra)
    start = base if row.scheme == base.scheme else Auth(row.scheme, row.name, row.prefix)
    if row.scheme == "bearer" and base.scheme != "bearer":
        start = Auth()
    return Auth(
        row.scheme,
        row.name if "name" in written else start.name,
        row.prefix if "prefix" in written else start.prefix,
        base.extra | row.extra,
    )


def _limits(row: LimitsRow, base: Limits) -> Limits:
    return replace(base, **{key: getattr(row, key) for key in row.model_fields_set})


def _numbers(value: Any) -> Any:
    """Quirks travel as JSON, which has no decimals."""
    if isinstance(value, dict):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def _models(base: Provider, row: ProviderRow, makers: frozenset[str]) -> tuple[Model, ...]:
    known = {model.id: model for model in base.models}
    kept = {} if row.replace_models else dict(known)
    for model_row in row.models:
        old = known.get(model_row.id)
        fresh = Model(id=model_row.id, name=model_row.id, maker=model_row.id not in makers)
        kept[model_row.id] = _model(old or fresh, model_row)
    return tuple(kept.values())


def _model(base: Model, row: ModelRow) -> Model:
    written = row.model_fields_set
    keys: Iterable[str] = (*_MODEL_PLAIN, *_MODEL_LISTS, "dimensions")
    changes: dict[str, Any] = {key: getattr(row, key) for key in keys if key in written}
    if "abilities" in written:
        changes["abilities"] = frozenset(row.abilities)
    if row.price is not None:
        changes["price"] = _price(row.price)
    if row.quality:
        changes["quality"] = base.quality | {
            category: Quality(given.mean, given.deviation, SOURCE)
            for category, given in row.quality.items()
        }
    if row.speed is not None:
        changes["speed"] = Speed(row.speed.first_token_ms, row.speed.tokens_per_s)
    if row.quirks:
        changes["quirks"] = base.quirks | _numbers(row.quirks)
    return replace(base, **changes)


def _price(row: PriceRow) -> Price:
    return Price(
        rates=_rates(row),
        tiers=tuple(
            ContextTier(tier.above, _rates(tier))
            for tier in sorted(row.tiers, key=lambda tier: tier.above)
        ),
        windows=tuple(
            window
            for written in row.windows
            for window in _windows(written.weekdays, written.start, written.end, _rates(written))
        ),
        multipliers=dict(row.multipliers),
        units=dict(row.units),
        batch_permille=row.batch,
        service_tiers=dict(row.service_tiers),
        source=SOURCE,
    )


def _rates(row: RatesRow) -> Rates:
    return Rates(
        row.input,
        row.output,
        row.cached,
        row.cache_write,
        row.cache_write_long,
        row.audio_input,
        row.audio_output,
    )


def _windows(weekdays: tuple[int, ...], start: int, end: int, rates: Rates) -> tuple[Window, ...]:
    """A window over midnight is two: the second on the days after."""
    if start < end:
        return (Window(weekdays, start, end, rates),)
    following = tuple(day % 7 + 1 for day in weekdays)
    parts = (Window(weekdays, start, _DAY, rates), Window(following, 0, end, rates))
    return tuple(part for part in parts if part.start < part.end)
