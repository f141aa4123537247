"""`/docs` and `/openapi.json`: what can be asked of the gateway, for anyone to read.

The trap: no script or style comes from elsewhere. A page on the gateway's own address can
use the keys that are typed into it, so it runs nothing that we did not ship.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse

from federation.api.access import ROUTES
from federation.api.inference_docs import add_inference

PAGE = Path(__file__).with_name("docs.html")

_ABOUT = (
    "One API for every model provider. Send your key as `Authorization: Bearer <key>` or "
    "`X-API-Key`. Errors have the shape that clients of the OpenAI API expect."
)
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def install(app: FastAPI) -> None:
    """Add both pages."""
    document = partial(_document, app)

    async def openapi() -> JSONResponse:
        return JSONResponse(document())

    async def docs() -> HTMLResponse:
        headers = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff"}
        return HTMLResponse(PAGE.read_text("utf-8"), headers=headers)

    app.add_api_route("/openapi.json", openapi, methods=["GET"], include_in_schema=False)
    app.add_api_route("/docs", docs, methods=["GET"], include_in_schema=False)


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of workers and control together; made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=_ABOUT, routes=app.routes
        )
        add_inference(document)
        schemes = document["components"].setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer"}
        schemes["key"] = {"type": "apiKey", "in": "header", "name": "x-api-key"}
        document["security"] = [{"bearer": []}, {"key": []}]
        for (method, path), permission in ROUTES.items():
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is not None and permission is None:
                operation["security"] = []
        app.openapi_schema = document
    return app.openapi_schema
