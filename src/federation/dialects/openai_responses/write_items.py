"""Writes canonical parts as items and content, for requests upstream and answers to clients.

Parts that follow one another can be one item: texts and refusals a message, thoughts with
the same id a reasoning item. `grouped` finds these items; both directions and the streams
must agree on them, or the ids of an answer would not be those of its stream.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from federation.dialects.openai_responses.read_items import MARK
from federation.dialects.openai_responses.spaces import short_name
from federation.schema.parts import (
    FILE,
    FUNCTION,
    CacheMark,
    Citation,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)

Item = dict[str, Any]

_DOCUMENT: Final = "application/pdf"


def grouped(parts: tuple[Part, ...]) -> list[list[Part]]:
    """The parts by the item that each belongs to, in order."""
    groups: list[list[Part]] = []
    for part in parts:
        if groups and continues(groups[-1][-1], part):
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def continues(last: Part, part: Part) -> bool:
    """Whether a part belongs to the same item as the one before it."""
    match part:
        case Text():
            return MARK not in part.extra and _is_words(last)
        case Refusal():
            return _is_words(last)
        case Thinking():
            return isinstance(last, Thinking) and bool(part.id) and part.id == last.id
        case _:
            return False


def _is_words(part: Part) -> bool:
    # A signature is carried by an item of its own, right after the text that it signs.
    return isinstance(part, Refusal) or (isinstance(part, Text) and not part.signature)


def words_part(part: Text | Refusal, *, own: bool) -> Item:
    """Content of an assistant's message."""
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    found: Item = {
        "type": "output_text",
        "text": part.text,
        "annotations": [annotation(item, own=own) for item in part.citations],
    }
    if own and part.extra:
        found.update({name: raw for name, raw in part.extra.items() if name != MARK})
    return found


def annotation(citation: Citation, *, own: bool) -> Item | Raw:
    """A citation as an annotation; one without an address is of a file."""
    if own and citation.raw is not None:
        return citation.raw
    if citation.url:
        return {
            "type": "url_citation",
            "start_index": citation.start or 0,
            "end_index": citation.end or 0,
            "url": citation.url,
            "title": citation.title,
        }
    return {
        "type": "file_citation",
        "file_id": "",
        "filename": citation.title,
        "index": citation.end or 0,
    }


def call_item(part: ToolCall) -> Item:
    """A call of a tool, without its id."""
    name = short_name(part)
    if part.kind == FUNCTION:
        return {
            "type": "function_call",
            "call_id": part.id,
            "name": name,
            "arguments": part.arguments,
        }
    return {
        "type": "custom_tool_call",
        "call_id": part.id,
        "name": name,
        "input": part.arguments,
    }


def reasoning_item(
    thoughts: list[Thinking], state: str, *, own: bool, summarized: bool = False
) -> Item:
    """A reasoning item, without its id where the thoughts have none.

    `state` is its encrypted content. `summarized`: the client asked for summaries, so that
    is where it looks for the text.
    """
    found: Item = {"type": "reasoning"}
    if thoughts[0].id:
        found["id"] = thoughts[0].id
    found["summary"] = [
        {"type": "summary_text", "text": part.text}
        for part in thoughts
        if part.text and (part.summary or summarized)
    ]
    content = [
        {"type": "reasoning_text", "text": part.text}
        for part in thoughts
        if part.text and not (part.summary or summarized)
    ]
    if content:
        found["content"] = content
    if state:
        found["encrypted_content"] = state
    if own:
        found.update(thoughts[0].extra)
    return found


def media_part(part: Media, *, own: bool) -> Item:
    """A picture or a document as input content. Sound and film have no place here."""
    found: Item = {"type": "input_file" if part.kind == FILE else "input_image"}
    if part.kind == FILE:
        if part.data:
            found["filename"] = part.name or "document.pdf"
            kind = part.media_type or ("" if own else _DOCUMENT)
            found["file_data"] = f"data:{kind};base64,{part.data}" if kind else part.data
        elif part.name:
            found["filename"] = part.name
        if part.url:
            found["file_url"] = part.url
        if part.detail:
            found["detail"] = part.detail
    else:
        found["detail"] = part.detail or "auto"
        if part.data:
            found["image_url"] = f"data:{part.media_type or 'image/png'};base64,{part.data}"
        elif part.url:
            found["image_url"] = part.url
    if part.file_id:
        found["file_id"] = part.file_id
    if own:
        found.update(part.extra)
    return found


def breakpoint_of(mark: CacheMark, *, own: bool) -> Item:
    """A cache mark. Other dialects' lifetimes are not those of this one."""
    return {"mode": "explicit", "ttl": mark.ttl} if own and mark.ttl else {"mode": "explicit"}
