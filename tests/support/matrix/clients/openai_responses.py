"""A program on OpenAI's responses that keeps its own history, with the official client."""

from __future__ import annotations

import json
from typing import Any, Final

import openai
from inprocess import SECRET
from matrix.clients.program import Ear, Unsayable, pieces
from matrix.facts import Heard
from matrix.scenes import Document, Picture, Result, Scene
from openai.types.responses import Response

_REASONS: Final = {"max_output_tokens": "length", "content_filter": "filter"}


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
        if scene.stop:
            raise Unsayable("stop")
        return Conversation(self, scene, model)

    def close(self) -> None:
        self.client.close()


class Conversation:
    def __init__(self, program: Program, scene: Scene, model: str) -> None:
        self._program = program
        self._scene = scene
        self.model = model
        self._items: list[Any] = []
        self._ids: list[str] = []

    def say(self, step: int, *, stream: bool) -> Heard:
        self._add(step)
        try:
            heard = self._streamed(step) if stream else self._whole(step)
        except openai.APIError as error:
            status = getattr(error, "status_code", None)
            heard = Heard(error=type(error).__name__, status=status)
        return self._program.ear.finish(heard)

    def _whole(self, step: int) -> Heard:
        return self._read(self._program.client.responses.create(**self._fields(step)))

    def _streamed(self, step: int) -> Heard:
        counts = dict.fromkeys(("text", "thought", "arguments"), 0)
        kinds = {
            "response.output_text.delta": "text",
            "response.reasoning_summary_text.delta": "thought",
            "response.reasoning_text.delta": "thought",
        }
        texts = dict.fromkeys(counts, "")
        final: Response | None = None
        index: int | None = None
        with self._program.client.responses.stream(**self._fields(step)) as events:
            for event in events:
                if event.type in kinds:
                    counts[kinds[event.type]] += 1
                    texts[kinds[event.type]] += str(getattr(event, "delta", ""))
                elif event.type == "response.function_call_arguments.delta":
                    index = event.output_index if index is None else index
                    counts["arguments"] += event.output_index == index
                elif event.type in ("response.completed", "response.incomplete"):
                    final = event.response
                elif event.type == "response.failed":
                    assert event.response.error is not None
                    return Heard(error=event.type, ended=False)
        assert final is not None
        heard = self._read(final)
        assert (heard.text, heard.thought) == (texts["text"], texts["thought"])
        heard.flow = pieces(**counts)
        return heard

    def _read(self, found: Response) -> Heard:
        heard = Heard()
        for item in found.output:
            if item.type == "message":
                heard.text += "".join(getattr(part, "text", "") for part in item.content)
            elif item.type == "reasoning":
                heard.thought += "".join(part.text for part in item.summary)
                heard.thought += "".join(part.text for part in item.content or [])
            elif item.type == "function_call":
                heard.calls.append((item.name, json.loads(item.arguments)))
                self._ids.append(item.call_id)
            self._items.append(_plain(item))
        if found.incomplete_details is not None:
            assert found.status == "incomplete"
            heard.finish = _REASONS[found.incomplete_details.reason or ""]
        else:
            assert found.status == "completed"
            heard.finish = "tool_calls" if heard.calls else "stop"
        usage = found.usage
        assert usage is not None
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        details = usage.input_tokens_details
        heard.counts = {
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": details.cached_tokens or None,
            "written": details.cache_write_tokens or None,
            "reasoning": usage.output_tokens_details.reasoning_tokens or None,
        }
        return heard

    def _add(self, step: int) -> None:
        content: list[Any] = []
        for item in self._scene.steps[step].says:
            match item:
                case Result():
                    call = self._ids[item.call]
                    told: Any = item.text
                    if item.picture is not None:
                        told = [{"type": "input_text", "text": item.text}, _image(item.picture)]
                    output = {"type": "function_call_output", "call_id": call, "output": told}
                    self._items.append(output)
                case Picture():
                    content.append(_image(item))
                case Document():
                    data = f"data:{item.media_type};base64,{item.data}"
                    content.append(
                        {"type": "input_file", "filename": "note.pdf", "file_data": data}
                    )
                case _:
                    content.append({"type": "input_text", "text": item})
        if content:
            self._items.append({"role": "user", "content": content})

    def _fields(self, step: int) -> dict[str, Any]:
        scene = self._scene
        fields: dict[str, Any] = {"model": self.model, "input": self._items, "store": False}
        if scene.system:
            fields["instructions"] = scene.system
        if scene.tools:
            fields["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.schema,
                    "strict": False,
                }
                for tool in scene.tools
            ]
        if scene.forced and step == 0:
            fields["tool_choice"] = "required"
        if scene.schema is not None:
            form = {"type": "json_schema", "name": "person", "schema": scene.schema, "strict": True}
            fields["text"] = {"format": form}
        if scene.limit is not None:
            fields["max_output_tokens"] = scene.limit
        if scene.temperature is not None:
            fields["temperature"] = scene.temperature
        if scene.reasons:
            fields["reasoning"] = {"effort": "high", "summary": "auto"}
            fields["include"] = ["reasoning.encrypted_content"]
        return fields


def _image(picture: Picture) -> dict[str, Any]:
    url = f"data:{picture.media_type};base64,{picture.data}"
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def _plain(item: Any) -> Any:
    """An item as programs put it into the next input: all that the client's object holds."""
    return item.model_dump(exclude_none=True, exclude={"parsed", "parsed_arguments"})
