"""Reads a call's `input` as far as counts go: how many items, how much text, what is attached.

Contents are not taken apart, which keeps a long conversation cheap: a picture stays raw and a
text's length is that of its JSON bytes, which a bound may be. Only where a text begins with
`\\u` escapes, and so is likely to be full of them, is it decoded.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.malformed import missing, not_one_of
from federation.dialects.openai_responses.fields import NULL, needed_text
from federation.dialects.openai_responses.parse_items import item_kind
from federation.dialects.openai_responses.read_items import is_unasked
from federation.dialects.openai_responses.tables import (
    CALLER_ITEMS,
    CALLS,
    GOVERNED_ITEMS,
    LONG_CACHE,
    MESSAGE,
    MODEL_ITEMS,
    OUTPUTS,
    REASONING,
    ROLES,
)
from federation.dialects.storage import names_storage
from federation.dialects.tokenizer import Members, check_objects, objects, objects_unchecked
from federation.errors import InvalidRequest

ITEMS: Final = 20_000
"""Most items in a call: a turn with tools has several where Chat Completions has one message."""

_QUOTE, _BRACKET, _BACKSLASH = 0x22, 0x5B, 0x5C
_SAMPLE: Final = 512
_PLAIN: Final = len('{"role":,"content":}')
_ROLES_RAW: Final = frozenset(f'"{role}"'.encode() for role in ROLES)
_LABELS: Final = frozenset(("type", "role", "id", "status", "call_id", "content", "output"))
_TEXTS: Final = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "summary_text": "text",
    "reasoning_text": "text",
    "refusal": "refusal",
}
_STORABLE: Final = frozenset(("input_image", "input_file"))
_NO_ID: Final = frozenset((b"null", b'""'))
_MARK: Final = "prompt_cache_breakpoint"


class Tally(msgspec.Struct):
    """What a call's input holds; filled by `read_input`."""

    items: int = 0
    text: int = 0
    """UTF-8 bytes, at most."""
    images: int = 0
    audio: int = 0
    files: int = 0
    governed: list[str] = []
    unlisted: list[str] = []


def read_input(raw: Raw) -> Tally:
    """Count an input. Raises `InvalidRequest` that names the item and member."""
    first = bytes(raw)[:1]
    if first == b'"':
        return Tally(1, _size(raw, "input"))
    if first != b"[":
        raise InvalidRequest(
            "'input' must be a string or an array of items.", code="invalid_type", param="input"
        )
    items = objects_unchecked(raw, "input")
    if len(items) > ITEMS:
        raise InvalidRequest(
            f"'input' may hold at most {ITEMS} items.", code="too_many", param="input"
        )
    tally = Tally(len(items))
    length = len(items) + 1
    for index, item in enumerate(items):
        if len(item) == 2 and "role" in item and "content" in item:
            role, content = item["role"], item["content"]
            if bytes(role) not in _ROLES_RAW:
                _check_role(item, f"input[{index}]")
            tally.text += _held(content, index, "content", tally)
            length += len(role) + len(content) + _PLAIN
            continue
        tally.text += _read_item(item, index, tally)
        length += 1 if item else 2
        for name, value in item.items():
            length += len(name) + len(value) + 4
    if length != len(raw):
        check_objects(bytes(raw), items, "input")
    return tally


def _read_item(item: Members, index: int, tally: Tally) -> int:
    where = f"input[{index}]"
    kind = item_kind(item, where)
    size = 0
    if kind == MESSAGE:
        _check_role(item, where)
        if "content" not in item:
            raise missing(f"{where}.content")
        size += _held(item["content"], index, "content", tally)
    elif kind in CALLS:
        for name in ("call_id", "name", CALLS[kind]):
            needed_text(item, name, where)
    elif kind in OUTPUTS:
        if not is_unasked(item):
            needed_text(item, "call_id", where)
        if "output" not in item:
            raise missing(f"{where}.output")
        size += _held(item["output"], index, "output", tally)
    elif kind in GOVERNED_ITEMS:
        tally.governed.append(f"input.{kind}")
    elif kind != REASONING and kind not in MODEL_ITEMS and kind not in CALLER_ITEMS:
        tally.unlisted.append(f"input.{kind[:64]}")
    # What an item says besides are tokens for the provider too.
    return size + sum([len(raw) for name, raw in item.items() if name not in _LABELS])


def _check_role(item: Members, where: str) -> None:
    if needed_text(item, "role", where) not in ROLES:
        raise not_one_of(f"{where}.role", ROLES)


def _held(raw: Raw, index: int, name: str, tally: Tally) -> int:
    """The bytes of text in a string or an array of parts."""
    data = bytes(raw)
    if data[0] == _QUOTE:
        if _BACKSLASH in data and b"\\u" in data[:_SAMPLE]:
            return _size(raw, f"input[{index}].{name}")
        return len(data) - 2
    where = f"input[{index}].{name}"
    if data[0] != _BRACKET:
        raise InvalidRequest(
            f"'{where}' must be a string or an array of parts.", code="invalid_type", param=where
        )
    return sum(
        [_part(part, f"{where}[{at}]", tally) for at, part in enumerate(objects(raw, where))]
    )


def _part(part: Members, where: str, tally: Tally) -> int:
    kind = needed_text(part, "type", where)
    member = _TEXTS.get(kind)
    if _MARK in part and b"".join(bytes(part[_MARK]).split()) not in LONG_CACHE:
        tally.governed.append(_MARK)
    if member is not None:
        return len(needed_text(part, member, where).encode())
    stored = kind in _STORABLE and bytes(part.get("file_id", NULL)) not in _NO_ID
    if stored or names_storage(part, where):
        tally.governed.append("content.file")
    if kind == "input_image":
        tally.images += 1
    elif kind == "input_file":
        tally.files += 1
    elif kind == "input_audio":
        tally.audio += 1
    else:
        tally.unlisted.append(f"content.{kind[:64]}")
    return 0


def _size(raw: Raw, where: str) -> int:
    text = needed_text({"text": raw}, "text", where)
    return len(text) if text.isascii() else len(text.encode())
