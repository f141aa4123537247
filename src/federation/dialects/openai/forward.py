"""From a client's body to a provider's request, by the least change that serves.

The client's bytes are forwarded. Changed are: the model's name, our own object, the fields
that the row renames or refuses, and the usage that we must ask for in streams.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from federation.dialects.openai.wire import Wire
from federation.dialects.row_changes import dropped, edits_of
from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout
from federation.schema.glance import Edits, Glance
from federation.schema.http import WireRequest

_ASK_USAGE: Final = b'{"include_usage":true}'
_SAME: Final[dict[str, str]] = {}
"""No field has another name at the host."""
_FORMS, _FORM_BYTES = 16, 2048
"""Kept for each deployment at most."""


def forward(wire: Wire, glance: Glance, body: bytes) -> WireRequest:
    """The request that asks a deployment for what the client's body asks."""
    form = _form(wire, glance) if glance.frame else None
    if form is None:
        changed = splice(body, glance.spans, glance.end, edits_for(wire, glance, body))
    else:
        place = glance.spans["messages"]
        changed = b"".join((form[0], memoryview(body)[place.value : place.end], form[1]))
    return WireRequest(
        "POST",
        wire.origin,
        wire.stream_target if glance.stream else wire.target,
        wire.streamed if glance.stream else wire.whole,
        changed,
    )


def _form(wire: Wire, glance: Glance) -> tuple[bytes, bytes] | None:
    """What goes before and behind the conversation where all else of a body has come before;
    None where the conversation itself would change."""
    forms, frame = wire.forms, glance.frame
    if frame in forms:
        return forms[frame]
    if len(frame) > _FORM_BYTES:
        return None
    if len(forms) >= _FORMS:
        forms.clear()
    forms[frame] = form = _form_of(wire, glance)
    return form


def _form_of(wire: Wire, glance: Glance) -> tuple[bytes, bytes] | None:
    """Values that are not changed are copied: so two frames that differ in the conversation
    alone come out the same before it and behind it."""
    frame = glance.frame
    _, spans, end = layout(frame)
    edits = edits_for(wire, structs.replace(glance, spans=spans, end=end), frame)
    at = spans["messages"].value
    zero = splice(frame, spans, end, edits)
    one = splice(b"%b1%b" % (frame[:at], frame[at + 1 :]), spans, end, edits)
    apart = [place for place, (old, new) in enumerate(zip(zero, one, strict=True)) if old != new]
    return (zero[: apart[0]], zero[apart[0] + 1 :]) if len(apart) == 1 else None


def edits_for(wire: Wire, glance: Glance, body: bytes) -> Edits:
    """What must change in a body for this deployment."""
    spans = glance.spans
    values = {"model": wire.model} if wire.model else {}
    if glance.stream and not glance.usage_asked and wire.stream_option:
        values["stream_options"] = _with_usage(glance, body)
    if wire.set:
        values.update(wire.set)
    for name, value in wire.default.items():
        names = wire.limits if name in wire.limits else (name,)
        if not any(other in spans for other in names):
            values[name] = value
    rename = _SAME if wire.touched.isdisjoint(spans) else wire.rename
    if wire.accepts is None and not wire.drop and "federation" not in spans:
        # Nearly every call: nothing is left out, and a call less is a twentieth of the work.
        return Edits(values, (), rename)
    return edits_of(wire, spans, values, rename)


def dropped_fields(wire: Wire, glance: Glance) -> tuple[str, ...]:
    """Fields of the client that this deployment does not take; for a warning header."""
    return dropped(wire, glance.spans)


def _with_usage(glance: Glance, body: bytes) -> bytes:
    span = glance.spans.get("stream_options")
    if span is None:
        return _ASK_USAGE
    options = body[span.value : span.end]
    if options == b"null":
        return _ASK_USAGE
    _, spans, end = layout(options)
    return splice(options, spans, end, Edits({"include_usage": b"true"}))
