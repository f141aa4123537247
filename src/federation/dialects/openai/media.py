"""Pictures, sounds, films and files as content parts, both ways.

A `data:` address is taken apart where it is base64, which is all that anybody sends; one in
percent-encoding is turned into base64. Standard padding is neither checked nor added: the
bytes are the caller's.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from federation.dialects.openai.words import AUDIO_FORMATS, AUDIO_TYPES
from federation.schema.parts import AUDIO, FILE, IMAGE, VIDEO, Media

_EXTENSIONS: Final = {
    ".pdf": "application/pdf",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
}


def from_address(kind: str, address: str, **others: Any) -> Media:
    """A part from an address, remote or `data:`."""
    if address[:5].lower() != "data:":
        return Media(kind, url=address, **others)
    head, comma, data = address[5:].partition(",")
    media_type, *options = head.split(";")
    if not comma:
        return Media(kind, url=address, **others)
    if "base64" not in [option.strip().lower() for option in options]:
        data = b64encode(unquote_to_bytes(data)).decode()
        media_type = media_type or "text/plain"
    return Media(kind, media_type=media_type, data=data, **others)


def to_address(media: Media, assumed: str) -> str:
    """The address of a part with `data` or `url`; `assumed` is its type where nobody said."""
    return media.url or f"data:{media.media_type or assumed};base64,{media.data}"


def from_sound(data: str, form: str, **others: Any) -> Media:
    """A part from inline sound."""
    return Media(AUDIO, media_type=AUDIO_TYPES.get(form, f"audio/{form}"), data=data, **others)


def sound_format(media: Media) -> str:
    """The `format` of a sound; the vendor names two, hosts take more."""
    kind = media.media_type.partition(";")[0].strip().lower()
    return AUDIO_FORMATS.get(kind) or kind.removeprefix("audio/").removeprefix("x-") or "wav"


def from_file(data: str, file_id: str, name: str, **others: Any) -> Media:
    """A part from a file's members, of which one of `data` and `file_id` is given."""
    if file_id or not data:
        return Media(FILE, file_id=file_id, name=name, **others)
    if data[:5].lower() == "data:":
        return from_address(FILE, data, name=name, **others)
    dot = name.rfind(".")
    media_type = _EXTENSIONS.get(name[dot:].lower(), "") if dot >= 0 else ""
    return Media(FILE, media_type=media_type, data=data, name=name, **others)


FEATURES: Final = {IMAGE: "image", AUDIO: "audio", VIDEO: "video", FILE: "file"}
"""What a kind is called where it cannot be sent."""
