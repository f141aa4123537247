"""Reads a Converse call without taking it apart: what routing, money and rules must know.

The model and whether the answer is streamed stand in the path. A picture or document is
counted and not decoded; what has our account read a bucket is governed wherever it stands.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.dialects.bedrock.paths import STREAM, route
from federation.dialects.bedrock.tables import (
    FIELDS,
    FREE_EXTRAS,
    GOVERNED,
    MEDIA,
    OBJECTS,
    ROLES,
    TEXTS,
)
from federation.dialects.malformed import check_number, missing, not_one_of
from federation.dialects.tokenizer import Members, layout, members, objects, wrong_type
from federation.errors import InvalidRequest, NotFound
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

MESSAGES: Final = 10_000
_LONGEST: Final = 2048
"""Characters of a model's id; an ARN has no more."""
_ROLES_RAW: Final = frozenset(f'"{role}"'.encode() for role in ROLES)
_ASSISTANT: Final = b'"assistant"'
_SHORT_MARKS: Final = frozenset((b"null", b'"5m"'))
_NULL: Final = b"null"
_NULL_RAW: Final = Raw(_NULL)


class Seen(Glance, frozen=True):
    """A glance that also tells which members of `inferenceConfig` the client sent."""

    inference: tuple[str, ...] = ()


class _Tally(msgspec.Struct):
    text: int = 0
    images: int = 0
    audio: int = 0
    files: int = 0
    governed: dict[str, None] = {}
    unlisted: dict[str, None] = {}


def glance(request: ClientRequest) -> Seen:
    """Look at a call. Raises `InvalidRequest` with the field, `PayloadTooLarge` for a body of
    too many values, `NotFound` for a path of another operation."""
    place = route(request.path)
    if place is None:
        raise NotFound(
            "Converse calls go to /model/{modelId}/converse or /model/{modelId}/converse-stream."
        )
    if len(place.model) > _LONGEST:
        raise InvalidRequest(f"The model's id is over {_LONGEST} characters.", param="modelId")
    found, spans, end = layout(request.body)
    if "messages" not in found:
        raise missing("messages")
    tally = _Tally()
    count, last = _read_messages(found["messages"], tally)
    values = _read_fields(found, tally)
    if values.get("system"):
        _read_blocks(found["system"], "system", tally)
    config = values.get("toolConfig")
    tools = _read_tools(found["toolConfig"], tally) if config is not None else 0
    inference = values.get("inferenceConfig")
    ask = read_ask(found.get("federation"), request.headers)
    return Seen(
        place.model,
        place.operation == STREAM,
        True,
        inference.max_tokens if inference is not None else None,
        1,
        count,
        tally.text,
        tally.images,
        tally.audio,
        tally.files,
        tools,
        _needs(values, tools, last),
        tuple(tally.governed),
        tuple(tally.unlisted),
        ask,
        spans,
        end,
        ask.user,
        inference=_present(inference),
    )


def _read_messages(raw: Raw, tally: _Tally) -> tuple[int, bytes]:
    """How many messages there are, and the role of the last."""
    items = objects(raw, "messages")
    check_number(items, "messages", MESSAGES)
    role = b""
    for index, item in enumerate(items):
        where = f"messages[{index}]"
        role = bytes(_required(item, "role", where))
        if role not in _ROLES_RAW:
            raise not_one_of(f"{where}.role", ROLES)
        _read_blocks(_required(item, "content", where), f"{where}.content", tally)
        for name in item:
            if name not in ("role", "content"):
                tally.unlisted[f"messages.{name[:64]}"] = None
    return len(items), role


def _required(item: Members, name: str, where: str) -> Raw:
    raw = item.get(name)
    if raw is None:
        raise missing(f"{where}.{name}")
    return raw


def _read_blocks(raw: Raw, where: str, tally: _Tally) -> None:
    for index, block in enumerate(objects(raw, where)):
        for kind, value in block.items():
            if kind == "text":
                if bytes(value)[:1] != b'"' and value != _NULL_RAW:
                    param = f"{where}[{index}].text"
                    raise InvalidRequest(
                        f"'{param}' must be a string.", code="invalid_type", param=param
                    )
                tally.text += len(value) - 2
            elif value != _NULL_RAW:
                _read_block(kind, value, f"{where}[{index}].{kind}", tally)


def _read_block(kind: str, value: Raw, where: str, tally: _Tally) -> None:
    if kind not in TEXTS and kind not in MEDIA:
        tally.unlisted[f"content.{kind[:64]}"] = None
        tally.text += len(value)
        return
    found = members(bytes(value), where)
    if kind == "toolResult":
        _read_result(found, where, tally)
    elif kind in MEDIA:
        _read_media(kind, found, where, tally)
    else:
        tally.text += len(value)
        if kind == "cachePoint" and bytes(found.get("ttl", _NULL)) not in _SHORT_MARKS:
            tally.governed["cachePoint"] = None
        if kind == "guardContent" and "image" in found:
            tally.images += 1


def _read_result(found: Members, where: str, tally: _Tally) -> None:
    for name, value in found.items():
        if name != "content":
            tally.text += len(value)
            continue
        for index, block in enumerate(objects(value, f"{where}.content")):
            for kind, inner in block.items():
                if kind in MEDIA and inner != _NULL_RAW:
                    place = f"{where}.content[{index}].{kind}"
                    _read_media(kind, members(bytes(inner), place), place, tally)
                else:
                    tally.text += len(inner)


def _read_media(kind: str, found: Members, where: str, tally: _Tally) -> None:
    counter = MEDIA[kind]
    setattr(tally, counter, getattr(tally, counter) + 1)
    for name, value in found.items():
        if name != "source":
            tally.text += len(value)
            continue
        source = members(bytes(value), f"{where}.source")
        if "s3Location" in source:
            tally.governed["s3Location"] = None
        tally.text += sum(len(source[name]) for name in ("text", "content") if name in source)


def _read_fields(found: Members, tally: _Tally) -> dict[str, Any]:
    """The values of known fields."""
    values: dict[str, Any] = {}
    name = ""
    try:
        for name, raw in found.items():
            decoder = FIELDS.get(name)
            if decoder is None:
                if name not in _OURS:
                    tally.unlisted[name[:64]] = None
                continue
            value = values[name] = decoder.decode(raw)
            if value is not None and name in OBJECTS:
                members(bytes(raw), name)
            if name in GOVERNED and not _is_neutral(name, raw, value):
                tally.governed[name] = None
    except msgspec.ValidationError as error:
        raise wrong_type(error, name) from None
    return values


_OURS: Final = frozenset(("messages", "federation", "modelId"))


def _is_neutral(name: str, raw: Raw, value: Any) -> bool:
    if name == "additionalModelRequestFields":
        return value is None or FREE_EXTRAS.issuperset(value)
    return GOVERNED[name].allows(raw)


def _read_tools(raw: Raw, tally: _Tally) -> int:
    """Count the tools; those that the provider runs are governed."""
    tally.text += len(raw)
    count = 0
    config = members(bytes(raw), "toolConfig")
    for index, tool in enumerate(objects(config["tools"], "toolConfig.tools")):
        where = f"toolConfig.tools[{index}]"
        for kind, value in tool.items():
            if kind == "cachePoint":
                _read_block(kind, value, f"{where}.cachePoint", tally)
            elif kind == "systemTool":
                name = members(bytes(value), f"{where}.systemTool").get("name", b'"?"')
                shown = bytes(name).strip(b'"').decode("utf-8", "replace")
                tally.governed[f"tools.{shown[:64]}"] = None
                count += 1
            elif value != _NULL_RAW:
                count += 1
                if kind != "toolSpec":
                    tally.unlisted[f"tools.{kind[:64]}"] = None
    return count


def _needs(values: dict[str, Any], tools: int, last: bytes) -> tuple[str, ...]:
    needs: tuple[str, ...] = ()
    if tools:
        needs += ("tools",)
        choice = values["toolConfig"].tool_choice
        if choice and "auto" not in choice:
            needs += ("forced_tools",)
    output = values.get("outputConfig")
    if output is not None and output.text_format:
        needs += ("json_schema",)
    if (output is not None and output.effort) or _reasons(
        values.get("additionalModelRequestFields")
    ):
        needs += ("reasoning",)
    if last == _ASSISTANT:
        needs += ("prefill",)
    return needs


def _reasons(extra: dict[str, Raw] | None) -> bool:
    """Whether the maker's own fields ask for reasoning."""
    for name in ("thinking", "reasoning_config", "reasoningConfig"):
        said = bytes(extra.get(name, b"")) if extra else b""
        if b'"enabled"' in said or b'"adaptive"' in said:
            return True
    effort = extra.get("reasoning_effort") if extra else None
    return effort is not None and bytes(effort) not in (_NULL, b'"none"')


def _present(inference: Any) -> tuple[str, ...]:
    if inference is None:
        return ()
    return tuple(
        name
        for name, value in (("temperature", inference.temperature), ("topP", inference.top_p))
        if value is not None
    )
