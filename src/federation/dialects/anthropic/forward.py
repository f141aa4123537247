"""Forwards a client's body that is in the provider's own language, by the least change.

Changed are the model's name, our own object, and what the row demands. One repair is made on
the way: thinking without its signature and states of other providers' calls, both of which
our own face hands out, are taken out, because the vendor would answer 400 (`history`).
"""

from __future__ import annotations

from federation.dialects.anthropic.history import mend
from federation.dialects.anthropic.wire import BETAS, Wire
from federation.dialects.faces import HeaderPairs
from federation.dialects.row_changes import dropped, edits_of
from federation.dialects.splice import splice
from federation.schema.glance import Edits, Glance
from federation.schema.http import WireRequest


def forward(wire: Wire, glance: Glance, body: bytes) -> WireRequest:
    """The request that asks a deployment for what the client's body asks."""
    return WireRequest(
        "POST",
        wire.origin,
        wire.stream_target if glance.stream else wire.target,
        with_betas(wire, wire.streamed if glance.stream else wire.whole, glance.betas),
        splice(body, glance.spans, glance.end, edits_for(wire, glance, body)),
    )


def edits_for(wire: Wire, glance: Glance, body: bytes) -> Edits:
    """What must change in a forwarded body for this deployment."""
    spans = glance.spans
    values: dict[str, bytes] = dict(wire.set)
    if "model" not in wire.drop:
        values["model"] = wire.model
    if "max_tokens" not in spans:
        values["max_tokens"] = b"%d" % wire.default_output
    for name, value in wire.default.items():
        thinking = name == "temperature" and "thinking" in spans
        if name not in spans and name not in values and not thinking:
            values[name] = value
    mended = _mended(glance, body)
    if mended is not None:
        values["messages"] = mended
    return edits_of(wire, spans, values, wire.rename)


def dropped_fields(wire: Wire, glance: Glance) -> tuple[str, ...]:
    """Fields of the client that this deployment does not take; for a warning header."""
    return tuple([name for name in dropped(wire, glance.spans) if name != "model"])


def with_betas(wire: Wire, headers: HeaderPairs, betas: tuple[str, ...]) -> HeaderPairs:
    """The headers with the previews that the client asks for."""
    if not betas or BETAS in wire.drop:
        return headers
    return (*headers, (BETAS.encode(), ",".join(betas).encode("latin-1")))


def _mended(glance: Glance, body: bytes) -> bytes | None:
    span = glance.spans["messages"]
    return mend(body[span.value : span.end])
