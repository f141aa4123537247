"""The client face of the legacy Completions language, written out.

Errors and the place of `router_metadata` are those of the chat language: the official
client reads both through the same code.

Reference: https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from federation.dialects.faces import ClientFace
from federation.dialects.openai.client import stream_type
from federation.dialects.openai.errors import render_error, render_stream_error
from federation.dialects.openai_completions.glance import glance, read_prompt
from federation.dialects.openai_completions.parse import parse
from federation.dialects.openai_completions.render import render
from federation.dialects.openai_completions.stream_render import StreamRenderer
from federation.dialects.openai_completions.tables import NAME, UNTOLD
from federation.dialects.whole import with_metadata
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_LIMIT: Final = 8192


def prompt_text(request: ClientRequest, seen: Glance) -> str:
    """The words that a classifier looks at: the end of the prompt, where the question is."""
    span = seen.spans["prompt"]
    return read_prompt(Raw(request.body[span.value : span.end]))[-_LIMIT:]


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
    limits=("max_tokens",),
)
