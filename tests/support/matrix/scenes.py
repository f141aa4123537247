"""What a client and a provider say to one another in the cells of the matrix, in no dialect.

A scene is a conversation of one or two steps. A client's side writes it in its own words, a
vendor's side checks that it arrived and answers; both read what they got back into the same
facts, so that the two can be compared without a word of any dialect.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

DIALECTS: Final = ("openai", "openai_responses", "anthropic", "gemini", "bedrock", "cohere")
MODES: Final = ("whole", "stream")

TITLES: Final = {
    "openai": "OpenAI chat",
    "openai_responses": "OpenAI responses",
    "anthropic": "Anthropic messages",
    "gemini": "Gemini",
    "bedrock": "Bedrock Converse",
    "cohere": "Cohere v2",
}


@dataclass(frozen=True)
class Picture:
    media_type: str
    data: str
    """Standard base64."""


@dataclass(frozen=True)
class Document:
    media_type: str
    data: str
    """Standard base64."""


@dataclass(frozen=True)
class Result:
    """What a tool said about the call with this number, counted over the conversation."""

    call: int
    text: str
    picture: Picture | None = None


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Counts:
    """Tokens as the canonical convention counts them: input with cached, output with reasoning."""

    input: int = 31
    output: int = 17
    cached: int = 0
    reasoning: int = 0
    written: int = 0
    """To the prompt cache; part of the input, as `cached` is."""


@dataclass(frozen=True)
class Answer:
    text: str = ""
    thought: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "stop"
    """stop, stop_sequence, length, tool_calls, filter."""
    counts: Counts = Counts()
    breaks: bool = False
    """The stream breaks off with an error of the vendor's after its text."""


@dataclass(frozen=True)
class Fault:
    """The vendor refuses."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True)
class Step:
    says: tuple[str | Picture | Document | Result, ...]
    answer: Answer | Fault


@dataclass(frozen=True)
class Scene:
    title: str
    steps: tuple[Step, ...]
    system: str = ""
    tools: tuple[Tool, ...] = ()
    forced: bool = False
    """Some tool must be called in the first step."""
    schema: dict[str, Any] | None = None
    limit: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    reasons: bool = False
    handover: str = ""
    """sealed, open: the first step is answered by another vendor, see `cells.BEFORE`."""
    modes: tuple[str, ...] = field(default=MODES)


def _picture() -> Picture:
    """A PNG of one red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return len(data).to_bytes(4, "big") + kind + data + crc.to_bytes(4, "big")

    head = (1).to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    png += chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return Picture("image/png", base64.b64encode(png).decode())


RED: Final = _picture()
PAPER: Final = Document(
    "application/pdf", base64.b64encode(b"%PDF-1.4\n%\xff\xfe\xfb\xef\n%%EOF\n").decode()
)
WEATHER: Final = Tool(
    "get_weather",
    "How the weather is in a city.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The city's name"},
            "days": {"type": "integer"},
        },
        "required": ["city", "days"],
        "additionalProperties": False,
    },
)
CLOCK: Final = Tool(
    "read_clock",
    "What time it is in a zone.",
    {
        "type": "object",
        "properties": {"zone": {"type": "string"}},
        "required": ["zone"],
        "additionalProperties": False,
    },
)
PERSON: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}

LIMA: Final = Call("get_weather", {"city": "Lima", "days": 2})
OSLO: Final = Call("get_weather", {"city": "Osló – „Ø“", "days": 1})
ZONE: Final = Call("read_clock", {"zone": "Europe/Oslo"})
WORDS: Final = 'Grüße aus 東京: it is “fine” \U0001f600.\nSecond line, with \\ and "quotes".'

MOVED: Final = (
    Step(
        ("Is it warmer in Lima?",),
        Answer("Let me see.", "I need its weather.", (LIMA, ZONE), "tool_calls"),
    ),
    Step((Result(0, '{"degrees": 21}'), Result(1, "12:00")), Answer("Yes.")),
)

SCENES: Final[dict[str, Scene]] = {
    "text": Scene(
        "text",
        (Step(("Say hello, in three languages. ñ 漢字",), Answer(WORDS)),),
        system="You are brief.",
        limit=2000,
        temperature=0.5,
    ),
    "turns": Scene(
        "several turns",
        (
            Step(("My name is Ada.",), Answer("Hello, Ada.")),
            Step(("What is my name?",), Answer("Your name is Ada.")),
        ),
        system="You remember.",
    ),
    "image": Scene(
        "picture",
        (Step(("Which color is it?", RED, "One word."), Answer("Red.")),),
    ),
    "tool": Scene(
        "tool call",
        (
            Step(
                ("How is Lima today and tomorrow?",),
                Answer(calls=(LIMA,), finish="tool_calls"),
            ),
        ),
        tools=(WEATHER, CLOCK),
        forced=True,
    ),
    "parallel": Scene(
        "parallel calls",
        (
            Step(
                ("Weather in Lima and Oslo, and the time in Oslo?",),
                Answer("I will look.", calls=(LIMA, OSLO, ZONE), finish="tool_calls"),
            ),
        ),
        tools=(WEATHER, CLOCK),
    ),
    "result": Scene(
        "tool results",
        (
            Step(
                ("Weather in Lima and Oslo, and the time in Oslo?",),
                Answer("I will look.", calls=(LIMA, OSLO, ZONE), finish="tool_calls"),
            ),
            Step(
                (
                    Result(0, '{"degrees": 21.50, "sky": "clear"}'),
                    Result(1, "Sleet, –3 °C"),
                    Result(2, "12:00"),
                ),
                Answer("21.5 in Lima, sleet in Oslo, noon."),
            ),
        ),
        tools=(WEATHER, CLOCK),
    ),
    "seen": Scene(
        "picture in a result",
        (
            Step(("What does Lima look like?",), Answer(calls=(LIMA,), finish="tool_calls")),
            Step((Result(0, "Taken at noon.", RED),), Answer("It is red.")),
        ),
        tools=(WEATHER,),
    ),
    "document": Scene(
        "document",
        (Step(("What does it say?", PAPER), Answer("Nothing.")),),
    ),
    "schema": Scene(
        "structured output",
        (
            Step(
                ("Describe Ada.",),
                Answer('{"name": "Ada", "age": 36, "tags": ["math", "poetry"]}'),
            ),
        ),
        schema=PERSON,
    ),
    "reasoning": Scene(
        "reasoning",
        (
            Step(
                ("Is it warmer in Lima?",),
                Answer(
                    "Let me see.",
                    "The user asks for Lima.\nI need its weather.",
                    (LIMA,),
                    "tool_calls",
                    Counts(40, 60, 0, 25),
                ),
            ),
            Step((Result(0, '{"degrees": 21}'),), Answer("Yes.", "21 is warm.")),
        ),
        tools=(WEATHER,),
        limit=8000,
        reasons=True,
    ),
    "handover": Scene(
        "another provider takes over",
        MOVED,
        tools=(WEATHER, CLOCK),
        limit=8000,
        reasons=True,
        handover="sealed",
    ),
    "open_handover": Scene(
        "... from one without states",
        MOVED,
        tools=(WEATHER, CLOCK),
        limit=8000,
        reasons=True,
        handover="open",
    ),
    "twin_handover": Scene(
        "... from another host of the dialect",
        MOVED,
        tools=(WEATHER, CLOCK),
        limit=8000,
        reasons=True,
        handover="twin",
    ),
    "stop": Scene(
        "stop sequence",
        (Step(("Count to ten.",), Answer("One, two, ", finish="stop_sequence")),),
        stop=("three", "III"),
    ),
    "length": Scene(
        "length",
        (Step(("Tell a long story.",), Answer("Once upon a", finish="length")),),
        limit=16,
    ),
    "filter": Scene(
        "content filter",
        (Step(("Something forbidden.",), Answer("I would", finish="filter")),),
    ),
    "usage": Scene(
        "usage",
        (Step(("Think hard.",), Answer("42.", counts=Counts(9000, 700, 8192, 640, 512))),),
    ),
    "limited": Scene(
        "error 429",
        (Step(("Hello?",), Fault(429, retry_after=17)),),
    ),
    "rejected": Scene(
        "error 400",
        (Step(("Hello?",), Fault(400)),),
    ),
    "failing": Scene(
        "error 500",
        (Step(("Hello?",), Fault(500)),),
    ),
    "broken": Scene(
        "error in a stream",
        (Step(("Hello?",), Answer("Half an answ", breaks=True)),),
        modes=("stream",),
    ),
}
