"""Text from sound in OpenAI's words: a form in, and JSON, plain text, subtitles or events out.

Translations into English are the same with another path. The length of the sound decides
the price at most hosts: the answer states it (`duration`, or a usage of seconds), else the
file's own header.

Reference: https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.malformed import missing
from federation.dialects.operations import formfields, replies, sound
from federation.dialects.operations.billing import estimate
from federation.dialects.operations.upstream import media_type
from federation.dialects.operations.wire import OperationWire
from federation.errors import InvalidRequest
from federation.schema.glance import Answer
from federation.schema.http import ClientRequest, WireReply
from federation.schema.operations import AUDIO_TRANSLATION, TRANSCRIPTION, OperationGlance
from federation.schema.usage import Usage

DIALECT: Final = "openai"
FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")

FORM: Final = formfields.FormFields(
    texts=frozenset(
        ("language", "model", "prompt", "response_format", "stream", "temperature", "user")
    ),
    files=frozenset(("file",)),
    lists=frozenset(
        (
            "chunking_strategy",
            "hotwords",
            "include",
            "keywords",
            "known_speaker_names",
            "known_speaker_references",
            "languages",
            "timestamp_granularities",
            "vad_filter",
        )
    ),
    governed=frozenset(("file_url", "url")),
)


class _InputKinds(msgspec.Struct):
    audio_tokens: replies.Number = None
    text_tokens: replies.Number = None


class _Counts(msgspec.Struct):
    seconds: replies.Number = None
    input_tokens: replies.Number = None
    output_tokens: replies.Number = None
    input_token_details: _InputKinds | None = None
    prompt_audio_seconds: replies.Number = None


class _Whole(msgspec.Struct):
    text: str | None = None
    duration: float | str | None = None
    model: str | None = None
    usage: Raw = replies.NULL
    error: Raw = replies.NULL
    base_resp: Raw = replies.NULL


_WHOLE: Final = msgspec.json.Decoder(_Whole)
_COUNTS: Final = msgspec.json.Decoder(_Counts)


def glance(request: ClientRequest) -> OperationGlance:
    """Look at a call for a transcript. Raises `InvalidRequest` with the part's name,
    `UnsupportedMedia`, `PayloadTooLarge`."""
    return _glance(request, TRANSCRIPTION)


def glance_translation(request: ClientRequest) -> OperationGlance:
    """Look at a call for a translation. Raises as `glance` does."""
    return _glance(request, AUDIO_TRANSLATION)


def read(wire: OperationWire, seen: OperationGlance, reply: WireReply) -> Answer:
    """What matters of an answer, whatever its form. Raises `UpstreamGarbled`, and the error
    that an answer holds."""
    if media_type(reply.headers) != b"application/json":
        return Answer("", "", estimate(seen))
    answer = replies.read(wire, _WHOLE, reply.body)
    replies.refuse_error(wire, answer.error, answer.base_resp, reply.body)
    if answer.text is None:
        raise replies.garbled(wire, "without a text")
    return Answer(answer.model or "", "", usage_of(answer.usage, _seconds(answer.duration), seen))


def usage_of(raw: Raw, duration: float | None, seen: OperationGlance) -> Usage:
    """The usage of an answer: tokens, or seconds (begun ones count), or our own count."""
    try:
        counts = _COUNTS.decode(raw) if raw != replies.NULL else _Counts()
    except (msgspec.DecodeError, UnicodeDecodeError):
        counts = _Counts()
    stated = counts.seconds if counts.seconds is not None else counts.prompt_audio_seconds
    seconds = stated if stated is not None else duration
    if seconds is None:
        seconds = seen.seconds
    units = {"second": math.ceil(seconds)} if seconds is not None else {}
    if counts.input_tokens is not None and counts.output_tokens is not None:
        details = counts.input_token_details
        given = replies.whole(counts.input_tokens)
        heard = replies.whole(details.audio_tokens) if details is not None else 0
        made = replies.whole(counts.output_tokens)
        return Usage(input=given, output=made, audio_input=min(heard, given), units=units)
    if seconds is None:
        return estimate(seen)
    return Usage(units=units, estimated=stated is None and duration is None)


def _glance(request: ClientRequest, operation: str) -> OperationGlance:
    seen = formfields.look(request, FORM)
    files = seen.files.get("file")
    if not files:
        raise missing("file")
    form = seen.texts.get("response_format") or "json"
    if form not in FORMATS:
        raise InvalidRequest(
            f"'response_format' must be one of {', '.join(FORMATS)}.", param="response_format"
        )
    place = files[0]
    return OperationGlance(
        operation,
        DIALECT,
        seen.model,
        seen.ask,
        stream=formfields.flag(seen, "stream"),
        text_bytes=len(seen.texts.get("prompt", "").encode()),
        media_bytes=seen.media_bytes,
        seconds=sound.seconds_of(request.body, place.value, place.end),
        formats=(form,),
        needs=("audio_input",),
        governed=seen.governed,
        unlisted=seen.unlisted,
        user=seen.ask.user or seen.texts.get("user") or "",
        form=seen.form,
    )


def _seconds(duration: float | str | None) -> float | None:
    """One host's model writes the number as a text."""
    try:
        seconds = float(duration) if duration is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < 1e7 else None
