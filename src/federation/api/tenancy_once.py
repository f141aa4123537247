"""`Idempotency-Key` on every POST of a router: sent again, a request is answered as before.

The traps. Who asks is looked at first: a stored answer goes only to the key that it was made
for, and only while that key may still call the route. And a request may fail after it has done
its work, so only what refuses it leaves its name free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from federation.api.access import authorize, control_of
from federation.control.tenancy_once import Once, Said
from federation.errors import CallerError

HEADER = "idempotency-key"
_KEPT = ("content-type", "etag")
_REFUSALS = (CallerError, RequestValidationError, HTTPException)
"""What is raised before anything is changed, or where doing it again changes nothing."""


class OnceRoute(APIRoute):
    """A route whose POST may name itself."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The route's own handler, run once for each name."""
        answer = super().get_route_handler()

        async def run(request: Request) -> Response:
            name = request.headers.get(HEADER)
            if request.method != "POST" or name is None:
                return await answer(request)
            asker = await asyncio.to_thread(authorize, request)
            once: Once = control_of(request).once
            claim = await once.begin(asker, name, await _asked(request))
            if isinstance(claim, Said):
                headers = {**dict(claim.headers), "idempotent-replayed": "true"}
                return Response(claim.body, claim.status, headers)
            try:
                response = await answer(request)
            except _REFUSALS:
                await once.forget(claim)
                raise
            except Exception:
                await once.fail(claim)
                raise
            kept = tuple((key, response.headers[key]) for key in _KEPT if key in response.headers)
            await once.finish(claim, Said(response.status_code, kept, bytes(response.body)))
            return response

        return run


async def _asked(request: Request) -> bytes:
    """All that makes two requests the same one."""
    line = f"{request.method} {request.url.path}?{request.url.query}\n"
    return line.encode("utf-8", "surrogatepass") + await request.body()
