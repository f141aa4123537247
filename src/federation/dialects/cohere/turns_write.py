"""Writes canonical turns as messages of this dialect.

Two refusals of the vendor shape it. A system turn must be the first, so what other dialects
say later is moved there. And text beside tool calls is an error: it goes back as thinking
where the model thinks in this call, else as `tool_plan`. A call of this dialect is written as
its client wrote it.

Source: https://docs.cohere.com/reference/errors, and the error text in vercel/ai issue 5794
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from msgspec import Raw, json

from federation.dialects.cohere.citations import write_citation
from federation.dialects.cohere.tables import NAME, PLAN
from federation.dialects.cohere.wire import Wire
from federation.dialects.losses import Losses
from federation.schema.chat import ASSISTANT, DEVELOPER, SYSTEM, TOOL, ChatRequest, Message
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

_DETAILS: Final = frozenset(("auto", "low", "high"))
_TEXTUAL: Final = frozenset(
    ("application/json", "application/xml", "application/yaml", "application/x-yaml")
)
_RAWS: Final = json.Decoder(list[Raw])


class Turns:
    """The messages of one call and the documents that were lifted out of them."""

    __slots__ = ("_losses", "_own", "_thinks", "_wire", "cited", "documents", "messages")

    def __init__(self, request: ChatRequest, wire: Wire, losses: Losses, *, thinks: bool) -> None:
        self._wire = wire
        self._losses = losses
        self._own = request.dialect == NAME
        self._thinks = thinks
        self.documents: list[Any] = []
        self.cited = False
        """Some document is to be cited."""
        self.messages: list[dict[str, Any]] = []
        turns = request.messages
        if not self._own:
            turns = self._hoist(turns)
        for index, message in enumerate(turns):
            self._write(message, index)

    def _hoist(self, turns: tuple[Message, ...]) -> tuple[Message, ...]:
        """Move all system text to the front."""
        texts: list[Part] = []
        rest: list[Message] = []
        for message in turns:
            if message.role in (SYSTEM, DEVELOPER):
                if rest:
                    self._losses.note("system_place", "messages")
                texts += message.parts
            else:
                rest.append(message)
        if rest and rest[-1].role == ASSISTANT:
            self._losses.note("prefill", "messages")
        return (Message(SYSTEM, tuple(texts)), *rest) if texts else tuple(rest)

    def _write(self, message: Message, index: int) -> None:
        where = f"messages[{index}]"
        if message.name:
            self._losses.note("message_name", where)
        extra: dict[str, Any] = {}
        if message.extra:
            if self._own:
                extra = dict(message.extra)
            else:
                self._losses.note("unknown_field", where)
        if message.role == TOOL:
            for part in message.parts:
                if isinstance(part, ToolResult):
                    self.messages.append({**self._result(part, where), **extra})
        elif message.role == ASSISTANT:
            self.messages.append({**extra, **self._assistant(message, where)})
        else:
            role = SYSTEM if message.role == DEVELOPER else message.role
            content = self._content(message.parts, where, pictures=role != SYSTEM)
            self.messages.append({"role": role, "content": content, **extra})

    def _content(self, parts: tuple[Part, ...], where: str, *, pictures: bool) -> Any:
        items: list[Any] = []
        for part in parts:
            if isinstance(part, Text):
                items.append(self._text(part, where))
            elif isinstance(part, Media):
                self._media(part, where, items, pictures=pictures)
            elif isinstance(part, Foreign):
                self._foreign(part, where, items)
            elif isinstance(part, Refusal):
                items.append({"type": "text", "text": part.text})
        if not pictures and not self._own:
            return "\n\n".join(item["text"] for item in items)
        return _shortest(items)

    def _text(self, part: Text, where: str) -> dict[str, Any]:
        if part.cache is not None:
            self._losses.note("cache_marks", where)
        if part.citations and not self._own:
            self._losses.note("citations", where)
        if part.signature:
            self._losses.note("thinking_state", where)
        return {"type": "text", "text": part.text}

    def _foreign(self, part: Foreign, where: str, items: list[Any]) -> None:
        if part.dialect == NAME:
            items.append(part.raw)
        else:
            self._losses.note("foreign_part", where)

    def _media(self, part: Media, where: str, items: list[Any], *, pictures: bool) -> None:
        if part.cache is not None:
            self._losses.note("cache_marks", where)
        if part.kind == IMAGE:
            if not pictures:
                self._losses.note("image", where)
            items.append(self._image(part, where))
        elif part.kind == FILE:
            self.documents.append(self._document(part, where))
            self.cited |= part.cite
        else:
            self._losses.note(part.kind, where)

    def _image(self, part: Media, where: str) -> dict[str, Any]:
        url = part.url
        if part.file_id:
            self._losses.note("file_id", where)
        elif part.data:
            url = f"data:{part.media_type or 'image/png'};base64,{part.data}"
        elif not self._wire.image_urls:
            self._losses.note("image_url", where)
        image = {"url": url}
        if part.detail in _DETAILS or (part.detail and self._own):
            image["detail"] = part.detail
        elif part.detail:
            self._losses.note("image_detail", where)
        return {"type": "image_url", "image_url": image}

    def _document(self, part: Media, where: str, *, inside: bool = False) -> Any:
        """A text as a document. `inside` a tool's result it is always an object."""
        if self._own and "document" in part.extra:
            return part.extra["document"]
        text = part.text or self._decoded(part, where)
        if self._own and not part.name and not inside:
            return text
        data = {"title": part.name, "text": text} if part.name else {"text": text}
        return {"data": data}

    def _decoded(self, part: Media, where: str) -> str:
        """The text of a file that was given as base64; anything but text is refused."""
        if part.data and (part.media_type.startswith("text/") or part.media_type in _TEXTUAL):
            try:
                return base64.b64decode(part.data, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                pass
        if part.url or part.file_id or part.data:
            self._losses.note(
                "file_url" if part.url else "file_id" if part.file_id else "file", where
            )
        return ""

    def _result(self, part: ToolResult, where: str) -> dict[str, Any]:
        if part.error:
            self._losses.note("tool_result_error", where)
        if part.cache is not None:
            self._losses.note("cache_marks", where)
        items: list[Any] = []
        for piece in part.parts:
            if isinstance(piece, Text):
                items.append(self._text(piece, where))
            elif isinstance(piece, Foreign):
                self._foreign(piece, where, items)
            elif piece.kind == FILE:
                document = self._document(piece, where, inside=True)
                items.append({"type": "document", "document": document})
            else:
                self._losses.note("tool_result_media", where)
        return {"role": "tool", "tool_call_id": part.call_id, "content": _shortest(items)}

    def _assistant(self, message: Message, where: str) -> dict[str, Any]:
        content: list[Any] = []
        plans: list[str] = []
        calls: list[Any] = []
        citations: list[Any] = []
        busy = not self._own and any(isinstance(part, ToolCall) for part in message.parts)
        for part in message.parts:
            if isinstance(part, Text | Refusal):
                text = part.text
                if isinstance(part, Text):
                    self._text(part, where)
                    if self._own:
                        citations += [
                            write_citation(item, len(content), own=True, text=text)
                            for item in part.citations
                        ]
                if not busy:
                    content.append({"type": "text", "text": text})
                elif text:
                    plans.append(text)
            elif isinstance(part, Thinking):
                self._thinking(part, where, content, plans, busy=busy)
            elif isinstance(part, ToolCall):
                calls.append(self._call(part, where))
            elif isinstance(part, Foreign):
                self._foreign(part, where, content)
            elif isinstance(part, Media):
                self._losses.note("image" if part.kind == IMAGE else part.kind, where)
        if plans and busy and self._thinks:
            content += [{"type": "thinking", "thinking": plan} for plan in plans]
            plans = []
        return _turn(content, plans, calls, citations, message)

    def _thinking(
        self, part: Thinking, where: str, content: list[Any], plans: list[str], *, busy: bool
    ) -> None:
        if part.signature or part.sealed:
            self._losses.note("thinking_state", where)
        if not part.text:
            return
        if self._own and PLAN in part.extra:
            plans.append(part.text)
        elif self._own or self._thinks:
            content.append({"type": "thinking", "thinking": part.text})
        elif busy:
            plans.append(part.text)
        else:
            self._losses.note("thinking_history", where)

    def _call(self, part: ToolCall, where: str) -> dict[str, Any]:
        if part.kind == CUSTOM:
            self._losses.note("custom_tools", where)
        if part.signature:
            self._losses.note("thinking_state", where)
        if part.cache is not None:
            self._losses.note("cache_marks", where)
        arguments = part.arguments if self._own else part.arguments.strip() or "{}"
        return {
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": arguments},
        }


def _turn(
    content: list[Any],
    plans: list[str],
    calls: list[Any],
    citations: list[Any],
    message: Message,
) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": ASSISTANT}
    if calls:
        turn["tool_calls"] = calls
    if plans:
        turn["tool_plan"] = "\n".join(plans)
    if content or not (calls or plans):
        turn["content"] = _shortest(content)
    if citations:
        left = message.extra.get("citations")
        turn["citations"] = citations + (_RAWS.decode(left) if left is not None else [])
    return turn


def _shortest(items: list[Any]) -> Any:
    """One text as a string, which every model takes; anything else as a list."""
    if not items:
        return ""
    if len(items) == 1 and isinstance(items[0], dict) and items[0]["type"] == "text":
        return items[0]["text"]
    return items
