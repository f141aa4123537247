"""A program on Gemini's generateContent, with the official client."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from google import genai
from google.genai import errors, types
from inprocess import SECRET
from matrix.clients.program import Ear, pieces
from matrix.facts import Heard
from matrix.scenes import Document, Picture, Result, Scene

_FINISHES: Final = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "filter"}


class Program:
    limit: int | None = None

    def __init__(self, url: str) -> None:
        self.ear = Ear()
        self._connections = self.ear.connections()
        self.client = genai.Client(
            api_key=SECRET,
            http_options=types.HttpOptions(base_url=url, httpx_client=self._connections),
        )

    def talk(self, scene: Scene, model: str) -> Conversation:
        return Conversation(self, scene, model)

    def close(self) -> None:
        self.client.close()
        self._connections.close()


class Conversation:
    def __init__(self, program: Program, scene: Scene, model: str) -> None:
        self._program = program
        self._scene = scene
        self.model = model
        self._contents: list[types.Content] = []
        self._calls: list[types.FunctionCall] = []

    def say(self, step: int, *, stream: bool) -> Heard:
        self._add(step)
        models = self._program.client.models
        fields: dict[str, Any] = {
            "model": self.model,
            "contents": self._contents,
            "config": self._config(step),
        }
        try:
            if stream:
                chunks = list(models.generate_content_stream(**fields))
            else:
                chunks = [models.generate_content(**fields)]
            heard = self._read(chunks, stream=stream)
        except errors.APIError as error:
            heard = Heard(
                error=type(error).__name__, status=error.code, retry_after=_delay(error.details)
            )
        return self._program.ear.finish(heard)

    def _read(self, chunks: list[types.GenerateContentResponse], *, stream: bool) -> Heard:
        heard = Heard()
        counts = dict.fromkeys(("text", "thought", "arguments"), 0)
        parts: list[types.Part] = []
        for chunk in chunks:
            candidate = (chunk.candidates or [None])[0]  # type: ignore[list-item]
            if candidate is None:
                continue
            if candidate.finish_reason is not None:
                heard.finish = candidate.finish_reason.value
            for part in (candidate.content and candidate.content.parts) or []:
                parts.append(part)
                self._part(heard, part, counts)
        heard.finish = _FINISHES[heard.finish]
        if heard.finish == "stop" and heard.calls:
            heard.finish = "tool_calls"
        if parts:
            self._contents.append(types.Content(role="model", parts=parts))
        usage = chunks[-1].usage_metadata
        assert usage is not None
        thoughts = usage.thoughts_token_count or 0
        heard.counts = {
            "input": usage.prompt_token_count,
            "output": (usage.candidates_token_count or 0) + thoughts,
            "cached": usage.cached_content_token_count or None,
            "written": None,
            "reasoning": thoughts or None,
        }
        if stream:
            heard.flow = pieces(**counts)
        return heard

    def _part(self, heard: Heard, part: types.Part, counts: dict[str, int]) -> None:
        if part.function_call is not None:
            heard.calls.append((part.function_call.name or "", part.function_call.args))
            self._calls.append(part.function_call)
        elif part.thought:
            heard.thought += part.text or ""
            counts["thought"] += bool(part.text)
        else:
            heard.text += part.text or ""
            counts["text"] += bool(part.text)

    def _add(self, step: int) -> None:
        parts: list[types.Part] = []
        for item in self._scene.steps[step].says:
            match item:
                case Result():
                    call = self._calls[item.call]
                    try:
                        response = json.loads(item.text)
                    except ValueError:
                        response = {"output": item.text}
                    answer = types.FunctionResponse(id=call.id, name=call.name, response=response)
                    if item.picture is not None:
                        data, kind = base64.b64decode(item.picture.data), item.picture.media_type
                        blob = types.FunctionResponseBlob(mime_type=kind, data=data)
                        answer.parts = [types.FunctionResponsePart(inline_data=blob)]
                    parts.append(types.Part(function_response=answer))
                case Picture() | Document():
                    data = base64.b64decode(item.data)
                    parts.append(types.Part.from_bytes(data=data, mime_type=item.media_type))
                case _:
                    parts.append(types.Part(text=item))
        self._contents.append(types.Content(role="user", parts=parts))

    def _config(self, step: int) -> types.GenerateContentConfig:
        scene = self._scene
        config = types.GenerateContentConfig(
            system_instruction=scene.system or None,
            max_output_tokens=scene.limit,
            stop_sequences=list(scene.stop) or None,
            temperature=scene.temperature,
        )
        if scene.tools:
            declared = [
                types.FunctionDeclaration(
                    name=tool.name,
                    description=tool.description,
                    parameters_json_schema=tool.schema,
                )
                for tool in scene.tools
            ]
            config.tools = [types.Tool(function_declarations=declared)]
        if scene.forced and step == 0:
            mode = types.FunctionCallingConfigMode.ANY
            calling = types.FunctionCallingConfig(mode=mode)
            config.tool_config = types.ToolConfig(function_calling_config=calling)
        if scene.schema is not None:
            config.response_mime_type = "application/json"
            config.response_json_schema = scene.schema
        if scene.reasons:
            config.thinking_config = types.ThinkingConfig(
                include_thoughts=True, thinking_level=types.ThinkingLevel.HIGH
            )
        return config


def _delay(details: Any) -> str:
    """The seconds of a `RetryInfo`, where the client's programs look for them."""
    found = details.get("error", details) if isinstance(details, dict) else {}
    for detail in found.get("details") or []:
        if detail.get("@type", "").endswith("RetryInfo"):
            return str(detail["retryDelay"]).removesuffix("s")
    return ""
