"""A walk over every string of a chat call, and of an answer.

What a person or a model wrote is visited as prose or as JSON. All that is left of a structure
(ids, names, words from lists) has a form that others rely on, and is visited as such: that is
worked out from the types, so a member that is added later is visited too. The trap: a name in
a JSON object is a string like any other.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.guardrails.json_texts import is_json
from federation.schema.chat import (
    ChatRequest,
    ChatResponse,
    Choice,
    Message,
    OutputFormat,
    Sampling,
    Tool,
)
from federation.schema.parts import (
    FUNCTION,
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

_BINARY: Final = ("%PDF", "PK\x03\x04", "{\\rtf")
"""Documents that hold their words packed, or taken apart."""
_FIRST: Final = 1024
"""Characters of base64 by which nearly every file that is no text shows it."""
_LEAST_LONG, _TOO_LONG = 10**11, 10**16
"""A number that is a seed or a limit is read where it has twelve to sixteen digits: of seeds that
fill 64 bits one in some dozens would look like a longer card."""
_URL_SAFE: Final = str.maketrans("-_", "+/")
_SEALED: Final = re.compile(r"(?!.*(?:\d[-_]?){9})[\w+/-]{64,}={0,2}", re.ASCII)
"""What is too long a run of base64 to be anything that somebody wrote, rows of digits apart: a
file, or what only its maker reads. One in a hundred looks as if it had an account number in it."""
READ: Final[dict[type, frozenset[str]]] = {
    ChatRequest: frozenset(
        ("messages", "tools", "format", "sampling", "audio", "user", "metadata", "extra")
    ),
    Message: frozenset(("parts", "name", "extra")),
    Tool: frozenset(("description", "schema", "format", "raw", "extra")),
    OutputFormat: frozenset(("schema", "description")),
    Sampling: frozenset(("stop", "logit_bias")),
    Text: frozenset(("text", "citations", "extra")),
    Refusal: frozenset(("text",)),
    Thinking: frozenset(("text", "extra")),
    ToolCall: frozenset(("arguments", "extra")),
    ToolResult: frozenset(("parts", "extra")),
    Media: frozenset(("data", "url", "text", "name", "extra")),
    Foreign: frozenset(("raw",)),
    ChatResponse: frozenset(("choices", "service_tier", "extra")),
    Choice: frozenset(("parts", "reason", "stop_sequence", "detail", "logprobs", "extra")),
}
"""Members that are visited as prose, as JSON or part by part; all others have a form."""
OURS: Final[dict[type, frozenset[str]]] = {
    ChatRequest: frozenset(("dialect", "model")),
    Foreign: frozenset(("dialect",)),
    ChatResponse: frozenset(("dialect",)),
}
"""Members that nobody is told: the names of dialects are ours, and whoever is called is told the
deployment's own name of its model."""


@cache
def _formed(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The members of a structure that have a form; a dialect's own kind of it has more."""
    skipped: set[str] = set()
    for each in kind.__mro__:
        skipped |= READ.get(each, frozenset()) | OURS.get(each, frozenset())
    return tuple(name for name in kind.__struct_fields__ if name not in skipped)


Change = Callable[[str, str], str]
"""A text and its surface to the text that stands there afterwards."""
Look = Callable[[str, str], object]
"""Told of a text and its surface."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is done with each text: `prose` in reading order, `json` for JSON, on its own."""

    prose: Change
    json: Change
    unread: Callable[[Media, str], None] | None = None
    """Told of media whose content no check reads, and of where they stand."""
    answers: bool = False
    """Only what answers a question is visited, not the reasoning on the way to it."""
    form: Look | None = None
    """Told of strings that have a form, and of where they stand."""
    facts: Change | None = None
    """For JSON in which a provider tells of its answer, where it is not read as other JSON."""

    def formed(self, value: object, surface: str) -> None:
        """Tell of every string in what is not visited as prose or JSON."""
        if self.form is None or not value:
            return
        match value:
            case str() | int() | float():
                text = _told(value)
                if text:
                    self.form(text, surface)
            case Raw():
                self.form(bytes(value).decode("utf-8", "replace"), surface)
            case msgspec.Struct():
                for name in _formed(type(value)):
                    self.formed(getattr(value, name), f"{surface}.{name}" if surface else name)
            case dict():
                for name, each in value.items():
                    self.form(name, f"a name in {surface}")
                    self.formed(each, surface)
            case tuple():
                for each in value:
                    self.formed(each, surface)

    def fields(self, fields: Fields, surface: str) -> Fields:
        """Members that only one dialect knows."""
        if self.form is not None:
            for name in fields:
                self.form(name, f"a name in {surface}")
        return {name: self.raw(raw, f"{surface}.{name}") for name, raw in fields.items()}

    def raw(self, raw: Raw, surface: str) -> Raw:
        """Any JSON value."""
        return _changed(raw, self.json, surface)

    def told(self, fields: Fields, surface: str) -> Fields:
        """Members in which a provider tells of its answer."""
        if self.form is not None:
            for name in fields:
                self.form(name, f"a name in {surface}")
        change = self.facts or self.json
        return {name: _changed(raw, change, f"{surface}.{name}") for name, raw in fields.items()}

    def detail(self, raw: Raw | None, surface: str) -> Raw | None:
        """What a provider says of an answer's end."""
        return None if raw is None else _changed(raw, self.facts or self.json, surface)

    def written(self, text: str, surface: str) -> str:
        """A text that may be JSON."""
        return self.json(text, surface) if is_json(text) else self.prose(text, surface)

    def parts(self, parts: Iterable[Part], surface: str) -> tuple[Part, ...]:
        """The parts of one message."""
        return tuple(self._part(part, f"{surface}[{i}]") for i, part in enumerate(parts))

    def _part(self, part: Part, at: str) -> Part:
        self.formed(part, at)
        match part:
            case Text():
                return self._text(part, at, self.prose)
            case Refusal():
                return structs.replace(part, text=self.prose(part.text, f"{at}.text"))
            case Thinking():
                return self._thinking(part, at)
            case ToolCall():
                change = self.json if part.kind == FUNCTION else self.written
                return structs.replace(
                    part,
                    arguments=change(part.arguments, f"{at}.arguments"),
                    extra=self.fields(part.extra, at),
                )
            case ToolResult():
                return structs.replace(
                    part, parts=self._results(part, at), extra=self.fields(part.extra, at)
                )
            case Media():
                return self._media(part, at)
            case Foreign():
                return self._foreign(part, at)

    def _thinking(self, thinking: Thinking, at: str) -> Thinking:
        """What was changed is no longer what its maker signed, and goes without the signature."""
        if self.answers:
            return thinking
        text = self.prose(thinking.text, f"{at}.text")
        extra = self.fields(thinking.extra, at)
        signature = thinking.signature if text == thinking.text else ""
        return structs.replace(thinking, text=text, signature=signature, extra=extra)

    def _text(self, text: Text, at: str, change: Change) -> Text:
        return structs.replace(
            text,
            text=change(text.text, f"{at}.text"),
            citations=tuple(self.citation(c, f"{at}.citations") for c in text.citations),
            extra=self.fields(text.extra, at),
        )

    def _foreign(self, foreign: Foreign, at: str) -> Foreign:
        return structs.replace(foreign, raw=self.raw(foreign.raw, f"{at}.raw"))

    def _results(self, result: ToolResult, at: str) -> tuple[Text | Media | Foreign, ...]:
        return tuple(self._result(part, f"{at}.parts[{i}]") for i, part in enumerate(result.parts))

    def _result(self, part: Text | Media | Foreign, at: str) -> Text | Media | Foreign:
        self.formed(part, at)
        match part:
            case Text():
                return self._text(part, at, self.json if is_json(part.text) else self.prose)
            case Media():
                return self._media(part, at)
            case Foreign():
                return self._foreign(part, at)

    def _media(self, media: Media, at: str) -> Media:
        data = media.data
        text = _text_of(media)
        if text is not None:
            after = self.written(text, f"{at}.data")
            data = data if after == text else base64.b64encode(after.encode()).decode("ascii")
        else:
            self.formed(data, f"{at}.data")
            if self.unread is not None and (data or media.url or media.file_id):
                self.unread(media, at)
        return structs.replace(
            media,
            data=data,
            text=self.written(media.text, f"{at}.text"),
            url=self.prose(media.url, f"{at}.url"),
            name=self.prose(media.name, f"{at}.name"),
            extra=self.fields(media.extra, at),
        )

    def citation(self, citation: Citation, surface: str) -> Citation:
        """Where a text comes from, with a quote from there."""
        raw = citation.raw
        return structs.replace(
            citation,
            title=self.prose(citation.title, f"{surface}.title"),
            url=self.prose(citation.url, f"{surface}.url"),
            quote=self.prose(citation.quote, f"{surface}.quote"),
            raw=None if raw is None else self.raw(raw, f"{surface}.raw"),
        )

    def message(self, message: Message, surface: str) -> Message:
        """One turn."""
        self.formed(message, surface)
        return structs.replace(
            message,
            parts=self.parts(message.parts, f"{surface}.parts"),
            name=self.prose(message.name, f"{surface}.name"),
            extra=self.fields(message.extra, surface),
        )

    def tool(self, tool: Tool, surface: str) -> Tool:
        """What a tool says of itself."""
        self.formed(tool, surface)
        return structs.replace(
            tool,
            description=self.prose(tool.description, f"{surface}.description"),
            schema=self._maybe(tool.schema, f"{surface}.schema"),
            format=self._maybe(tool.format, f"{surface}.format"),
            raw=self._maybe(tool.raw, f"{surface}.raw"),
            extra=self.fields(tool.extra, surface),
        )

    def _maybe(self, raw: Raw | None, surface: str) -> Raw | None:
        return None if raw is None else self.raw(raw, surface)

    def request(self, request: ChatRequest) -> ChatRequest:
        """Every string of a call."""
        self.formed(request, "")
        messages = (self.message(m, f"messages[{i}]") for i, m in enumerate(request.messages))
        return structs.replace(
            request,
            messages=tuple(messages),
            tools=tuple(self.tool(t, f"tools[{i}]") for i, t in enumerate(request.tools)),
            format=None if request.format is None else self._format(request.format),
            sampling=self._sampling(request.sampling),
            audio=self._maybe(request.audio, "audio"),
            user=self.prose(request.user, "user"),
            metadata=self._metadata(request.metadata),
            extra=self.fields(request.extra, "extra"),
        )

    def _format(self, form: OutputFormat) -> OutputFormat:
        self.formed(form, "format")
        return structs.replace(
            form,
            schema=self._maybe(form.schema, "format.schema"),
            description=self.prose(form.description, "format.description"),
        )

    def _sampling(self, sampling: Sampling) -> Sampling:
        self.formed(sampling, "sampling")
        stop = tuple(self.prose(s, f"sampling.stop[{i}]") for i, s in enumerate(sampling.stop))
        bias = self._maybe(sampling.logit_bias, "sampling.logit_bias")
        return structs.replace(sampling, stop=stop, logit_bias=bias)

    def _metadata(self, metadata: dict[str, str]) -> dict[str, str]:
        if self.form is not None:
            for name in metadata:
                self.form(name, "a name in metadata")
        return {name: self.prose(text, f"metadata.{name}") for name, text in metadata.items()}

    def choice(self, choice: Choice) -> Choice:
        """Every text of one answer."""
        surface = f"choices[{choice.index}]"
        self.formed(choice, surface)
        stopped = choice.stop_sequence
        return structs.replace(
            choice,
            parts=self.parts(choice.parts, f"{surface}.parts"),
            reason=self.prose(choice.reason, f"{surface}.reason"),
            stop_sequence=stopped and self.prose(stopped, f"{surface}.stop_sequence"),
            detail=self.detail(choice.detail, f"{surface}.detail"),
            extra=self.fields(choice.extra, surface),
        )

    def response(self, response: ChatResponse) -> ChatResponse:
        """Every text of an answer."""
        self.formed(response, "")
        return structs.replace(
            response,
            choices=tuple(map(self.choice, response.choices)),
            service_tier=self.prose(response.service_tier, "service_tier"),
            extra=self.told(response.extra, "extra"),
        )


def _changed(raw: Raw, change: Change, surface: str) -> Raw:
    # An array around it makes a bare string or number a JSON text like any other.
    wrapped = f"[{bytes(raw).decode('utf-8', 'replace')}]"
    after = change(wrapped, surface)
    return raw if after == wrapped else Raw(after[1:-1].encode("utf-8"))


def _told(value: str | float) -> str:
    """What is looked at of a string or a number that has a form; empty where nothing is."""
    if isinstance(value, str):
        return "" if is_sealed(value) else value
    return digits_of(value)


def digits_of(number: float) -> str:
    """The digits of a number that is so long as account numbers are; empty for any other."""
    whole = _LEAST_LONG <= abs(number) < _TOO_LONG and number == number // 1
    return str(int(abs(number))) if whole else ""


def is_sealed(text: str) -> bool:
    """Whether a string is base64 that is read as a file, or by its maker alone."""
    return _SEALED.fullmatch(text) is not None


def _text_of(media: Media) -> str | None:
    """The text of a file, a picture or a sound in base64, whatever its type says that it is; None
    where it is none."""
    if not media.data:
        return None
    try:
        if not _may_be_text(_unpacked(media.data[:_FIRST])):
            return None
        text = _unpacked(media.data).decode("utf-8")
    except ValueError:  # no ASCII, no base64 or no UTF-8
        return None
    return None if text.startswith(_BINARY) or "\0" in text else text


def _unpacked(data: str) -> bytes:
    """The bytes of base64 in either alphabet, wrapped or not, padded or not, whole or cut."""
    packed = "".join(data.split()).translate(_URL_SAFE).rstrip("=")
    packed = packed[: len(packed) - (len(packed) % 4 == 1)]
    return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)


def _may_be_text(first: bytes) -> bool:
    """Whether a file that begins like this may be text: a character may go on behind it."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError:
        return False
    return b"\0" not in first
