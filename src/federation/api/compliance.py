"""The route of compliance reports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Response

from federation.api.access import Asker, ControlPlane
from federation.api.tenancy_lists import OfTenant
from federation.control.analytics_times import LAST_MS, is_day
from federation.control.compliance import Wish
from federation.control.permissions import Permission, may, reach
from federation.errors import InvalidRequest
from federation.governance.compliance_text import markdown, page, plain
from federation.storage.analytics_entries import DAY_MS

router = APIRouter(tags=["compliance"])

_DAYS_MS = 30 * DAY_MS
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@router.get("/v1/compliance/reports/{framework}", response_class=Response)
async def get_report(
    control: ControlPlane,
    asker: Asker,
    framework: str,
    start: Annotated[
        str | None, Query(alias="from", max_length=40, description="Left out: 30 days before.")
    ] = None,
    end: Annotated[
        str | None,
        Query(
            alias="to",
            max_length=40,
            description="The last day, or the moment that ends it; left out: now.",
        ),
    ] = None,
    tenant: OfTenant = None,
    form: Annotated[Literal["json", "md", "markdown", "html"], Query(alias="format")] = "json",
    verify: Annotated[
        bool, Query(description="Hold the records against the signed log; it reads all of it.")
    ] = True,
) -> Response:
    """Each control of a framework with its evidence, counts and gaps in a period."""
    end_ms = int(control.clock() * 1000) if end is None else _moment(end, "to", is_end=True)
    start_ms = _moment(start, "from") if start is not None else end_ms - _DAYS_MS
    await control.ledger.catch_up()
    whole = may(asker, Permission.ALL_TENANTS)
    wish = Wish(framework, start_ms, end_ms, reach(asker, tenant), verify=verify, whole=whole)
    report = await control.oversight.compliance.report(wish)
    if form in ("md", "markdown"):
        return Response(markdown(report), media_type="text/markdown")
    if form == "html":
        headers = {"content-security-policy": _PAGE_POLICY, "x-content-type-options": "nosniff"}
        return Response(page(report), media_type="text/html", headers=headers)
    return Response(msgspec.json.encode(plain(report)), media_type="application/json")


def _moment(text: str, name: str, *, is_end: bool = False) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        message = f"'{name}' should be a time such as 2026-01-31 or 2026-01-31T12:00:00+01:00."
        raise InvalidRequest(message, param=name) from None
    at_ms = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    if not 0 <= at_ms < LAST_MS:
        raise InvalidRequest(f"'{name}' should be a time from 1970 on.", param=name)
    return at_ms + DAY_MS if is_end and is_day(text) else at_ms
