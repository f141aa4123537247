"""A client's own bytes to Converse, by the least change that serves.

Our object goes out, the row's fields go in or out, and so do the members of `inferenceConfig`
that the row refuses. The model stands in the path and not in the body.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.bedrock.glance import Seen
from federation.dialects.bedrock.wire import Wire
from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout
from federation.schema.glance import Edits, Glance
from federation.schema.http import WireRequest

_OURS: Final = ("federation", "modelId")


def forward(wire: Wire, glance: Glance, body: bytes) -> WireRequest:
    """The client's body with no change but what the row demands."""
    edited = splice(body, glance.spans, glance.end, _edits(wire, glance, body))
    return sent(wire, edited, stream=glance.stream)


def dropped_fields(wire: Wire, glance: Glance) -> tuple[str, ...]:
    """Fields of a forwarded body that this deployment does not take."""
    dropped = tuple(name for name in glance.spans if name in wire.drop)
    if wire.no_sampling and isinstance(glance, Seen):
        dropped += tuple(
            f"inferenceConfig.{name}" for name in glance.inference if name in wire.no_sampling
        )
    return dropped


def sent(wire: Wire, body: bytes, *, stream: bool) -> WireRequest:
    """The request that sends a body. It is signed after this, where SigV4 is the sign-in."""
    target = wire.stream_target if stream else wire.whole_target
    return WireRequest("POST", wire.origin, target, wire.streamed if stream else wire.whole, body)


def _edits(wire: Wire, glance: Glance, body: bytes) -> Edits:
    spans = glance.spans
    values = dict(wire.set)
    values.update({name: value for name, value in wire.default.items() if name not in spans})
    if wire.inference_default or wire.inference_set or wire.no_sampling:
        edited = _edited_inference(wire, glance, body)
        if edited is not None:
            values["inferenceConfig"] = edited
    drop = tuple(name for name in spans if name in _OURS or name in wire.drop)
    return Edits(values, drop, wire.rename)


def _edited_inference(wire: Wire, glance: Glance, body: bytes) -> bytes | None:
    span = glance.spans.get("inferenceConfig")
    options = body[span.value : span.end] if span is not None else b"{}"
    if options == b"null":
        options = b"{}"
    _, spans, end = layout(options)
    drop = tuple(name for name in spans if name in wire.no_sampling)
    values = {name: value for name, value in wire.inference_default.items() if name not in spans}
    values |= wire.inference_set
    if not drop and not values:
        return None
    return splice(options, spans, end, Edits(values, drop))
