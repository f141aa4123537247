"""Pictures, documents, films and sound between media types and the vendor's format words.

A document's name may hold few characters and may not come twice in a call; so names are
made to fit, always in the same way, and a second one gets a number.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.losses import Losses
from federation.schema.parts import AUDIO, FILE, IMAGE, VIDEO, Fields, Media

_IMAGES: Final = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_MAGIC: Final = (("iVBORw0KGgo", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp"))
"""How pictures begin in base64, for those that came without a media type."""
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_FILES: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    f"{_OFFICE}wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    f"{_OFFICE}spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_PLAIN: Final = frozenset(
    ("application/json", "application/xml", "application/yaml", "application/x-yaml",
     "application/javascript", "application/x-ndjson", "application/rtf", "application/sql")
)  # fmt: skip
"""Types that are text; they are sent as plain text, like any `text/...`."""
_VIDEOS: Final = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/mpg": "mpg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_SOUNDS: Final = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/opus": "opus",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/aac": "aac",
    "audio/x-aac": "x-aac",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/mp4": "mp4",
    "audio/ogg": "ogg",
    "audio/x-matroska": "mka",
    "audio/m4a": "m4a",
    "audio/x-m4a": "m4a",
    "audio/pcm": "pcm",
    "audio/l16": "pcm",
    "audio/webm": "webm",
}
_FORMATS: Final = {IMAGE: _IMAGES, FILE: _FILES, VIDEO: _VIDEOS, AUDIO: _SOUNDS}


def _types(formats: dict[str, str], prefix: str) -> dict[str, str]:
    """Format to media type: the first type that was listed for it."""
    types: dict[str, str] = {}
    for media_type, word in formats.items():
        types.setdefault(word, media_type)
    types.setdefault("mka", f"{prefix}/x-matroska")
    types.setdefault("mpga", f"{prefix}/mpeg")
    return types


_TYPES: Final = {
    IMAGE: _types(_IMAGES, "image"),
    FILE: _types(_FILES, "application"),
    VIDEO: _types(_VIDEOS, "video"),
    AUDIO: _types(_SOUNDS, "audio"),
}
_EXTENSIONS: Final = {word: word for word in _FILES.values()} | {"htm": "html", "text": "txt"}
_KINDS: Final = {"image": IMAGE, "document": FILE, "video": VIDEO, "audio": AUDIO}
_BLOCKS: Final = {kind: name for name, kind in _KINDS.items()}
_URLS: Final = {IMAGE: "image_url", FILE: "file_url", VIDEO: "video", AUDIO: "audio"}
_ODD: Final = re.compile(r"[^0-9A-Za-z\s\-()\[\]]+")
_SPACES: Final = re.compile(r"\s+")
_LONGEST_NAME: Final = 200
_NULL: Final = Raw(b"null")


class _S3(msgspec.Struct, rename="camel"):
    uri: str
    bucket_owner: str | None = None


class _Piece(msgspec.Struct):
    text: str | None = None


class _Source(msgspec.Struct, rename="camel"):
    bytes: str | None = None
    s3_location: _S3 | None = None
    text: str | None = None
    content: list[_Piece] | None = None


class _Cites(msgspec.Struct):
    enabled: bool | None = None


class _Block(msgspec.Struct):
    source: _Source
    format: str | None = None
    name: str | None = None
    context: Raw = _NULL
    citations: _Cites | None = None


_BLOCK: Final = msgspec.json.Decoder(_Block)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])


def read_media(name: str, raw: Raw) -> Media:
    """The attachment in a block of this name. Raises `msgspec.ValidationError`."""
    block = _BLOCK.decode(raw)
    source = block.source
    kind = _KINDS[name]
    extra: Fields = {}
    url = data = text = ""
    if source.bytes is not None:
        data = source.bytes
    elif source.s3_location is not None:
        url = source.s3_location.uri
        if source.s3_location.bucket_owner:
            extra["bucketOwner"] = Raw(msgspec.json.encode(source.s3_location.bucket_owner))
    elif source.text is not None:
        text = source.text
    elif source.content is not None:
        text = "\n".join(piece.text or "" for piece in source.content)
        extra["content"] = _MEMBERS.decode(_MEMBERS.decode(raw)["source"])["content"]
    else:
        raise msgspec.ValidationError(
            "Object missing one of bytes, s3Location, text - at `$.source`"
        )
    if block.context != _NULL:
        extra["context"] = block.context
    word = block.format or ""
    media_type = _TYPES[kind].get(word, f"{name}/{word}" if word else "")
    if word and _FORMATS[kind].get(media_type) != word:
        extra["format"] = Raw(msgspec.json.encode(word))
    return Media(
        kind,
        media_type=media_type,
        data=data,
        url=url,
        text=text,
        name=block.name or "",
        cite=block.citations is not None and block.citations.enabled is True,
        extra=extra,
    )


def write_media(media: Media, losses: Losses, field: str, names: dict[str, int], own: bool) -> Any:
    """The block of an attachment. `names` counts the documents' names of the call.

    Raises `InvalidRequest` for one that Converse does not take. Our account reads a bucket
    only where the client's own dialect said so (`own`), for there the field is governed.
    """
    kind = media.kind
    if media.file_id:
        losses.note("file_id", field)
    if media.detail not in ("", "auto"):
        losses.note("image_detail", field)
    word: Any = media.extra.get("format") if own else None
    word = format_of(media) if word is None else word
    if not word and not own:
        losses.note(kind, field)
    if media.url and not (own and media.url.startswith("s3://")):
        losses.note(_URLS[kind], field)
    block: dict[str, Any] = {"format": word} if word else {}
    if kind == FILE:
        block["name"] = document_name(media.name, names)
        if media.cite:
            block["citations"] = {"enabled": True}
        if own and "context" in media.extra:
            block["context"] = media.extra["context"]
    block["source"] = _source(media, own)
    return {_BLOCKS[kind]: block}


def format_of(media: Media) -> str:
    """The vendor's word for what an attachment is; empty where there is none."""
    kind, media_type = media.kind, media.media_type.partition(";")[0].strip().lower()
    word = _FORMATS[kind].get(media_type, "")
    if word:
        return word
    if kind == IMAGE and not media_type:
        return next((found for magic, found in _MAGIC if media.data.startswith(magic)), "")
    if kind == FILE:
        _, dot, extension = media.name.rpartition(".")
        word = _EXTENSIONS.get(extension.lower(), "") if dot else ""
        if word:
            return word
        plain = media_type.startswith("text/") or media_type in _PLAIN
        if not media_type and media.data.startswith("JVBERi0"):
            return "pdf"
        return "txt" if plain or (media.text and not media_type) else ""
    return ""


def document_name(name: str, names: dict[str, int]) -> str:
    """A name in the letters that are allowed, other than all before it in `names`."""
    plain = _SPACES.sub(" ", _ODD.sub(" ", name)).strip()[:_LONGEST_NAME].rstrip() or "document"
    times = names[plain] = names.get(plain, 0) + 1
    return plain if times == 1 else document_name(f"{plain[: _LONGEST_NAME - 8]} {times}", names)


def _source(media: Media, own: bool) -> dict[str, Any]:
    if media.url:
        owner = media.extra.get("bucketOwner")
        location: dict[str, Any] = {"uri": media.url}
        return {"s3Location": location if owner is None else {**location, "bucketOwner": owner}}
    if own and "content" in media.extra:
        return {"content": media.extra["content"]}
    return {"text": media.text} if media.text else {"bytes": media.data}
