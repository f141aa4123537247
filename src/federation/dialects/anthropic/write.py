"""Canonical parts as the blocks of a request.

What a newcomer would get wrong: a text of white space is refused by the vendor, so it is
left out; a call's id may hold few characters, so a foreign one is mapped, the same way in
the call and in its result; and thinking without its signature is refused, so it is left out.

Reference: types.content_block_param of the official SDK 2.11
"""

from __future__ import annotations

import binascii
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.ids import Ids
from federation.dialects.anthropic.tables import IMAGE_STARTS, IMAGE_TYPES, NAME
from federation.dialects.anthropic.wire import Wire
from federation.dialects.losses import Losses
from federation.errors import InvalidRequest
from federation.schema.parts import (
    AUDIO,
    CUSTOM,
    IMAGE,
    VIDEO,
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

Block = dict[str, Any]

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_CITED: Final = msgspec.json.Decoder(dict[str, Raw])
_EMPTY: Final = Raw(b"{}")


class Writer:
    """Writes the parts of one call; it remembers ids and cache marks."""

    __slots__ = ("_ids", "_wire", "losses", "marked", "own")

    def __init__(self, wire: Wire, losses: Losses, *, own: bool) -> None:
        self._wire = wire
        self._ids = Ids()
        self.losses = losses
        self.own = own
        """The client speaks this language too, so what only it knows is written back."""
        self.marked: list[Block] = []
        """Objects with a cache mark, in the order of the prompt."""

    def blocks(self, parts: tuple[Part, ...], where: str) -> list[Block | Raw]:
        """The blocks for some parts; those that are left out are noted."""
        written: list[Block | Raw] = []
        for part in parts:
            block = self._block(part, where)
            if block is not None:
                written.append(block)
        return written

    def mark(self, block: Block, cache: CacheMark | None) -> None:
        """Put a cache mark on an object."""
        if cache is not None:
            mark = {"type": "ephemeral"}
            if cache.ttl:
                mark["ttl"] = "1h" if cache.ttl == "1h" else "5m"
            block["cache_control"] = mark
            self.marked.append(block)

    def trim_marks(self, most: int) -> None:
        """Leave the last marks only, which cover the longest prefixes."""
        excess = len(self.marked) - most
        if excess > 0:
            for block in self.marked[:excess]:
                del block["cache_control"]
            self.losses.note("cache_marks", "messages")

    def write_back(self, block: Block, extra: Fields) -> None:
        """Write back what only this language knows."""
        if extra and self.own:
            block.update(extra)

    def _block(self, part: Part, where: str) -> Block | Raw | None:
        match part:
            case Text():
                return self._text(part, where)
            case ToolCall():
                return self._call(part, where)
            case ToolResult():
                return self._result(part, where)
            case Thinking():
                return self._thinking(part, where)
            case Media():
                return self._media(part, where)
            case Refusal():
                return {"type": "text", "text": part.text} if part.text.strip() else None
            case Foreign():
                if part.dialect == NAME:
                    return part.raw
                self.losses.note("foreign_part", where)
                return None

    def _text(self, part: Text, where: str) -> Block | None:
        if not part.text or part.text.isspace():
            return None
        block: Block = {"type": "text", "text": part.text}
        if part.citations:
            readable = [raw for one in part.citations if (raw := self._citation(one))]
            if readable:
                block["citations"] = readable
            if len(readable) < len(part.citations):
                self.losses.note("citations", where)
        if part.cache is not None:
            self.mark(block, part.cache)
        if part.extra:
            self.write_back(block, part.extra)
        return block

    def _citation(self, citation: Citation) -> Raw | None:
        """A citation of the vendor's own, whole: its answer names things that only it can
        find again (`encrypted_index`), and one from elsewhere has none of them."""
        raw = citation.raw
        if raw is None or not self.own:
            return None
        members = _CITED.decode(raw)
        sealed = members.get("encrypted_index")
        if "type" not in members or (sealed is not None and bytes(sealed) == b'""'):
            return None
        members.pop("file_id", None)
        return Raw(msgspec.json.encode(members))

    def _thinking(self, part: Thinking, where: str) -> Block | None:
        if part.signature:
            block = {"type": "thinking", "thinking": part.text, "signature": part.signature}
            self.write_back(block, part.extra)
            return block
        if part.sealed:
            return {"type": "redacted_thinking", "data": part.sealed}
        if part.text:
            self.losses.note("thinking_history", where)
        return None

    def _call(self, part: ToolCall, where: str) -> Block:
        arguments = Raw(part.arguments.encode())
        if part.kind == CUSTOM:
            arguments = Raw(msgspec.json.encode({"input": part.arguments}))
        elif not part.arguments.strip():
            arguments = _EMPTY
        else:
            try:
                _OBJECT.decode(arguments)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise InvalidRequest(
                    f"'{where}': the arguments of the call of '{part.name}' are not a JSON "
                    "object, which this model's provider demands.",
                    code="invalid_arguments",
                    param=where,
                ) from None
        block: Block = {
            "type": "tool_use",
            "id": self._ids.of(part.id),
            "name": part.name,
            "input": arguments,
        }
        if part.cache is not None:
            self.mark(block, part.cache)
        if part.extra:
            self.write_back(block, part.extra)
        return block

    def _result(self, part: ToolResult, where: str) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self._ids.of(part.call_id)}
        parts = part.parts
        if len(parts) == 1 and _is_plain(parts[0]):
            block["content"] = parts[0].text  # type: ignore[union-attr]  # a plain part is a Text
        elif parts:
            written = self.blocks(parts, where)
            if written:
                block["content"] = written
        if part.error:
            block["is_error"] = True
        if part.cache is not None:
            self.mark(block, part.cache)
        if part.extra:
            self.write_back(block, part.extra)
        return block

    def _media(self, part: Media, where: str) -> Block | Raw | None:
        if part.kind == AUDIO:
            self.losses.note("audio", where)
            return None
        if part.kind == VIDEO:
            self.losses.note("video", where)
            return None
        if self.own and "search_result" in part.extra:
            block: Block = dict(_OBJECT.decode(part.extra["search_result"]))
            self.mark(block, part.cache)
            return block
        source = self._source(part, where)
        if source is None:
            return None
        if part.kind == IMAGE:
            block = {"type": "image", "source": source}
            if part.detail not in ("", "auto"):
                self.losses.note("image_detail", where)
        else:
            block = {"type": "document", "source": source}
            if part.name:
                block["title"] = part.name
            if part.cite:
                block["citations"] = {"enabled": True}
        self.mark(block, part.cache)
        self.write_back(block, part.extra)
        return block

    def _source(self, part: Media, where: str) -> Block | None:
        feature = "image" if part.kind == IMAGE else "file"
        if part.url:
            if not self._wire.image_urls:
                self.losses.note(f"{feature}_url", where)
                return None
            return {"type": "url", "url": part.url}
        if part.file_id:
            if not self.own:
                self.losses.note("file_id", where)
                return None
            return {"type": "file", "file_id": part.file_id}
        given = _image(part) if part.kind == IMAGE else _document(part)
        if given is None:
            self.losses.note(feature, where)
        return given


def _is_plain(part: Text | Media | Foreign) -> bool:
    return isinstance(part, Text) and not (part.citations or part.cache or part.extra)


def _image(part: Media) -> Block | None:
    kind = part.media_type.lower().replace("image/jpg", "image/jpeg")
    if not kind or kind == "application/octet-stream":
        kind = next((kind for start, kind in IMAGE_STARTS if part.data.startswith(start)), "")
    if kind not in IMAGE_TYPES or not part.data:
        return None
    return {"type": "base64", "media_type": kind, "data": part.data}


def _document(part: Media) -> Block | None:
    kind = part.media_type.lower().partition(";")[0]
    if part.data:
        if kind == "application/pdf" or part.data.startswith("JVBERi"):
            return {"type": "base64", "media_type": "application/pdf", "data": part.data}
        if not kind.startswith("text/"):
            return None
        try:
            text = binascii.a2b_base64(part.data, strict_mode=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return {"type": "text", "media_type": "text/plain", "data": text}
    if part.text:
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    return None
