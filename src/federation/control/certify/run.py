"""Runs the checks in order, one after the other, and writes the report.

A check never brings the run down: what a provider does wrong is a finding. A check whose
ground is missing (no answer at all, a tool that is never called) is skipped and says so, so
that one fault shows as one failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from federation.control.certify import connection, forms, metering, reach, refusals, tools, words
from federation.control.certify.bench import Bench
from federation.control.certify.findings import (
    Check,
    Finding,
    Report,
    Result,
    Says,
    Status,
    failed,
    skipped,
    warned,
)
from federation.errors import FederationError, InvalidRequest, UpstreamError

CHECKS: Final[tuple[Check, ...]] = (
    *reach.CHECKS[:-1],
    *words.CHECKS,
    *metering.CHECKS,
    *tools.CHECKS,
    *forms.CHECKS,
    reach.CHECKS[-1],
    *refusals.CHECKS,
    *connection.CHECKS,
)
"""Every check, in the order in which they are run."""

CHECK_S: Final = 300.0
_WORDS: Final = 240
"""Characters of a provider's own words that a report repeats."""

Told = Callable[[Result], None]


async def certify(
    bench: Bench, told: Told | None = None, checks: tuple[Check, ...] = CHECKS
) -> Report:
    """Run the checks; `told` hears of each as it ends. Never raises for what a provider does."""
    results: list[Result] = []
    ended: dict[str, Status] = {}
    for check in checks:
        began = bench.clock()
        finding = await _judge(check, bench, ended)
        took_ms = round((bench.clock() - began) * 1000.0, 1)
        ended[check.id] = finding.status
        result = Result(
            check.id,
            check.group,
            check.proves,
            finding.status,
            finding.reason,
            finding.evidence,
            took_ms,
        )
        results.append(result)
        if told is not None:
            told(result)
    provider = bench.provider
    return Report(
        provider.id,
        bench.model.id,
        provider.dialect,
        _address(provider.base_url),
        provider.simulated,
        tuple(results),
    )


async def _judge(check: Check, bench: Bench, ended: dict[str, Status]) -> Finding:
    for need in check.needs:
        if ended.get(need) in (Status.FAILED, Status.SKIPPED):
            return skipped(f"It needs {need}, which {_word(ended[need])}.")
    claim = check.claim(bench)
    if claim.says is Says.NO:
        return skipped(f"{claim.reason[:1].upper()}{claim.reason[1:]}.")
    finding = await _found(check, bench)
    if finding.status is Status.FAILED and claim.says is Says.NOTHING:
        return warned(f"{finding.reason} But {claim.reason}.", **finding.evidence)
    return finding


def _word(status: Status) -> str:
    return "failed" if status is Status.FAILED else "was skipped"


async def _found(check: Check, bench: Bench) -> Finding:
    try:
        async with asyncio.timeout(CHECK_S):
            return await check.run(bench)
    except InvalidRequest as error:
        return skipped(f"The dialect or the row refuses it: {error.message[:_WORDS]}")
    except UpstreamError as error:
        return failed(
            f"{type(error).__name__}: {error.message[:_WORDS]}",
            code=error.code,
            status=error.upstream_status,
        )
    except FederationError as error:
        return failed(f"{type(error).__name__}: {error.message[:_WORDS]}", code=error.code)
    except TimeoutError:
        return failed(f"It took longer than {CHECK_S:g} seconds.")


def _address(base_url: str) -> str:
    """The base address without anything that could be a credential."""
    url = urlsplit(base_url)
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
