"""Passes a call of this dialect on with the least change that serves.

Changed are: the model's name, our own object, the fields that the row renames or refuses,
and two that keep the provider from holding the conversation: `store` is said to be false
where the call does not speak of it, and reasoning is asked for in its encrypted form, so
that it can come back.
"""

from __future__ import annotations

from typing import Final

import msgspec

from federation.dialects.openai_responses.fields import written
from federation.dialects.openai_responses.parse import STORED
from federation.dialects.openai_responses.tables import ENCRYPTED
from federation.dialects.openai_responses.wire import Wire
from federation.dialects.row_changes import dropped, edits_of
from federation.dialects.splice import splice
from federation.schema.glance import Edits, Glance
from federation.schema.http import WireRequest

_NAMES: Final = msgspec.json.Decoder(list[str] | None)
_SEALED: Final = msgspec.json.encode([ENCRYPTED])


def forward(wire: Wire, glance: Glance, body: bytes) -> WireRequest:
    """The request that asks a deployment for what the client's body asks."""
    host = wire.host
    return WireRequest(
        "POST",
        host.origin,
        host.target,
        host.streamed if glance.stream else host.whole,
        splice(body, glance.spans, glance.end, edits_for(wire, glance, body)),
    )


def edits_for(wire: Wire, glance: Glance, body: bytes) -> Edits:
    """What must change in a body for this deployment."""
    spans, host = glance.spans, wire.host
    values = {"model": host.model} if host.model else {}
    if "store" not in spans or written(body, glance, "store") == b"null":
        values["store"] = b"false"
    if wire.seals:
        include = _with_seal(written(body, glance, "include"))
        if include is not None:
            values["include"] = include
    values.update(host.set)
    values.update({name: value for name, value in host.default.items() if name not in spans})
    values = {name: value for name, value in values.items() if name not in host.drop}
    return edits_of(host, spans, values, host.rename)


def dropped_fields(wire: Wire, glance: Glance) -> tuple[str, ...]:
    """Fields of the client that this deployment does not take; for a warning header."""
    return dropped(wire.host, glance.spans)


def _with_seal(include: bytes) -> bytes | None:
    """The value of `include` that asks for encrypted reasoning; None where it does already."""
    names = _NAMES.decode(include)
    if not names:
        return _SEALED
    return None if ENCRYPTED in names else msgspec.json.encode([*names, ENCRYPTED])


def needs_translation(wire: Wire, glance: Glance, body: bytes) -> bool:
    """Whether the row would refuse these bytes for what stands inside of a field.

    A call that leans on something stored cannot be read, so it goes on as it is.
    """
    row = wire.host.row
    if wire.host.plain:
        return False
    if any(written(body, glance, name) != b"null" for name in STORED):
        return False
    if glance.images and not row.image_urls:
        return True
    if glance.tools and (row.schema_strip or row.tool_types is not None or row.tool_choices):
        return True
    steered = row.levels or row.effort_rename or row.effort_upper or row.none_value != ""
    return "reasoning" in glance.spans and bool(steered or row.always_on or not row.effort_none)
