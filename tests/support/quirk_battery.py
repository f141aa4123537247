"""All that one deployment can be seen to do: what its row changes shows as a difference here.

Calls of its own language and of another are encoded and forwarded; answers, streams and errors
are read. A quirk that makes no difference anywhere here is not honored.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final

from msgspec import Raw, structs
from native_dialects import merged, plain
from pictures import PNG

from federation.dialects.faces import Upstream
from federation.dialects.table import CLIENTS, UPSTREAMS
from federation.domain.catalogue import Ability, Deployment, Model, Provider, Tier
from federation.domain.quirks import SHAPES
from federation.domain.routes import Settings
from federation.errors import FederationError
from federation.schema.chat import (
    ASSISTANT,
    DEVELOPER,
    NAMED,
    NONE,
    REQUIRED,
    SYSTEM,
    TOOL,
    USER,
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.http import ClientRequest, Headers
from federation.schema.parts import (
    CUSTOM,
    IMAGE,
    CacheMark,
    Media,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

Quirks = dict[str, object]
Seen = dict[str, Any]

ADDRESSES: Final = {
    "bedrock": "https://bedrock-runtime.eu-west-1.amazonaws.com",
    "gemini": "https://acme.test/v1beta",
    "vertex": "https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/publishers/google",
    "ollama": "https://acme.test",
}
MODELS: Final[dict[str, frozenset[Ability]]] = {
    "able": frozenset(Ability),
    "plain": frozenset({Ability.TOOLS, Ability.SAMPLING, Ability.FORCED_TOOLS}),
    "thinker": frozenset({Ability.TOOLS, Ability.REASONING, Ability.SAMPLING}),
}
_ADDRESS: Final = "https://acme.test/v1"
STATUS: Final = 470
"""One that nobody has a rule for."""
SAMPLES: Final[dict[str, tuple[object, ...]]] = {
    "accepts_only": (["model", "messages", "stream"],),
    "cache_breakpoints": (0, 2, 20),
    "context_option": ("num_ctx",),
    "cost_field": ("usage.cost",),
    "default": ({"odd_field": 7, "temperature": 0.3},),
    "drop": (["temperature", "seed", "tools", "toolConfig"],),
    "effort_levels": (["low"], ["high"]),
    "effort_none_value": ("minimal", None, "between_tools"),
    "effort_rename": ({"high": "most", "low": "least"},),
    "extra_fields": ("extra_body", {"top_k": "topK"}),
    "loading_status": ([STATUS],),
    "output_limit_field": ("max_tokens", "max_completion_tokens"),
    "payment_status": ([STATUS],),
    "rename": ({"temperature": "heat", "tools": "kit", "toolConfig": "kit"},),
    "set": ({"odd_field": 9},),
    "temperature_max": (1,),
    "throttle_status": ([STATUS],),
    "tool_choice": (["auto"], ["auto", "none"]),
    "tool_schema_rename": ({"parameters": "input_schema"},),
    "tool_schema_strip": (["title", "minLength"],),
    "tool_types": (["function"],),
    "usage_cached_field": ("odd_cached", "usage.odd_cached"),
    "json_schema_excludes": (["tools"], ["stream"]),
    "cache_min_tokens": (4096,),
}
"""Values for quirks that do not take a flag or one of some words."""

COMPANIONS: Final[dict[tuple[str, str], Quirks]] = {
    ("anthropic", "effort_levels"): {"reasoning_control": "adaptive"},
    ("anthropic", "effort_none_value"): {
        "reasoning_control": "adaptive",
        "thinking_always_on": True,
    },
    ("gemini", "thinking_always_on"): {"reasoning_control": "budget"},
    ("vertex", "thinking_always_on"): {"reasoning_control": "budget"},
    ("bedrock", "cache_breakpoints"): {"cache_min_tokens": 1},
    **{
        ("bedrock", word): {"reasoning_control": "effort"}
        for word in ("effort_levels", "effort_rename", "effort_none", "effort_none_value")
    },
    ("bedrock", "thinking_always_on"): {"reasoning_control": "budget"},
}
"""Quirks without which another says nothing."""
_PATHS: Final = {("anthropic", "model_in_path"): "https://acme.test/v1/{model}:rawPredict"}
"""Addresses without which a quirk says nothing."""
_SCHEMA: Final = Raw(
    b'{"type":"object","additionalProperties":false,"title":"odd","required":["place"],'
    b'"properties":{"place":{"type":"string","minLength":1}}}'
)
_HELLO: Final = Message(USER, (Text("Where?"),))
_PICTURE: Final = Media(IMAGE, "image/png", data=base64.b64encode(PNG).decode())
_TOOLS: Final = (Tool("look", "Looks.", _SCHEMA, strict=True), Tool("find", schema=_SCHEMA))


def samples(word: str) -> tuple[object, ...]:
    """Values of a quirk, of which at least one should make a difference where it is honored."""
    shape = SHAPES[word]
    return SAMPLES.get(word) or shape.words or (True, False)


def honors(dialect: str, word: str, models: Iterable[str] = MODELS) -> bool:
    """Whether any value of a quirk makes any difference to a deployment of any of the models."""
    beside = COMPANIONS.get((dialect, word), {})
    address = _PATHS.get((dialect, word), ADDRESSES.get(dialect, _ADDRESS))
    for model in models:
        without = (
            observed(dialect, beside, model, address)
            if beside
            else _plainly(dialect, model, address)
        )
        for value in samples(word):
            if observed(dialect, {**beside, word: value}, model, address) != without:
                return True
    return False


@cache
def _plainly(dialect: str, model: str, address: str) -> Seen:
    return observed(dialect, {}, model, address)


def upstream(dialect: str, quirks: Quirks, model: str, address: str) -> Upstream:
    """A deployment with these quirks and nothing else of its own."""
    row = Provider("acme", "Acme", Tier.FRONTIER, dialect, address, quirks=quirks)
    modalities = ("text", "image", "pdf", "audio", "video")
    able = Model("acme-large", input_modalities=modalities, abilities=MODELS[model])
    deployment = Deployment("acme/acme-large", row, able, usable=True)
    return UPSTREAMS[dialect](
        deployment, Settings(), headers=(), query="", secret="key", private=True
    )


def observed(dialect: str, quirks: Quirks, model: str, address: str) -> Seen:
    """What a deployment does, by what was put to it."""
    usual = ADDRESSES.get(dialect, _ADDRESS)
    plain_row = upstream(dialect, {}, model, usual)
    try:
        made = upstream(dialect, quirks, model, address)
    except ValueError as error:
        return {"the row itself": str(error)}
    seen: Seen = {}
    for name, request in requests():
        for client in (made.forwards, "another"):
            asked = structs.replace(request, dialect=client)
            seen[f"{name} of {client}"] = _tried(_encoded, made, asked)
        seen[f"{name} as it is"] = _tried(_forwarded, plain_row, made, request)
    for path, native in _NATIVE.get(dialect, {}).items():
        call = ClientRequest("POST", path, "", {}, json.dumps(native).encode())
        seen[path] = _tried(_passed, made, call)
    for number, body in enumerate(_ANSWERS.get(dialect, ())):
        raw = json.dumps(body).encode()
        seen[f"answer {number}"] = _tried(_plain, made.decode, raw)
        seen[f"answer {number} as it is"] = _tried(_plain, made.read_answer, raw)
    for number, stream in enumerate(_STREAMS.get(dialect, ())):
        seen[f"stream {number}"] = _tried(_streamed, made, stream)
        seen[f"stream {number} as it is"] = _tried(_tapped, made, stream)
    refused = made.decode_error(STATUS, Headers(()), b'{"message":"no"}')
    seen["error"] = (type(refused).__name__, refused.recovery.name)
    return seen


def requests() -> Iterator[tuple[str, ChatRequest]]:
    """Calls that together say what a row may have an opinion on."""
    call = ToolCall("call_looks-1", "look", '{"place":"here"}')
    second = ToolCall("call_looks-2", "find", '{"place":"there"}')
    results = (
        ToolResult("call_looks-1", (Text("nothing"), _PICTURE)),
        ToolResult("call_looks-2", (Text("all"),)),
    )
    thought = Thinking("I think.", "c2lnbmVk")

    def chat(*messages: Message, **more: Any) -> ChatRequest:
        return ChatRequest("another", "acme-large", messages or (_HELLO,), **more)

    yield "least", chat()
    yield "stream", chat(stream=True)
    yield "limit", chat(max_output=5000)
    sampling = Sampling(
        1.9, 0.5, 7, frequency_penalty=0.5, presence_penalty=0.5, seed=1, stop=("x",)
    )
    yield "sampling", chat(sampling=sampling, user="u", metadata={"a": "b"})
    yield "cool", chat(sampling=Sampling(0.5))
    yield "many", chat(sampling=Sampling(choices=2))
    yield "odds", chat(sampling=Sampling(logprobs=True, top_logprobs=2))
    yield "system", chat(Message(SYSTEM, (Text("Be."),)), _HELLO)
    yield "developer", chat(Message(DEVELOPER, (Text("Be."),)), _HELLO)
    yield "late system", chat(_HELLO, Message(SYSTEM, (Text("Be."),)), _HELLO)
    yield "twice", chat(_HELLO, _HELLO)
    yield "named", chat(Message(USER, (Text("Where?"),), name="ann"))
    parts: tuple[Part, ...] = (Text("a"), Text("b"))
    yield "parts", chat(Message(USER, parts))
    yield "picture", chat(Message(USER, (Text("a"), _PICTURE)))
    remote = Media(IMAGE, url="https://pictures.test/a.png")
    yield "remote", chat(Message(USER, (Text("a"), remote)))
    silent = Message(ASSISTANT, (Text(""),))
    yield "silent", chat(_HELLO, silent, _HELLO)
    called = Message(ASSISTANT, (thought, Text("So."), call, second))
    yield "results", chat(_HELLO, called, Message(TOOL, results), tools=_TOOLS)
    yield "thought", chat(_HELLO, Message(ASSISTANT, (thought, Text("So."))), _HELLO)
    bare = Message(ASSISTANT, (Thinking("I think so."), Text("So.")))
    yield "bare thought", chat(_HELLO, bare, _HELLO)
    yield "begun", chat(_HELLO, Message(ASSISTANT, (Text("It is"),)), begun=True)
    for mode in (REQUIRED, NONE):
        yield mode, chat(tools=_TOOLS, tool_choice=ToolChoice(mode), parallel_tools=False)
    yield "one", chat(tools=_TOOLS, tool_choice=ToolChoice(NAMED, "look"))
    yield "custom", chat(tools=(*_TOOLS, Tool("say", kind=CUSTOM)))
    yield "json", chat(format=OutputFormat("json"))
    shaped = OutputFormat("schema", _SCHEMA, "place", strict=True)
    yield "schema", chat(format=shaped)
    yield "schema and tools", chat(format=shaped, tools=_TOOLS)
    yield "schema in a stream", chat(format=shaped, stream=True)
    for effort in ("none", "minimal", "low", "high", "max"):
        yield f"effort {effort}", chat(reasoning=Reasoning(effort), max_output=9000)
    yield "budget", chat(reasoning=Reasoning(budget=2000), max_output=9000)
    yield "adaptive", chat(reasoning=Reasoning(adaptive=True), max_output=9000)
    yield "thinking and tools", chat(reasoning=Reasoning("high"), tools=_TOOLS, max_output=9000)
    mark = CacheMark("5m")
    marked = [Message(USER, (Text(f"{number} " * 3000, cache=mark),)) for number in range(6)]
    yield "marks", chat(*marked)
    yield "brief marks", chat(Message(USER, (Text("brief", cache=mark),)))
    yield "strange", chat(extra={"odd_field": Raw(b"1"), "safe_prompt": Raw(b"true")})


def _encoded(made: Upstream, request: ChatRequest) -> Seen:
    encoded = made.encode(request)
    sent = encoded.request
    return {"to": sent.target, "body": _told(sent.body), "losses": encoded.losses}


def _forwarded(plain_row: Upstream, made: Upstream, request: ChatRequest) -> Seen:
    """A call of the deployment's own language, as a plain row would be sent it."""
    own = plain_row.forwards
    written = plain_row.encode(structs.replace(request, dialect=own)).request
    path, _, query = written.target.partition("?")
    if "/models/" in path:
        path = "/v1beta/models/" + path.rpartition("/models/")[2]
    return _passed(made, ClientRequest("POST", path, query, {}, written.body))


def _passed(made: Upstream, asked: ClientRequest) -> Seen:
    glance = CLIENTS[made.forwards].glance(asked)
    if made.needs_translation(glance, asked.body):
        return {"translated": True}
    sent = made.forward(glance, asked.body)
    dropped = made.dropped_fields(glance)
    return {"to": sent.target, "body": _told(sent.body), "dropped": dropped}


def _streamed(made: Upstream, stream: bytes) -> Any:
    decoder = made.decoder()
    chunks = decoder.feed(stream) + decoder.close()
    return merged(chunks), decoder.complete


def _tapped(made: Upstream, stream: bytes) -> Any:
    tap = made.tap(withhold_usage=False, choices=1)
    out = tap.feed(stream) + tap.close()
    return out.decode(), plain(tap.answer()), tap.complete


def _told(body: bytes) -> Any:
    return json.loads(body) if body else None


def _plain(read: Callable[[bytes], Any], body: bytes) -> Any:
    return plain(read(body))


def _tried(look: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return look(*arguments)
    except FederationError as error:
        return type(error).__name__, error.code, str(error)


def _answer(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"} | message}
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 20},
        "odd_cached": 30,
        "cost": 0.5,
    }
    return {"id": "a", "model": "m", "created": 1, "choices": [choice], "usage": usage}


def _events(*events: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def _piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {
        "id": "a",
        "model": "m",
        "created": 1,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


_USAGE: Final = {"id": "a", "model": "m", "choices": [], "usage": _answer()["usage"]}
_SPLIT: Final = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]
_CHAT: Final = (
    _answer(content="Here.", reasoning_content="Hm."),
    _answer(content="Here.", reasoning="Ah."),
    _answer(content="Here.", thinking="Oh."),
    _answer(content="<think>Hm.</think>Here."),
    _answer(content=[*_SPLIT, {"type": "text", "text": "Here."}]),
)
_WORDS: Final = (
    _piece(role="assistant", reasoning_content="Hm."),
    _piece(reasoning="Ah."),
    _piece(thinking="Oh."),
    _piece(content="<think>Eh.</think>Here."),
)
_NATIVE: Final[dict[str, dict[str, Any]]] = {
    name: {"/v1beta/models/acme-large:generateContent": {"contents": [{"parts": [{"text": "a"}]}]}}
    for name in ("gemini", "vertex")
}
"""Calls that no encoder writes, by path."""
_COUNTED: Final = _answer(content="a")
del _COUNTED["usage"]["total_tokens"]
_RESPONSE: Final = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Here.", "annotations": []}],
        }
    ],
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20},
        "odd_cached": 30,
        "cost": 0.5,
    },
}
_ANSWERS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "openai": (*_CHAT, _COUNTED),
    "openai_responses": (_RESPONSE,),
    "bedrock": (
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Here."}]}},
            "stopReason": "end_turn",
            "usage": {
                "inputTokens": 100,
                "outputTokens": 50,
                "totalTokens": 150,
                "cacheReadInputTokens": 60,
            },
        },
    ),
}
_STREAMS: Final[dict[str, tuple[bytes, ...]]] = {
    "openai": (
        _events(*_WORDS, _piece("stop"), _USAGE) + b"data: [DONE]\n\n",
        _events(_piece("", role="assistant", content="a"), _piece("stop")) + b"data: [DONE]\n\n",
        _events(_piece("stop", content="a") | {"x_groq": {"usage": _answer()["usage"]}})
        + b"data: [DONE]\n\n",
        _events(_piece("", content="a"), _USAGE),
    ),
}
