"""A whole answer, as every dialect's is read and marked.

A body may be of any size, so it is never decoded twice; and a decoder that keeps a member raw
does not look at its text, which must be text all the same.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Raw

from federation.dialects.splice import splice
from federation.dialects.sse import MARK
from federation.dialects.surrogates import Halves
from federation.dialects.tokenizer import FIELDS, layout, members
from federation.errors import InvalidRequest, PayloadTooLarge, UpstreamGarbled
from federation.schema.glance import Edits

T = TypeVar("T")

MOST_PARTS: Final = 10_000
"""Parts of an answer, or of an event, and calls of tools: each becomes several objects, and a
heap of them makes Python's collector stop the loop for a tenth of a second at a time."""
Few: TypeAlias = Annotated[list[T], msgspec.Meta(max_length=MOST_PARTS)]
"""A list of parts. One that is longer is not decoded: it is as unreadable as a wrong type."""

_ANY: Final = msgspec.json.Decoder(Raw)
_RAWS: Final = msgspec.json.Decoder(list[Raw])

_METADATA: Final = "router_metadata"
_SHORT: Final = 64 * 1024
_SIGNS_OF_OBJECTS: Final = re.compile(rb'[{}"]')

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a stranger's JSON can raise."""


def digest(data: bytes) -> str:
    """What tells an answer from others where it has no id of its own: its counts and moments
    differ from turn to turn, and with them this."""
    return hashlib.blake2b(data, digest_size=6).hexdigest()


def is_json(data: bytes) -> bool:
    """Whether bytes are one JSON value in UTF-8, of whatever shape."""
    try:
        if not data.isascii():
            data.decode()
        _ANY.decode(data)
    except UNREADABLE:
        return False
    return True


def is_torn(piece: bytes) -> bool:
    """Whether a piece of a stream of nothing but objects is no JSON, and may be what is left of
    one. Words and marks without any of an object's signs never were one."""
    return _SIGNS_OF_OBJECTS.search(piece) is not None and not is_json(piece)


def reads_as_json(data: bytes) -> bool:
    """The same for an event, of which halves of characters may be left out."""
    return is_json(data) or is_json(Halves().mend(data))


def salvaged(decoder: msgspec.json.Decoder[T], data: bytes) -> T | None:
    """What a decoder makes of an event whose halves of characters are left out; None where it
    is not they that keep it from being read. Clients read such an event, so it is no garbage."""
    whole = Halves().mend(data)
    if whole == data:
        return None
    try:
        return decoder.decode(whole)
    except UNREADABLE:
        return None


def read_whole(decoder: msgspec.json.Decoder[T], body: bytes, deployment: str) -> T:
    """An answer in the decoder's shape. Raises `UpstreamGarbled`."""
    try:
        if not body.isascii():
            body.decode()
        return decoder.decode(body)
    except UNREADABLE:
        raise unreadable(deployment) from None


def too_many(parts: bytes | Raw) -> bool:
    """Whether an array holds more than `MOST_PARTS`; what is no array does not."""
    if len(parts) <= MOST_PARTS:
        return False
    try:
        return len(_RAWS.decode(parts)) > MOST_PARTS
    except UNREADABLE:
        return False


def must_be_text(body: bytes) -> None:
    """Raise `UpstreamGarbled` for what is not UTF-8: whoever reads a part of an answer only does
    not see it, and the client's reader would."""
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError:
        raise UpstreamGarbled("The provider's answer is not UTF-8.") from None


def said(event: bytes, name: str) -> Any:
    """What an event says under a name, whatever else it holds; None where it is no JSON object."""
    try:
        found = msgspec.json.decode(event)
    except UNREADABLE:
        return None
    return found.get(name) if isinstance(found, dict) else None


def unreadable(deployment: str) -> UpstreamGarbled:
    """The error for an answer that is not what its language says."""
    return UpstreamGarbled(f"{deployment} answered with something unreadable.")


def with_metadata(body: bytes, metadata: bytes) -> bytes:
    """The answer with `router_metadata` in it, as rendered JSON; in place of one that a
    gateway behind us put there.

    Raises `UpstreamGarbled` for an answer that names a member twice.
    """
    body = body.removeprefix(MARK)
    try:
        if len(body) <= _SHORT and body.isascii():
            # Nearly every answer: where its members stand matters to none but a member's heir.
            found = members(body)
            if 0 < len(found) <= FIELDS and _METADATA not in found:
                end = body.rindex(b"}")
                return b'%b,"router_metadata":%b%b' % (body[:end], metadata, body[end:])
        _, spans, end = layout(body)
    except (InvalidRequest, PayloadTooLarge):
        raise UpstreamGarbled("The provider's answer names a member twice.") from None
    return splice(body, spans, end, Edits({_METADATA: metadata}))
