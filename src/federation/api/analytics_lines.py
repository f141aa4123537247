"""A ledger entry as the lines of an export: one for the call, or one for each attempt.

The trap: a call's cost is the sum of its attempts', so whoever adds up both kinds counts twice.
An export holds one kind.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from federation.api.analytics_models import LineView
from federation.control.analytics_times import moment
from federation.domain.money import nano_to_usd
from federation.schema.records import AttemptRecord, CallEnded, CallStarted
from federation.schema.usage import Usage
from federation.storage.entries import CallEntry

_UTC = ZoneInfo("UTC")


def line_views(entry: CallEntry, kind: str) -> list[LineView]:
    """The lines of a call that ended or was lost."""
    record = entry.record
    if kind == "calls":
        return [_call(record, entry.outcome)]
    if isinstance(record, CallStarted):
        return []
    return [_attempt(record, n, tried) for n, tried in enumerate(record.attempts)]


def _call(record: CallStarted | CallEnded, outcome: str) -> LineView:
    ended = record if isinstance(record, CallEnded) else None
    return _view(
        record,
        None,
        (record.at_ms if ended is None else ended.started_ms or ended.at_ms),
        record.deployment,
        outcome,
        None if ended is None else ended.status,
        Usage() if ended is None else ended.usage,
        None if ended is None else ended.cost_nano,
        None if ended is None else ended.duration_ms,
    )


def _attempt(record: CallEnded, n: int, tried: AttemptRecord) -> LineView:
    return _view(
        record,
        n,
        tried.started_ms,
        tried.deployment,
        tried.error,
        tried.status,
        tried.usage,
        tried.cost_nano,
        tried.total_ms,
    )


def _view(
    record: CallStarted | CallEnded,
    attempt: int | None,
    at_ms: int,
    deployment: str,
    outcome: str,
    status: int | None,
    usage: Usage,
    cost_nano: int | None,
    duration_ms: float | None,
) -> LineView:
    ended = record if isinstance(record, CallEnded) else None
    provider, _, model = deployment.partition("/")
    return LineView(
        call=record.call,
        attempt=attempt,
        at=moment(at_ms, _UTC),
        tenant=record.tenant,
        team="" if ended is None else ended.team,
        user="" if ended is None else ended.user,
        key=record.key,
        operation=record.operation,
        requested=record.requested,
        provider=provider,
        model=model,
        outcome=outcome,
        status=status,
        input_tokens=usage.input,
        output_tokens=usage.output,
        cached_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        reasoning_tokens=usage.reasoning,
        estimated=usage.estimated,
        cost_nano=cost_nano,
        cost_usd=None if cost_nano is None else str(nano_to_usd(cost_nano)),
        duration_ms=duration_ms,
        simulated=ended is not None and ended.simulated,
        session="" if ended is None else ended.session,
        tags={} if ended is None else ended.tags,
    )
