"""The client face, as one value."""

from __future__ import annotations

from typing import Final

from federation.dialects.aws_eventstream import CONTENT_TYPE
from federation.dialects.bedrock.errors import ID_HEADER, render_error, render_stream_error
from federation.dialects.bedrock.glance import glance
from federation.dialects.bedrock.parse import parse
from federation.dialects.bedrock.prompt import prompt_text
from federation.dialects.bedrock.render import render
from federation.dialects.bedrock.stream_render import StreamRenderer
from federation.dialects.bedrock.tables import NAME, UNTOLD
from federation.dialects.faces import ClientFace
from federation.dialects.whole import with_metadata
from federation.schema.http import ClientRequest


def _stream_type(request: ClientRequest) -> bytes:
    return CONTENT_TYPE


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
    stream_type=_stream_type,
    untold=UNTOLD,
    id_header=ID_HEADER,
)
