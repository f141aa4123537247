"""Writes canonical turns as messages of this dialect.

A message is one text with pictures beside it, so several texts are joined and the order of
texts and pictures goes. Documents that are text are put into the text.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.losses import Losses
from federation.dialects.ollama.tables import OWN
from federation.errors import InvalidRequest
from federation.schema.chat import DEVELOPER, SYSTEM, TOOL, ChatRequest, Message
from federation.schema.parts import (
    CUSTOM,
    FILE,
    IMAGE,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_EMPTY: Final = Raw(b"{}")
_TEXTUAL: Final = frozenset(
    ("application/json", "application/xml", "application/yaml", "application/x-yaml")
)


class Turns:
    """The messages of one call, with what decides how much context it needs."""

    __slots__ = ("_losses", "_names", "_own", "images", "messages", "text")

    def __init__(self, request: ChatRequest, losses: Losses) -> None:
        self._losses = losses
        self._own = request.dialect in OWN
        self._names: dict[str, str] = {}
        """Tool of each call: a result is told by its tool."""
        self.text = 0
        """UTF-8 bytes."""
        self.images = 0
        self.messages: list[dict[str, Any]] = []
        for index, message in enumerate(request.messages):
            self._write(message, f"messages[{index}]")

    def _write(self, message: Message, where: str) -> None:
        if message.name:
            self._losses.note("message_name", where)
        if message.role == TOOL:
            for part in message.parts:
                if isinstance(part, ToolResult):
                    self.messages.append(self._result(part, where))
        else:
            role = SYSTEM if message.role == DEVELOPER else message.role
            self.messages.append(self._turn(role, message.parts, where))
        if message.extra:
            if self._own and self.messages:
                self.messages[-1].update(message.extra)
            else:
                self._losses.note("unknown_field", where)

    def _turn(self, role: str, parts: tuple[Part, ...], where: str) -> dict[str, Any]:
        texts: list[str] = []
        thoughts: list[str] = []
        images: list[str] = []
        calls: list[Any] = []
        for part in parts:
            if isinstance(part, Text | Refusal):
                texts.append(self._said(part, where))
            elif isinstance(part, Thinking):
                if part.signature or part.sealed:
                    self._losses.note("thinking_state", where)
                thoughts.append(part.text)
            elif isinstance(part, ToolCall):
                calls.append(self._call(part, where, len(calls)))
            elif isinstance(part, Media):
                self._media(part, where, texts, images)
            elif isinstance(part, Foreign):
                self._losses.note("foreign_part", where)
        turn: dict[str, Any] = {"role": role, "content": self._counted("\n\n".join(texts))}
        if any(thoughts):
            turn["thinking"] = self._counted("\n\n".join(thoughts))
        if images:
            turn["images"] = images
            self.images += len(images)
        if calls:
            turn["tool_calls"] = calls
        return turn

    def _counted(self, text: str) -> str:
        self.text += len(text) if text.isascii() else len(text.encode())
        return text

    def _said(self, part: Text | Refusal, where: str) -> str:
        if isinstance(part, Text):
            if part.cache is not None:
                self._losses.note("cache_marks", where)
            if part.citations:
                self._losses.note("citations", where)
            if part.signature:
                self._losses.note("thinking_state", where)
        return part.text

    def _media(self, part: Media, where: str, texts: list[str], images: list[str]) -> None:
        if part.cache is not None:
            self._losses.note("cache_marks", where)
        if part.cite:
            self._losses.note("citations", where)
        if part.kind == FILE:
            text = self._file(part, where)
            texts.append(f"{part.name}\n\n{text}" if part.name else text)
        elif part.kind != IMAGE:
            self._losses.note(part.kind, where)
        elif part.data:
            if part.detail and part.detail != "auto":
                self._losses.note("image_detail", where)
            images.append(part.data)
        else:
            self._losses.note("file_id" if part.file_id else "image_url", where)

    def _file(self, part: Media, where: str) -> str:
        if part.url or part.file_id:
            self._losses.note("file_url" if part.url else "file_id", where)
        if part.text or not part.data:
            return part.text
        if part.media_type.startswith("text/") or part.media_type in _TEXTUAL:
            try:
                return base64.b64decode(part.data, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                pass
        self._losses.note("file", where)
        return ""

    def _result(self, part: ToolResult, where: str) -> dict[str, Any]:
        if part.error:
            self._losses.note("tool_result_error", where)
        if part.cache is not None:
            self._losses.note("cache_marks", where)
        texts: list[str] = []
        images: list[str] = []
        for piece in part.parts:
            if isinstance(piece, Text):
                texts.append(self._said(piece, where))
            elif isinstance(piece, Foreign):
                self._losses.note("foreign_part", where)
            elif piece.kind == FILE:
                texts.append(self._file(piece, where))
            elif self._own and piece.kind == IMAGE and piece.data:
                images.append(piece.data)
            else:
                self._losses.note("tool_result_media", where)
        turn: dict[str, Any] = {"role": TOOL, "content": self._counted("\n\n".join(texts))}
        name = part.name or self._names.get(part.call_id, "")
        if name:
            turn["tool_name"] = name
        turn["tool_call_id"] = part.call_id
        if images:
            turn["images"] = images
        return turn

    def _call(self, part: ToolCall, where: str, index: int) -> dict[str, Any]:
        if part.kind == CUSTOM:
            self._losses.note("custom_tools", where)
        if part.signature:
            self._losses.note("thinking_state", where)
        if part.cache is not None:
            self._losses.note("cache_marks", where)
        self._names[part.id] = part.name
        self.text += len(part.arguments)
        return {
            "id": part.id,
            "function": {
                "index": index,
                "name": part.name,
                "arguments": _object(part.arguments, f"{where}.tool_calls[{index}]"),
            },
        }


def _object(arguments: str, place: str) -> Raw:
    """A call's arguments as an object, number for number as they were written."""
    text = arguments.strip()
    if not text:
        return _EMPTY
    data = text.encode()
    try:
        _OBJECT.decode(data)
    except (msgspec.DecodeError, RecursionError):
        param = f"{place}.function.arguments"
        raise InvalidRequest(
            f"'{param}' is not a JSON object, and the deployment that would serve this call "
            "takes nothing else. Mend the arguments, or name another model.",
            code="not_expressible",
            param=param,
        ) from None
    return Raw(data)
