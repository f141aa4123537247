"""The client faces: chat, and the older generate call, which is a chat of one question.

No deployment takes the bytes of a generate call as they are, so it is always translated.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.faces import ClientFace
from federation.dialects.ollama.errors import render_error, stream_error
from federation.dialects.ollama.glance import glance, glance_generate
from federation.dialects.ollama.parse import parse, parse_generate
from federation.dialects.ollama.prompt import prompt, prompt_generate
from federation.dialects.ollama.render import render
from federation.dialects.ollama.stream_render import StreamRenderer
from federation.dialects.ollama.tables import GENERATE, GENERATE_UNTOLD, NAME, UNTOLD
from federation.dialects.whole import with_metadata
from federation.schema.http import ClientRequest


def _stream_type(request: ClientRequest) -> bytes:
    del request
    return b"application/x-ndjson"


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
)
"""`POST /api/chat`."""

GENERATE_CLIENT: Final = ClientFace(
    name=GENERATE,
    glance=glance_generate,
    prompt=prompt_generate,
    parse=parse_generate,
    render=render,
    render_error=render_error,
    renderer=StreamRenderer,
    stream_error=stream_error,
    with_metadata=with_metadata,
    stream_type=_stream_type,
    untold=GENERATE_UNTOLD,
)
"""`POST /api/generate`."""
