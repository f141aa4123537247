"""Renders the reference page of providers from the compiled catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from federation.catalogue.quirks import QUIRKS
from federation.domain.catalogue import Model, Provider, Tier
from federation.domain.money import nano_to_usd

_HEAD = """\
# Providers

Generated from the catalogue by `python -m federation.catalogue.build`; do not edit.

{providers} providers in {tiers} tiers with {models} models, as of {as_of}.
A dash is *unknown*: never free, never certified, never in a region. Prices are USD per
million tokens (input / output / cached input / cache write); a star marks a price on which
sources disagree, "→" the price of a call whose input is longer, "◷" a price that depends on
the time of day. Regions are all the places in which data may be processed. Quality is the
prior for general use, with its standard deviation
([how it is made](../decisions/0004-quality-priors.md)).
"""

_PROVIDER_COLUMNS = (
    *("Provider", "Dialect", "Sign-in", "Variables"),
    *("Regions", "Certifications", "Training", "Models"),
)
_MODEL_COLUMNS = (
    *("Model", "Also", "Operations", "USD per million", "Context"),
    *("Input", "Abilities", "Quality", "Retires"),
)


def page(providers: list[Provider]) -> str:
    """Return the whole page as Markdown."""
    lines = [
        _HEAD.format(
            providers=len(providers),
            tiers=len({provider.tier for provider in providers}),
            models=sum(len(provider.models) for provider in providers),
            as_of=max(provider.as_of for provider in providers),
        )
    ]
    for tier in Tier:
        rows = [provider for provider in providers if provider.tier is tier]
        lines += ["", f"## {tier.value.capitalize()}", "", *_table(rows)]
        for provider in rows:
            lines += _section(provider)
    lines += ["", "## Quirks", "", *_heading(("Key", "Meaning"))]
    lines += [f"| `{name}` | {_cell(about)} |" for name, about in QUIRKS.items()]
    return "\n".join(lines) + "\n"


def _table(rows: list[Provider]) -> Iterator[str]:
    yield from _heading(_PROVIDER_COLUMNS)
    for row in rows:
        cells = (
            f"[{row.name}](#{row.id})",
            row.dialect,
            "optional" if row.quirks.get("auth_optional") else row.auth.scheme,
            ", ".join(f"`{name}`" for name in row.env),
            ", ".join(row.regions),
            ", ".join(sorted(row.certifications)),
            {"none": "no", "trains": "yes", "unknown": ""}[row.data_use.value],
            str(len(row.models)) if row.models else "",
        )
        yield _row(cells)


def _section(row: Provider) -> Iterator[str]:
    yield from ("", f'<a id="{row.id}"></a>', "", f"### {row.name} (`{row.id}`)", "")
    yield f"`{row.base_url}` · {', '.join(row.operations)} · confidence {row.confidence}"
    note = row.quirks.get("note")
    if note:
        yield from ("", str(note))
    if row.retention:
        yield from ("", f"Retention: {row.retention}.")
    if not row.models:
        return
    yield ""
    yield from _heading(_MODEL_COLUMNS)
    for model in row.models:
        yield _row(_model_cells(model))


def _model_cells(model: Model) -> tuple[str, ...]:
    quality = model.quality.get("default")
    return (
        f"`{model.id}`",
        ", ".join(f"`{alias}`" for alias in model.aliases),
        ", ".join(model.operations),
        _price(model),
        f"{model.context:,}" if model.context else "",
        ", ".join(model.input_modalities),
        ", ".join(sorted(ability.value for ability in model.abilities)),
        f"{quality.mean:.2f} ± {quality.deviation:.2f}" if quality else "",
        model.retires or "",
    )


def _price(model: Model) -> str:
    price = model.price
    rates = price.rates
    known = [rates.input, rates.output, rates.cached, rates.cache_write]
    while known and known[-1] is None:
        known.pop()
    text = " / ".join("–" if rate is None else _decimal(nano_to_usd(rate)) for rate in known)
    for tier in price.tiers:
        given, made = tier.rates.input, tier.rates.output
        shown = " / ".join("–" if r is None else _decimal(nano_to_usd(r)) for r in (given, made))
        text += f" → {shown} above {tier.above:,}"
    units = [f"{_decimal(nano_to_usd(usd))} per {unit}" for unit, usd in price.units.items()]
    text = ", ".join(filter(None, [text, *units]))
    if price.windows:
        text += " ◷"
    if "price_disputed" in model.quirks:
        text += " *"
    return text


def _decimal(amount: Decimal) -> str:
    return format(amount, "f")


def _heading(columns: tuple[str, ...]) -> Iterator[str]:
    yield _row(columns)
    yield "|" + "---|" * len(columns)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_cell(cell) or "–" for cell in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
