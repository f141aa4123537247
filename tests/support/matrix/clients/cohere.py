"""A program on Cohere's chat, version 2, with the official client."""

from __future__ import annotations

import json
from typing import Any, Final

import cohere
from cohere.core.api_error import ApiError
from inprocess import SECRET
from matrix.clients.program import Ear, Unsayable, pieces, refuse
from matrix.facts import Heard
from matrix.scenes import Document, Picture, Result, Scene

_FINISHES: Final = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
}
_ONCE: Final[Any] = {"max_retries": 0}


class Program:
    limit: int | None = None

    def __init__(self, url: str) -> None:
        self.ear = Ear()
        self._connections = self.ear.connections()
        self.client = cohere.ClientV2(api_key=SECRET, base_url=url, httpx_client=self._connections)

    def talk(self, scene: Scene, model: str) -> Conversation:
        refuse(scene, documents=False, seen=False)
        return Conversation(self, scene, model)

    def close(self) -> None:
        self._connections.close()


class Conversation:
    def __init__(self, program: Program, scene: Scene, model: str) -> None:
        self._program = program
        self._scene = scene
        self.model = model
        self._messages: list[Any] = []
        self._ids: list[str] = []
        if scene.system:
            self._messages.append({"role": "system", "content": scene.system})

    def say(self, step: int, *, stream: bool) -> Heard:
        self._add(step)
        client, ear = self._program.client, self._program.ear
        try:
            if stream:
                heard = self._streamed(client.chat_stream(**self._fields(step)))
            else:
                found = client.chat(**self._fields(step))
                message = json.loads(found.message.json(exclude_unset=True))
                heard = self._read(message, found.finish_reason, found.usage)
        except ApiError as error:
            heard = Heard(error=type(error).__name__, status=error.status_code)
        return ear.finish(heard)

    def _streamed(self, events: Any) -> Heard:
        counts = dict.fromkeys(("text", "thought", "arguments"), 0)
        message: Any = {"role": "assistant"}
        content: dict[int, Any] = {}
        calls: dict[int, Any] = {}
        end: Any = None
        for event in events:
            match event.type:
                case "content-start":
                    one = json.loads(event.delta.message.content.json(exclude_unset=True))
                    content[event.index] = one
                case "content-delta":
                    _extend(content[event.index], event.delta.message.content, counts)
                case "tool-plan-delta":
                    plan = event.delta.message.tool_plan
                    message["tool_plan"] = message.get("tool_plan", "") + plan
                    counts["thought"] += bool(plan)
                case "tool-call-start":
                    call = event.delta.message.tool_calls
                    calls[event.index] = json.loads(call.json(exclude_unset=True))
                case "tool-call-delta":
                    piece = event.delta.message.tool_calls.function.arguments
                    calls[event.index]["function"]["arguments"] += piece
                    counts["arguments"] += event.index == 0
                case "message-end":
                    end = event.delta
                    if end.error:
                        # The connection breaks after it; the answer is known to be no answer.
                        return Heard(error="message-end ERROR", ended=False)
        if content:
            message["content"] = [content[at] for at in sorted(content)]
        if calls:
            message["tool_calls"] = [calls[at] for at in sorted(calls)]
        heard = self._read(message, end.finish_reason, end.usage)
        heard.flow = pieces(**counts)
        return heard

    def _read(self, message: Any, reason: str, usage: Any) -> Heard:
        self._messages.append(message)
        heard = Heard(finish=_FINISHES[reason], stopped=reason == "STOP_SEQUENCE")
        for part in message.get("content") or []:
            heard.text += part.get("text", "")
            heard.thought += part.get("thinking", "")
        heard.thought += message.get("tool_plan") or ""
        for call in message.get("tool_calls") or []:
            one = call["function"]
            heard.calls.append((one["name"], json.loads(one["arguments"])))
            self._ids.append(call["id"])
        billed = usage.billed_units
        heard.counts = {
            "input": int(billed.input_tokens),
            "output": int(billed.output_tokens),
            "cached": int(usage.cached_tokens or 0) or None,
            "written": None,
            "reasoning": None,
        }
        return heard

    def _add(self, step: int) -> None:
        content: list[Any] = []
        for item in self._scene.steps[step].says:
            match item:
                case Result():
                    call = self._ids[item.call]
                    message = {"role": "tool", "tool_call_id": call, "content": item.text}
                    self._messages.append(message)
                case Picture():
                    url = f"data:{item.media_type};base64,{item.data}"
                    content.append({"type": "image_url", "image_url": {"url": url}})
                case Document():
                    raise Unsayable("file")
                case _:
                    content.append({"type": "text", "text": item})
        if content:
            plain = len(content) == 1
            self._messages.append(
                {"role": "user", "content": content[0]["text"] if plain else content}
            )

    def _fields(self, step: int) -> dict[str, Any]:
        scene = self._scene
        fields: dict[str, Any] = {
            "model": self.model,
            "messages": self._messages,
            "request_options": _ONCE,
        }
        if scene.tools:
            fields["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.schema,
                    },
                }
                for tool in scene.tools
            ]
        if scene.forced and step == 0:
            fields["tool_choice"] = "REQUIRED"
        if scene.schema is not None:
            fields["response_format"] = {"type": "json_object", "json_schema": scene.schema}
        if scene.limit is not None:
            fields["max_tokens"] = scene.limit
        if scene.stop:
            fields["stop_sequences"] = list(scene.stop)
        if scene.temperature is not None:
            fields["temperature"] = scene.temperature
        if scene.reasons:
            fields["thinking"] = {"type": "enabled", "token_budget": 2048}
        return fields


def _extend(part: Any, piece: Any, counts: dict[str, int]) -> None:
    """Add a piece to its part, members included that the client keeps without knowing them."""
    for name, value in json.loads(piece.json(exclude_unset=True)).items():
        if isinstance(value, str) and name != "type":
            part[name] = part.get(name, "") + value
            counts["text"] += name == "text" and bool(value)
            counts["thought"] += name == "thinking" and bool(value)
