"""Writes single parts, for providers and for clients alike: the shapes, without any rule.

Each function gives an object that `msgspec.json.encode` can write. `own` says that the part
came in this dialect, so that its `extra` belongs here. A part carries at most one signature,
on itself.

Reference: https://ai.google.dev/api/caching#Part
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw

from federation.schema.parts import AUDIO, FILE, IMAGE, VIDEO, Media, Part, Text, ToolResult

Json: TypeAlias = dict[str, Any]

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
}
_USUAL: Final = {
    IMAGE: "image/jpeg",
    AUDIO: "audio/mpeg",
    VIDEO: "video/mp4",
    FILE: "application/pdf",
}
_PLAIN: Final = "text/plain"


def media_part(media: Media, *, own: bool) -> Json:
    """A picture, sound, film or file, inline or by address."""
    if media.url or media.file_id:
        where = media.url or media.file_id
        data: Json = {"fileUri": where}
        if media.media_type or not own:
            data = {"mimeType": media.media_type or _guessed(where, media.kind), **data}
        part: Json = {"fileData": data}
    elif media.text:
        text = b64encode(media.text.encode()).decode()
        kind = media.media_type if media.media_type.startswith("text/") else _PLAIN
        data = {"mimeType": kind, "data": text}
        part = {"inlineData": data}
    else:
        data = {"data": media.data}
        if media.media_type or not own:
            data = {"mimeType": media.media_type or _USUAL.get(media.kind, _PLAIN), **data}
        part = {"inlineData": data}
    if own:
        if media.name:
            data["displayName"] = media.name
        part.update(media.extra)
    return part


def _guessed(where: str, kind: str) -> str:
    """The type that an address looks like; the longer form of the interface must be told one."""
    path = where.partition("?")[0].partition("#")[0]
    return _TYPES.get(path.rpartition(".")[2].lower()) or _USUAL.get(kind, _PLAIN)


def arguments_object(text: str) -> Raw | None:
    """A call's arguments as the JSON object that they are, unchanged; None where they are none."""
    if not text or text.isspace():
        return Raw(b"{}")
    try:
        data = text.encode()
        _OBJECT.decode(data)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return Raw(data)


def call_part(call_id: str, name: str, args: Raw, signature: str) -> Json:
    """A function call; without an id where that is empty."""
    call: Json = {"id": call_id, "name": name} if call_id else {"name": name}
    call["args"] = args
    part: Json = {"functionCall": call}
    if signature:
        part["thoughtSignature"] = signature
    return part


def response_object(result: ToolResult) -> Any:
    """A result's text as the object that the wire has: itself where it is a JSON object, else
    under the vendor's word for an output or an error.

    A document given as text is text here: only the newest models take files in a result.
    """
    texts = [_told(part) for part in result.parts if isinstance(part, Text) or _is_written(part)]
    text = texts[0] if len(texts) == 1 else "\n".join(texts)
    if not texts and not result.error:
        return {}
    if text[:1] == "{":
        found = _object(text)
        if found is not None and (not result.error or "error" in found):
            return Raw(text.encode())
    return {"error" if result.error else "output": text}


def _is_written(part: Part) -> bool:
    return isinstance(part, Media) and part.text != ""


def _told(part: Part) -> str:
    if isinstance(part, Media):
        return f"{part.name}\n\n{part.text}" if part.name else part.text
    return part.text if isinstance(part, Text) else ""


def _object(text: str) -> dict[str, Raw] | None:
    try:
        return _OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
