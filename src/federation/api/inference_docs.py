"""The inference routes as OpenAPI: workers serve them, so no route of this application does."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from federation.api.inference_models import (
    Alive,
    ChatAnswer,
    ChatBody,
    ModelList,
    ModelRow,
    ProviderList,
    Ready,
    RouteAnswer,
    RouteBody,
)
from federation.api.served import JSON, Served
from federation.api.vendor_routes import VENDORS

REF = "#/components/schemas/{model}"


SERVED = (
    Served(
        "post",
        "/v1/chat/completions",
        "inference",
        "Chat",
        "Answers a conversation. With `stream` the answer comes as server-sent events.",
        ChatAnswer,
        ChatBody,
        streams=True,
        failures=(400, 401, 403, 404, 413, 429, 502, 503, 504),
    ),
    Served(
        "post",
        "/v1/route",
        "inference",
        "Route",
        "Routes and runs a call, or with `dry_run` explains how it would be routed.",
        RouteAnswer,
        RouteBody,
        streams=True,
        failures=(400, 401, 403, 404, 429, 502, 503, 504),
    ),
    Served("get", "/v1/models", "inference", "Models", "The names that may be used.", ModelList),
    Served(
        "get",
        "/v1/models/{model}",
        "inference",
        "Model",
        "One of these names.",
        ModelRow,
        failures=(401, 403, 404),
    ),
    Served(
        "get",
        "/v1/providers",
        "providers",
        "Providers",
        "Every provider with its availability and prices.",
        ProviderList,
    ),
    Served("get", "/health", "status", "Liveness", "The worker answers.", Alive, open=True),
    Served(
        "get",
        "/health/ready",
        "status",
        "Readiness",
        "A deployment is usable and the store takes writes.",
        Ready,
        open=True,
        failures=(503,),
    ),
    *VENDORS,
)

_FAILURES = {
    400: "The request is not valid.",
    401: "No usable key was sent.",
    403: "The key does not reach this far, or no deployment is eligible.",
    404: "No such model or route.",
    413: "The request is too large.",
    429: "A limit is reached; `Retry-After` says when to come back.",
    502: "The providers failed.",
    503: "Nothing can answer just now.",
    504: "No provider answered in time.",
}


def add_inference(document: dict[str, Any]) -> None:
    """Add the workers' routes and their schemas to an OpenAPI document."""
    models = {model for served in SERVED for model in (served.answer, served.error)}
    models |= {served.body for served in SERVED if served.body is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "serialization") for model in ordered], ref_template=REF
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(definitions["$defs"])
    for served in SERVED:
        document["paths"].setdefault(served.path, {})[served.method] = _operation(served)


def _operation(served: Served) -> dict[str, Any]:
    answers = {served.answered: _schema(served.answer)}
    if served.streams:
        answers["text/event-stream"] = {"schema": {"type": "string"}}
    failure = {JSON: _schema(served.error)}
    operation: dict[str, Any] = {
        "tags": [served.tag],
        "summary": served.summary,
        "description": served.about,
        "operationId": served.summary.lower().replace(" ", "_"),
        "responses": {"200": {"description": "OK", "content": answers}}
        | {
            str(status): {"description": _FAILURES[status], "content": failure}
            for status in served.failures
        },
    }
    named = re.findall(r"{(\w+)}", served.path)
    if named:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in named
        ]
    if served.body is not None:
        content = {served.sent: _schema(served.body)}
        operation["requestBody"] = {"required": True, "content": content}
    if served.open:
        operation["security"] = []
    return operation


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"schema": {"$ref": REF.format(model=model.__name__)}}
