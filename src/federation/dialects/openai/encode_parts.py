"""Writes canonical content parts as this language's, as far as the row takes them.

What a row or the language cannot take is noted; the loss table decides whether that is left
out or refuses the call.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from federation.dialects.losses import Losses
from federation.dialects.openai import media
from federation.dialects.openai.call_ids import ShortIds
from federation.dialects.openai.row import Row
from federation.dialects.openai.words import NAME
from federation.errors import InvalidRequest
from federation.schema.parts import (
    AUDIO,
    FILE,
    IMAGE,
    CacheMark,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
)

Item = dict[str, Any]

PARAGRAPH: Final = "\n\n"
"""Between two texts that must become one."""
_DETAILS: Final = frozenset(("low", "high", "auto", "original"))


class Target(msgspec.Struct):
    """Whom one request is written for."""

    row: Row
    losses: Losses
    own: bool
    """The call came in this language, so its extras go back out."""
    thinks: bool
    """Reasoning was not switched off."""
    ids: ShortIds | None
    marks: int
    """Cache marks that may still be written."""


def write_content(parts: Iterable[Part], target: Target, where: str) -> str | list[Item]:
    """The content of a message that is not the assistant's."""
    items = [
        item
        for index, part in enumerate(parts)
        if (item := write_part(part, target, f"{where}.content[{index}]")) is not None
    ]
    if not items:
        return ""
    if len(items) == 1 and items[0].get("type") == "text" and len(items[0]) == 2:
        return str(items[0]["text"])
    if target.row.string_content:
        return PARAGRAPH.join([str(item["text"]) for item in items if "text" in item])
    return items


def write_part(part: Part, target: Target, where: str) -> Item | None:
    """One part; None for one that is left out."""
    match part:
        case Text():
            if part.citations:
                target.losses.note("citations", where)
            item: Item = {"type": "text", "text": part.text}
            return _dressed(item, part, target, where) if part.extra or part.cache else item
        case Media():
            return _media(part, target, where)
        case Refusal():
            return {"type": "text", "text": part.text}
        case Foreign():
            if target.own and part.dialect == NAME:
                return msgspec.json.decode(part.raw, type=dict[str, msgspec.Raw])
            target.losses.note("foreign_part", where)
            return None
        case Thinking():
            target.losses.note("thinking_history", where)
            return None
        case _:
            target.losses.note("foreign_part", where)
            return None


def note_mark(mark: CacheMark | None, target: Target, where: str) -> Item:
    """The member that marks what may be cached, where the row takes such marks."""
    if mark is None:
        return {}
    if target.marks <= 0:
        target.losses.note("cache_marks", where)
        return {}
    target.marks -= 1
    ttl = {"ttl": mark.ttl} if mark.ttl else {}
    return {"cache_control": {"type": "ephemeral", **ttl}}


def _dressed(item: Item, part: Text | Media, target: Target, where: str) -> Item:
    if target.row.string_content:
        return item
    if target.own:
        return {**item, **part.extra}
    return {**item, **note_mark(part.cache, target, where)}


def _media(part: Media, target: Target, where: str) -> Item | None:
    if part.cite:
        target.losses.note("citations", where)
    item = _as_text(part, target, where)
    if item is None:
        if target.row.string_content:
            target.losses.note(media.FEATURES[part.kind], where)
            return None
        item = _WRITERS.get(part.kind, _video)(part, target, where)
    if item is not None and (part.extra or part.cache):
        return _dressed(item, part, target, where)
    return item


def _as_text(part: Media, target: Target, where: str) -> Item | None:
    """A document that is text, as text: the language has no other place for it."""
    text = part.text
    if not text and not target.own and part.data and part.media_type.startswith("text/"):
        try:
            text = b64decode(part.data, validate=True).decode("utf-8", "replace")
        except BadBase64:
            raise InvalidRequest(
                f"The document in '{where}' is not base64.", code="invalid_value", param=where
            ) from None
    if not text:
        return None
    return {"type": "text", "text": f"{part.name}{PARAGRAPH}{text}" if part.name else text}


def _image(part: Media, target: Target, where: str) -> Item | None:
    if part.file_id:
        target.losses.note("file_id", where)
        return None
    if part.url and not target.row.image_urls:
        target.losses.note("image_url", where)
        return None
    inner: Item = {"url": media.to_address(part, "image/png")}
    if part.detail in _DETAILS or (part.detail and target.own):
        inner["detail"] = part.detail
    return {"type": "image_url", "image_url": inner}


def _sound(part: Media, target: Target, where: str) -> Item | None:
    if part.data:
        inner = {"data": part.data, "format": media.sound_format(part)}
        return {"type": "input_audio", "input_audio": inner}
    if part.url and target.own:
        return {"type": "audio_url", "audio_url": {"url": part.url}}
    target.losses.note("audio", where)
    return None


def _video(part: Media, target: Target, where: str) -> Item | None:
    if (target.own or target.row.video) and not part.file_id:
        return {"type": "video_url", "video_url": {"url": media.to_address(part, "video/mp4")}}
    target.losses.note("video", where)
    return None


def _file(part: Media, target: Target, where: str) -> Item | None:
    if part.data:
        data = media.to_address(part, "application/pdf")
        return {
            "type": "file",
            "file": {"filename": part.name or "document.pdf", "file_data": data},
        }
    if part.url:
        if target.own:
            return {"type": "document_url", "document_url": part.url}
        target.losses.note("file_url", where)
        return None
    if not target.own:
        target.losses.note("file_id", where)
        return None
    inner = {"file_id": part.file_id, "filename": part.name}
    return {"type": "file", "file": {name: value for name, value in inner.items() if value}}


_WRITERS: Final = {IMAGE: _image, AUDIO: _sound, FILE: _file}
