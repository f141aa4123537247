"""The work of `federation price set`: an operator's price, in a file that is read after the others.

The trap: a price is whole. What is not named in it is unknown from then on, and not what it was;
so tiers and windows of the catalogue's row no longer hold. And a file that makes the configuration
bad must not stay.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from federation.cli import offline, output
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.domain.catalogue import Rates
from federation.errors import ConfigError

_RATES = frozenset(Rates.__dataclass_fields__)
_UNIT = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")
_DEAREST = 1_000_000


def put(place: Place, model: str, given: Sequence[str], *, as_json: bool) -> None:
    """Write or remove the file of a model's price. Raises `ConfigError` where the configuration
    could not be used with it, and leaves it as it was."""
    known = {row.id for row in offline.setup_of(place).situation.snapshot.deployments}
    if model not in known:
        raise CommandFailed(
            f"There is no model '{model}'.",
            hint="`federation price show --all` lists them.",
            code="not_found",
        )
    path = _file(place, model)
    before = path.read_text("utf-8") if path.is_file() else None
    _write(path, _text(model, [_rate(each) for each in given]) if given else None)
    try:
        offline.setup_of(place)
    except ConfigError:
        _write(path, before)
        raise
    if as_json:
        output.print_json(
            {"object": "price", "model": model, "file": str(path), "set": bool(given)}
        )
    elif given:
        output.say(f"{path} holds the price of {model}. A gateway that runs has it in a moment.")
    else:
        output.say(f"{model} has the price of its row again.")


def _rate(text: str) -> tuple[str, str]:
    """A name, and an amount as it was written."""
    name, _, amount = text.partition("=")
    try:
        value = Decimal(amount)
    except InvalidOperation:
        value = Decimal(-1)
    if not _UNIT.match(name) or not value.is_finite() or not 0 <= value <= _DEAREST:
        raise CommandFailed(
            f"'{text[:80]}' is no price.",
            hint="Write for instance input=2.5 output=10 web_search=0.01.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    return name, f"{value:f}"


def _text(model: str, rates: Sequence[tuple[str, str]]) -> str:
    provider, _, name = model.partition("/")
    tokens = [f"{each}: {amount}" for each, amount in rates if each in _RATES]
    units = [f"{each}: {amount}" for each, amount in rates if each not in _RATES]
    price = ", ".join([*tokens, *([f"units: {{{', '.join(units)}}}"] if units else [])])
    return (
        "# Written by `federation price set`, in the place of the row's own price.\n"
        f"- id: {json.dumps(provider)}\n"
        f"  models: [{{id: {json.dumps(name)}, price: {{{price}}}}}]\n"
    )


def _file(place: Place, model: str) -> Path:
    """Behind every other by its name, so that it wins."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", model)[:80]
    digest = hashlib.sha256(model.encode()).hexdigest()[:8]
    return place.config_dir / "providers" / f"zz-price-{plain}-{digest}.yaml"


def _write(path: Path, text: str | None) -> None:
    try:
        if text is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_suffix(".tmp")
        made.write_text(text, "utf-8")
        made.replace(path)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}.") from error
