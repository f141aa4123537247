"""From a client's body to a provider's request in the same words, by the least change.

The body's bytes go on. Changed are: our own object and a model's name go out (the model
stands in the path), fields that the row refuses, adds or sets, and a missing role where the
row must have one.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.contents import one_or_more
from federation.dialects.gemini.names import NULL, camel, tidy
from federation.dialects.gemini.own import GeminiGlance
from federation.dialects.gemini.wire import Wire
from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout
from federation.schema.glance import Edits, Glance
from federation.schema.http import WireRequest

_CONFIG: Final = "generationConfig"
_OURS: Final = ("federation", "model")


class _Role(msgspec.Struct):
    role: str | None = None


class _Part(msgspec.Struct, rename="camel"):
    """Both spellings of the two members; what is not there is null."""

    function_call: Raw = NULL
    thought_signature: Raw = NULL
    snake_call: Raw = msgspec.field(default=NULL, name="function_call")
    snake_signature: Raw = msgspec.field(default=NULL, name="thought_signature")


class _Turn(msgspec.Struct):
    parts: list[_Part] | _Part | None = None


_TURNS: Final = msgspec.json.Decoder(list[_Turn] | _Turn)
_ROLES: Final = msgspec.json.Decoder(list[_Role] | _Role)


def forward(wire: Wire, glance: Glance, body: bytes) -> WireRequest:
    """The request that asks a deployment for what the client's body asks, framed as the
    client wants it."""
    array = isinstance(glance, GeminiGlance) and glance.array
    target = (wire.array if array else wire.events) if glance.stream else wire.whole
    return WireRequest(
        "POST",
        wire.origin,
        target,
        wire.stream_headers if glance.stream else wire.whole_headers,
        splice(body, glance.spans, glance.end, edits_for(wire, glance, body)),
    )


def edits_for(wire: Wire, glance: Glance, body: bytes) -> Edits:
    """What must change in a body for this deployment."""
    spans = glance.spans
    given = glance.given if isinstance(glance, GeminiGlance) else {}
    drop: tuple[str, ...] = tuple([name for name in _OURS if name in spans])
    if wire.drop:
        drop += tuple([name for name in spans if camel(name) in wire.drop])
    values = {k: v for k, v in wire.default.items() if given.get(k, k) not in spans}
    if wire.set:
        values.update({given.get(name, name): value for name, value in wire.set.items()})
    if wire.config_drop or wire.config_default or wire.config_set:
        _edit_config(wire, given.get(_CONFIG, _CONFIG), glance, body, values)
    if wire.roles:
        span = spans["contents"]
        text = body[span.value : span.end]
        if _lacks_role(text):
            values["contents"] = _with_roles(text)
    return Edits(values, drop)


def dropped_fields(wire: Wire, glance: Glance) -> tuple[str, ...]:
    """Fields of the client that this deployment does not take; for a warning header."""
    found: tuple[str, ...] = ()
    if wire.drop:
        found += tuple(name for name in glance.spans if camel(name) in wire.drop)
    if wire.config_drop and isinstance(glance, GeminiGlance):
        found += tuple(sorted(f"{_CONFIG}.{name}" for name in wire.config_drop & glance.config))
    return found


def lacks_signature(glance: Glance, body: bytes) -> bool:
    """Whether the first call of some turn in the conversation has no signature: the vendor
    signs the first of parallel calls only."""
    if b"unctionCall" not in body and b"unction_call" not in body:
        return False
    given = glance.given if isinstance(glance, GeminiGlance) else {}
    span = glance.spans.get(given.get("contents", "contents"))
    if span is None:
        return False
    try:
        turns = _TURNS.decode(body[span.value : span.end])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    for turn in turns if isinstance(turns, list) else [turns]:
        parts = turn.parts if isinstance(turn.parts, list) else [turn.parts]
        for part in parts:
            if part is not None and not part.function_call == part.snake_call == NULL:
                if part.thought_signature == part.snake_signature == NULL:
                    return True
                break
    return False


def _edit_config(
    wire: Wire, name: str, glance: Glance, body: bytes, values: dict[str, bytes]
) -> None:
    """Put the changed `generationConfig` into `values`, if it changes."""
    span = glance.spans.get(name)
    text = body[span.value : span.end] if span is not None else b"{}"
    if text == b"null":
        text = b"{}"
    _, spans, end = layout(text)
    given = {camel(member): member for member in spans}
    added = {k: v for k, v in wire.config_default.items() if k not in given}
    fixed = {given.get(k, k): v for k, v in wire.config_set.items()}
    drop = tuple(given[member] for member in wire.config_drop if member in given)
    if added or fixed or drop:
        values[name] = splice(text, spans, end, Edits(added | fixed, drop))


def _lacks_role(text: bytes) -> bool:
    found = _ROLES.decode(text)
    if isinstance(found, list):
        return any(item.role is None for item in found)
    return found.role is None


def _with_roles(text: bytes) -> bytes:
    """The contents with the user's role where none is said."""
    items = [tidy(item, "") for item in one_or_more(Raw(text), "contents")]
    return msgspec.json.encode(
        [item if "role" in item else {"role": "user", **item} for item in items]
    )
