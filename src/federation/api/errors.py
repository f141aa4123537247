"""Errors as clients of the OpenAI API know them, whatever went wrong.

The trap: a body must never carry what a bug says of itself. Its stack goes to the log,
under the request id that the client gets.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from federation.errors import FederationError

log = logging.getLogger(__name__)

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {404: "not_found", 405: "method_not_allowed"}


def install(app: FastAPI) -> None:
    """Make the application render every error in this shape."""
    app.add_exception_handler(FederationError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


def _reply(
    status: int,
    message: str,
    code: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, headers)


def _ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FederationError)  # noqa: S101  registered for it
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return _reply(error.status, error.message, error.code, error.param, headers)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it
    first = error.errors()[0]
    param = _param(first.get("loc", ()))
    message = str(first.get("msg", "is not valid"))
    return _reply(400, f"{param}: {message}" if param else message, "invalid_request", param)


def _param(location: Sequence[Any]) -> str | None:
    """A dotted path, without the word that says where the parameter stands."""
    parts = [str(part) for part in location[1:] if not isinstance(part, int) or len(location) > 2]
    return ".".join(parts) or None


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    code = _CODES.get(error.status_code, "invalid_request")
    message = {
        404: "There is nothing at this path. GET /docs lists what there is.",
        405: "This path does not answer that method.",
    }.get(error.status_code, error.detail)
    return _reply(error.status_code, message, code, headers=dict(error.headers or {}))


def _bug(request: Request, error: Exception) -> JSONResponse:
    request_id = secrets.token_hex(8)
    extra = {"request_id": request_id, "method": request.method, "path": request.url.path}
    log.error("unexpected error", exc_info=error, extra=extra)
    message = f"Something went wrong on our side (request {request_id})."
    return _reply(500, message, "internal_error", headers={"x-request-id": request_id})
