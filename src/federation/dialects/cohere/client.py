"""The client face."""

from __future__ import annotations

from typing import Final

from federation.dialects.cohere.errors import render_error, stream_error
from federation.dialects.cohere.glance import glance
from federation.dialects.cohere.parse import parse
from federation.dialects.cohere.prompt import prompt
from federation.dialects.cohere.render import render
from federation.dialects.cohere.stream_render import StreamRenderer
from federation.dialects.cohere.tables import NAME, UNTOLD
from federation.dialects.faces import ClientFace
from federation.dialects.whole import with_metadata
from federation.schema.http import ClientRequest


def _stream_type(request: ClientRequest) -> bytes:
    del request
    return b"text/event-stream"


CLIENT: Final = ClientFace(
    name=NAME,
    glance=glance,
    prompt=prompt,
    parse=parse,
    render=render,
    render_error=render_error,
    renderer=StreamRenderer,
    stream_error=stream_error,
    with_metadata=with_metadata,
    stream_type=_stream_type,
    untold=UNTOLD,
    limits=("max_tokens",),
    error_ends=True,
)
