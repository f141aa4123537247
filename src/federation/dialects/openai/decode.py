"""Reads a whole answer into the canonical form, whatever the host's habits.

The order of the parts is reasoning, text, refusal, media, tool calls, unless the content is
a list, which keeps its own. What the host says besides stays in `extra`: at the top, in the
choice, and under `message` in the choice's extras for what stood in the message.

Reference: https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.openai.answer_parts import (
    NULL,
    SOUND,
    finish_of,
    lenient,
    read_blocks,
    read_citations,
    read_images,
    read_logprobs,
    sound_part,
)
from federation.dialects.openai.call_ids import made_id
from federation.dialects.openai.details import DETAILS, read_details, thought_signature, weave
from federation.dialects.openai.errors import error_in_answer
from federation.dialects.openai.think_tags import split_content
from federation.dialects.openai.usage import read_usage
from federation.dialects.openai.wire import Wire
from federation.dialects.openai.words import NAME, REASONING_FIELDS
from federation.dialects.tokenizer import Members
from federation.dialects.whole import too_many
from federation.errors import UpstreamGarbled
from federation.schema.chat import ChatResponse, Choice
from federation.schema.parts import CUSTOM, Fields, Part, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

_EMPTY: Final = (b"null", b"[]", b"{}")
_WHOLE: Final = msgspec.json.Decoder(Members)
_CHOICES: Final = msgspec.json.Decoder(list[Members])
_MEMBERS: Final = msgspec.json.Decoder(Members)
_STRING: Final = msgspec.json.Decoder(str)
_NUMBER: Final = msgspec.json.Decoder(int | float)
_CONTENT: Final = msgspec.json.Decoder(str | list[Members])
_TOP: Final = frozenset(
    ("id", "object", "created", "model", "choices", "usage", "service_tier", "base_resp", "error")
)
_CHOICE: Final = frozenset(("index", "message", "finish_reason", "logprobs", "error"))
_MESSAGE: Final = frozenset(
    ("role", "content", "refusal", "tool_calls", "function_call", "audio", "annotations",
     "images", "reasoning_details", "extra_content", *REASONING_FIELDS)
)  # fmt: skip
_REASONING: Final = frozenset(("reasoning_details", *REASONING_FIELDS))
_EXTRAS: Final = frozenset(("refusal", "annotations", "extra_content", "images", "audio"))
_CALLING: Final = frozenset(("tool_calls", "function_call"))


class Function(msgspec.Struct):
    """A call's name and arguments, which some hosts send as an object."""

    name: str | None = None
    arguments: Raw = NULL
    input: str | None = None


class Call(msgspec.Struct):
    """A tool call, or a piece of one."""

    id: str | None = None
    index: int | None = None
    function: Function | None = None
    custom: Function | None = None
    extra_content: Raw = NULL


_CALLS: Final = msgspec.json.Decoder(list[Call])
_LISTS: Final = ("content", "tool_calls", "reasoning_details")
"""Members of a message that may hold many parts."""
_FUNCTION: Final = msgspec.json.Decoder(Function)


def decode(wire: Wire, body: bytes) -> ChatResponse:
    """Read a whole answer. Raises `UpstreamGarbled` where it is none, and the error that the
    body holds where a host answers 200 with an error inside."""
    try:
        if not body.isascii():
            body.decode()
        whole = _WHOLE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamGarbled(f"{wire.deployment} answered with something unreadable.") from None
    error, base_resp = whole.get("error", NULL), whole.get("base_resp", NULL)
    if error != NULL or base_resp != NULL:
        _raise_error(wire, error, base_resp, body)
    items = lenient(_CHOICES, whole.get("choices"))
    if not items:
        raise UpstreamGarbled(f"{wire.deployment} answered without choices.")
    answer_id = lenient(_STRING, whole.get("id")) or ""
    choices: list[Choice] = []
    for place, item in enumerate(items):
        if item.get("error", NULL) != NULL:
            _raise_error(wire, item["error"], NULL, body)
        choices.append(_choice(wire, item, place, answer_id))
    tier = lenient(_STRING, whole.get("service_tier")) or ""
    return ChatResponse(
        NAME,
        answer_id,
        lenient(_STRING, whole.get("model")) or "",
        tuple(choices),
        int(lenient(_NUMBER, whole.get("created")) or 0),
        usage_in(wire, whole.get("usage", NULL), whole.get("x_groq"), tier),
        tier,
        rest_of(whole, _TOP),
    )


def _raise_error(wire: Wire, error: Raw, base_resp: Raw, body: bytes) -> None:
    failure = error_in_answer(wire, error, base_resp, body)
    if failure is not None:
        raise failure


def usage_in(wire: Wire, usage: Raw, x_groq: Raw | None, tier: str = "") -> Usage | None:
    """The usage, which one host puts elsewhere."""
    if usage == NULL and x_groq is not None:
        usage = (lenient(_MEMBERS, x_groq) or {}).get("usage", NULL)
    return read_usage(wire, usage, tier) if usage != NULL else None


def rest_of(item: Members, known: frozenset[str]) -> Fields:
    """What no canonical member holds, without what says nothing."""
    return {
        name: raw for name, raw in item.items() if name not in known and bytes(raw) not in _EMPTY
    }


def _choice(wire: Wire, item: Members, place: int, answer_id: str) -> Choice:
    number = lenient(_NUMBER, item.get("index"))
    index = place if number is None else int(number)
    message = lenient(_MEMBERS, item.get("message")) or {}
    parts = _parts(wire, message, answer_id, index)
    reason = lenient(_STRING, item.get("finish_reason")) or ""
    calls = any(isinstance(part, ToolCall) for part in parts)
    extra = rest_of(item, _CHOICE)
    beside = rest_of(message, _MESSAGE)
    if beside:
        extra["message"] = Raw(msgspec.json.encode(beside))
    return Choice(
        index,
        parts,
        finish_of(reason, calls=calls),
        reason,
        stop_sequence=lenient(_STRING, item.get("stop_reason") or item.get("matched_stop")),
        logprobs=read_logprobs(item.get("logprobs")),
        extra=extra,
    )


def _parts(wire: Wire, message: Members, answer_id: str, choice: int) -> tuple[Part, ...]:
    if any(too_many(message.get(name, NULL)) for name in _LISTS):
        raise UpstreamGarbled(f"{wire.deployment} answered with too many parts.")
    parts: list[Part] = []
    thoughts: list[tuple[int | None, Thinking]] = _thoughts(wire, message)
    content = lenient(_CONTENT, message.get("content"))
    if isinstance(content, list):
        parts += read_blocks(content)
    elif content:
        parts += _texts(wire, content)
    if not _EXTRAS.isdisjoint(message):
        _add_extras(parts, message)
    if not _CALLING.isdisjoint(message):
        parts += _calls(message, answer_id, choice)
    return weave(thoughts, parts) if thoughts else tuple(parts)


def _add_extras(parts: list[Part], message: Members) -> None:
    _annotate(parts, message)
    refusal = lenient(_STRING, message.get("refusal"))
    if refusal:
        parts.append(Refusal(refusal))
    parts += read_images(message.get("images"))
    sound = lenient(SOUND, message.get("audio"))
    if sound is not None:
        parts.append(sound_part(sound))


def _texts(wire: Wire, content: str) -> list[Part]:
    if wire.row.reasoning_field != "think_tags":
        return [Text(content)]
    pieces = split_content(content)
    thought = "".join([text for thinks, text in pieces if thinks])
    said = "".join([text for thinks, text in pieces if not thinks])
    parts: list[Part] = [Thinking(thought)] if thought else []
    return [*parts, Text(said)] if said else parts


def _thoughts(wire: Wire, message: Members) -> list[tuple[int | None, Thinking]]:
    if _REASONING.isdisjoint(message):
        return []
    text = ""
    for name in (wire.row.reasoning_field, *REASONING_FIELDS):
        text = lenient(_STRING, message.get(name)) or ""
        if text:
            break
    entries = lenient(DETAILS, message.get("reasoning_details"))
    if entries:
        found = read_details(entries, text)
        if found:
            return found
    return [(None, Thinking(text))] if text else []


def _annotate(parts: list[Part], message: Members) -> None:
    """Citations and the signature of a message are its text's: of the last one."""
    citations = read_citations(message.get("annotations"))
    signature = thought_signature(message.get("extra_content"))
    if not citations and not signature:
        return
    for place in reversed(range(len(parts))):
        part = parts[place]
        if isinstance(part, Text):
            parts[place] = structs.replace(part, citations=citations, signature=signature)
            return
    parts.append(Text("", citations, signature=signature))


def _calls(message: Members, answer_id: str, choice: int) -> list[Part]:
    calls: list[Part] = []
    for item in lenient(_CALLS, message.get("tool_calls")) or ():
        call = item.function or item.custom
        if call is None or not call.name:
            continue
        custom = item.function is None
        calls.append(
            ToolCall(
                item.id or made_id(answer_id, choice, len(calls)),
                call.name,
                call.input or "" if custom else argument_text(call.arguments),
                CUSTOM if custom else "function",
                thought_signature(item.extra_content),
            )
        )
    legacy = lenient(_FUNCTION, message.get("function_call"))
    if legacy is not None and legacy.name:
        made = made_id(answer_id, choice, len(calls))
        calls.append(ToolCall(made, legacy.name, argument_text(legacy.arguments)))
    return calls


def argument_text(raw: Raw) -> str:
    """Arguments as text, from a text or an object."""
    if raw == NULL:
        return ""
    text = lenient(_STRING, raw)
    return bytes(raw).decode("utf-8", "replace") if text is None else text
