"""The work of `federation provider certify`: a row, its endpoint, and a report.

It asks the provider from here and not through a gateway, so that a row can be proven before
anybody routes to it. The trap: it spends tokens, some forty short calls and one long prompt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from federation.cli import offline, output
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.config.nearest import nearest
from federation.control.certify.bench import bench
from federation.control.certify.findings import Report, Result, Status
from federation.control.certify.reach import REACH
from federation.control.certify.run import CHECKS, Told
from federation.control.certify.run import certify as run
from federation.domain.catalogue import Model, Provider
from federation.domain.routes import Settings
from federation.gateway.tokens import Tokens
from federation.sandbox.profiles import PROFILES
from federation.transport import proxies
from federation.transport.client import Client

_STYLES: Final = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.SKIPPED: "dim",
    Status.WARNING: "yellow",
}
_SHOWN: Final = 4
"""Figures of evidence in a line of the table; --json has all."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was said on the command line."""

    provider: str
    base_url: str | None = None
    model: str | None = None


def certify(place: Place, wish: Wish, *, as_json: bool) -> int:
    """Run the checks and print what they found; the exit code, 0 where nothing failed.

    Raises `CommandFailed` where the row cannot be asked at all.
    """
    setup = offline.setup_of(place)
    provider = _at(_row(setup, wish.provider), wish.base_url)
    model = _model(provider, wish.model)
    secret, remark = offline.secret_of(setup, wish.provider)
    _need_credential(provider, secret, remark)
    with _progress(quiet=as_json) as told:
        settings = setup.situation.snapshot.settings
        report = asyncio.run(_certify(provider, model, secret, settings, told))
    if as_json:
        output.print_json(view(report))
    else:
        _show(report)
    return int(Exit.OK if report.ok else Exit.FAILURE)


def _row(setup: offline.Setup, provider: str) -> Provider:
    rows = setup.loaded.providers
    if provider in rows:
        return rows[provider]
    if provider in {profile.id for profile in PROFILES}:
        raise CommandFailed(
            f"The simulated provider '{provider}' does not run on this data directory.",
            hint="`federation up` starts it where nothing is configured, and "
            "`federation sandbox --json` prints its row for config/providers.yaml.",
            code="not_found",
        )
    hint = nearest(provider, list(rows))
    raise CommandFailed(
        f"There is no provider '{provider}'{hint}{'' if hint else '.'}",
        hint="`federation provider list --all` lists them.",
        code="not_found",
    )


async def _certify(
    provider: Provider, model: Model, secret: str | None, settings: Settings, told: Told
) -> Report:
    client = Client(proxies=proxies.configured(settings), authorities=lambda: settings.authorities)
    tokens = Tokens(client)
    try:
        made = bench(
            provider,
            model,
            secret,
            transport=client,
            sign=tokens.sign,
            opened=lambda: client.opened,
        )
        return await run(made, told)
    finally:
        await tokens.aclose()
        await client.aclose()


def _at(provider: Provider, base_url: str | None) -> Provider:
    """The row at another address, which whoever names it may have on a private network."""
    if base_url is None:
        return provider
    try:
        url = urlsplit(base_url)
        usable = url.scheme in ("http", "https") and bool(url.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise CommandFailed(
            "--base-url is not an address.",
            hint="It begins with http:// or https://, and ends where the row's base_url would.",
            code="invalid_address",
            exit_code=Exit.USAGE,
        )
    return replace(provider, base_url=base_url.rstrip("/"), private=True)


def _model(provider: Provider, wanted: str | None) -> Model:
    chat = [model for model in provider.models if "chat" in model.operations]
    if wanted is None:
        if not chat:
            raise CommandFailed(
                f"The row of {provider.id} lists no chat model.",
                hint="Name one with --model.",
                code="no_model",
                exit_code=Exit.USAGE,
            )
        return chat[0]
    found = next((m for m in provider.models if wanted == m.id or wanted in m.aliases), None)
    if found is None:
        hint = nearest(wanted, [model.id for model in chat])
        output.note(f"The row does not list '{wanted}'{hint}: nothing is known of its abilities.")
        return Model(id=wanted)
    if found not in chat:
        raise CommandFailed(f"{wanted} is no chat model.", code="no_model", exit_code=Exit.USAGE)
    return found


def _need_credential(provider: Provider, secret: str | None, remark: str) -> None:
    free = provider.local or provider.quirks.get("auth_optional") is True
    if secret is not None or provider.auth.scheme == "none" or free:
        return
    reference = provider.credential or ""
    if reference and not reference.startswith("env:"):
        message = f"The credential of {provider.id} cannot be read: {remark}."
        raise CommandFailed(message, code="credential_missing")
    named = reference.removeprefix("env:") or " or ".join(provider.env[:2])
    raise CommandFailed(
        f"No credential is configured for {provider.id}.",
        hint=f"Set {named}." if named else "Give its row a 'credential'.",
        code="credential_missing",
    )


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Told]:
    """A bar on the terminal while checks run; nothing where nobody looks."""
    screen = output.console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(
        *columns, console=screen, transient=True, disable=quiet or not screen.is_terminal
    ) as bar:
        task = bar.add_task("asking", total=len(CHECKS))
        yield lambda result: bar.update(task, advance=1, description=result.id)


def view(report: Report) -> dict[str, Any]:
    """The report as `--json` prints it."""
    return {
        "object": "certification",
        "provider": report.provider,
        "model": report.model,
        "dialect": report.dialect,
        "base_url": report.address,
        "simulated": report.simulated,
        "ok": report.ok,
        "summary": {status.value: report.count(status) for status in Status},
        "checks": [
            {
                "id": result.id,
                "group": result.group,
                "proves": result.proves,
                "status": result.status.value,
                "reason": result.reason,
                "evidence": result.evidence,
                "took_ms": result.took_ms,
            }
            for result in report.results
        ],
    }


def _show(report: Report) -> None:
    reached = next((one for one in report.results if one.id == REACH), None)
    if reached is not None and reached.status is Status.FAILED:
        output.say(
            f"{report.provider} does not answer at {report.address}: {reached.reason}\n"
            "Nothing else could be checked. See the row's base_url, or name another address "
            "with --base-url.",
            "red",
        )
        return
    output.table(
        ("=Check", "Proves", "=Result", "Why, and what was seen"),
        [_line(result) for result in report.results],
        title=f"{report.provider}/{report.model}, {report.dialect}, {report.address}",
    )
    counts = ", ".join(f"{report.count(status)} {status.value}" for status in Status)
    simulated = " (simulated)" if report.simulated else ""
    verdict = "nothing failed" if report.ok else "this row does not hold what it says"
    output.say(f"{report.provider}{simulated}: {counts}: {verdict}.", "" if report.ok else "red")


def _line(result: Result) -> list[object]:
    figures = ", ".join(f"{name} {value}" for name, value in list(result.evidence.items())[:_SHOWN])
    said = " ".join(part for part in (result.reason, f"({figures})" if figures else "") if part)
    return [
        result.id,
        result.proves,
        Text(result.status.value, style=_STYLES[result.status]),
        said,
    ]
