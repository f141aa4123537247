"""Pictures to embed, between an address and the canonical form."""

from __future__ import annotations

import re

from federation.dialects.losses import Losses
from federation.errors import InvalidRequest
from federation.schema.parts import IMAGE, Media

_DATA = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,", re.IGNORECASE)
_REMOTE = ("https://", "http://")


def read(url: str, where: str) -> Media:
    """A picture by its address; `data:` addresses are taken apart. Raises `InvalidRequest`."""
    match = _DATA.match(url)
    if match is not None:
        return Media(IMAGE, match[1].lower(), data=url[match.end() :])
    if url.startswith(_REMOTE):
        return Media(IMAGE, url=url)
    raise InvalidRequest(
        f"'{where}' must be a data: address with base64, or an http address.", param=where
    )


def data_url(picture: Media, losses: Losses) -> str:
    """The picture as a `data:` address. A remote one is a loss, and so are sound and film."""
    if picture.kind != IMAGE:
        losses.note("mixed_input")
    if not picture.data:
        losses.note("image_url")
    return f"data:{picture.media_type or 'image/png'};base64,{picture.data}"
