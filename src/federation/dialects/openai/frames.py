"""A body without its conversation: what a program says in the same bytes with every call.

A program asks again and again with the same fields and another conversation. The frame is the
body with a zero in the conversation's place; it is read once and kept under its exact bytes,
so that nothing is taken for known that differs in any of them. The trap is where the
conversation ends, because only a parser knows. It is guessed, and the guess is proven:

* the frame is laid out as any body is, and its member `messages` must be that very zero;
* the conversation must be one JSON value from its first byte to its last.

In valid JSON one value in another's place gives valid JSON (RFC 8259 section 2), so the body
is valid, and its members are the frame's. Whatever is not proven is read the long way, which
also finds the words for what is wrong.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.fields import Fields, read_fields
from federation.dialects.malformed import missing, read_string
from federation.dialects.openai.messages import Tally, read_messages
from federation.dialects.openai.tables import FIELDS, FREE_TOOLS, GOVERNED, LISTED, OBJECTS
from federation.dialects.tokenizer import CROWD, Members, layout, members
from federation.errors import InvalidRequest
from federation.schema.glance import Span

_OURS: Final = frozenset(("messages", "federation"))
_FIELDS: Final = Fields(FIELDS, GOVERNED, LISTED | _OURS, OBJECTS)
_NO_EFFORT: Final = frozenset((None, "", "none"))
_LOOSE_CHOICE: Final = frozenset((None, "auto", "none"))
_TRUE: Final = Raw(b"true")
_MARK: Final = b'"messages":'
_ZERO: Final = b"0"
_SPACE, _OPEN, _CLOSE = 0x20, 0x5B, 0x5D
_LARGEST: Final = 4 * CROWD
"""Bytes of a body up to which nobody counts its values: they cannot be too many."""
_FRAME_BYTES: Final = 32 * 1024
_KEPT_BYTES: Final = 1024 * 1024
_KEPT: Final = 512
_SPAN_BYTES: Final = 200
"""What a member's name and place take in memory, roughly: more than most members' text."""
_END: Final = 24
"""Bytes by whose sight the end of a frame is known again."""
_AFTER: Final = re.compile(r"trailing characters \(byte (\d+)\)")


class Frame(msgspec.Struct, frozen=True):
    """What a body says beside its conversation. Members are as in `Glance`."""

    model: str | None
    stream: bool
    usage_asked: bool
    max_output: int | None
    choices: int
    text: int
    """Bytes of the tools, which a prompt holds, too."""
    tools: int
    needs: tuple[str, ...]
    prefill: bool
    governed: tuple[str, ...]
    hosted: tuple[str, ...]
    """Governed names of the tools that the caller does not run itself."""
    unlisted: tuple[str, ...]
    ask: Raw | None
    """The `federation` object."""
    user: str
    bytes: bytes
    spans: dict[str, Span]
    end: int


class Framed(msgspec.Struct, frozen=True):
    """A body as its frame and its conversation."""

    frame: Frame
    known: bool
    """The frame was seen before."""
    tally: Tally
    start: int
    stop: int

    def spans(self) -> dict[str, Span]:
        """Where the body's members are, in document order."""
        more, start = self.stop - self.start - 1, self.start
        return {
            name: span
            if span.end <= start
            else Span(span.key + more, span.value + more, span.end + more)
            if span.key > start
            else Span(span.key, start, self.stop)
            for name, span in self.frame.spans.items()
        }


class _Frames:
    """Frames under their bytes, and how long what follows a conversation is under how it ends."""

    def __init__(self) -> None:
        self.kept: dict[bytes, Frame] = {}
        self.ends: dict[bytes, int] = {}
        self.size = 0

    def keep(self, frame: Frame) -> None:
        """Keep a frame; where there are too many, forget all of them."""
        size = len(frame.bytes) + _SPAN_BYTES * len(frame.spans)
        self.size += size
        if self.size > _KEPT_BYTES or len(self.kept) >= _KEPT:
            self.kept.clear()
            self.size = size
        self.kept[frame.bytes] = frame

    def keep_end(self, body: bytes, stop: int) -> None:
        """Keep where the conversation ended in a body that ends like this."""
        if len(self.ends) >= _KEPT:
            self.ends.clear()
        self.ends[body[-_END:]] = len(body) - stop


_frames: Final = _Frames()


def framed(body: bytes) -> Framed | None:
    """A body as its frame and its conversation; None where that cannot be told without
    reading it the long way."""
    start = body.find(_MARK) + len(_MARK)
    if start < len(_MARK) or not len(_MARK) < start < len(body) - 1 or len(body) > _LARGEST:
        return None
    if body[start] == _SPACE:
        start += 1
    if body[start] != _OPEN or not (body.isascii() or _is_text(body)):
        return None
    try:
        return _proven(body, start)
    except (InvalidRequest, msgspec.DecodeError, RecursionError):
        return None


def _proven(body: bytes, start: int) -> Framed | None:
    after = _frames.ends.get(body[-_END:])
    stop = 0 if after is None else len(body) - after
    if stop <= start or body[stop - 1] != _CLOSE:
        stop = body.rfind(b"]") + 1
    if stop <= start:
        return None
    try:
        tally = read_messages(body[start:stop])
    except msgspec.DecodeError as error:
        match = _AFTER.search(str(error))
        if match is None:
            return None
        # There was another bracket behind: the parser says where the first array was over.
        stop = body.rfind(b"]", start, start + int(match[1])) + 1
        tally = read_messages(body[start:stop])
        _frames.keep_end(body, stop)
    if len(body) - (stop - start) > _FRAME_BYTES:
        return None
    text = b"".join((body[:start], _ZERO, body[stop:]))
    frame = _frames.kept.get(text)
    known = frame is not None
    if frame is None:
        frame = frame_of(*layout(text), text)
    place = frame.spans.get("messages")
    if place is None or place.value != start or place.end != start + 1:
        return None
    if not known:
        _frames.keep(frame)
    return Framed(frame, known, tally, start, stop)


def frame_of(found: Members, spans: dict[str, Span], end: int, text: bytes = b"") -> Frame:
    """Read what stands beside the conversation. Raises `InvalidRequest` with the field."""
    values, governed, unlisted = read_fields(found, _FIELDS)
    tools = size = 0
    hosted: tuple[str, ...] = ()
    if values.get("tools"):
        tools = len(values["tools"])
        size = len(found["tools"])
        hosted = _hosted_tools(values["tools"])
    if values.get("functions"):
        tools += len(values["functions"])
        size += len(found["functions"])
    get = values.get
    options = get("stream_options")
    stream = get("stream") is True
    return Frame(
        get("model"),
        stream,
        stream and options is not None and options.include_usage is True,
        get("max_completion_tokens") or get("max_tokens"),
        get("n") or 1,
        size,
        tools,
        _needs(values, tools),
        found.get("continue_final_message") == _TRUE,
        governed,
        hosted,
        unlisted,
        found.get("federation"),
        get("user") or get("safety_identifier") or "",
        text,
        spans,
        end,
    )


def _hosted_tools(tools: list[Raw]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for index, raw in enumerate(tools):
        where = f"tools[{index}]"
        found = members(bytes(raw), where)
        kind = found.get("type")
        if kind is None:
            raise missing(f"{where}.type")
        name = read_string(kind, f"{where}.type")
        if name not in FREE_TOOLS:
            names[f"tools.{name[:64]}"] = None
    return tuple(names)


def _needs(values: dict[str, Any], tools: int) -> tuple[str, ...]:
    needs: tuple[str, ...] = ()
    if tools:
        needs += ("tools",)
        choice = values.get("tool_choice")
        if isinstance(choice, dict) or choice not in _LOOSE_CHOICE:
            needs += ("forced_tools",)
    wanted = values.get("response_format")
    if wanted is not None and wanted.type == "json_schema":
        needs += ("json_schema",)
    if values.get("reasoning_effort") not in _NO_EFFORT:
        needs += ("reasoning",)
    return needs


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
