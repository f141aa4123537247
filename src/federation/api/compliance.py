"""The route of compliance reports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Response

from federation.api.access import Asker, ControlPlane
from federation.api.tenancy_lists import OfTenant
from federation.control.compliance import Wish
from federation.control.permissions import Permission, may, reach
from federation.errors import InvalidRequest
from federation.governance.compliance_text import markdown, page, plain

router = APIRouter(tags=["compliance"])

_DAYS_MS = 30 * 86_400_000
_LAST_MS = 253_402_214_400_000
"""The last day that a calendar of four digits has, in any zone."""
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
        str | None, Query(alias="to", max_length=40, description="Left out: now.")
    ] = None,
    tenant: OfTenant = None,
    form: Annotated[Literal["json", "md", "html"], Query(alias="format")] = "json",
    verify: Annotated[
        bool, Query(description="Hold the records against the signed log; it reads all of it.")
    ] = True,
) -> Response:
    """Each control of a framework with its evidence, counts and gaps in a period."""
    end_ms = _moment(end, "to") if end is not None else int(control.clock() * 1000)
    start_ms = _moment(start, "from") if start is not None else end_ms - _DAYS_MS
    await control.ledger.catch_up()
    whole = may(asker, Permission.ALL_TENANTS)
    wish = Wish(framework, start_ms, end_ms, reach(asker, tenant), verify=verify, whole=whole)
    report = await control.oversight.compliance.report(wish)
    if form == "md":
        return Response(markdown(report), media_type="text/markdown")
    if form == "html":
        headers = {"content-security-policy": _PAGE_POLICY, "x-content-type-options": "nosniff"}
        return Response(page(report), media_type="text/html", headers=headers)
    return Response(msgspec.json.encode(plain(report)), media_type="application/json")


def _moment(text: str, name: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        message = f"'{name}' should be a time such as 2026-01-31 or 2026-01-31T12:00:00+01:00."
        raise InvalidRequest(message, param=name) from None
    at_ms = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    if not 0 <= at_ms < _LAST_MS:
        raise InvalidRequest(f"'{name}' should be a time from 1970 on.", param=name)
    return at_ms
