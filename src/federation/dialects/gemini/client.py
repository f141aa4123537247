"""This dialect towards clients."""

from __future__ import annotations

from typing import Final

from federation.dialects.faces import ClientFace
from federation.dialects.gemini.errors import render_error, render_stream_error
from federation.dialects.gemini.glance import glance
from federation.dialects.gemini.losses import UNTOLD
from federation.dialects.gemini.parse import parse
from federation.dialects.gemini.paths import wants_events
from federation.dialects.gemini.prompt import prompt_text
from federation.dialects.gemini.render import render
from federation.dialects.gemini.stream_render import StreamRenderer
from federation.dialects.gemini.tables import NAME
from federation.dialects.whole import with_metadata
from federation.schema.http import ClientRequest


def stream_type(request: ClientRequest) -> bytes:
    """Server-sent events where the client asked for them, else one JSON array."""
    return b"text/event-stream" if wants_events(request) else b"application/json; charset=UTF-8"


CLIENT: Final = ClientFace(
    name=NAME,
    glance=glance,
    prompt=prompt_text,
    parse=parse,
    render=render,
    render_error=render_error,
    renderer=StreamRenderer,
    stream_error=render_stream_error,
    with_metadata=with_metadata,
    stream_type=stream_type,
    untold=UNTOLD,
)
"""`paths.route` tells which paths belong to it."""
