"""Writes a conversation for a provider, and says what of it cannot be said.

System text of any place becomes the one instruction. Turns of one side that follow each
other are joined where a foreign dialect had them apart: the results of parallel calls must
come in one turn, right after the calls. A call without a signature gets the documented stand-in
where the row demands one, the first of its turn only, as the vendor signs them itself.

Reference: https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from federation.dialects.gemini.ids import is_placed
from federation.dialects.gemini.tables import BYPASS, MODEL, NAME, USER
from federation.dialects.gemini.wire import Wire
from federation.dialects.gemini.write_parts import (
    Json,
    arguments_object,
    call_part,
    media_part,
    response_object,
)
from federation.dialects.losses import Losses
from federation.errors import InvalidRequest
from federation.schema.chat import ASSISTANT, DEVELOPER, SYSTEM, TOOL, ChatRequest, Message
from federation.schema.parts import (
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


class Job(msgspec.Struct):
    """One encoding: what is asked of whom, and what was left out of it."""

    wire: Wire
    request: ChatRequest
    losses: Losses
    own: bool
    """The call came in this dialect."""
    names: dict[str, str] = {}
    """Of the calls so far, by id."""


def write_contents(job: Job) -> tuple[list[Json], list[Json]]:
    """The conversation's turns, and the parts of the system instruction."""
    contents: list[Json] = []
    system: list[Json] = []
    last = ""
    for index, message in enumerate(job.request.messages):
        where = f"messages[{index}]"
        role = message.role
        if message.name:
            job.losses.note("message_name", where)
        if role in (SYSTEM, DEVELOPER):
            if contents:
                job.losses.note("system_place", where)
            system += _parts(job, message, where)
            continue
        parts = _results(job, message, where) if role == TOOL else _parts(job, message, where)
        if not parts and not job.own:
            continue
        if role == last and role != USER and not job.own:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": _role(message), "parts": parts})
        last = role
    if job.wire.signed:
        for content in contents:
            if content["role"] == MODEL:
                _sign(content["parts"])
    if not contents and system:
        job.losses.note("system_place", "messages")
        return [{"role": USER, "parts": system}], []
    return contents, system


def _role(message: Message) -> Any:
    if message.role == ASSISTANT:
        return MODEL
    return message.extra.get("role", USER) if message.role == TOOL else USER


def _sign(parts: list[Json]) -> None:
    for part in parts:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", BYPASS)
            return


def _parts(job: Job, message: Message, where: str) -> list[Json]:
    written: list[Json] = []
    own = job.own
    for part in message.parts:
        if type(part) is Text and not (part.extra or part.signature or part.cache):
            if part.citations:
                job.losses.note("citations", where)
            if part.text or own:
                written.append({"text": part.text})
            continue
        item = _part(job, part, where)
        if item is not None:
            written.append(item)
    return written


def _part(job: Job, part: Part, where: str) -> Json | None:
    match part:
        case Text():
            return _text(job, part, where)
        case ToolCall():
            return _call(job, part, where)
        case Media():
            return _media(job, part, where)
        case Thinking():
            return _thinking(job, part, where)
        case Refusal():
            return {"text": part.text} if part.text else None
        case Foreign():
            if part.dialect == NAME:
                return _decoded(part.raw)
            job.losses.note("foreign_part", where)
            return None
        case ToolResult():
            return _result(job, part, where)


def _decoded(raw: Raw) -> Json:
    found: Json = msgspec.json.decode(raw, type=dict[str, Raw])
    return found


def _text(job: Job, part: Text, where: str) -> Json | None:
    if part.cache is not None:
        job.losses.note("cache_marks", where)
    if part.citations:
        job.losses.note("citations", where)
    if not (part.text or part.signature or job.own):
        return None
    item: Json = {"text": part.text}
    if part.signature:
        item["thoughtSignature"] = part.signature
    if job.own:
        item.update(part.extra)
    return item


def _thinking(job: Job, part: Thinking, where: str) -> Json | None:
    if part.sealed:
        job.losses.note("thinking_state", where)
        return None
    if not (part.signature or job.own):
        job.losses.note("thinking_history", where)
        return None
    item: Json = {"text": part.text, "thought": True}
    if part.signature:
        item["thoughtSignature"] = part.signature
    if job.own:
        item.update(part.extra)
    return item


def _call(job: Job, part: ToolCall, where: str) -> Json:
    args = arguments_object(part.arguments)
    if args is None:
        raise InvalidRequest(
            f"The arguments of the tool call {part.name!r} in '{where}' are not a JSON object, "
            "which the deployment that would serve this call needs.",
            code="invalid_value",
            param=where,
        )
    if part.cache is not None:
        job.losses.note("cache_marks", where)
    job.names[part.id] = part.name
    item = call_part(_id(job, part.id), part.name, args, part.signature)
    if job.own:
        item.update(part.extra)
    return item


def _id(job: Job, call_id: str) -> str:
    return "" if not job.wire.ids or (job.own and is_placed(call_id)) else call_id


def _media(job: Job, part: Media, where: str) -> Json:
    note = job.losses.note
    if part.cache is not None:
        note("cache_marks", where)
    if part.cite:
        note("citations", where)
    if part.detail not in ("", "auto"):
        note("image_detail", where)
    if part.url and not job.wire.remote:
        note("image_url" if part.kind == IMAGE else "file_url", where)
    if part.file_id and not job.own:
        note("file_id", where)
    return media_part(part, own=job.own)


def _results(job: Job, message: Message, where: str) -> list[Json]:
    return [_result(job, part, where) for part in message.parts if isinstance(part, ToolResult)]


def _result(job: Job, part: ToolResult, where: str) -> Json:
    name = part.name or job.names.get(part.call_id)
    if not name:
        raise InvalidRequest(
            f"The tool result in '{where}' answers no call of this conversation: the id "
            f"{part.call_id[:64]!r} is unknown.",
            code="invalid_value",
            param=where,
        )
    if part.cache is not None:
        job.losses.note("cache_marks", where)
    call_id = _id(job, part.call_id)
    result: Json = {"id": call_id, "name": name} if call_id else {"name": name}
    result["response"] = response_object(part)
    files = [inner for inner in part.parts if isinstance(inner, Media)]
    written = [(inner, _media(job, inner, where)) for inner in files]
    media = [made for inner, made in written if not inner.text]
    if media:
        if not job.wire.media_results:
            job.losses.note("tool_result_media", where)
        result["parts"] = media
    if any(isinstance(inner, Foreign) for inner in part.parts):
        job.losses.note("foreign_part", where)
    if job.own:
        result.update(part.extra)
    return {"functionResponse": result}
