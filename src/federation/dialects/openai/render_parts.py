"""Writes parts of an answer in the client's words: what whole answers and streams share.

The language has one content, one reasoning text and one list of calls in a message, so the
texts of several parts are put together. Citations move with their text.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.openai import media
from federation.dialects.openai.details import signature_member
from federation.dialects.openai.words import LEGACY
from federation.schema.chat import ChatRequest, TokenLogprob, Tool
from federation.schema.parts import CUSTOM, Citation, Fields, Media, ToolCall

_STRING: Final = msgspec.json.Decoder(str | int | None)


def answers_in_functions(request: ChatRequest) -> bool:
    """Whether the client used the deprecated `functions`, and knows no `tool_calls`."""
    return any(_is_legacy(tool) for tool in request.tools)


def _is_legacy(tool: Tool) -> bool:
    return LEGACY in tool.extra


def write_call(call: ToolCall) -> dict[str, Any]:
    """A tool call of the answer."""
    item: dict[str, Any] = {"id": call.id, "type": call.kind}
    if call.kind == CUSTOM:
        item["custom"] = {"name": call.name, "input": call.arguments}
    else:
        item["function"] = {"name": call.name, "arguments": call.arguments}
    if call.signature:
        item["extra_content"] = signature_member(call.signature)
    return item


def write_citation(citation: Citation, offset: int, length: int) -> dict[str, Any] | Raw | None:
    """An annotation; None where the source has no address, which the language asks for.

    `offset` is where the part's text begins in the content, `length` that of its text: a
    citation that does not say where it stands is of the whole part.
    """
    if not citation.url:
        return None
    start = citation.start if citation.start is not None else 0
    end = citation.end if citation.end is not None else length
    return {
        "type": "url_citation",
        "url_citation": {
            "url": citation.url,
            "title": citation.title,
            "start_index": offset + start,
            "end_index": offset + end,
        },
    }


def write_media(part: Media) -> tuple[str, Any]:
    """The member of a message that holds this, and its value: `audio` or one of `images`."""
    if part.kind != "audio":
        item = {
            "type": "image_url",
            "image_url": {"url": media.to_address(part, "image/png")},
        }
        return "images", item
    return "audio", {
        "id": _known(part.extra, "id", ""),
        "data": part.data,
        "expires_at": _known(part.extra, "expires_at", 0),
        "transcript": _known(part.extra, "transcript", part.text),
    }


def _known(extra: Fields, name: str, otherwise: str | int) -> str | int:
    raw = extra.get(name)
    if raw is None:
        return otherwise
    try:
        value = _STRING.decode(raw)
    except msgspec.DecodeError:
        return otherwise
    return otherwise if value is None else value


def write_logprobs(tokens: tuple[TokenLogprob, ...], *, refused: bool) -> dict[str, Any]:
    """The `logprobs` of a choice; `refused` where the tokens are a refusal's."""
    written = [
        {
            "token": token.token,
            "logprob": token.logprob,
            "bytes": token.bytes,
            "top_logprobs": [
                {"token": top.token, "logprob": top.logprob, "bytes": top.bytes}
                for top in token.top
            ],
        }
        for token in tokens
    ]
    return {"content": None if refused else written, "refusal": written if refused else None}
