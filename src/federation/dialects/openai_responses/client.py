"""The client face of this dialect."""

from __future__ import annotations

from typing import Final

from federation.dialects.faces import ClientFace
from federation.dialects.openai_responses.errors import render_error, stream_error
from federation.dialects.openai_responses.glance import glance
from federation.dialects.openai_responses.parse import parse
from federation.dialects.openai_responses.prompt import prompt
from federation.dialects.openai_responses.render import render
from federation.dialects.openai_responses.stream_render import StreamRenderer
from federation.dialects.openai_responses.tables import NAME, UNTOLD
from federation.dialects.whole import with_metadata
from federation.schema.http import ClientRequest


def _stream_type(request: ClientRequest) -> bytes:
    return b"text/event-stream"


CLIENT: Final = ClientFace(
    NAME,
    glance,
    prompt,
    parse,
    render,
    render_error,
    StreamRenderer,
    stream_error,
    with_metadata,
    _stream_type,
    untold=UNTOLD,
    error_ends=True,
)
