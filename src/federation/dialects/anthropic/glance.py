"""Reads a messages call without taking it apart: what routing, money and rules must know.

Besides the body, two headers speak: `anthropic-beta` switches previews on, which go on with
the call and may be governed, and `anthropic-version` must be a version that we know.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.fields import (
    FIELDS,
    GOVERNED,
    LISTED,
    OBJECTS,
    QUIET_EDITS,
    judge_betas,
    read_betas,
)
from federation.dialects.anthropic.messages import Tally, read_content, read_kind, read_messages
from federation.dialects.anthropic.tables import CLIENT_TOOLS, VERSIONS, tool_kind
from federation.dialects.ask import read_ask
from federation.dialects.fields import Fields, read_fields
from federation.dialects.malformed import missing
from federation.dialects.tokenizer import layout, members
from federation.errors import InvalidRequest
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_NOTHING: Final[tuple[str, ...]] = ()
_THINKS: Final = frozenset(("enabled", "adaptive"))


class _Edit(msgspec.Struct):
    type: str


class _Edits(msgspec.Struct):
    edits: list[_Edit] = []


_EDITS: Final = msgspec.json.Decoder(_Edits)


def _is_quiet(raw: Raw) -> bool:
    """Whether no edit of a context has the host write something in its place."""
    return all(tool_kind(edit.type) in QUIET_EDITS for edit in _EDITS.decode(raw).edits)


_FIELDS: Final = Fields(
    FIELDS,
    GOVERNED,
    LISTED | {"messages", "federation"},
    OBJECTS,
    {"context_management": _is_quiet},
)


def glance(request: ClientRequest) -> Glance:
    """Look at a call of `/v1/messages` or its count. Raises `InvalidRequest` with the field,
    and the byte where known; `PayloadTooLarge` for a body of too many values."""
    betas = _read_headers(request)
    found, spans, end = layout(request.body)
    raw_messages = found.get("messages")
    if raw_messages is None:
        raise missing("messages")
    tally = read_messages(raw_messages)
    values, governed, unlisted = read_fields(found, _FIELDS)
    get = values.get
    if get("system"):
        read_content(found["system"], "system", tally)
    tools: list[Raw] = get("tools") or []
    text = tally.text
    if tools:
        text += len(found["tools"])
        governed += _hosted_tools(tools)
    if tally.governed or tally.unlisted or betas:
        governed, unlisted = _with_more(governed, unlisted, tally, betas)
    ask = read_ask(found.get("federation"), request.headers)
    metadata = get("metadata")
    user = ask.user or (metadata.user_id if metadata is not None else "") or ""
    return Glance(
        get("model"),
        get("stream") is True,
        True,
        get("max_tokens") or None,
        1,
        tally.messages,
        text,
        tally.images,
        0,
        tally.files,
        len(tools),
        _needs(values, tools, tally),
        governed,
        unlisted,
        ask,
        spans,
        end,
        user,
        betas,
    )


def _with_more(
    governed: tuple[str, ...], unlisted: tuple[str, ...], tally: Tally, betas: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What governs and what is not listed: of fields, and of content and of betas, too."""
    governed += tuple(name for name in tally.governed if name not in governed)
    unlisted += tuple(tally.unlisted)
    more, odd = judge_betas(betas)
    return governed + more, unlisted + odd


def _read_headers(request: ClientRequest) -> tuple[str, ...]:
    version = request.headers.get(b"anthropic-version")
    if version is not None and version.decode("latin-1").strip() not in VERSIONS:
        raise InvalidRequest(
            f"The header anthropic-version must be one of {', '.join(sorted(VERSIONS))}.",
            code="invalid_value",
            param="anthropic-version",
        )
    header = request.headers.get(b"anthropic-beta")
    if not header:
        return _NOTHING
    try:
        return read_betas(header)
    except ValueError as error:
        raise InvalidRequest(
            f"The header anthropic-beta must be {error}.", param="anthropic-beta"
        ) from None


def _hosted_tools(tools: list[Raw]) -> tuple[str, ...]:
    """Governed names of the tools that the caller does not run itself."""
    names: dict[str, None] = {}
    for index, raw in enumerate(tools):
        where = f"tools[{index}]"
        found = members(bytes(raw), where)
        if "type" in found and found["type"] != _NULL:
            kind = tool_kind(read_kind(found, where))
            if kind not in CLIENT_TOOLS:
                names[f"tools.{kind[:64]}"] = None
        mark = found.get("cache_control")
        if mark is not None and b"".join(bytes(mark).split()) not in _SHORT_MARKS:
            names["cache_control"] = None
    return tuple(names)


_NULL: Final = Raw(b"null")
_SHORT_MARKS: Final = GOVERNED["cache_control"].neutral


def _needs(values: dict[str, Any], tools: list[Raw], tally: Tally) -> tuple[str, ...]:
    needs: tuple[str, ...] = _NOTHING
    choice = values.get("tool_choice")
    if tools:
        needs += ("tools",)
        if choice is not None and choice.type in ("any", "tool"):
            needs += ("forced_tools",)
    config = values.get("output_config")
    wanted = config.format if config is not None else None
    if wanted is not None or values.get("output_format") is not None:
        needs += ("json_schema",)
    thinking = values.get("thinking")
    if thinking is not None and thinking.type in _THINKS:
        needs += ("reasoning",)
    if tally.prefill:
        needs += ("prefill",)
    return needs
