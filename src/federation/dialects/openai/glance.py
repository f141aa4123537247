"""Reads a chat request without taking it apart: what routing, money and rules must know.

Two passes over the bytes and no more: one lays the body out, one counts the messages; and only
the second where the program that asks has been seen before (`frames`). The values of other
fields are decoded one by one from their own bytes, so that an error names its field.
"""

from __future__ import annotations

from federation.dialects.ask import read_ask
from federation.dialects.malformed import missing
from federation.dialects.openai.frames import Frame, frame_of, framed
from federation.dialects.openai.messages import Tally, read_messages
from federation.dialects.tokenizer import layout
from federation.schema.glance import Glance, Span
from federation.schema.http import ClientRequest

_NOT_KNOWN = b""


def glance(request: ClientRequest) -> Glance:
    """Look at a chat call. Raises `InvalidRequest` with the field, and the byte where known;
    `PayloadTooLarge` for a body of too many values."""
    body = request.body
    seen = framed(body)
    if seen is not None:
        frame = seen.frame
        end = frame.end + seen.stop - seen.start - 1
        text = frame.bytes if seen.known else _NOT_KNOWN
        return _glance(request, frame, seen.tally, seen.spans(), end, text)
    found, spans, end = layout(body)
    raw = found.get("messages")
    if raw is None:
        raise missing("messages")
    tally = read_messages(raw)
    return _glance(request, frame_of(found, spans, end), tally, spans, end, _NOT_KNOWN)


def _glance(
    request: ClientRequest,
    frame: Frame,
    tally: Tally,
    spans: dict[str, Span],
    end: int,
    text: bytes,
) -> Glance:
    governed, unlisted = frame.governed, frame.unlisted
    if tally.governed:
        governed += tuple(tally.governed)
    if tally.unlisted:
        unlisted += tuple(dict.fromkeys(tally.unlisted))
    if frame.hosted:
        governed += frame.hosted
    ask = read_ask(frame.ask, request.headers)
    return Glance(
        frame.model,
        frame.stream,
        frame.usage_asked,
        frame.max_output,
        frame.choices,
        tally.messages,
        tally.text + frame.text,
        tally.images,
        tally.audio,
        tally.files,
        frame.tools,
        (*frame.needs, "prefill") if tally.prefill or frame.prefill else frame.needs,
        governed,
        unlisted,
        ask,
        spans,
        end,
        ask.user or frame.user,
        frame=text,
    )
