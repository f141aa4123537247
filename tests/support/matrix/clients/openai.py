"""A program on OpenAI's chat completions, with the official client."""

from __future__ import annotations

import json
from typing import Any, Final

import openai
from inprocess import SECRET
from matrix.clients.program import Ear, pieces, refuse
from matrix.facts import Heard
from matrix.scenes import Document, Picture, Result, Scene

_FINISHES: Final = {"content_filter": "filter"}


class Program:
    limit: int | None = None

    def __init__(self, url: str) -> None:
        self.ear = Ear()
        self.client = openai.OpenAI(
            api_key=SECRET,
            base_url=f"{url}/v1",
            max_retries=0,
            http_client=self.ear.connections(),
        )

    def talk(self, scene: Scene, model: str) -> Conversation:
        refuse(scene, seen=False)
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
        if scene.system:
            self._messages.append({"role": "system", "content": scene.system})

    def say(self, step: int, *, stream: bool) -> Heard:
        self._add(step)
        ear = self._program.ear
        try:
            heard = self._streamed(step) if stream else self._whole(step)
        except openai.APIError as error:
            status = getattr(error, "status_code", None)
            heard = Heard(error=type(error).__name__, status=status)
        return ear.finish(heard)

    def _whole(self, step: int) -> Heard:
        found = self._program.client.chat.completions.create(**self._fields(step))
        return self._read(found)

    def _streamed(self, step: int) -> Heard:
        counts = dict.fromkeys(("text", "thought", "arguments"), 0)
        fields = self._fields(step)
        fields["stream_options"] = {"include_usage": True}
        with self._program.client.chat.completions.stream(**fields) as events:
            for event in events:
                if event.type != "chunk" or not event.chunk.choices:
                    continue
                delta = event.chunk.choices[0].delta
                counts["text"] += bool(delta.content)
                counts["thought"] += bool(getattr(delta, "reasoning_content", None))
                calls = delta.tool_calls or []
                counts["arguments"] += sum(
                    bool(call.function and call.function.arguments) and call.index == 0
                    for call in calls
                )
            # The final completion itself raises where an answer ended for want of tokens.
            heard = self._read(events.current_completion_snapshot)
        heard.flow = pieces(**counts)
        return heard

    def _read(self, found: Any) -> Heard:
        (choice,) = found.choices
        message = choice.message
        usage = found.usage
        assert usage is not None
        self._messages.append(_returned(message))
        calls: list[Any] = message.tool_calls or []
        self._ids += [call.id for call in calls]
        cached, spent = usage.prompt_tokens_details, usage.completion_tokens_details
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        return Heard(
            text=message.content or "",
            thought=getattr(message, "reasoning_content", None) or "",
            calls=[(call.function.name, json.loads(call.function.arguments)) for call in calls],
            finish=_FINISHES.get(choice.finish_reason, choice.finish_reason),
            counts={
                "input": usage.prompt_tokens,
                "output": usage.completion_tokens,
                "cached": (cached.cached_tokens or None) if cached else None,
                "written": (cached.cache_write_tokens or None) if cached else None,
                "reasoning": (spent.reasoning_tokens or None) if spent else None,
            },
        )

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
                    data = f"data:{item.media_type};base64,{item.data}"
                    file = {"filename": "note.pdf", "file_data": data}
                    content.append({"type": "file", "file": file})
                case _:
                    content.append({"type": "text", "text": item})
        if content:
            plain = len(content) == 1
            self._messages.append(
                {"role": "user", "content": content[0]["text"] if plain else content}
            )

    def _fields(self, step: int) -> dict[str, Any]:
        scene = self._scene
        fields: dict[str, Any] = {"model": self.model, "messages": self._messages}
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
            fields["tool_choice"] = "required"
        if scene.schema is not None:
            form = {"name": "person", "schema": scene.schema, "strict": True}
            fields["response_format"] = {"type": "json_schema", "json_schema": form}
        if scene.limit is not None:
            fields["max_completion_tokens"] = scene.limit
        if scene.stop:
            fields["stop"] = list(scene.stop)
        if scene.temperature is not None:
            fields["temperature"] = scene.temperature
        if scene.reasons:
            fields["reasoning_effort"] = "high"
        return fields


def _returned(message: Any) -> dict[str, Any]:
    """A message as programs put it back: what a request's type knows, and what the host added."""
    held = message.model_dump(exclude_none=True)
    names = {"role", "content", "refusal", "tool_calls", *(message.model_extra or {})}
    kept = {name: value for name, value in held.items() if name in names - {"parsed"}}
    for call in kept.get("tool_calls", []):
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return kept
