"""The client face, `/v1/messages`; a count differs in its answer only (`render_count`).

Which header a client signs in with (`x-api-key` or a bearer token) is the gateway's matter;
the API version is checked by the glance, and both versions get the same answers.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.anthropic.errors import ID_HEADER, render_error, stream_error
from federation.dialects.anthropic.glance import glance
from federation.dialects.anthropic.losses import UNTOLD
from federation.dialects.anthropic.parse import parse
from federation.dialects.anthropic.prompt import prompt
from federation.dialects.anthropic.render import render
from federation.dialects.anthropic.stream_render import StreamRenderer
from federation.dialects.anthropic.tables import NAME
from federation.dialects.faces import ClientFace
from federation.dialects.whole import with_metadata
from federation.schema.chat import ChatRequest
from federation.schema.http import ClientRequest


def _renderer(request: ChatRequest) -> StreamRenderer:
    return StreamRenderer()


def _stream_type(request: ClientRequest) -> bytes:
    return b"text/event-stream"


CLIENT: Final = ClientFace(
    name=NAME,
    glance=glance,
    prompt=prompt,
    parse=parse,
    render=render,
    render_error=render_error,
    renderer=_renderer,
    stream_error=stream_error,
    with_metadata=with_metadata,
    stream_type=_stream_type,
    untold=UNTOLD,
    limits=("max_tokens",),
    id_header=ID_HEADER,
)
"""The Messages language towards clients."""
