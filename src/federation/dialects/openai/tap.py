"""Reads along while a provider's events are forwarded: usage, finish, errors, the end.

Every event is parsed, only as far as its few members that matter, because a search for
words would also find them in what the model says. An event that cannot be parsed is passed
on as it came and counted: the client may know more of it than we do.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.errors import error_in_answer
from federation.dialects.openai.stream_render import DONE
from federation.dialects.openai.usage import read_usage
from federation.dialects.openai.wire import Wire
from federation.dialects.origins import Origin
from federation.dialects.sse import EventCutter, ended, event_data
from federation.dialects.tapping import HeardEvents
from federation.dialects.whole import is_json, salvaged
from federation.errors import UpstreamGarbled

_NULL: Final = Raw(b"null")
_EMPTY: Final = frozenset((b"null", b'""', b"[]", b"{}"))


class _Delta(msgspec.Struct):
    content: Raw = _NULL
    reasoning_content: Raw = _NULL
    reasoning: Raw = _NULL
    reasoning_details: Raw = _NULL
    refusal: Raw = _NULL
    tool_calls: Raw = _NULL
    function_call: Raw = _NULL
    audio: Raw = _NULL


class _Choice(msgspec.Struct):
    index: int | None = 0
    finish_reason: str | None = None
    error: Raw = _NULL
    delta: _Delta | None = None


class _Groq(msgspec.Struct):
    usage: Raw = _NULL


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: Raw = _NULL
    x_groq: _Groq | None = None
    service_tier: str | None = None
    error: Raw = _NULL
    base_resp: Raw = _NULL


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_QUOTE, _LINE = 0x22, 0x0A
"""As numbers: a byte is looked for four times as fast as bytes are."""
_NO_FORM: Final = b"", b""
_LESSONS: Final = 3
"""How often the form of a stream's events is learned: some hosts make each one different."""


class StreamTap(HeardEvents[EventCutter]):
    """Forwards whole events and remembers what they said; one for each stream.

    `started`: content was seen, or the end. `complete`: every choice gave its finish reason,
    or the end marker came, and no error. `error`: the provider reported an error inside
    the stream after that; its event was forwarded. An error before it is raised by `feed`,
    because another deployment can still answer.
    """

    __slots__ = (
        "_choices",
        "_finished",
        "_known",
        "_lessons",
        "_spoke",
        "_tier",
        "_wire",
        "_withhold",
        "form",
        "origin",
    )

    def __init__(self, wire: Wire, *, withhold_usage: bool, choices: int = 1) -> None:
        super().__init__(EventCutter())
        self._wire = wire
        self._withhold = withhold_usage
        self._choices = choices
        self._finished: set[int] = set()
        self._known = self.form = _NO_FORM
        self._lessons = _LESSONS
        self._spoke = False
        """A choice was there, or an event that the client may know more of than we do."""
        self._tier: str | None = None
        self.origin: Origin | None = None

    def feed(self, data: bytes) -> bytes:
        """The whole events that may go on now, unchanged and in order.

        Raises `UpstreamGarbled` for an event over the limit and an end before any choice came,
        and an error that the provider reports before the answer has started.
        """
        head, tail = self.form
        if tail:
            begin, end = len(head), len(data) - len(tail)
            # As in `_is_more_text`, for the single event that a read mostly brings.
            if begin <= end and data.startswith(head) and data.endswith(tail):
                text = data[begin:end]
                if _QUOTE not in text and _LINE not in text:
                    self.events += 1
                    return data
            if self._is_more_text(data):
                return data
        self.form = _NO_FORM
        out = super().feed(data)
        if not self._cutter.held:
            self.form = self._known
        return out

    def close(self) -> bytes:
        """What was held back when the bytes ended, if it is an event that only lacks its
        blank line, and the end marker of a whole answer whose host leaves it out. A torn event
        is dropped, so that an error can follow it."""
        rest, held = self._cutter.rest(), b""
        data = event_data(rest)
        if data is not None and _is_whole(data) and self._look(rest):
            held = ended(rest)
        if self.complete and not self.done:
            self.done = True
            held += DONE
        return held

    def _is_more_text(self, data: bytes) -> bool:
        """Whether these are whole events of the known form; counts them."""
        head, tail = self.form
        at, count = 0, 0
        while data.startswith(head, at):
            begin = at + len(head)
            end = data.find(b'"', begin)
            if not data.startswith(tail, end) or data.find(b"\n", begin, end) >= 0:
                return False
            at = end + len(tail)
            count += 1
        if at != len(data):
            return False
        self.events += count
        return True

    def _learn(self, event: bytes, choices: list[_Choice]) -> None:
        """Keep the form of an event that holds nothing but text.

        The events of a stream differ in their text only. What begins and ends with the same
        bytes, and has no quote and no line break between them, is the same JSON with another
        string in that place, so it need not be parsed to know what else it says: nothing.
        """
        choice = choices[0]
        if len(choices) > 1 or choice.delta is None or choice.finish_reason or self.error:
            return
        text = bytes(choice.delta.content)
        found = event.find(b'"content":' + text)
        if text[:1] == b'"' and len(text) > 2 and found >= 0 and event[-2:] == b"\n\n":
            self._lessons -= 1
            begin = found + len(b'"content":') + 1
            self._known = event[:begin], event[begin + len(text) - 2 :]

    def _look(self, event: bytes) -> bool:
        data = event_data(event)
        if data is None:
            return True
        if data.startswith(b"[DONE]"):
            if not self._spoke:
                raise UpstreamGarbled(f"{self._wire.deployment} ended a stream without an answer.")
            self.done = self.started = True
            self.complete = self.error is None
            return True
        try:
            chunk = _CHUNK.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            again = salvaged(_CHUNK, data)
            if again is None:
                self.malformed += 1
                passes = is_json(data)
                self._spoke = self._spoke or passes
                return passes
            chunk = again
        if chunk.error != _NULL or chunk.base_resp != _NULL:
            self._fail(chunk.error, chunk.base_resp, event)
        choices = chunk.choices
        if choices:
            self._spoke = True
            self._read_choices(choices, event)
            if self._lessons and chunk.usage == _NULL and chunk.x_groq is None:
                self._learn(event, choices)
        if chunk.usage != _NULL or chunk.x_groq is not None:
            self._read_usage(chunk)
            if self._withhold and choices is not None and not choices and chunk.error == _NULL:
                return chunk.usage == _NULL
        if chunk.model and not self._model:
            self._model = chunk.model
            self._tier = chunk.service_tier
        return True

    def _read_choices(self, choices: list[_Choice], event: bytes) -> None:
        for choice in choices:
            if choice.error != _NULL:
                self._fail(choice.error, _NULL, event)
            if choice.delta is not None and (self.started or _has_content(choice.delta)):
                self.started = True
                self.events += 1
            if self.origin is not None and choice.delta is not None:
                delta = choice.delta
                if delta.reasoning_details != _NULL or delta.tool_calls != _NULL:
                    self.origin.note(event)
            if choice.finish_reason:
                self.started = True
                self._finished.add(choice.index or 0)
                self.complete = len(self._finished) >= self._choices and self.error is None
                if not choice.index:
                    self.finish = choice.finish_reason

    def _read_usage(self, chunk: _Chunk) -> None:
        raw = chunk.usage
        if raw == _NULL and chunk.x_groq is not None:
            raw = chunk.x_groq.usage
        if raw != _NULL:
            tier = chunk.service_tier or self._tier
            self._usage = read_usage(self._wire, raw, tier) or self._usage

    def _fail(self, error: Raw, base_resp: Raw, event: bytes) -> None:
        failure = error_in_answer(self._wire, error, base_resp, event)
        if failure is not None:
            self._break(failure)


def _has_content(delta: _Delta) -> bool:
    return (
        bytes(delta.content) not in _EMPTY
        or bytes(delta.tool_calls) not in _EMPTY
        or bytes(delta.reasoning_content) not in _EMPTY
        or bytes(delta.reasoning) not in _EMPTY
        or bytes(delta.reasoning_details) not in _EMPTY
        or bytes(delta.refusal) not in _EMPTY
        or bytes(delta.function_call) not in _EMPTY
        or bytes(delta.audio) not in _EMPTY
    )


def _is_whole(data: bytes) -> bool:
    if data.startswith(b"[DONE]"):
        return True
    try:
        _CHUNK.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
