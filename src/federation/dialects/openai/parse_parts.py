"""Reads content and tool calls of a client's message into canonical parts.

A glance has settled the types of a message's members and refused duplicate keys in them;
what lies deeper is checked here. A part that only hosts of this language know is `Foreign`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from federation.dialects.foreign_parts import refuse_stranger
from federation.dialects.malformed import missing
from federation.dialects.openai import media
from federation.dialects.openai.details import thought_signature
from federation.dialects.openai.words import NAME
from federation.dialects.tokenizer import Members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.parts import (
    AUDIO,
    CUSTOM,
    FILE,
    IMAGE,
    VIDEO,
    CacheMark,
    Fields,
    Foreign,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)

T = TypeVar("T")

STRING: Final = msgspec.json.Decoder(str)
_CONTENT: Final = msgspec.json.Decoder(str | list[Members] | None)
_NULL: Final = Raw(b"null")
_QUOTE: Final = b'"'
_MARKS: Final = frozenset(("cache_control", "prompt_cache_breakpoint"))


class _Address(msgspec.Struct):
    url: str
    detail: str | None = None


class _Sound(msgspec.Struct):
    data: str
    format: str | None = None


class _File(msgspec.Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _Piece(msgspec.Struct):
    text: str | None = None
    signature: str | None = None


class _Mark(msgspec.Struct):
    ttl: str | None = None


class _Function(msgspec.Struct):
    name: str
    arguments: Raw = _NULL


class _Custom(msgspec.Struct):
    name: str
    input: str | None = None


_ADDRESS: Final = msgspec.json.Decoder(_Address | str)
_SOUND: Final = msgspec.json.Decoder(_Sound)
_FILE: Final = msgspec.json.Decoder(_File)
_THOUGHT: Final = msgspec.json.Decoder(str | list[_Piece] | None)
_MARK: Final = msgspec.json.Decoder(_Mark | None)
_FUNCTION: Final = msgspec.json.Decoder(_Function)
_CUSTOM_CALL: Final = msgspec.json.Decoder(_Custom)
_OPTIONAL: Final = msgspec.json.Decoder(str | None)


def decoded(decoder: msgspec.json.Decoder[T], raw: Raw | bytes, where: str) -> T:
    """A value of a client's body. Raises `InvalidRequest` that names it."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, where) from None
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest(
            f"'{where}' is not valid JSON: a text holds half of a surrogate pair, or the value "
            "is nested too deeply.",
            code="invalid_json",
            param=where,
        ) from None


def read_content(raw: Raw | None, where: str) -> list[Part]:
    """The parts of a message's `content`; none for null and for an empty text."""
    if raw is None:
        return []
    content = decoded(_CONTENT, raw, where)
    if isinstance(content, str):
        return [Text(content)] if content else []
    return [_part(item, f"{where}[{index}]") for index, item in enumerate(content or ())]


def read_mark(item: Members, where: str) -> CacheMark | None:
    """The mark of what may be cached, in either of its two names."""
    for name in _MARKS:
        raw = item.get(name)
        if raw is not None:
            mark = decoded(_MARK, raw, f"{where}.{name}")
            return CacheMark(mark.ttl or "") if mark is not None else None
    return None


def read_call(item: Members, where: str) -> ToolCall:
    """A tool call of an assistant message; its id may be empty."""
    call_id = decoded(_OPTIONAL, item.get("id", _NULL), f"{where}.id") or ""
    signature = thought_signature(item.get("extra_content"))
    kind = decoded(_OPTIONAL, item.get("type", _NULL), f"{where}.type") or "function"
    raw = item.get(kind)
    if kind not in ("function", CUSTOM):
        raise InvalidRequest(
            f"'{where}.type' must be 'function' or 'custom'.",
            code="invalid_value",
            param=f"{where}.type",
        )
    if raw is None:
        raise missing(f"{where}.{kind}")
    if kind == CUSTOM:
        custom = decoded(_CUSTOM_CALL, raw, f"{where}.custom")
        return ToolCall(call_id, custom.name, custom.input or "", CUSTOM, signature)
    function = decoded(_FUNCTION, raw, f"{where}.function")
    arguments = read_arguments(function.arguments, f"{where}.function.arguments")
    return ToolCall(call_id, function.name, arguments, signature=signature)


def read_arguments(raw: Raw, where: str) -> str:
    """Arguments as text; a client that sends an object means its JSON."""
    data = bytes(raw)
    if data.startswith(_QUOTE):
        return decoded(STRING, raw, where)
    return "" if data == b"null" else data.decode()


def _part(item: Members, where: str) -> Part:
    kind = item.get("type")
    if kind is None:
        raise missing(f"{where}.type")
    name = decoded(STRING, kind, f"{where}.type")
    read = _READERS.get(name)
    if read is not None:
        return read(item, where)
    refuse_stranger(name, where, (), "text, image_url, input_audio or file")
    return Foreign(NAME, _whole(item))


def _whole(item: Members) -> Raw:
    return Raw(msgspec.json.encode(item))


def _needed(item: Members, name: str, where: str) -> Raw:
    raw = item.get(name)
    if raw is None:
        raise missing(f"{where}.{name}")
    return raw


def _rest(item: Members, known: tuple[str, ...]) -> Fields:
    return {name: raw for name, raw in item.items() if name not in known}


def _extras(item: Members, known: str, where: str) -> dict[str, Any]:
    """The mark and the members that no part has a place for."""
    if len(item) == 2:
        return {}
    return {"cache": read_mark(item, where), "extra": _rest(item, ("type", known))}


def _text(item: Members, where: str) -> Part:
    text = decoded(STRING, _needed(item, "text", where), f"{where}.text")
    if len(item) == 2:
        return Text(text)
    return Text(text, cache=read_mark(item, where), extra=_rest(item, ("type", "text")))


def _refusal(item: Members, where: str) -> Part:
    return Refusal(decoded(STRING, _needed(item, "refusal", where), f"{where}.refusal"))


def _by_address(kind: str, name: str) -> Callable[[Members, str], Part]:
    def read(item: Members, where: str) -> Part:
        found = decoded(_ADDRESS, _needed(item, name, where), f"{where}.{name}")
        detail = decoded(_OPTIONAL, item.get("detail", _NULL), f"{where}.detail") or ""
        url = found if isinstance(found, str) else found.url
        if isinstance(found, _Address):
            detail = found.detail or detail
        others = _extras(item, name, where)
        if "detail" in item:
            others["extra"] = _rest(item, ("type", name, "detail"))
        return media.from_address(kind, url, detail=detail, **others)

    return read


def _sound(item: Members, where: str) -> Part:
    raw = _needed(item, "input_audio", where)
    found = decoded(_SOUND, raw, f"{where}.input_audio")
    return media.from_sound(
        found.data, found.format or "wav", **_extras(item, "input_audio", where)
    )


def _file(item: Members, where: str) -> Part:
    found = decoded(_FILE, _needed(item, "file", where), f"{where}.file")
    if not found.file_data and not found.file_id:
        raise InvalidRequest(
            f"'{where}.file' needs 'file_data' or 'file_id'.",
            code="missing_field",
            param=f"{where}.file",
        )
    return media.from_file(
        found.file_data or "",
        found.file_id or "",
        found.filename or "",
        **_extras(item, "file", where),
    )


def _thinking(item: Members, where: str) -> Part:
    name = "thinking" if "thinking" in item else "summary"
    found = decoded(_THOUGHT, item.get(name, _NULL), f"{where}.{name}")
    signature = decoded(_OPTIONAL, item.get("signature", _NULL), f"{where}.signature") or ""
    text = found if isinstance(found, str) else ""
    if isinstance(found, list):
        text = "".join(piece.text or "" for piece in found)
        signature = signature or "".join(piece.signature or "" for piece in found)
    return Thinking(text, signature)


def _redacted(item: Members, where: str) -> Part:
    return Thinking(sealed=decoded(STRING, _needed(item, "data", where), f"{where}.data"))


_READERS: Final[dict[str, Callable[[Members, str], Part]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "image_url": _by_address(IMAGE, "image_url"),
    "input_image": _by_address(IMAGE, "image_url"),
    "video_url": _by_address(VIDEO, "video_url"),
    "audio_url": _by_address(AUDIO, "audio_url"),
    "document_url": _by_address(FILE, "document_url"),
    "input_audio": _sound,
    "file": _file,
    "thinking": _thinking,
    "reasoning": _thinking,
    "redacted_thinking": _redacted,
}
