"""Reads what matters off a whole answer, which is handed on as it came."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.errors import error_in_answer
from federation.dialects.openai.usage import read_usage
from federation.dialects.openai.wire import Wire
from federation.errors import UpstreamGarbled
from federation.schema.glance import Answer

_NULL: Final = Raw(b"null")


class _Choice(msgspec.Struct):
    finish_reason: str | None = None
    error: Raw = _NULL


class _Groq(msgspec.Struct):
    usage: Raw = _NULL


class _Whole(msgspec.Struct):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: Raw = _NULL
    x_groq: _Groq | None = None
    service_tier: str | None = None
    error: Raw = _NULL
    base_resp: Raw = _NULL


class _Part(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None


class _Said(msgspec.Struct):
    message: _Message | None = None


class _Text(msgspec.Struct):
    choices: list[_Said] = []


_WHOLE: Final = msgspec.json.Decoder(_Whole)
_TEXT: Final = msgspec.json.Decoder(_Text)


def read_answer(wire: Wire, body: bytes) -> Answer:
    """Read a whole answer. Raises `UpstreamGarbled` where it is none, and the error that the
    body holds where a host answers 200 with an error inside."""
    try:
        whole = _WHOLE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamGarbled(f"{wire.deployment} answered with something unreadable.") from None
    if whole.error != _NULL or whole.base_resp != _NULL:
        error = error_in_answer(wire, whole.error, whole.base_resp, body)
        if error is not None:
            raise error
    choices = whole.choices
    if not choices:
        raise UpstreamGarbled(f"{wire.deployment} answered without choices.")
    first = choices[0]
    if first.error != _NULL:
        error = error_in_answer(wire, first.error, _NULL, body)
        if error is not None:
            raise error
    usage = whole.usage
    if usage == _NULL and whole.x_groq is not None:
        usage = whole.x_groq.usage
    read = read_usage(wire, usage, whole.service_tier) if usage != _NULL else None
    return Answer(whole.model or "", first.finish_reason or "", read)


def text_of(body: bytes) -> str:
    """The text of an answer's first choice; empty where it has none."""
    try:
        choices = _TEXT.decode(body).choices
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    content = choices[0].message.content if choices and choices[0].message else None
    if isinstance(content, list):
        return "".join(part.text or "" for part in content)
    return content or ""
