"""The work of `federation ledger reconcile`: reading an invoice, asking the ledger, comparing.

The trap: providers cut a day where they like, most at UTC midnight. A wrong `--timezone` shows
as drift on every day and none in the sum, which is why the report ends with the sum.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from federation.cli import output
from federation.cli.cost_work import PAGE, PATH, pages
from federation.cli.failures import CommandFailed, Exit, why
from federation.cli.place import Place
from federation.domain.money import nano_to_usd, usd_to_nano
from federation.pricing.reconcile import Drift, Finding, Post, Tolerance, reconcile, summed

LARGEST_AMOUNT = Decimal(10) ** 12
LARGEST_BYTES = 256 * 1024 * 1024
_COLUMNS = {
    "day": ("date", "day", "usage_date"),
    "provider": ("provider",),
    "model": ("model", "model_id", "line_item"),
    "amount": ("amount", "cost", "cost_usd", "amount_usd", "usd"),
    "currency": ("currency",),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What was said on the command line."""

    invoice: Path
    provider: str | None
    renamed: tuple[str, ...]
    percent: str
    usd: str
    timezone: str


def compare(place: Place, wish: Wish, *, as_json: bool) -> Exit:
    """Print the report; FAILURE, for people `CommandFailed`, where the two drift apart."""
    tolerance = Tolerance(
        int(_amount(wish.percent, "--tolerance") * 10_000),
        usd_to_nano(_amount(wish.usd, "--tolerance-usd")),
    )
    invoice = summed(_posts(wish))
    if not invoice:
        raise _wrong(wish.invoice, "has no lines")
    by_model = any(post.model for post in invoice)
    ledger = summed(_ledger(place, wish, invoice, by_model=by_model))
    drifts = reconcile(invoice, ledger, tolerance)
    apart = [drift for drift in drifts if drift.finding is not Finding.AGREES]
    if as_json:
        output.print_json(_report(drifts))
        return Exit.FAILURE if apart else Exit.OK
    _show(drifts, apart)
    if apart:
        raise CommandFailed(
            f"{len(apart)} of {len(drifts)} lines do not agree.",
            hint="`federation ledger export --kind attempts` shows what stands behind ours.",
            code="drift",
        )
    return Exit.OK


def _posts(wish: Wish) -> Iterator[tuple[Post, int]]:
    renamed = dict(_pair(word) for word in wish.renamed)
    try:
        if wish.invoice.stat().st_size > LARGEST_BYTES:
            raise _wrong(wish.invoice, f"is larger than {LARGEST_BYTES >> 20} MB")
        with wish.invoice.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            names = _found(wish, list(rows.fieldnames or ()))
            for row in rows:
                yield _post(wish, row, names, renamed, rows.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _wrong(wish.invoice, f"cannot be read: {why(error)}") from error


def _found(wish: Wish, heads: list[str]) -> dict[str, str]:
    """Our word for a column to the invoice's."""
    lower = {head.strip().lower().replace(" ", "_"): head for head in heads}
    found = {
        ours: lower[name]
        for ours, names in _COLUMNS.items()
        for name in reversed(names)
        if name in lower
    }
    for needed in ("day", "amount"):
        if needed not in found:
            words = ", ".join(_COLUMNS[needed])
            raise _wrong(wish.invoice, f"has no column for the {needed} (one of {words})")
    if "provider" not in found and wish.provider is None:
        raise _wrong(wish.invoice, "has no column 'provider': say whose it is with --provider")
    return found


def _post(
    wish: Wish, row: dict[str, Any], names: dict[str, str], renamed: dict[str, str], line: int
) -> tuple[Post, int]:
    cells = {ours: (row.get(head) or "").strip() for ours, head in names.items()}
    try:
        day = date.fromisoformat(cells["day"][:10]).isoformat()
        nano = usd_to_nano(_bounded(Decimal(cells["amount"].removeprefix("$"))))
    except (ValueError, InvalidOperation):
        message = f"line {line} needs a date such as 2026-01-31 and an amount such as 12.34"
        raise _wrong(wish.invoice, message) from None
    if cells.get("currency", "USD").upper() not in ("", "USD"):
        raise _wrong(wish.invoice, f"line {line} is not in USD")
    model = cells.get("model", "")
    provider = cells.get("provider") or wish.provider or ""
    return Post(day, provider, renamed.get(model, model)), nano


def _ledger(
    place: Place, wish: Wish, invoice: dict[Post, int], *, by_model: bool
) -> Iterator[tuple[Post, int]]:
    days = sorted(post.day for post in invoice)
    query: dict[str, object] = {
        "start_date": days[0],
        "end_date": days[-1],
        "timezone": wish.timezone,
        "group_by": "day,provider,model" if by_model else "day,provider",
        "limit": PAGE,
    }
    billed = {post.provider for post in invoice}
    for page in pages(place, PATH, query):
        for row in page["data"]:
            group = row["group"]
            if group["provider"] in billed:
                post = Post(group["day"], group["provider"], group.get("model", ""))
                yield post, row["cost_nano"]


def _report(drifts: list[Drift]) -> dict[str, object]:
    def side(nano: int | None) -> str | None:
        return None if nano is None else str(nano_to_usd(nano))

    lines = [
        {
            **drift.post._asdict(),
            "invoice_usd": side(drift.invoice_nano),
            "ledger_usd": side(drift.ledger_nano),
            "drift_usd": side(drift.drift_nano),
            "finding": drift.finding.value,
        }
        for drift in drifts
    ]
    invoice, ledger = _totals(drifts)
    total = {"invoice_usd": side(invoice), "ledger_usd": side(ledger)}
    total["drift_usd"] = side(invoice - ledger)
    counted = {each.value: sum(d.finding is each for d in drifts) for each in Finding}
    return {"lines": lines, "total": total, "findings": counted}


def _totals(drifts: list[Drift]) -> tuple[int, int]:
    return sum(d.invoice_nano or 0 for d in drifts), sum(d.ledger_nano or 0 for d in drifts)


def _show(drifts: list[Drift], apart: list[Drift]) -> None:
    if apart:
        output.table(
            ("Day", "Provider", "Model", ">Invoice", ">Ledger", ">Drift", "Finding"),
            [
                (
                    *drift.post,
                    _usd(drift.invoice_nano),
                    _usd(drift.ledger_nano),
                    _usd(drift.drift_nano),
                    drift.finding.value.replace("_", " "),
                )
                for drift in apart
            ],
        )
    invoice, ledger = _totals(drifts)
    output.facts(
        [
            ("Lines", f"{len(drifts)}, {len(drifts) - len(apart)} of them agree"),
            ("Invoice", _usd(invoice)),
            ("Ledger", _usd(ledger)),
            ("Drift", _usd(invoice - ledger)),
        ]
    )


def _usd(nano: int | None) -> str | None:
    return None if nano is None else f"${nano_to_usd(nano)}"


def _amount(text: str, option: str) -> Decimal:
    try:
        found = Decimal(text.strip().removesuffix("%"))
        if found >= 0:
            return _bounded(found)
    except (ValueError, InvalidOperation):
        pass
    raise CommandFailed(
        f"{option} needs a number, not '{text}'.", code="usage", exit_code=Exit.USAGE
    )


def _bounded(amount: Decimal) -> Decimal:
    """The amount, if sums of such stay exact; `ValueError`, and `InvalidOperation` of a NaN."""
    if abs(amount) > LARGEST_AMOUNT:
        raise ValueError(amount)
    return amount


def _pair(word: str) -> tuple[str, str]:
    theirs, equals, ours = word.partition("=")
    if not (theirs and equals and ours):
        raise CommandFailed(
            f"--model needs THEIRS=OURS, not '{word}'.", code="usage", exit_code=Exit.USAGE
        )
    return theirs, ours


def _wrong(path: Path, what: str) -> CommandFailed:
    return CommandFailed(f"{path} {what}.", code="bad_invoice")
