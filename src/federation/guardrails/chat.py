"""A guard over a whole chat call, and over a whole answer: every text in it.

The traps: a person writes a value over two messages, so texts are read together with their
neighbors; arguments and results of tools are JSON inside a text; and a provider refuses the
next call with thinking that is not what it signed, so it is never restored, and what had to be
changed in it goes without its signature.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from msgspec import Raw, structs

from federation.guardrails.guard import Guard, Screening
from federation.guardrails.injection import strip_role_tokens
from federation.guardrails.json_texts import is_json
from federation.guardrails.vault import Vault
from federation.schema.chat import TOOL, USER, ChatRequest, ChatResponse, Choice, Message, Tool
from federation.schema.parts import (
    FILE,
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

_T = TypeVar("_T")
_WRITTEN: Final = ".text"
"""The end of the surfaces that follow each other as a reader reads them."""
_BINARY: Final = ("%PDF", "PK\x03\x04", "{\\rtf")
"""Documents that hold their words packed, or taken apart."""
_READABLE: Final = ("text/", "application/json", "application/xml", "application/x-ndjson")
Change = Callable[[str, str], str]
"""A text and its surface to the text that stands there afterwards."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is done with each text: `prose` in reading order, `json` for JSON, on its own."""

    prose: Change
    json: Change
    unread: Callable[[Media, str], None] | None = None
    """Told of media whose content no check reads, and of where they stand."""
    answers: bool = False
    """Only what answers a question is visited, not the reasoning on the way to it."""

    def fields(self, fields: Fields, surface: str) -> Fields:
        """Members that only one dialect knows."""
        return {name: self.raw(raw, f"{surface}.{name}") for name, raw in fields.items()}

    def raw(self, raw: Raw, surface: str) -> Raw:
        """Any JSON value."""
        before = bytes(raw)
        # An array around it makes a bare string or number a JSON text like any other.
        wrapped = f"[{before.decode('utf-8')}]"
        after = self.json(wrapped, surface)
        return raw if after == wrapped else Raw(after[1:-1].encode("utf-8"))

    def written(self, text: str, surface: str) -> str:
        """A text that may be JSON."""
        return self.json(text, surface) if is_json(text) else self.prose(text, surface)

    def parts(self, parts: Iterable[Part], surface: str) -> tuple[Part, ...]:
        """The parts of one message."""
        return tuple(self._part(part, f"{surface}[{i}]") for i, part in enumerate(parts))

    def _part(self, part: Part, at: str) -> Part:
        match part:
            case Text():
                return self._text(part, at)
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
        text = thinking.text if self.answers else self.prose(thinking.text, f"{at}.text")
        if text == thinking.text:
            return thinking
        return structs.replace(thinking, text=text, signature="")

    def _text(self, text: Text, at: str) -> Text:
        return structs.replace(
            text,
            text=self.prose(text.text, f"{at}.text"),
            citations=tuple(self.citation(c, f"{at}.citations") for c in text.citations),
            extra=self.fields(text.extra, at),
        )

    def _foreign(self, foreign: Foreign, at: str) -> Foreign:
        return structs.replace(foreign, raw=self.raw(foreign.raw, f"{at}.raw"))

    def _results(self, result: ToolResult, at: str) -> tuple[Text | Media | Foreign, ...]:
        return tuple(self._result(part, f"{at}.parts[{i}]") for i, part in enumerate(result.parts))

    def _result(self, part: Text | Media | Foreign, at: str) -> Text | Media | Foreign:
        match part:
            case Text() if is_json(part.text):
                return structs.replace(part, text=self.json(part.text, f"{at}.text"))
            case Text():
                return self._text(part, at)
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
        elif self.unread is not None and (data or media.url or media.file_id):
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
        return structs.replace(
            message,
            parts=self.parts(message.parts, f"{surface}.parts"),
            name=self.prose(message.name, f"{surface}.name"),
            extra=self.fields(message.extra, surface),
        )

    def tool(self, tool: Tool, surface: str) -> Tool:
        """What a tool says of itself; its name is the program's."""
        raw, schema = tool.raw, tool.schema
        return structs.replace(
            tool,
            description=self.prose(tool.description, f"{surface}.description"),
            schema=None if schema is None else self.raw(schema, f"{surface}.schema"),
            raw=None if raw is None else self.raw(raw, f"{surface}.raw"),
            extra=self.fields(tool.extra, surface),
        )

    def request(self, request: ChatRequest) -> ChatRequest:
        """Every text of a call."""
        messages = (self.message(m, f"messages[{i}]") for i, m in enumerate(request.messages))
        return structs.replace(
            request,
            messages=tuple(messages),
            tools=tuple(self.tool(t, f"tools[{i}]") for i, t in enumerate(request.tools)),
            user=self.prose(request.user, "user"),
            metadata={k: self.prose(v, f"metadata.{k}") for k, v in request.metadata.items()},
            extra=self.fields(request.extra, "extra"),
        )

    def choice(self, choice: Choice) -> Choice:
        """Every text of one answer."""
        surface = f"choices[{choice.index}]"
        return structs.replace(
            choice,
            parts=self.parts(choice.parts, f"{surface}.parts"),
            extra=self.fields(choice.extra, surface),
        )


def _text_of(media: Media) -> str | None:
    """The text of a file in base64, whatever its type says it is; None where it is none."""
    if not media.data:
        return None
    if media.kind != FILE and not media.media_type.startswith(_READABLE):
        return None
    try:
        text = base64.b64decode(media.data, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return None if text.startswith(_BINARY) or "\0" in text else text


def texts_of(request: ChatRequest) -> list[tuple[str, str]]:
    """Every text of a call with its surface, in reading order; JSON as it is written."""
    seen: list[tuple[str, str]] = []

    def note(text: str, surface: str) -> str:
        if text:
            seen.append((text, surface))
        return text

    Visitor(note, note).request(request)
    return seen


def without_role_tokens(request: ChatRequest) -> ChatRequest:
    """What people and tools wrote, without the marks by which chat templates tell turns apart."""
    messages = tuple(
        structs.replace(message, parts=tuple(map(_bare, message.parts)))
        if message.role in (USER, TOOL)
        else message
        for message in request.messages
    )
    return structs.replace(request, messages=messages)


def _bare(part: Part) -> Part:
    match part:
        case Text():
            return structs.replace(part, text=strip_role_tokens(part.text))
        case ToolResult():
            parts = tuple(
                structs.replace(inner, text=strip_role_tokens(inner.text))
                if isinstance(inner, Text)
                else inner
                for inner in part.parts
            )
            return structs.replace(part, parts=parts)
        case _:
            return part


def screen_request(
    guard: Guard,
    request: ChatRequest,
    screening: Screening,
    unread: Callable[[Media, str], None] | None = None,
) -> ChatRequest:
    """The call with the guard's actions carried out; raises what the guard raises, and what
    `unread` raises of media that it cannot read."""
    roles = {f"messages[{i}]": message.role for i, message in enumerate(request.messages)}
    return _screened(guard, screening, lambda visitor: visitor.request(request), roles, unread)


def screen_response(guard: Guard, response: ChatResponse, screening: Screening) -> ChatResponse:
    """The answer with the guard's actions carried out.

    Probabilities of tokens are left out where texts may change: they spell the text out.
    """
    choices = _screened(
        guard, screening, lambda visitor: tuple(map(visitor.choice, response.choices))
    )
    if guard.changes:
        choices = tuple(structs.replace(choice, logprobs=None) for choice in choices)
    return structs.replace(response, choices=choices)


def restore_response(response: ChatResponse, vault: Vault) -> ChatResponse:
    """The answer with the call's tokens turned back."""
    if not vault:
        return response
    visitor = Visitor(
        lambda text, _: vault.restore(text),
        lambda text, _: vault.restore(text, escaped=is_json(text)),
        answers=True,
    )
    return structs.replace(response, choices=tuple(map(visitor.choice, response.choices)))


def _screened(
    guard: Guard,
    screening: Screening,
    walk: Callable[[Visitor], _T],
    roles: Mapping[str, str] | None = None,
    unread: Callable[[Media, str], None] | None = None,
) -> _T:
    """Two walks: the first collects what people and models wrote, so that it is read together."""
    texts: list[str] = []
    surfaces: list[str] = []

    def collect(text: str, surface: str) -> str:
        if surface.endswith(_WRITTEN):
            texts.append(text)
            surfaces.append(surface)
        return text

    def change(text: str, surface: str) -> str:
        if surface.endswith(_WRITTEN):
            return next(changed)
        return guard.text(text, surface, screening)

    walk(Visitor(collect, lambda text, _: text))
    speakers = [(roles or {}).get(surface.partition(".")[0], "") for surface in surfaces]
    changed = iter(guard.texts(texts, surfaces, screening, speakers))
    json = partial(_json, guard, screening)
    return walk(Visitor(change, json, unread))


def _json(guard: Guard, screening: Screening, text: str, surface: str) -> str:
    return guard.json_text(text, surface, screening)
