"""Stored responses as values: what to keep of a call, how to go on from it, how to show it.

Whoever holds the store calls these; nothing here holds anything. A stored response is ours:
its id is given by the caller and stands in place of the provider's. What is kept are the
items that the call itself brought (`Stored.input`) and the Response object; a conversation
is the chain of them by `previous`, oldest first. Instructions are never carried over.

Reference: https://platform.openai.com/docs/guides/conversation-state
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.openai_responses.echo import echo_of
from federation.dialects.openai_responses.fields import NULL, text_or_nothing, written
from federation.dialects.openai_responses.render import response_item, stem_of
from federation.dialects.openai_responses.tables import ENDED, REFERENCE
from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest
from federation.schema.glance import Edits, Glance

_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_INPUT: Final = msgspec.json.Decoder(str | list[dict[str, Raw]] | None)
_TEXT: Final = msgspec.json.Decoder(str | None)
_FLAG: Final[msgspec.json.Decoder[bool | None]] = msgspec.json.Decoder(bool | None)
_json: Final = msgspec.json.encode

_MESSAGE: Final = Raw(b'"message"')
_ASSISTANT: Final = Raw(b'"assistant"')
_COMPLETED: Final = Raw(b'"completed"')
_EMPTY: Final = Raw(b"[]")
_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}
_WITH_STATUS: Final = frozenset(_PREFIXES) - {"reasoning"}


class Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a finished response."""

    id: str
    response: Raw
    """The Response object, under our id."""
    input: tuple[Raw, ...] = ()
    """The items that its call brought, each with an id."""
    previous: str = ""
    """The response that it continues."""
    background: bool = False


class _Output(msgspec.Struct):
    output: list[Raw] = []
    status: str = ""


_OUTPUT: Final = msgspec.json.Decoder(_Output)


def previous_of(glance: Glance, body: bytes) -> str:
    """The response that a glanced-at call continues; empty where it continues none."""
    return _TEXT.decode(written(body, glance, "previous_response_id")) or ""


def store_asked(glance: Glance, body: bytes) -> bool | None:
    """Whether a glanced-at call wants its answer kept; None where it does not say, which to
    the vendor means that it does."""
    return _FLAG.decode(written(body, glance, "store"))


def references_of(glance: Glance, body: bytes) -> tuple[str, ...]:
    """The ids of stored items that a glanced-at call points to."""
    if REFERENCE.encode() not in body:
        return ()
    return tuple(
        text_or_nothing(item.get("id")) for item in _input_of(glance, body) if _is_reference(item)
    )


def conversation(chain: Iterable[Stored]) -> list[Raw]:
    """The items of a conversation, oldest first, as they go into the next call's input."""
    items: list[Raw] = []
    for stored in chain:
        items += [_as_input(raw) for raw in stored.input]
        items += _OUTPUT.decode(stored.response).output
    return items


def with_items(
    glance: Glance,
    body: bytes,
    earlier: Sequence[Raw],
    references: Mapping[str, Raw] | None = None,
) -> bytes:
    """A call's body with the earlier items in front of its own, and without the id that
    stood for them. It must be glanced at anew: it holds more than before.

    A reference that `references` knows is replaced by its item; any other stays.
    """
    own = _resolved(glance, body, references or {})
    edits = Edits({"input": _json([*earlier, *own])}, ("previous_response_id",))
    return splice(body, glance.spans, glance.end, edits)


def stored(
    glance: Glance,
    body: bytes,
    response: bytes,
    identity: str,
    references: Mapping[str, Raw] | None = None,
) -> Stored:
    """What to keep of a call, as the client sent it, and its finished Response object.

    `identity` is our id for the response; the object may still bear the provider's. Items
    that the call only pointed to are kept as `references` has them.
    """
    previous = previous_of(glance, body)
    items = [
        item if isinstance(item, Raw) else _with_id(item, identity, index)
        for index, item in enumerate(_resolved(glance, body, references or {}))
    ]
    return Stored(
        identity,
        Raw(with_identity(response, identity, previous)),
        tuple(items),
        previous,
        _FLAG.decode(written(body, glance, "background")) is True,
    )


def with_identity(response: bytes, identity: str, previous: str = "") -> bytes:
    """A Response object under our id, said to be stored, and with what it continues.

    Raises `InvalidRequest` where the bytes are no JSON object.
    """
    _, spans, end = layout(response)
    values = {"id": _json(identity), "store": b"true"}
    if previous:
        values["previous_response_id"] = _json(previous)
    return splice(response, spans, end, Edits(values))


def unkept(response: bytes) -> bytes:
    """A Response object that says it is not stored."""
    _, spans, end = layout(response)
    return splice(response, spans, end, Edits({"store": b"false"}))


def answering(request: ChatRequest, previous: str = "", *, background: bool = False) -> ChatRequest:
    """A call for `render` and `renderer` alone, so that the answer's echo names what it
    continues. Upstream these members would be strangers."""
    extra = dict(request.extra)
    if previous:
        extra["previous_response_id"] = Raw(_json(previous))
    if background:
        extra["background"] = Raw(b"true")
    return structs.replace(request, extra=extra)


def waiting(request: ChatRequest, identity: str, created: int, status: str = "queued") -> bytes:
    """The Response object of a call that runs in the background: queued or in_progress."""
    echo = echo_of(request) | {"background": True}
    return _json(response_item(identity, request.model, created, echo) | {"status": status})


def retrieved(found: Stored) -> bytes:
    """The answer to `GET /responses/{id}`."""
    return bytes(found.response)


def deleted(identity: str) -> bytes:
    """The answer to `DELETE /responses/{id}`."""
    return _json({"id": identity, "object": "response", "deleted": True})


def cancelled(found: Stored) -> Stored:
    """The response after `POST /responses/{id}/cancel`; one that is over stays as it is.

    Raises `InvalidRequest` for one that does not run in the background.
    """
    if not found.background:
        raise InvalidRequest(
            "Only a response that was created with 'background' set to true can be cancelled.",
            code="not_cancellable",
            param="response_id",
        )
    if _OUTPUT.decode(found.response).status in ENDED:
        return found
    body = bytes(found.response)
    _, spans, end = layout(body)
    done = splice(body, spans, end, Edits({"status": b'"cancelled"'}))
    return structs.replace(found, response=Raw(done))


def _input_of(glance: Glance, body: bytes) -> list[dict[str, Any]]:
    found = _INPUT.decode(written(body, glance, "input"))
    if isinstance(found, str):
        return [{"role": "user", "content": found}]
    return list(found or [])


def _resolved(
    glance: Glance, body: bytes, references: Mapping[str, Raw]
) -> list[Raw | dict[str, Any]]:
    """A call's items, with those that it only points to where they are known."""
    items: list[Raw | dict[str, Any]] = []
    for item in _input_of(glance, body):
        held = references.get(text_or_nothing(item.get("id"))) if _is_reference(item) else None
        items.append(held if held is not None else item)
    return items


def _is_reference(item: Mapping[str, Any]) -> bool:
    kind = text_or_nothing(item["type"]) if isinstance(item.get("type"), Raw) else ""
    return kind == REFERENCE or item.keys() == {"id"}


def _with_id(item: dict[str, Any], identity: str, index: int) -> Raw:
    """An item as the API lists it: typed, with an id, content as a list of parts."""
    found = {name: raw if isinstance(raw, Raw) else Raw(_json(raw)) for name, raw in item.items()}
    if found.get("type", NULL) == NULL and "role" in found:
        found["type"] = _MESSAGE
    kind = text_or_nothing(found.get("type"))
    if found.get("id", NULL) == NULL:
        prefix = _PREFIXES.get(kind, "item")
        found["id"] = Raw(_json(f"{prefix}_{stem_of(identity)}_i{index}"))
    if kind in _WITH_STATUS:
        found.setdefault("status", _COMPLETED)
    content = found.get("content", NULL)
    if kind == "message" and bytes(content)[:1] == b'"':
        part: dict[str, Any] = {"type": "input_text", "text": content}
        if found.get("role") == _ASSISTANT:
            part = {"type": "output_text", "text": content, "annotations": _EMPTY}
        found["content"] = Raw(_json([part]))
    return Raw(_json({"id": found["id"], **found}))


def _as_input(raw: Raw) -> Raw:
    """A listed item as it may be sent: a caller's message has neither id nor status there."""
    item = _MEMBERS.decode(raw)
    if item.get("type") != _MESSAGE or item.get("role") == _ASSISTANT:
        return raw
    return Raw(_json({name: held for name, held in item.items() if name not in ("id", "status")}))
