"""What a message is made of, whatever the wire language: the canonical content parts.

Two things a newcomer gets wrong. `extra` holds members that only the dialect a part came
from can read, so it is written back only by that dialect. And a state (`signature`,
`sealed`) is a text that only the provider which made it can open: it goes back unchanged
to that provider and to nobody else (`maker` says whose it is).
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Raw

Fields: TypeAlias = dict[str, Raw]
"""Members of a JSON object by name, each as valid JSON text."""

IMAGE, AUDIO, VIDEO, FILE = "image", "audio", "video", "file"
FUNCTION, CUSTOM = "function", "custom"


class CacheMark(msgspec.Struct, frozen=True, omit_defaults=True):
    """The prompt up to and including this part may be cached."""

    ttl: str = ""
    """How long, as the client wrote it ("5m", "1h"); empty: the provider's default."""


class Citation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a piece of text comes from. Offsets count characters of the part's text."""

    title: str = ""
    url: str = ""
    quote: str = ""
    start: int | None = None
    end: int | None = None
    raw: Raw | None = None
    """The whole citation in the words of the dialect that it came from."""


class Text(msgspec.Struct, frozen=True, omit_defaults=True, tag="text"):
    """Words."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheMark | None = None
    signature: str = ""
    maker: str = ""
    extra: Fields = {}


class Media(msgspec.Struct, frozen=True, omit_defaults=True, tag="media"):
    """A picture, sound, film or document: exactly one of `data`, `url`, `file_id`, `text`."""

    kind: str
    """IMAGE, AUDIO, VIDEO or FILE."""
    media_type: str = ""
    """"image/png", "application/pdf", ...; empty where nobody said."""
    data: str = ""
    """Standard base64 with padding, as it came."""
    url: str = ""
    """A remote address; `data:` addresses are taken apart into `media_type` and `data`."""
    file_id: str = ""
    text: str = ""
    """The text of a document that is given as text."""
    name: str = ""
    """A file's name or a document's title."""
    detail: str = ""
    """How closely a picture is looked at: low, high, auto, ..."""
    cite: bool = False
    """Answers are to cite this document."""
    cache: CacheMark | None = None
    extra: Fields = {}


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True, tag="refusal"):
    """The model's own words for why it does not answer."""

    text: str


class Thinking(msgspec.Struct, frozen=True, omit_defaults=True, tag="thinking"):
    """Reasoning that the model showed, or its sealed form."""

    text: str = ""
    signature: str = ""
    """Proves to its maker that the text is unchanged."""
    sealed: str = ""
    """The reasoning itself, readable by its maker only (redacted or encrypted)."""
    id: str = ""
    maker: str = ""
    summary: bool = False
    """The text is a summary of the reasoning, not the reasoning."""
    cache: CacheMark | None = None
    extra: Fields = {}


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool_call"):
    """The model wants a tool to be run."""

    id: str
    """Never empty in a canonical message: a dialect without ids makes them, stable for the
    place of the call in the conversation."""
    name: str
    arguments: str
    """Raw text, as the model wrote it: JSON for a function (or broken JSON), any text for a
    custom tool. Never re-rendered where the target takes text."""
    kind: str = FUNCTION
    signature: str = ""
    maker: str = ""
    cache: CacheMark | None = None
    extra: Fields = {}


class ToolResult(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool_result"):
    """What a tool answered."""

    call_id: str
    parts: tuple[Text | Media | Foreign, ...] = ()
    name: str = ""
    """The tool's name, where the dialect says it; an encoder that needs it and finds none
    looks for the call."""
    error: bool = False
    kind: str = FUNCTION
    cache: CacheMark | None = None
    extra: Fields = {}


class Foreign(msgspec.Struct, frozen=True, omit_defaults=True, tag="foreign"):
    """A part that only one dialect knows (a hosted tool's call or result, a container file).

    Written back by that dialect; every other leaves it out and says so.
    """

    dialect: str
    raw: Raw


Part: TypeAlias = Text | Media | Refusal | Thinking | ToolCall | ToolResult | Foreign
