"""What one deployment is asked: the client's own bytes, or the call in another dialect."""

from __future__ import annotations

from dataclasses import dataclass

from federation.dialects.carriage import carries
from federation.dialects.losses import refusal
from federation.gateway.call import Call
from federation.gateway.world import Line
from federation.schema.http import WireRequest

_STATE = "thinking_state"


@dataclass(frozen=True, slots=True)
class Asking:
    """A request for one deployment, still to be signed where the line says so."""

    request: WireRequest
    translated: bool
    """The answer comes in another dialect than the client's, or must be read for it."""
    losses: tuple[str, ...]
    """What was left out, by the client's name of the field or the feature's."""


def ask(call: Call, line: Line) -> Asking:
    """Write the request for a deployment.

    Raises `InvalidRequest` for what it cannot take, before anything is spent: what its loss
    table refuses, and under `strict` whatever would be left out.
    """
    upstream, glance, body = line.upstream, call.glance, call.request.body
    if (
        upstream.forwards == call.face.name
        and not upstream.needs_translation(glance, body)
        and not carries(body)
        and (not call.reading.makers or call.reading.makers == {line.maker})
    ):
        asking = Asking(upstream.forward(glance, body), False, upstream.dropped_fields(glance))
        if asking.losses and glance.ask.strict:
            raise refusal("unknown_field", asking.losses[0])
        return asking
    canonical, unsigned = call.reading.fitted(line.maker)
    encoded = upstream.encode(canonical)
    losses = encoded.losses
    if unsigned and _STATE not in losses:
        losses += (_STATE,)
    if losses and glance.ask.strict:
        raise refusal(losses[0])
    return Asking(encoded.request, True, losses)
