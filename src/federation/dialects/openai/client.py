"""The client face of this language, written out.

Reference: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import Final

from federation.dialects.faces import ClientFace
from federation.dialects.openai.errors import render_error, render_stream_error
from federation.dialects.openai.glance import glance
from federation.dialects.openai.parse import parse
from federation.dialects.openai.plain import words_of_call
from federation.dialects.openai.prompt import prompt_text
from federation.dialects.openai.render import render
from federation.dialects.openai.render_parts import answers_in_functions
from federation.dialects.openai.stream_render import StreamRenderer
from federation.dialects.openai.tables import UNTOLD
from federation.dialects.openai.words import NAME
from federation.dialects.whole import with_metadata
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_EVENTS: Final = b"text/event-stream; charset=utf-8"


def read_prompt(request: ClientRequest, seen: Glance) -> str:
    """The words of a call that a classifier looks at."""
    return prompt_text(request.body, seen)


def stream_type(_request: ClientRequest) -> bytes:
    """The content type of every stream in this language."""
    return _EVENTS


CLIENT: Final = ClientFace(
    name=NAME,
    glance=glance,
    prompt=read_prompt,
    parse=parse,
    render=render,
    render_error=render_error,
    renderer=StreamRenderer,
    stream_error=render_stream_error,
    with_metadata=with_metadata,
    stream_type=stream_type,
    untold=UNTOLD,
    one_call=answers_in_functions,
    limits=("max_tokens", "max_completion_tokens"),
    words=words_of_call,
)
