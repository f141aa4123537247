"""Routes of the ledger: one call, a page of calls, totals."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field

from federation.api.access import Asker, ControlPlane
from federation.api.call_models import (
    AttemptView,
    CallList,
    CallStoryView,
    CallView,
    UsageView,
)
from federation.api.models import StatsRow, StatsView
from federation.api.pseudonyms import askers, revealed
from federation.api.recording import noted
from federation.api.tenancy_lists import OfTenant
from federation.control.analytics_times import between
from federation.control.control import Control
from federation.control.permissions import reach, tenant_seen
from federation.control.receipts import Receipt, is_own
from federation.domain.access import VirtualKey
from federation.domain.money import nano_to_usd
from federation.errors import InvalidRequest
from federation.schema.records import AttemptRecord, CallEnded, CallStarted, Decision
from federation.schema.usage import Usage
from federation.storage.entries import LOST, CallEntry, CallFilter, Sum

router = APIRouter(tags=["calls"])

DAY_S = 86_400
LARGEST_PLACE = 2**63 - 1  # of a row: stores hold no larger number, nor compare with one
LONGEST_OWN = 1_000  # of 128 characters, before names in them were covered by 34 each
_MOMENT = "A date in UTC, or a moment; the end's whole day is meant."
Place = Annotated[int | None, Field(ge=1, le=LARGEST_PLACE)]


@router.get("/v1/calls")
async def list_calls(
    control: ControlPlane,
    asker: Asker,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[Place, Query(description="`next` of the page before.")] = None,
    before: Annotated[Place, Query(description="The same by its former name.")] = None,
    tenant: OfTenant = None,
    outcome: Annotated[str | None, Query(max_length=32)] = None,
    key: Annotated[str | None, Query(max_length=200)] = None,
    deployment: Annotated[str | None, Query(max_length=400)] = None,
    model: Annotated[str | None, Query(max_length=400, description="As it was asked for.")] = None,
    start_date: Annotated[str | None, Query(max_length=64, description=_MOMENT)] = None,
    end_date: Annotated[str | None, Query(max_length=64, description=_MOMENT)] = None,
    client_id: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=LONGEST_OWN,
            description="The id that the client gave its request, as it is kept: with pseudonyms "
            "in the place of its user's names.",
        ),
    ] = None,
) -> CallList:
    """Calls that you can see, newest first; of a stretch of time, where one is named, those that
    began in it. By `client_id` those are found that have ended."""
    if None not in (cursor, before) and cursor != before:
        message = "'cursor' and 'before' name two places: send one of them."
        raise InvalidRequest(message, param="cursor")
    place = before if cursor is None else cursor
    seen = reach(asker, tenant)
    await control.ledger.catch_up()
    since, until = between(start_date, end_date)
    keys = None if key is None else await askers(control, seen, key)
    wanted = CallFilter(
        seen, limit, place, outcome, keys, deployment, model, since, until, client_id
    )
    entries = await control.ledger.page(wanted)
    following = entries[-1].n if len(entries) == limit else None
    entries = await revealed(control, asker, None, entries)
    return CallList(
        data=[CallView.model_validate(_call(entry)) for entry in entries], next=following
    )


@router.get("/v1/calls/{call}")
async def get_call(
    control: ControlPlane,
    asker: Asker,
    call: str,
    receipt: Annotated[
        bool, Query(description="Also of a call that another key made; that goes on record.")
    ] = False,
) -> CallStoryView:
    """One call with its attempts and decision; what `x-federation-call-id` names."""
    found = await control.ledger.find(call, tenant_seen(asker))
    (entry,) = await revealed(control, asker, None, [found])
    record = entry.record
    attempts: list[AttemptView] = []
    decision: dict[str, object] | None = None
    ruled: dict[str, object] = {"policies": [], "refusals": {}, "findings": {}, "watched": {}}
    shown: Receipt | None = None
    if isinstance(record, CallEnded):
        attempts = [_attempt(attempt) for attempt in record.attempts]
        decision = _decision(record.decision)
        ruled = {name: getattr(record, name) for name in ruled}
        shown = await _receipt(control, asker, record, of_others=receipt)
    told = None if shown is None else shown._asdict()
    story = {"attempts": attempts, "decision": decision, **ruled, "receipt": told}
    return CallStoryView.model_validate(_call(entry) | story)


async def _receipt(
    control: Control, asker: VirtualKey, record: CallEnded, *, of_others: bool
) -> Receipt | None:
    """What the asker is told of a salt; that of another's call once it is on record that they
    are. Raises `EvidenceUnwritable`."""
    own = is_own(asker, record)
    found = control.receipts.of(asker, record) if own or of_others else None
    if found is not None and not own:
        notebook = control.oversight.notebook
        route, subject = "GET /v1/calls/{call}?receipt", f"/v1/calls/{record.call}"
        await asyncio.to_thread(noted, notebook, asker, route, subject)
    return found


@router.get("/v1/stats")
async def get_stats(
    control: ControlPlane,
    asker: Asker,
    window_s: Annotated[int, Query(ge=1, le=366 * DAY_S)] = DAY_S,
    tenant: OfTenant = None,
) -> StatsView:
    """Calls, tokens and cost in the last `window_s` seconds."""
    seen = reach(asker, tenant)
    await control.ledger.catch_up()
    since_ms = int((control.clock() - window_s) * 1000)
    sums = await control.ledger.sums(since_ms, seen)
    rows = [_row(name, [s for s in sums if s.deployment == name]) for name in _names(sums)]
    return StatsView(
        since_ms=since_ms,
        calls=sum(s.calls for s in sums),
        outcomes=_outcomes(sums),
        input_tokens=sum(s.input for s in sums),
        output_tokens=sum(s.output for s in sums),
        cost_nano=(cost := sum(s.cost_nano for s in sums)),
        cost_usd=float(nano_to_usd(cost)),
        unpriced_calls=sum(s.unpriced for s in sums),
        deployments=rows,
    )


def _call(entry: CallEntry) -> dict[str, object]:
    """The fields of a `CallView`."""
    record = entry.record
    ended = record if isinstance(record, CallEnded) else None
    usage = Usage() if ended is None else ended.usage
    cost = None if ended is None else ended.cost_nano
    return {
        "id": record.call,
        "tenant": record.tenant,
        "key": record.key,
        "operation": record.operation,
        "requested": record.requested,
        "outcome": entry.outcome,
        "status": None if ended is None else ended.status,
        "stream": record.stream,
        "provider": record.deployment.partition("/")[0],
        "deployment": record.deployment,
        "response_model": "" if ended is None else ended.response_model,
        "finish": "" if ended is None else ended.finish,
        "error": ("worker_died" if entry.outcome == LOST else "") if ended is None else ended.error,
        "started_ms": _started(record),
        "ended_ms": None if ended is None else ended.at_ms,
        "duration_ms": None if ended is None else ended.duration_ms,
        "first_byte_ms": None if ended is None else _first_byte_ms(ended),
        "usage": _usage(usage),
        "cost_nano": cost,
        "cost_usd": None if cost is None else float(nano_to_usd(cost)),
        "simulated": ended is not None and ended.simulated,
        "tags": {} if ended is None else ended.tags,
        "session": "" if ended is None else ended.session,
        "user": "" if ended is None else ended.user,
        "client_id": "" if ended is None else ended.client_id,
    }


def _started(record: CallStarted | CallEnded) -> int:
    if isinstance(record, CallStarted):
        return record.at_ms
    return record.started_ms or record.at_ms


def _first_byte_ms(call: CallEnded) -> float | None:
    """From the call's start to the answer's beginning; None where no provider answered. A worker
    times the streams: when a whole answer began follows from the attempt that brought it."""
    if call.first_byte_ms:
        return call.first_byte_ms
    for attempt in reversed(call.attempts):
        if attempt.deployment == call.deployment and attempt.first_byte_ms and not attempt.error:
            waited_ms = attempt.started_ms - _started(call)  # of two clocks that are read apart
            return min(max(waited_ms, 0) + attempt.first_byte_ms, call.duration_ms)
    return None


def _usage(usage: Usage) -> UsageView:
    return UsageView(
        input=usage.input,
        output=usage.output,
        cached=usage.cached,
        cache_write=usage.cache_write,
        reasoning=usage.reasoning,
        estimated=usage.estimated,
    )


def _decision(decision: Decision | None) -> dict[str, object] | None:
    """A decision with a row for each candidate, in whichever form it was written."""
    if decision is None:
        return None
    rows: list[dict[str, object]] = [msgspec.to_builtins(row) for row in decision.candidates]
    told: dict[str, object] = msgspec.to_builtins(decision) | {"candidates": rows}
    told.pop("ranked", None)
    return told


def _attempt(attempt: AttemptRecord) -> AttemptView:
    return AttemptView(
        deployment=attempt.deployment,
        started_ms=attempt.started_ms,
        status=attempt.status,
        error=attempt.error,
        first_byte_ms=attempt.first_byte_ms or None,
        total_ms=attempt.total_ms,
        usage=_usage(attempt.usage),
        cost_nano=attempt.cost_nano,
    )


def _names(sums: Iterable[Sum]) -> list[str]:
    return sorted({each.deployment for each in sums})


def _outcomes(sums: Iterable[Sum]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for each in sums:
        counted[each.outcome] += each.calls
    return dict(counted)


def _row(deployment: str, sums: list[Sum]) -> StatsRow:
    calls = sum(each.calls for each in sums)
    cost = sum(each.cost_nano for each in sums)
    return StatsRow(
        deployment=deployment,
        provider=deployment.partition("/")[0],
        calls=calls,
        outcomes=_outcomes(sums),
        input_tokens=sum(each.input for each in sums),
        output_tokens=sum(each.output for each in sums),
        cost_nano=cost,
        cost_usd=float(nano_to_usd(cost)),
        unpriced_calls=sum(each.unpriced for each in sums),
        mean_ms=round(sum(each.duration_ms for each in sums) / calls, 3),
    )
