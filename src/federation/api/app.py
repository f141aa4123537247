"""The management API as an application: its routes, its errors, its page.

The trap: importing this costs a third of a second, so control answers its workers first
and imports it after (`bootstrap.control_life`).
"""

from __future__ import annotations

from fastapi import Depends, FastAPI

from federation import __version__
from federation.api import (
    admin,
    analytics,
    auth,
    budgets,
    calls,
    compliance,
    data,
    errors,
    keys,
    limits,
    page,
    policies,
    providers,
    pseudonyms,
    status,
    tenancy_file,
    tenancy_teams,
    tenancy_tenants,
    tenancy_users,
    violations,
)
from federation.api.access import authorize
from federation.api.models import ErrorReply
from federation.api.queries import known_query, whole_characters
from federation.api.recording import Recorded
from federation.control.control import Control

_FAILURES = {
    code: {"model": ErrorReply, "description": words}
    for code, words in (
        (400, "The request is not valid."),
        (401, "No usable key was sent."),
        (403, "The key does not reach this far."),
        (404, "There is no such thing, or not for you."),
        (409, "It is there already, in use, or not in a state for this."),
        (412, "It was changed since you read it (`If-Match`)."),
    )
}


def create_app(control: Control) -> FastAPI:
    """The application in front of a control process."""
    app = FastAPI(
        title="Federation",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(authorize), Depends(known_query), Depends(whole_characters)],
        responses=_FAILURES,  # type: ignore[arg-type]
    )
    app.state.control = control
    app.add_middleware(Recorded)
    for module in (
        admin,
        analytics,
        auth,
        budgets,
        limits,
        calls,
        data,
        pseudonyms,
        keys,
        policies,
        providers,
        violations,
        compliance,
        status,
        tenancy_tenants,
        tenancy_teams,
        tenancy_users,
        tenancy_file,
    ):
        app.include_router(module.router)
    page.install(app)
    errors.install(app)
    return app
