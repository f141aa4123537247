"""How a deployment is reached for an operation other than chat: prepared once, then only read.

Address, sign-in and error habits are those of its chat wire. Quirks about request fields
(`rename`, `drop`, `default`, `set`, `accepts_only`) are read from a model's own row, and from
its provider's only where that does not serve chat: a row that says "drop logprobs" means
its chat. The ones read here besides, each optional:

    path              {operation: path}, or a path where the model has one operation only;
                      `{model}` stands for the model's name, percent-encoded
    invoke_body       titan | cohere: whose words an InvokeModel body is written in
    embedding_batch   most inputs of one embeddings request
    embedding_input_type  [query, document, ...]: the field `input_type` is taken, with these
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import msgspec

from federation.dialects.address import Reach
from federation.dialects.faces import HeaderPairs
from federation.dialects.openai import wire as chat_wire
from federation.dialects.openai.wire import Wire
from federation.dialects.row_changes import dropped, edits_of
from federation.dialects.splice import splice
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.schema.glance import Edits
from federation.schema.http import ClientRequest, WireRequest
from federation.schema.operations import OperationGlance

_OF_FIELDS: Final = ("rename", "drop", "default", "set", "accepts_only")
_OF_THE_HOST: Final = ("query", "throttle_status", "payment_status", "loading_status", "cost_field")


class OperationWire(msgspec.Struct, frozen=True):
    """A deployment, ready to be asked for one operation. Holds a secret."""

    chat: Wire
    """Origin, model, field quirks, secrets and error habits."""
    target: str
    """May hold `{method}`."""
    bare: HeaderPairs
    """Headers without content type and accept."""
    model: str
    batch: int
    body: str
    input_types: tuple[str, ...]

    def __repr__(self) -> str:
        return f"OperationWire({self.chat.deployment!r})"


def prepare(
    operation: str,
    path: str,
    batch: int,
    deployment: Deployment,
    reach: Reach,
) -> OperationWire:
    """Prepare a deployment for one operation. Raises `ValueError` as a chat wire does."""
    provider, model = deployment.provider, deployment.model
    quirks = {**provider.quirks, **model.quirks}
    used: dict[str, object] = {name: quirks[name] for name in _OF_THE_HOST if name in quirks}
    used |= _field_quirks(deployment)
    path = _path(quirks, operation, path, alone=model.operations == (operation,))
    used["path"] = path.replace("{model}", quote(model.id, safe=""))
    bare = replace(
        deployment,
        provider=replace(provider, quirks=used),
        model=replace(model, quirks={}),
    )
    wire = chat_wire.prepare(bare, Settings(), reach)
    most, kinds = quirks.get("embedding_batch"), quirks.get("embedding_input_type")
    return OperationWire(
        chat=wire,
        target=wire.target,
        bare=tuple(pair for pair in wire.whole if pair[0] not in (b"content-type", b"accept")),
        model=model.id,
        batch=most if isinstance(most, int) and most > 0 else batch,
        body=str(quirks.get("invoke_body", "")),
        input_types=tuple(map(str, kinds)) if isinstance(kinds, list | tuple) else (),
    )


def post(wire: OperationWire, body: bytes, *, stream: bool = False) -> WireRequest:
    """A request with a JSON body."""
    chat = wire.chat
    return WireRequest(
        "POST", chat.origin, wire.target, chat.streamed if stream else chat.whole, body
    )


def forward_json(
    wire: OperationWire, glance: OperationGlance, request: ClientRequest
) -> WireRequest:
    """The client's body with the model's name put in and no change but what the row demands."""
    edits = edits_for(wire, glance)
    body = splice(request.body, glance.spans, glance.end, edits)
    return post(wire, body, stream=glance.stream)


def edits_for(wire: OperationWire, glance: OperationGlance, *, named: bool = True) -> Edits:
    """What must change in a JSON body for this deployment. `named`: the model's name is in it."""
    chat, spans = wire.chat, glance.spans
    values = {"model": chat.model} if named and chat.model else {}
    values.update(chat.set)
    values.update({name: value for name, value in chat.default.items() if name not in spans})
    return edits_of(chat, spans, values, {} if chat.touched.isdisjoint(spans) else chat.rename)


def dropped_fields(wire: OperationWire, glance: OperationGlance) -> tuple[str, ...]:
    """Fields of the client that this deployment does not take; for a warning header."""
    form = glance.form
    names = glance.spans if form is None else [part.name.partition("[")[0] for part in form.parts]
    return dropped(wire.chat, names)


def rendered(wire: OperationWire, fields: Mapping[str, Any]) -> bytes:
    """A JSON body of these fields, under the names and with the values that the row demands.
    What is None is left out."""
    chat = wire.chat
    body: dict[str, Any] = {
        name: msgspec.Raw(value) for name, value in chat.default.items() if fields.get(name) is None
    }
    for name, value in fields.items():
        if value is not None and name not in chat.drop:
            body[chat.rename.get(name, name)] = value
    body |= {name: msgspec.Raw(value) for name, value in chat.set.items()}
    if chat.accepts is not None:
        body = {name: value for name, value in body.items() if name in chat.accepts}
    return msgspec.json.encode(body)


def _field_quirks(deployment: Deployment) -> dict[str, object]:
    provider, model = deployment.provider, deployment.model
    used: dict[str, object] = {}
    for row, serves in (
        (provider.quirks, provider.operations),
        (model.quirks, model.operations),
    ):
        if "chat" not in serves:
            used |= {name: row[name] for name in _OF_FIELDS if name in row}
    return used


def _path(quirks: Mapping[str, object], operation: str, usual: str, *, alone: bool) -> str:
    path = quirks.get("path")
    if isinstance(path, dict):
        path = path.get(operation)
    elif not alone:
        path = None
    return path if isinstance(path, str) else usual
