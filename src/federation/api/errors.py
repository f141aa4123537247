"""Errors as clients of the OpenAI API know them, whatever went wrong.

The trap: a body must never carry what a bug says of itself. Its stack goes to the log,
under the request id that the client gets.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from federation.api.access import ROUTES
from federation.dialects.openai.errors import render_error
from federation.errors import FederationError, InvalidRequest, MethodNotAllowed, NotFound

log = logging.getLogger(__name__)

_NO_OBJECT = (
    'The body should be a JSON object, as in {"name": "value"}, sent with the header '
    "'Content-Type: application/json'."
)
_BODIES = {
    "json_invalid": "The body is not valid JSON. " + _NO_OBJECT,
    "model_attributes_type": _NO_OBJECT,
    "model_type": _NO_OBJECT,
    "dict_type": _NO_OBJECT,
    "missing": _NO_OBJECT,
}
"""What is wrong with a body as a whole, by Pydantic's word for it."""


def install(app: FastAPI) -> None:
    """Make the application render every error in this shape."""
    app.add_exception_handler(FederationError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _bug)


def _reply(error: FederationError, request_id: str = "") -> Response:
    """A rendered error; no call is behind it, so it has an id of its own, as refusals before a
    call have (`listener.front`)."""
    rendered = render_error(error)
    assert isinstance(rendered.body, bytes)  # noqa: S101  an error is never a stream
    headers = {name.decode(): value.decode() for name, value in rendered.headers}
    headers["x-request-id"] = request_id or _new_id()
    return Response(rendered.body, rendered.status, headers)


def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, FederationError)  # noqa: S101  registered for it
    return _reply(error)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it
    first = error.errors()[0]
    place, kind = first.get("loc", ()), str(first.get("type"))
    if kind in _BODIES and (tuple(place) == ("body",) or kind == "json_invalid"):
        return _reply(InvalidRequest(_BODIES[kind]))
    param = _param(place)
    message = str(first.get("msg", "is not valid"))
    return _reply(InvalidRequest(f"{param}: {message}" if param else message, param=param))


def _param(location: Sequence[Any]) -> str | None:
    """A dotted path, without the word that says where the parameter stands."""
    parts = [str(part) for part in location[1:] if not isinstance(part, int) or len(location) > 2]
    return ".".join(parts) or None


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    if error.status_code == 404:
        return _reply(NotFound("There is nothing at this path. GET /docs lists what there is."))
    if error.status_code == 405:
        message = "This path does not answer that method."
        return _reply(MethodNotAllowed(message, *_methods(request.url.path)))
    return _reply(InvalidRequest(str(error.detail), status=error.status_code))


def _methods(path: str) -> set[str]:
    """What a path answers: several routes may share it, and the error knows of none."""
    parts = path.split("/")
    return {method for method, template in ROUTES if _fits(parts, template.split("/"))}


def _fits(parts: list[str], template: list[str]) -> bool:
    pairs = zip(parts, template, strict=False)
    return len(parts) == len(template) and all(t.startswith("{") or p == t for p, t in pairs)


def _left(_: Request, __: Exception) -> Response:
    # A worker waits for an answer for half a minute: whoever gave up is no bug of ours.
    return Response(status_code=499)


def _bug(request: Request, error: Exception) -> Response:
    request_id = _new_id()
    extra = {"request_id": request_id, "method": request.method, "path": request.url.path}
    log.error("unexpected error", exc_info=error, extra=extra)
    message = f"Something went wrong on our side (request {request_id})."
    return _reply(FederationError(message), request_id)


def _new_id() -> str:
    return f"req_{secrets.token_hex(12)}"
