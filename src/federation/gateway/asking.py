"""What one deployment is asked: the client's own bytes, or the call in another dialect."""

from __future__ import annotations

import msgspec
from msgspec import structs

from federation.dialects.carriage import carries
from federation.dialects.losses import refusal
from federation.gateway.call import Call
from federation.gateway.reply import named
from federation.gateway.world import Line
from federation.schema.http import WireRequest

_STATE = "thinking_state"


class Asking(msgspec.Struct, frozen=True):
    """A request for one deployment, still to be signed where the line says so."""

    request: WireRequest
    translated: bool
    """The answer comes in another dialect than the client's, or must be read for it."""
    losses: tuple[str, ...]
    """What was left out, by the client's name of the field or the feature's."""
    lowered: int | None = None
    """The limit of output that a budget left of the call's own."""


def ask(call: Call, line: Line, most_output: int | None = None) -> Asking:
    """Write the request for a deployment, with another limit of output where one is given.

    Raises `InvalidRequest` for what it cannot take, before anything is spent: what its loss
    table refuses, and under `strict` whatever would be left out.
    """
    upstream, glance, body = line.upstream, call.glance, call.request.body
    reading, origin = call.reading, upstream.origin
    if origin is not None:
        reading.origins = origin.origins
    if (
        upstream.forwards == call.face.name
        and most_output is None
        and not reading.changed
        and not upstream.needs_translation(glance, body)
        and not carries(body)
        and (not reading.makers or reading.makers == {line.maker})
        and not (reading.stateless or (origin is not None and origin.holds_others(body)))
    ):
        asking = Asking(upstream.forward(glance, body), False, upstream.dropped_fields(glance))
        if asking.losses and glance.ask.strict:
            raise refusal("unknown_field", asking.losses[0])
        return asking
    canonical, unsigned = reading.fitted(line.maker)
    if most_output is not None:
        canonical = structs.replace(canonical, max_output=most_output)
    encoded = upstream.encode(canonical)
    losses = encoded.losses
    if unsigned and _STATE not in losses:
        losses += (_STATE,)
    if losses and glance.ask.strict:
        raise refusal(losses[0])
    strange = canonical.extra if upstream.forwards != call.face.name else ()
    return Asking(encoded.request, True, named(losses, strange))
