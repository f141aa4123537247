"""A provider that speaks OpenAI's chat language on loopback, and plays what a message names.

The first word in brackets of the last user message chooses the scene: "[tools] what is the
weather?". Answers have the fields, the order of events and the error bodies of the real service.
"""

from __future__ import annotations

import json
import re
import select
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

ID = "chatcmpl-CJ4mTzkQ8Zb1vXo2yWq7RkUeLd3aN"
CREATED = 1_790_000_000
SNAPSHOT = "acme-large-2026-08-01"
FINGERPRINT = "fp_4f2c1e9ab7"
WORDS = ["The", " answer", " is", " forty-two."]
TOOL_CALLS = [
    ("call_Vb8pQm2XyJr5", "get_weather", '{"city":"Köln","unit":"celsius"}'),
    ("call_Kd7sWn4TzHe1", "get_time", '{"zone":"Europe/Berlin"}'),
]
THOUGHT = "Six times seven, then."
PERSON = '{"name":"Ada","age":36,"languages":["English","French"]}'
USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 7,
    "total_tokens": 26,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
ERRORS = {
    "bad": (
        400,
        "Invalid value: 'purple'. Supported values are: 'low', 'medium', and 'high'.",
        "invalid_request_error",
        "reasoning_effort",
        "invalid_value",
    ),
    "unprocessable": (422, "The request cannot be processed.", "invalid_request_error", None, None),
    "limited": (
        429,
        "Rate limit reached for acme-large on requests per min (RPM): Limit 3, Used 3.",
        "requests",
        None,
        "rate_limit_exceeded",
    ),
    "broken": (
        500,
        "The server had an error while processing your request. Sorry about that!",
        "server_error",
        None,
        None,
    ),
    "overloaded": (503, "The engine is currently overloaded.", "server_error", None, None),
}


@dataclass
class Asked:
    """A request as the provider saw it."""

    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes
    hung_up_at: float | None = None
    sent: int = 0


@dataclass
class Provider:
    """The running provider."""

    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def last(self, scene: str) -> Asked:
        """The last request for a scene."""
        return next(each for each in reversed(self.asked) if scene_of(each.body) == scene)

    def count(self, scene: str) -> int:
        return sum(scene_of(each.body) == scene for each in self.asked)

    def hung_up(self, scene: str, within_s: float = 3.0) -> float:
        """Wait until the client of a scene has hung up; returns when that was."""
        deadline = time.monotonic() + within_s
        while (at := self.last(scene).hung_up_at) is None:
            assert time.monotonic() < deadline, "the provider's connection stayed open"
            time.sleep(0.005)
        return at


def scene_of(body: dict[str, Any]) -> str:
    for message in reversed(body["messages"]):
        content = message["content"] if message["role"] == "user" else None
        if isinstance(content, list):
            content = next((part["text"] for part in content if part["type"] == "text"), "")
        if content:
            found = re.match(r"\[(\w+)\]", content)
            return found[1] if found else "plain"
    return "plain"


def message_for(scene: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The assistant's message and its finish reason."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(WORDS),
        "refusal": None,
        "annotations": [],
    }
    if scene == "tools" and "tools" in body:
        message["content"] = None
        message["tool_calls"] = [
            {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call, name, arguments in TOOL_CALLS
        ]
        return message, "tool_calls"
    if scene == "think":
        message["reasoning_content"] = THOUGHT
    if scene == "person":
        message["content"] = PERSON
    if scene == "refuse":
        message["content"], message["refusal"] = None, "I can't help with that."
    if scene == "vision":
        parts = body["messages"][-1]["content"]
        images = sum(part["type"] == "image_url" for part in parts)
        message["content"] = f"I see {images} images."
    return message, "length" if scene == "cut" else "stop"


def completion(scene: str, body: dict[str, Any]) -> bytes:
    message, finish = message_for(scene, body)
    choices = [
        {"index": n, "message": message, "logprobs": None, "finish_reason": finish}
        for n in range(body.get("n") or 1)
    ]
    answer = {
        "id": ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": SNAPSHOT,
        "choices": choices,
        "usage": USAGE,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    return json.dumps(answer, indent=2, ensure_ascii=False).encode() + b"\n"


def deltas(scene: str, body: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str | None]]:
    message, finish = message_for(scene, body)
    if "tool_calls" in message:
        yield {"role": "assistant", "content": None}, None
        for index, (call, name, arguments) in enumerate(TOOL_CALLS):
            yield (
                {
                    "tool_calls": [
                        {
                            "index": index,
                            "id": call,
                            "type": "function",
                            "function": {"name": name, "arguments": ""},
                        }
                    ]
                },
                None,
            )
            for at in range(0, len(arguments), 5):
                piece = {"arguments": arguments[at : at + 5]}
                yield {"tool_calls": [{"index": index, "function": piece}]}, None
    elif message["refusal"]:
        yield {"role": "assistant", "content": None, "refusal": ""}, None
        yield {"refusal": message["refusal"]}, None
    else:
        yield {"role": "assistant", "content": "", "refusal": None}, None
        for word in re.findall(r"\s*\S+", message.get("reasoning_content", "")):
            yield {"reasoning_content": word}, None
        for word in re.findall(r"\s*\S+", message["content"]):
            yield {"content": word}, None
    yield {}, finish


def events(scene: str, body: dict[str, Any]) -> Iterator[bytes]:
    include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    shared: dict[str, Any] = {
        "id": ID,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": SNAPSHOT,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    nothing = {"usage": None} if include_usage else {}
    for delta, finish in deltas(scene, body):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        yield event({**shared, "choices": [choice], **nothing})
    if include_usage:
        yield event({**shared, "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def event(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return b"data: " + text.encode() + b"\n\n"


class Play(BaseHTTPRequestHandler):
    """One connection of the gateway to the provider."""

    protocol_version = "HTTP/1.1"
    provider: ClassVar[Provider]

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(headers, json.loads(raw), raw)
        self.provider.asked.append(asked)
        scene = scene_of(asked.body)
        if self.path != "/v1/chat/completions" or not headers.get("authorization"):
            self._answer(404, b"{}")
        elif scene in ERRORS:
            self._error(*ERRORS[scene])
        elif scene == "hang":
            self._pause(asked, 10.0)
        elif asked.body.get("stream"):
            self._stream(asked, scene)
        else:
            self._answer(200, completion(scene, asked.body))

    def _error(
        self, status: int, message: str, kind: str, param: str | None, code: str | None
    ) -> None:
        error = {"message": message, "type": kind, "param": param, "code": code}
        self._answer(status, json.dumps({"error": error}, indent=2).encode())

    def _head(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (
            ("x-request-id", "req_8f0c5a7be1d2"),
            ("openai-processing-ms", "212"),
            ("openai-version", "2020-10-01"),
            *headers,
        ):
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, status: int, body: bytes) -> None:
        self._head(status, ("content-type", "application/json"), ("content-length", str(len(body))))
        self.wfile.write(body)

    def _stream(self, asked: Asked, scene: str) -> None:
        kind = ("content-type", "text/event-stream; charset=utf-8")
        self._head(200, kind, ("transfer-encoding", "chunked"))
        for piece in events(scene, asked.body):
            if scene == "stall" and asked.sent == 3:
                self._pause(asked, 10.0)
                return
            if scene == "sever" and asked.sent == 3:
                self.close_connection = True
                return
            if scene == "drip" and self._pause(asked, 0.05):
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            asked.sent += 1
        self.wfile.write(b"0\r\n\r\n")

    def _pause(self, asked: Asked, seconds: float) -> bool:
        """Wait; True, and the connection is done, if the gateway hangs up meanwhile."""
        if not select.select([self.connection], [], [], seconds)[0]:
            self.close_connection = seconds > 1
            return False
        asked.hung_up_at = time.monotonic()
        self.close_connection = True
        return True

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A gateway that hangs up is what some tests are about."""


def start_provider() -> tuple[Provider, _Http]:
    """Start a provider in threads of its own; the caller shuts the second one down."""
    provider = Provider()
    play = type("PlayHere", (Play,), {"provider": provider})
    server = _Http(("127.0.0.1", 0), play)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return provider, server
