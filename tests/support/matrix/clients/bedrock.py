"""A program on Bedrock's Converse, with boto3."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from inprocess import SECRET
from matrix.clients.program import Ear, pieces
from matrix.facts import Heard
from matrix.scenes import Document, Picture, Result, Scene

_FINISHES: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "content_filtered": "filter",
    "guardrail_intervened": "filter",
}


class Program:
    limit: int | None = None

    def __init__(self, url: str) -> None:
        self.ear = Ear()
        self.client: Any = boto3.client(
            "bedrock-runtime",
            endpoint_url=url,
            region_name="eu-west-1",
            aws_access_key_id=SECRET,
            aws_secret_access_key="anything",
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
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
        ear, client = self._program.ear, self._program.client
        try:
            if stream:
                reply = client.converse_stream(**self._fields(step))
                ear.headers = dict(reply["ResponseMetadata"]["HTTPHeaders"])
                heard = self._streamed(reply["stream"])
            else:
                reply = client.converse(**self._fields(step))
                ear.headers = dict(reply["ResponseMetadata"]["HTTPHeaders"])
                message = reply["output"]["message"]
                heard = self._read(message, reply["stopReason"], reply["usage"])
        except EventStreamError as error:
            heard = Heard(error=f"{error.response['Error']['Code']} in the stream")
        except ClientError as error:
            told = error.response["ResponseMetadata"]
            ear.headers = dict(told["HTTPHeaders"])
            heard = Heard(error=type(error).__name__, status=told["HTTPStatusCode"])
        return ear.finish(heard)

    def _streamed(self, events: Any) -> Heard:
        counts = dict.fromkeys(("text", "thought", "arguments", "state"), 0)
        blocks: dict[int, Any] = {}
        first, reason, usage = None, "", {}
        for event in events:
            ((kind, value),) = event.items()
            at = value.get("contentBlockIndex", -1)
            if kind == "contentBlockStart":
                blocks[at] = {"toolUse": {**value["start"]["toolUse"], "input": ""}}
                first = at if first is None else first
            elif kind == "contentBlockDelta":
                said = _extend(blocks, at, value["delta"])
                counts[said] += said != "arguments" or at == first
            elif kind == "messageStop":
                reason = value["stopReason"]
            elif kind == "metadata":
                usage = value["usage"]
        for block in blocks.values():
            if "toolUse" in block:
                block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
        content = [blocks[at] for at in sorted(blocks)]
        heard = self._read({"role": "assistant", "content": content}, reason, usage)
        heard.flow = pieces(**{name: counts[name] for name in ("text", "thought", "arguments")})
        return heard

    def _read(self, message: Any, reason: str, usage: Any) -> Heard:
        self._messages.append(message)
        heard = Heard(finish=_FINISHES[reason], stopped=reason == "stop_sequence")
        for block in message["content"]:
            if "text" in block:
                heard.text += block["text"]
            elif "reasoningContent" in block:
                heard.thought += block["reasoningContent"].get("reasoningText", {}).get("text", "")
            elif "toolUse" in block:
                heard.calls.append((block["toolUse"]["name"], block["toolUse"]["input"]))
                self._ids.append(block["toolUse"]["toolUseId"])
        cached = usage.get("cacheReadInputTokens", 0)
        written = usage.get("cacheWriteInputTokens", 0)
        read = usage["inputTokens"] + cached + written
        assert usage["totalTokens"] == read + usage["outputTokens"]
        heard.counts = {
            "input": read,
            "output": usage["outputTokens"],
            "cached": cached or None,
            "written": written or None,
            "reasoning": None,
        }
        return heard

    def _add(self, step: int) -> None:
        content: list[Any] = []
        for item in self._scene.steps[step].says:
            match item:
                case Result():
                    try:
                        told: Any = {"json": json.loads(item.text)}
                    except ValueError:
                        told = {"text": item.text}
                    seen = [] if item.picture is None else [_image(item.picture)]
                    one = {"toolUseId": self._ids[item.call], "content": [told, *seen]}
                    content.append({"toolResult": one})
                case Picture():
                    content.append(_image(item))
                case Document():
                    data = {"bytes": base64.b64decode(item.data)}
                    content.append({"document": {"format": "pdf", "name": "note", "source": data}})
                case _:
                    content.append({"text": item})
        self._messages.append({"role": "user", "content": content})

    def _fields(self, step: int) -> dict[str, Any]:
        scene = self._scene
        fields: dict[str, Any] = {"modelId": self.model, "messages": self._messages}
        if scene.system:
            fields["system"] = [{"text": scene.system}]
        if scene.tools:
            tools = [
                {
                    "toolSpec": {
                        "name": tool.name,
                        "description": tool.description,
                        "inputSchema": {"json": tool.schema},
                    }
                }
                for tool in scene.tools
            ]
            fields["toolConfig"] = {"tools": tools}
            if scene.forced and step == 0:
                fields["toolConfig"]["toolChoice"] = {"any": {}}
        if scene.schema is not None:
            one = {"jsonSchema": {"schema": json.dumps(scene.schema), "name": "person"}}
            fields["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": one}}
        inference: dict[str, Any] = {}
        if scene.limit is not None:
            inference["maxTokens"] = scene.limit
        if scene.stop:
            inference["stopSequences"] = list(scene.stop)
        if scene.temperature is not None:
            inference["temperature"] = scene.temperature
        if inference:
            fields["inferenceConfig"] = inference
        if scene.reasons:
            thinking = {"type": "enabled", "budget_tokens": 2048}
            fields["additionalModelRequestFields"] = {"thinking": thinking}
        return fields


def _image(picture: Picture) -> dict[str, Any]:
    kind = picture.media_type.removeprefix("image/")
    return {"image": {"format": kind, "source": {"bytes": base64.b64decode(picture.data)}}}


def _extend(blocks: dict[int, Any], at: int, delta: Any) -> str:
    """Add a piece to its block; what kind of piece it was."""
    if "text" in delta:
        blocks.setdefault(at, {"text": ""})["text"] += delta["text"]
        return "text"
    if "toolUse" in delta:
        blocks[at]["toolUse"]["input"] += delta["toolUse"]["input"]
        return "arguments"
    piece = delta["reasoningContent"]
    if "redactedContent" in piece:
        blocks[at] = {"reasoningContent": {"redactedContent": piece["redactedContent"]}}
        return "state"
    empty = {"reasoningContent": {"reasoningText": {"text": ""}}}
    text = blocks.setdefault(at, empty)["reasoningContent"]["reasoningText"]
    if "signature" in piece:
        text["signature"] = text.get("signature", "") + piece["signature"]
        return "state"
    text["text"] += piece["text"]
    return "thought"
