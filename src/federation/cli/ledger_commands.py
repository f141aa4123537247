"""`federation ledger`: its lines, and what a provider's invoice says against them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The ledger's lines, and a provider's invoice against them.",
)


class Kind(str, Enum):
    """What a line stands for."""

    CALLS = "calls"
    ATTEMPTS = "attempts"


class Form(str, Enum):
    """What an export is written as."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


Since = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help="First day, or a moment; thirty days if left out."),
]
Until = Annotated[
    str | None,
    typer.Option("--to", metavar="DATE", help="Last day, or the moment that ends it; now."),
]
Zone = Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Of dates: Europe/Berlin.")]
Tenant = Annotated[str | None, typer.Option("--tenant", metavar="ID", help="One tenant's only.")]
User = Annotated[
    str | None, typer.Option("--user", metavar="USER", help="One user's only; or a pseudonym.")
]
What = Annotated[Kind, typer.Option("--kind", help="A line for each call, or for each attempt.")]


@app.command()
@guarded
def show(
    kind: What = Kind.CALLS,
    since: Since = None,
    until: Until = None,
    timezone: Zone = "UTC",
    tenant: Tenant = None,
    user: User = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=5000, metavar="N", help="The most to list.")
    ] = 50,
    *,
    at: At,
) -> None:
    """The first lines of a stretch of time."""
    from federation.cli import ledger_work  # noqa: PLC0415 - start-up time

    wish = ledger_work.Wish(kind.value, since, until, timezone, tenant, user)
    ledger_work.show(at.place, wish, limit, as_json=at.as_json)


@app.command()
@guarded
def export(
    to: Annotated[Path, typer.Argument(metavar="TO", help="A new file.")],
    form: Annotated[Form, typer.Option("--format", help="What to write.")] = Form.CSV,
    kind: What = Kind.CALLS,
    since: Since = None,
    until: Until = None,
    timezone: Zone = "UTC",
    tenant: Tenant = None,
    user: User = None,
    *,
    at: At,
) -> None:
    """Write every line of a stretch of time to a file."""
    from federation.cli import ledger_work  # noqa: PLC0415 - start-up time

    wish = ledger_work.Wish(kind.value, since, until, timezone, tenant, user)
    ledger_work.export(at.place, wish, to, form.value, as_json=at.as_json)


@app.command()
@guarded
def reconcile(
    invoice: Annotated[Path, typer.Argument(metavar="INVOICE.csv", help="With a head line.")],
    provider: Annotated[
        str | None,
        typer.Option("--provider", metavar="ID", help="Whose it is, where no column says so."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="THEIRS=OURS", help="Another name of a model; repeat."),
    ] = None,
    tolerance: Annotated[
        str, typer.Option("--tolerance", metavar="PERCENT", help="Of the invoiced amount.")
    ] = "1",
    tolerance_usd: Annotated[
        str, typer.Option("--tolerance-usd", metavar="USD", help="For each day and model.")
    ] = "0.01",
    timezone: Zone = "UTC",
    *,
    at: At,
) -> None:
    """Compare an invoice with the ledger by day and model; exit code 1 where they drift apart."""
    from federation.cli import ledger_invoice  # noqa: PLC0415 - start-up time

    wish = ledger_invoice.Wish(
        invoice, provider, tuple(rename or ()), tolerance, tolerance_usd, timezone
    )
    raise typer.Exit(int(ledger_invoice.compare(at.place, wish, as_json=at.as_json)))
