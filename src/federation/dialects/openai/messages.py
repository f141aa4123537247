"""Reads a conversation as far as counts go: how many, how much text, what is attached.

Contents are never taken apart, which keeps a long conversation cheap: a picture stays raw,
and a text's length is that of its JSON bytes. Escapes make that a few percent too long,
which a bound may be. Only where a text begins with `\\u` escapes, and so is likely to be
full of them, is it decoded.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.malformed import check_number, missing, read_role
from federation.dialects.openai.tables import (
    AUDIO,
    FILE,
    IMAGE,
    LONG_CACHE,
    MESSAGE_FIELDS,
    OTHER,
    PART_FIELDS,
    PART_KINDS,
    ROLES,
    TEXT,
)
from federation.dialects.storage import FILE_FIELD, names_storage
from federation.dialects.tokenizer import (
    Members,
    check_objects,
    members,
    objects,
    objects_unchecked,
    wrong_type,
)
from federation.errors import InvalidRequest

_STRING: Final = msgspec.json.Decoder(str)
_ROLES: Final = {f'"{role}"'.encode(): role for role in ROLES}
_QUOTE, _BRACKET, _BACKSLASH = 0x22, 0x5B, 0x5C
_UNFILLED: Final = frozenset((b'"assistant"', b'"function"'))
"""Roles whose messages may come without content."""
_PLAIN: Final = len('{"role":,"content":}')
"""What a message of just these two members has around their values, in compact text."""
_FIRST, _NEXT, _THEN, _LAST = b'[{"role": ', b'}, {"role": ', b', "content": ', b"}]"
_TRUE: Final = Raw(b"true")
_SAMPLE: Final = 512
_SOUND: Final = "messages.audio"
_NO_ID: Final = frozenset((b"null", b'""'))
MESSAGES: Final = 10_000
"""Most messages in a call: what a million tokens of context hold, and no more work than that."""


class Tally(msgspec.Struct):
    """What a conversation holds; filled by `read_messages`."""

    messages: int = 0
    text: int = 0
    """UTF-8 bytes, at most."""
    images: int = 0
    audio: int = 0
    files: int = 0
    prefill: bool = False
    governed: list[str] = []
    unlisted: list[str] = []


def read_messages(raw: Raw | bytes) -> Tally:
    """Count a conversation. Raises `InvalidRequest` that names the message and member."""
    items = objects_unchecked(raw, "messages")
    check_number(items, "messages", MESSAGES)
    tally = Tally(len(items))
    whole = bytes(raw)
    # One look at all of it costs a twentieth of a look at each.
    escapes = _BACKSLASH in whole
    text = 0
    length = len(items) + 1
    spaced: list[bytes] = []
    for index, item in enumerate(items):
        role_raw, content = item.get("role"), item.get("content")
        role = bytes(role_raw) if role_raw is not None else b""
        if role not in _ROLES:
            role = f'"{read_role(role_raw, index, _ROLES)}"'.encode()
        if content is None:
            if role not in _UNFILLED:
                raise missing(f"messages[{index}].content")
        else:
            data = bytes(content)
            first = data[0]
            if first == _QUOTE:
                if escapes and data[:_SAMPLE].find(b"\\u") >= 0:
                    text += _length(content)
                else:
                    text += len(data) - 2
            elif first == _BRACKET:
                _read_parts(content, f"messages[{index}].content", tally)
            elif data != b"null":
                raise _wrong_content(index)
            if len(item) == 2:
                length += len(role) + len(data) + _PLAIN
                spaced += (_NEXT, role, _THEN, data)
                continue
        text += _read_rest(item, index, tally)
        length += 1
        for name, value in item.items():
            length += len(name) + len(value) + 4
    if length != len(whole) and not _is_spaced(spaced, len(items), whole):
        check_objects(whole, items, "messages")
    tally.text += text
    return tally


def _is_spaced(spaced: list[bytes], messages: int, whole: bytes) -> bool:
    """Whether the conversation is as most writers that put spaces write one whose messages have
    just these two members: it then has no other."""
    if len(spaced) != messages * 4:
        return False
    spaced[0] = _FIRST
    spaced.append(_LAST)
    return b"".join(spaced) == whole


def _wrong_content(index: int) -> InvalidRequest:
    param = f"messages[{index}].content"
    return InvalidRequest(
        f"'{param}' must be a string, an array of parts or null.", code="invalid_type", param=param
    )


def _length(raw: Raw) -> int:
    text = _STRING.decode(raw)
    return len(text) if text.isascii() else len(text.encode())


def _read_rest(item: Members, index: int, tally: Tally) -> int:
    """Check the other members of a message; their bytes are tokens for the provider too."""
    size = 0
    for name, raw in item.items():
        if name in ("role", "content"):
            continue
        size += len(raw)
        decoder = MESSAGE_FIELDS.get(name)
        if decoder is not None:
            try:
                found = decoder.decode(raw)
            except msgspec.ValidationError as error:
                raise wrong_type(error, f"messages[{index}].{name}") from None
            if name == "audio" and found is not None:
                _govern(_SOUND, tally)
        elif name == "prefix" and raw == _TRUE:
            tally.prefill = True
        elif name in LONG_CACHE:
            _note_cache(name, raw, tally)
    return size


def _read_parts(raw: Raw, where: str, tally: Tally) -> None:
    for index, part in enumerate(objects(raw, where)):
        place = f"{where}[{index}]"
        kind = _read_kind(part, place, tally)
        if kind == IMAGE:
            tally.images += 1
        elif kind == AUDIO:
            tally.audio += 1
        elif kind == FILE:
            tally.files += 1
            _note_file(part, place, tally)
        if kind != TEXT and names_storage(part, place):
            _govern(FILE_FIELD, tally)
        for name, value in part.items():
            decoder = PART_FIELDS.get(name)
            if decoder is not None:
                try:
                    found = decoder.decode(value)
                except msgspec.ValidationError as error:
                    raise wrong_type(error, f"{place}.{name}") from None
                if isinstance(found, str) and kind in (TEXT, OTHER):
                    tally.text += len(found.encode())
            elif name in LONG_CACHE:
                _note_cache(name, value, tally)
            elif kind == TEXT and name != "type":
                tally.text += len(value)


def _read_kind(part: Members, place: str, tally: Tally) -> int:
    raw = part.get("type")
    if raw is None:
        raise missing(f"{place}.type")
    try:
        name = _STRING.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{place}.type") from None
    kind = PART_KINDS.get(name, OTHER)
    if kind == OTHER:
        tally.unlisted.append(f"content.{name[:64]}")
    elif kind == TEXT and name in PART_FIELDS and name not in part:
        raise missing(f"{place}.{name}")
    return kind


def _note_file(part: Members, place: str, tally: Tally) -> None:
    """A file by its id is our account's, whoever put it there."""
    raw = part.get("file")
    if raw is not None and bytes(raw)[:1] == b"{":
        stored = members(bytes(raw), f"{place}.file").get("file_id")
        if stored is not None and bytes(stored) not in _NO_ID:
            _govern(FILE_FIELD, tally)


def _govern(name: str, tally: Tally) -> None:
    if name not in tally.governed:
        tally.governed.append(name)


def _note_cache(name: str, raw: Raw, tally: Tally) -> None:
    if b"".join(bytes(raw).split()) not in LONG_CACHE[name] and name not in tally.governed:
        tally.governed.append(name)
