"""Speech from text in OpenAI's words: JSON in, sound out, handed on as it arrives.

The sound says nothing about its price; only the event form (`stream_format: sse`) ends with a
usage. A custom voice is an object of the provider's account, which clients share, so naming
one is governed.

Reference: https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, structs

from federation.dialects.governed import Governed
from federation.dialects.operations import fields, replies
from federation.dialects.operations.billing import estimate
from federation.dialects.operations.upstream import media_type
from federation.dialects.operations.wire import OperationWire, forward_json
from federation.schema.glance import Answer
from federation.schema.http import ClientRequest, WireReply, WireRequest
from federation.schema.operations import SPEECH, OperationGlance

DIALECT: Final = "openai"
_VOICE: Final = Governed("credentials", "Names a voice of the provider's account.")
KNOWN: Final = fields.known(
    {
        "input": str | None,
        "instructions": str | None,
        "model": fields.Name | None,
        "response_format": str | None,
        "speed": float | None,
        "stream": bool | None,
        "stream_format": str | None,
        "user": fields.Short | None,
        "voice": str | dict[str, Raw] | None,
    },
    governed={"voice_id": _VOICE},
    listed=("gain", "language", "sample_rate"),
)
VOICE: Final = "voice.id"
EVENTS, SOUND = "sse", "audio"


def glance(request: ClientRequest) -> OperationGlance:
    """Look at a call. Raises `InvalidRequest` with the field, `PayloadTooLarge`."""
    body = fields.look(request, KNOWN)
    fields.required(body, "input")
    get = body.values.get
    spoken, told = body.values["input"], get("instructions") or ""
    events = get("stream_format") == EVENTS
    return OperationGlance(
        SPEECH,
        DIALECT,
        get("model"),
        body.ask,
        stream=True,
        variant=EVENTS if events else SOUND,
        text_bytes=fields.utf8_size([spoken, told]),
        characters=len(spoken),
        formats=(get("response_format") or "mp3",),
        needs=("speech_events",) if events else (),
        governed=body.governed + ((VOICE,) if isinstance(get("voice"), dict) else ()),
        unlisted=body.unlisted,
        user=body.ask.user or get("user") or "",
        spans=body.spans,
        end=body.end,
    )


def forward(wire: OperationWire, seen: OperationGlance, request: ClientRequest) -> WireRequest:
    """The client's body with the model's name put in; sound or events are asked for, not JSON."""
    written = forward_json(wire, seen, request)
    accept = b"text/event-stream" if seen.variant == EVENTS else b"*/*"
    headers = ((b"content-type", b"application/json"), (b"accept", accept), *wire.bare)
    return structs.replace(written, headers=headers)


def read(wire: OperationWire, seen: OperationGlance, reply: WireReply) -> Answer:
    """What matters of an answer that came whole. Raises the error that an answer of JSON holds."""
    if media_type(reply.headers) == b"application/json":
        answer = replies.read(wire, replies.ERROR_ONLY, reply.body)
        replies.refuse_error(wire, answer.error, answer.base_resp, reply.body)
    if not reply.body:
        raise replies.garbled(wire, "without sound")
    return Answer("", "", estimate(seen))
