"""Reads single items and their content into canonical parts, of requests and answers alike.

Text in an assistant's item remembers which item it began in `extra["message"]`, because a
turn can hold several message items, with ids and phases that must come back. A status is
remembered only where it is not the usual one.

Reference: `ResponseInputItemParam` and `ResponseOutputItem` of the official SDK.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.foreign_parts import refuse_stranger
from federation.dialects.malformed import missing
from federation.dialects.openai_responses.fields import (
    NULL,
    inner,
    items_of,
    needed_text,
    rest,
    text,
)
from federation.dialects.openai_responses.spaces import SPACE, full_name
from federation.dialects.openai_responses.tables import CALLS, NAME, OUTPUTS
from federation.dialects.tokenizer import Members, objects_unchecked
from federation.errors import InvalidRequest
from federation.schema.parts import (
    AUDIO,
    CUSTOM,
    FILE,
    FUNCTION,
    IMAGE,
    CacheMark,
    Citation,
    Fields,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

MARK: Final = "message"
"""In the `extra` of a text: the message item that begins with it."""

_UNREAD: Final = ("reasoning_text",)
_COMPLETED: Final = Raw(b'"completed"')
_EMPTY_LIST: Final = Raw(b"[]")


class _Annotation(msgspec.Struct):
    url: str | None = None
    title: str | None = None
    filename: str | None = None
    start_index: int | None = None
    end_index: int | None = None


_ANNOTATION: Final = msgspec.json.Decoder(_Annotation)

_ITEM: Final = frozenset(("type", "role", "content"))
_CALL: Final = frozenset(("type", "call_id", "name", "arguments", "input"))
_FUNCTION_OUTPUT: Final = Raw(b'"function_call_output"')
_OUTPUT: Final = frozenset(("type", "call_id", "output", "name"))
_REASONING: Final = frozenset(("type", "id", "summary", "content", "encrypted_content"))
_TEXT_PART: Final = frozenset(("type", "text", "annotations", "prompt_cache_breakpoint"))
_IMAGE_PART: Final = frozenset(
    ("type", "image_url", "file_id", "detail", "prompt_cache_breakpoint")
)
_FILE_PART: Final = frozenset(
    ("type", "file_data", "file_url", "file_id", "filename", "detail", "prompt_cache_breakpoint")
)
_AUDIO_PART: Final = frozenset(("type", "input_audio"))


def item_rest(item: Members, known: frozenset[str] = _ITEM) -> Fields:
    """What an item says beside its content; a status only where it is not the usual one."""
    found = rest(item, known)
    if found.get("status") == _COMPLETED:
        del found["status"]
    return found


def read_message(item: Members, where: str) -> tuple[Part, ...]:
    """The parts of an assistant's message; the first text carries the item's mark.

    One with content of a kind that nobody knows is foreign as a whole.
    """
    parts = read_content(item, "content", where)
    if any(isinstance(part, Foreign) for part in parts):
        return (Foreign(NAME, Raw(msgspec.json.encode(item))),)
    mark = item_rest(item)
    if mark and parts and isinstance(parts[0], Text):
        head = parts[0]
        extra = {**head.extra, MARK: Raw(msgspec.json.encode(mark))}
        parts = (msgspec.structs.replace(head, extra=extra), *parts[1:])
    return parts


def read_reasoning(item: Members, where: str) -> list[Thinking]:
    """The thoughts of a reasoning item, one for each text, all with its id.

    What seals them stands on the last; a sealed item without text is one empty thought.
    """
    identity = text(item, "id", where)
    sealed = text(item, "encrypted_content", where)
    extra = item_rest(item, _REASONING)
    found: list[tuple[str, bool]] = []
    for name in ("content", "summary"):
        for index, raw in enumerate(items_of(item, name, where)):
            place = f"{where}.{name}[{index}]"
            words = needed_text(inner(raw, place), "text", place)
            if words:
                found.append((words, name == "summary"))
    thoughts = [
        Thinking(words, id=identity, summary=summary, extra=extra if not index else {})
        for index, (words, summary) in enumerate(found)
    ]
    if not thoughts:
        return [Thinking(sealed=sealed, id=identity, extra=extra)]
    if sealed:
        thoughts[-1] = msgspec.structs.replace(thoughts[-1], sealed=sealed)
    return thoughts


def read_call(item: Members, kind: str, where: str) -> ToolCall:
    """A function call or a custom tool's call; `kind` is the item's type."""
    name, space = needed_text(item, "name", where), text(item, SPACE, where)
    return ToolCall(
        needed_text(item, "call_id", where),
        full_name(space, name) if space else name,
        needed_text(item, CALLS[kind], where),
        FUNCTION if kind == "function_call" else CUSTOM,
        extra=item_rest(item, _CALL),
    )


def is_unasked(item: Members) -> bool:
    """Whether an output answers no call, but stands under its tool's name alone: agents tell
    the model so what a tool says by itself."""
    return (
        item.get("call_id", NULL) == NULL
        and item.get("name", NULL) != NULL
        and item["type"] == _FUNCTION_OUTPUT
    )


def read_output(item: Members, kind: str, where: str) -> ToolResult:
    """What a tool answered."""
    if "output" not in item:
        raise missing(f"{where}.output")
    parts: list[Text | Media | Foreign] = []
    for part in read_content(item, "output", where):
        if not isinstance(part, Text | Media | Foreign):
            raise InvalidRequest(
                f"'{where}.output' may hold text, pictures and files only.",
                param=f"{where}.output",
            )
        parts.append(part)
    if len(parts) == 1 and parts[0] == Text(""):
        parts = []
    return ToolResult(
        needed_text(item, "call_id", where),
        tuple(parts),
        text(item, "name", where),
        kind=OUTPUTS[kind],
        extra=item_rest(item, _OUTPUT),
    )


def read_content(item: Members, name: str, where: str) -> tuple[Part, ...]:
    """A string or an array of parts."""
    raw = item.get(name)
    if raw is None:
        raise missing(f"{where}.{name}")
    first = bytes(raw)[:1]
    if first == b'"':
        return (Text(needed_text(item, name, where)),)
    if first != b"[":
        raise InvalidRequest(
            f"'{where}.{name}' must be a string or an array of parts.",
            code="invalid_type",
            param=f"{where}.{name}",
        )
    place = f"{where}.{name}"
    return tuple(
        [
            _read_part(part, f"{place}[{index}]")
            for index, part in enumerate(objects_unchecked(raw, place))
        ]
    )


def _read_part(part: Members, where: str) -> Part:
    kind = needed_text(part, "type", where)
    read = _PARTS.get(kind)
    if read is not None:
        return read(part, where)
    refuse_stranger(kind, where, _UNREAD, "input_text, input_image or input_file")
    return Foreign(NAME, Raw(msgspec.json.encode(part)))


def _read_text(part: Members, where: str) -> Text:
    words = needed_text(part, "text", where)
    if len(part) == 2:
        return Text(words)
    extra = rest(part, _TEXT_PART)
    if extra.get("logprobs") == _EMPTY_LIST:
        del extra["logprobs"]
    citations = items_of(part, "annotations", where)
    return Text(
        words, tuple([read_citation(raw) for raw in citations]), _cache(part, where), extra=extra
    )


def read_citation(raw: Raw) -> Citation:
    """An annotation; one of a kind that we cannot read keeps its own words only."""
    try:
        found = _ANNOTATION.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Citation(raw=raw)
    return Citation(
        found.title or found.filename or "",
        found.url or "",
        start=found.start_index,
        end=found.end_index,
        raw=raw,
    )


def _read_refusal(part: Members, where: str) -> Refusal:
    return Refusal(needed_text(part, "refusal", where))


def _read_image(part: Members, where: str) -> Media:
    url, file_id = text(part, "image_url", where), text(part, "file_id", where)
    if not url and not file_id:
        raise missing(f"{where}.image_url")
    media_type, data = _taken_apart(url, f"{where}.image_url")
    return Media(
        IMAGE,
        media_type,
        data,
        "" if data else url,
        "" if url else file_id,
        detail=text(part, "detail", where),
        cache=_cache(part, where),
        extra=rest(part, _IMAGE_PART),
    )


def _read_file(part: Members, where: str) -> Media:
    held, url = text(part, "file_data", where), text(part, "file_url", where)
    file_id = text(part, "file_id", where)
    if not held and not url and not file_id:
        raise missing(f"{where}.file_data")
    media_type, data = _taken_apart(held, f"{where}.file_data")
    if held and not data:
        data = held
    return Media(
        FILE,
        media_type,
        data,
        "" if data else url,
        "" if data or url else file_id,
        name=text(part, "filename", where),
        detail=text(part, "detail", where),
        cache=_cache(part, where),
        extra=rest(part, _FILE_PART),
    )


def _read_audio(part: Members, where: str) -> Media:
    raw = part.get("input_audio")
    if raw is None:
        raise missing(f"{where}.input_audio")
    place = f"{where}.input_audio"
    found = inner(raw, place)
    kind = text(found, "format", place) or "wav"
    return Media(
        AUDIO,
        _SOUNDS.get(kind, f"audio/{kind}"),
        needed_text(found, "data", place),
        extra=rest(part, _AUDIO_PART),
    )


def _taken_apart(url: str, where: str) -> tuple[str, str]:
    """Media type and base64 data of a `data:` address, both empty for any other."""
    if url[:5].lower() != "data:":
        return "", ""
    head, comma, data = url.partition(",")
    if not comma or not data or not head.endswith(";base64"):
        raise InvalidRequest(
            f"'{where}' must hold base64 data after 'data:<type>;base64,'.",
            code="invalid_value",
            param=where,
        )
    return head[5:-7].partition(";")[0].lower(), data


def _cache(part: Members, where: str) -> CacheMark | None:
    raw = part.get("prompt_cache_breakpoint")
    if raw is None or raw == NULL:
        return None
    place = f"{where}.prompt_cache_breakpoint"
    found = inner(raw, place)
    return CacheMark(text(found, "ttl", place))


_SOUNDS: Final = {"mp3": "audio/mpeg", "wav": "audio/wav"}

_PARTS: Final[dict[str, Callable[[Members, str], Part]]] = {
    "input_text": _read_text,
    "output_text": _read_text,
    "text": _read_text,
    "summary_text": _read_text,
    "refusal": _read_refusal,
    "input_image": _read_image,
    "input_file": _read_file,
    "input_audio": _read_audio,
}
