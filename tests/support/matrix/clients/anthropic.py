"""A program on Anthropic's messages, with the official client."""

from __future__ import annotations

from typing import Any, Final

import anthropic
import httpx2
from anthropic.types import Message
from inprocess import SECRET
from matrix.clients.program import Ear, pieces
from matrix.facts import Heard
from matrix.scenes import Document, Picture, Result, Scene

_FINISHES: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "filter",
}


class Program:
    limit: int | None = 4096

    def __init__(self, url: str) -> None:
        self.ear = Ear()
        self.client = anthropic.Anthropic(
            api_key=SECRET,
            base_url=url,
            max_retries=0,
            http_client=self.ear.connections(httpx2.Client),
        )

    def talk(self, scene: Scene, model: str) -> Conversation:
        return Conversation(self, scene, model)

    def close(self) -> None:
        self.client.close()


class Conversation:
    def __init__(self, program: Program, scene: Scene, model: str) -> None:
        self._program = program
        self._scene = scene
        self.model = model
        self._messages: list[Any] = []
        self._ids: list[str] = []

    def say(self, step: int, *, stream: bool) -> Heard:
        self._add(step)
        try:
            heard = self._streamed(step) if stream else self._whole(step)
        except anthropic.APIError as error:
            status = getattr(error, "status_code", None)
            heard = Heard(error=type(error).__name__, status=status)
        return self._program.ear.finish(heard)

    def _whole(self, step: int) -> Heard:
        return self._read(self._program.client.messages.create(**self._fields(step)))

    def _streamed(self, step: int) -> Heard:
        counts = dict.fromkeys(("text", "thought", "arguments"), 0)
        first: int | None = None
        with self._program.client.messages.stream(**self._fields(step)) as events:
            for event in events:
                if event.type != "content_block_delta":
                    continue
                match event.delta.type:
                    case "text_delta":
                        counts["text"] += 1
                    case "thinking_delta":
                        counts["thought"] += 1
                    case "input_json_delta":
                        first = event.index if first is None else first
                        counts["arguments"] += event.index == first and bool(
                            event.delta.partial_json
                        )
            heard = self._read(events.get_final_message())
        heard.flow = pieces(**counts)
        return heard

    def _read(self, found: Message) -> Heard:
        heard = Heard()
        for block in found.content:
            match block.type:
                case "text":
                    heard.text += block.text
                case "thinking":
                    heard.thought += block.thinking
                case "tool_use":
                    heard.calls.append((block.name, block.input))
                    self._ids.append(block.id)
        content = [
            block.model_dump(exclude_none=True, exclude={"parsed_output"})
            for block in found.content
        ]
        self._messages.append({"role": "assistant", "content": content})
        heard.finish = _FINISHES[found.stop_reason or ""]
        heard.stopped = found.stop_reason == "stop_sequence"
        usage = found.usage
        cached, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
        details = usage.output_tokens_details
        heard.counts = {
            "input": usage.input_tokens + (cached or 0) + (written or 0),
            "output": usage.output_tokens,
            "cached": cached or None,
            "written": written or None,
            "reasoning": (details.thinking_tokens or None) if details else None,
        }
        return heard

    def _add(self, step: int) -> None:
        content: list[Any] = []
        for item in self._scene.steps[step].says:
            match item:
                case Result():
                    told: Any = item.text
                    if item.picture is not None:
                        told = [{"type": "text", "text": item.text}, _block(item.picture)]
                    block: dict[str, Any] = {"type": "tool_result", "content": told}
                    content.append({**block, "tool_use_id": self._ids[item.call]})
                case Picture():
                    content.append(_block(item))
                case Document():
                    content.append({**_block(item), "type": "document"})
                case _:
                    content.append({"type": "text", "text": item})
        self._messages.append({"role": "user", "content": content})

    def _fields(self, step: int) -> dict[str, Any]:
        scene = self._scene
        fields: dict[str, Any] = {
            "model": self.model,
            "messages": self._messages,
            "max_tokens": scene.limit or Program.limit,
        }
        if scene.system:
            fields["system"] = scene.system
        if scene.tools:
            fields["tools"] = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": tool.schema,
                }
                for tool in scene.tools
            ]
        if scene.forced and step == 0:
            fields["tool_choice"] = {"type": "any"}
        if scene.schema is not None:
            form = {"type": "json_schema", "schema": scene.schema}
            fields["output_config"] = {"format": form}
        if scene.stop:
            fields["stop_sequences"] = list(scene.stop)
        if scene.temperature is not None:
            fields["extra_body"] = {"temperature": scene.temperature}
        if scene.reasons:
            fields["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        return fields


def _block(item: Picture | Document) -> dict[str, Any]:
    source = {"type": "base64", "media_type": item.media_type, "data": item.data}
    return {"type": "image", "source": source}
