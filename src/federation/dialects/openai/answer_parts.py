"""Reads what stands in an answer's message or delta beside plain text: the same for both.

A host's slip in one member is not worth the answer: a member that cannot be read is taken
for absent.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from federation.dialects.openai import media
from federation.dialects.openai.words import FINISHES, NAME
from federation.dialects.tokenizer import Members
from federation.schema.chat import OTHER, STOP, TOOL_CALLS, TokenLogprob, TopToken
from federation.schema.parts import (
    AUDIO,
    IMAGE,
    Citation,
    Foreign,
    Media,
    Refusal,
    Text,
    Thinking,
)

T = TypeVar("T")

NULL: Final = Raw(b"null")


class _Span(msgspec.Struct):
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class _Annotation(msgspec.Struct):
    type: str | None = None
    url_citation: _Span | None = None


class _Top(msgspec.Struct):
    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None


class _Token(msgspec.Struct):
    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top_logprobs: list[_Top] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None
    refusal: list[_Token] | None = None


class _Address(msgspec.Struct):
    url: str


class _Image(msgspec.Struct):
    image_url: _Address | str | None = None


class Sound(msgspec.Struct):
    """A spoken answer, or a piece of one."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class _Piece(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    signature: str | None = None
    data: str | None = None


class _Block(msgspec.Struct):
    """A part of a content that is a list."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    signature: str | None = None
    data: str | None = None
    thinking: str | list[_Piece] | None = None
    summary: list[_Piece] | None = None


_ANNOTATIONS: Final = msgspec.json.Decoder(list[Raw])
_ANNOTATION: Final = msgspec.json.Decoder(_Annotation)
_LOGPROBS: Final = msgspec.json.Decoder(_Logprobs | None)
_IMAGES: Final = msgspec.json.Decoder(list[_Image] | None)
_BLOCK: Final = msgspec.json.Decoder(_Block)
SOUND: Final = msgspec.json.Decoder(Sound | None)


def lenient(decoder: msgspec.json.Decoder[T], raw: Raw | bytes | None) -> T | None:
    """The value; None where it is absent or not of the type."""
    if raw is None or raw == NULL:
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_blocks(blocks: list[Members] | list[Raw]) -> list[Text | Thinking | Refusal | Foreign]:
    """The parts of a content that is a list: texts, and reasoning in either of its forms."""
    parts: list[Text | Thinking | Refusal | Foreign] = []
    for raw in blocks:
        whole = Raw(msgspec.json.encode(raw))
        block = lenient(_BLOCK, whole)
        if block is None:
            continue
        match block.type:
            case "text" | "output_text" if block.text:
                parts.append(Text(block.text))
            case "refusal" if block.refusal:
                parts.append(Refusal(block.refusal))
            case "thinking" | "reasoning":
                thought = _thinking(block)
                if thought.text or thought.signature or thought.sealed:
                    parts.append(thought)
            case "redacted_thinking" if block.data:
                parts.append(Thinking(sealed=block.data))
            case "text" | "output_text" | "refusal" | "redacted_thinking":
                continue
            case _:
                parts.append(Foreign(NAME, whole))
    return parts


def _thinking(block: _Block) -> Thinking:
    inner = block.thinking if block.thinking is not None else block.summary
    if isinstance(inner, str):
        return Thinking(inner, block.signature or "")
    pieces = inner or []
    text = "".join([piece.text or "" for piece in pieces]) or block.text or ""
    signature = block.signature or "".join([piece.signature or "" for piece in pieces])
    sealed = block.data or "".join([piece.data or "" for piece in pieces])
    return Thinking(text, signature, sealed)


def read_citations(raw: Raw | None) -> tuple[Citation, ...]:
    """The `annotations` of a message; each keeps its own words too."""
    found: list[Citation] = []
    for item in lenient(_ANNOTATIONS, raw) or ():
        annotation = lenient(_ANNOTATION, item)
        if annotation is None:
            continue
        span = annotation.url_citation or _Span()
        found.append(
            Citation(
                span.title or "",
                span.url or "",
                start=span.start_index,
                end=span.end_index,
                raw=item,
            )
        )
    return tuple(found)


def read_logprobs(raw: Raw | None) -> tuple[TokenLogprob, ...] | None:
    """The probabilities of the text's tokens, or of a refusal's; None where there are none."""
    found = lenient(_LOGPROBS, raw)
    if found is None or (found.content is None and found.refusal is None):
        return None
    return tuple(
        TokenLogprob(
            token.token,
            token.logprob,
            token.bytes,
            tuple(TopToken(top.token, top.logprob, top.bytes) for top in token.top_logprobs or ()),
        )
        for token in (*(found.content or ()), *(found.refusal or ()))
    )


def read_images(raw: Raw | None) -> list[Media]:
    """The pictures that a host made, which stand in `images`."""
    found: list[Media] = []
    for item in lenient(_IMAGES, raw) or ():
        address = item.image_url.url if isinstance(item.image_url, _Address) else item.image_url
        if address:
            found.append(media.from_address(IMAGE, address))
    return found


def sound_part(sound: Sound) -> Media:
    """A spoken answer. Its transcript and what is needed to name it later stay beside it."""
    about = {
        "id": sound.id,
        "expires_at": sound.expires_at,
        "transcript": sound.transcript,
    }
    extra = {
        name: Raw(msgspec.json.encode(value)) for name, value in about.items() if value is not None
    }
    return Media(AUDIO, data=sound.data or "", extra=extra)


def finish_of(reason: str, *, calls: bool) -> str:
    """Our finish reason for a host's word. Hosts say `stop`, or nothing, beside tool calls."""
    finish = FINISHES.get(reason.lower(), OTHER) if reason else STOP
    return TOOL_CALLS if calls and finish == STOP else finish
