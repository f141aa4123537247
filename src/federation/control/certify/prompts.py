"""What the kit says to models: short, harmless, and the same for every provider.

Models are free in their words, so nothing here depends on more of them than a number or a
name that the prompt itself holds.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.schema.chat import (
    ASSISTANT,
    SYSTEM,
    TOOL,
    USER,
    ChatRequest,
    ChatResponse,
    Message,
    Tool,
)
from federation.schema.parts import IMAGE, Media, Part, Text, ToolCall, ToolResult

CLIENT: Final = "openai"
"""The dialect that the kit's requests are said to come from."""
ROOM: Final = 512
"""Tokens for an answer."""
THINKING_ROOM: Final = 4096
"""The same where the model may reason first."""

PLAIN: Final = "Write one short sentence about rivers."
WEATHER: Final = "What is the weather in Paris? Use the tool get_weather."
BOTH: Final = (
    "Call get_weather for Paris and get_time for Paris, both tools at once, in the same turn."
)
LETTERS: Final = (
    "Write the first five letters of the alphabet, separated by commas, and nothing else."
)
BEGUN: Final = "A, B"
STRANGE: Final = ("Grüße", "東京", "🙂🚀", "Ωmega")


def raw(value: object) -> Raw:
    """A value as JSON text."""
    return Raw(msgspec.json.encode(value))


def said(*parts: Part, role: str = USER) -> Message:
    """A turn made of parts."""
    return Message(role, parts)


def user(text: str) -> Message:
    """The user's words."""
    return said(Text(text))


def system(text: str) -> Message:
    """The setting."""
    return said(Text(text), role=SYSTEM)


def assistant(text: str) -> Message:
    """The model's words, as we say that they were."""
    return said(Text(text), role=ASSISTANT)


def chat(*messages: Message, room: int = ROOM, **more: Any) -> ChatRequest:
    """A call; the model's name is the deployment's."""
    return ChatRequest(CLIENT, "", messages, max_output=room, **more)


def text_of(response: ChatResponse, choice: int = 0) -> str:
    """The words of an answer."""
    if choice >= len(response.choices):
        return ""
    parts = response.choices[choice].parts
    return "".join(part.text for part in parts if isinstance(part, Text))


def calls_of(response: ChatResponse) -> list[ToolCall]:
    """The tool calls of an answer."""
    parts = response.choices[0].parts if response.choices else ()
    return [part for part in parts if isinstance(part, ToolCall)]


def finish_of(response: ChatResponse) -> str:
    """Why an answer ended."""
    return response.choices[0].finish if response.choices else ""


def answered(response: ChatResponse) -> Message:
    """An answer as a turn of the conversation, its reasoning and its states included."""
    return Message(ASSISTANT, response.choices[0].parts if response.choices else ())


def results(calls: list[ToolCall], text: str) -> Message:
    """What the tools said, the same for each call."""
    return Message(
        TOOL, tuple(ToolResult(call.id, (Text(text),), name=call.name) for call in calls)
    )


def _schema(**properties: object) -> Raw:
    return raw({"type": "object", "properties": properties, "required": list(properties)})


_CITY: Final = {"type": "string", "description": "The city's name"}
GET_WEATHER: Final = Tool("get_weather", "Current weather of a city", _schema(city=_CITY))
GET_TIME: Final = Tool("get_time", "Time of day in a city", _schema(city=_CITY))

PERSON: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "skills": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "skills"],
    "additionalProperties": False,
}
"""What is asked of a structured answer."""


def big_tool() -> Tool:
    """A tool whose schema is some 12 kB long: objects in objects, words with quotes in them."""
    properties = {
        f"field_{number:02d}": {
            "type": "object",
            "description": f'Number {number} of many, "quoted" and \\slashed\\',
            "properties": {
                "value": {"type": "string", "enum": ["low", "middle", "high"]},
                "notes": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["value"],
        }
        for number in range(50)
    }
    schema = raw({"type": "object", "properties": properties, "required": ["field_00"]})
    return Tool("fill_form", "Fills in a long form", schema)


def filler(words: int) -> str:
    """So many words that no tokenizer makes one token of."""
    return " ".join(f"river{number % 97}" for number in range(words))


def red_square() -> Media:
    """A picture: 64 by 64 pixels of red."""
    side = 64
    rows = (b"\0" + b"\xff\0\0" * side) * side
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )
    return Media(IMAGE, "image/png", base64.b64encode(png).decode())
