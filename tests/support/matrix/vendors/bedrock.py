"""A host that speaks Bedrock's Converse and ConverseStream, binary events included.

Reference: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
botocore's service model; frames:
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import itertools
import json
import zlib
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

from bedrock_vendor import check_request, parse_answer
from inprocess import model
from matrix.facts import STATE, Asked, Traits, outcome
from matrix.scenes import Answer, Fault
from matrix.vendors.typed import KINDS, MESSAGES, Body, compact, cut

from federation.catalogue import reader
from federation.domain.catalogue import Ability, Model, Provider

NAME: Final = "bedrock"
TRAITS: Final = Traits(states=True)
MODEL: Final = "anthropic.claude-matrix-v1:0"
KEY: Final = json.dumps(
    {
        "AWS_ACCESS_KEY_ID": "AKIAMATRIX",
        "AWS_SECRET_ACCESS_KEY": "secret-of-bedrock",
        "AWS_REGION": "eu-west-1",
    }
)
_FINISHES: Final = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "filter": "content_filtered",
}
_FAULTS: Final = {
    429: "ThrottlingException",
    400: "ValidationException",
    500: "InternalServerException",
}


def row(origin: str) -> tuple[Provider, Model, str]:
    found = reader.load()["bedrock"]
    offered = model(
        MODEL,
        abilities=frozenset(Ability),
        input_modalities=KINDS,
        quirks={"reasoning_control": "budget", "cache_min_tokens": 1024},
    )
    quirks = {**found.quirks, "auth_service": "bedrock"}
    return replace(found, base_url=origin, private=True, models=(), quirks=quirks), offered, KEY


def call_id(number: int) -> str:
    return f"tooluse_{number}aBcDeFgHiJkLmN"


def read(target: str, headers: dict[str, str], data: bytes) -> Asked:
    body = check_request(target, data, model=MODEL)
    verb = unquote(target).removeprefix(f"/model/{MODEL}/")
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAMATRIX/")
    asked = Asked(stream=verb == "converse-stream")
    asked.system = "".join(block["text"] for block in body.get("system", []))
    _turns(asked, body["messages"])
    for tool in body.get("toolConfig", {}).get("tools", []):
        one = tool["toolSpec"]
        asked.tools[one["name"]] = (one["description"], one["inputSchema"]["json"])
    asked.forced = "any" in body.get("toolConfig", {}).get("toolChoice", {})
    form = body.get("outputConfig", {}).get("textFormat")
    if form is not None:
        asked.schema = json.loads(form["structure"]["jsonSchema"]["schema"])
    inference = body.get("inferenceConfig", {})
    asked.limit = inference.get("maxTokens")
    asked.stop = tuple(inference.get("stopSequences", ()))
    asked.temperature = inference.get("temperature")
    thinking = body.get("additionalModelRequestFields", {}).get("thinking", {})
    asked.reasons = thinking.get("type") == "enabled"
    if asked.reasons:
        assert thinking["budget_tokens"] >= 1024
        assert not asked.forced
        assert asked.temperature is None
        answered = body["messages"][-2]["content"] if len(body["messages"]) > 1 else []
        if any("toolUse" in block for block in answered):
            # The turn whose calls are being answered must begin with its thinking.
            assert "reasoningContent" in answered[0]
    return asked


def _turns(asked: Asked, messages: list[Body]) -> None:
    numbers: dict[str, int] = {}
    roles = [message["role"] for message in messages]
    assert roles[0] == "user"
    assert all(one != other for one, other in itertools.pairwise(roles)), roles
    for message in messages:
        for block in message["content"]:
            _block(asked, message["role"], block, numbers)


def _block(asked: Asked, role: str, block: Body, numbers: dict[str, int]) -> None:
    ((kind, value),) = block.items()
    match kind:
        case "text":
            assert value.strip()
            asked.said.append((role, "text", value))
        case "image":
            data = value["source"]["bytes"]
            asked.said.append((role, "image", f"image/{value['format']}", data))
        case "document":
            kind = f"application/{value['format']}"
            asked.said.append((role, "document", kind, value["source"]["bytes"]))
        case "reasoningContent":
            assert value["reasoningText"]["signature"] == STATE
            asked.thoughts.append(value["reasoningText"]["text"])
            asked.states.append(value["reasoningText"]["signature"])
        case "toolUse":
            number = len(numbers)
            asked.ids = asked.ids and value["toolUseId"] == call_id(number)
            numbers[value["toolUseId"]] = number
            asked.said.append((role, "call", number, value["name"], value["input"]))
        case "toolResult":
            asked.linked = asked.linked and value["toolUseId"] in numbers
            number = numbers.get(value["toolUseId"], -1)
            for item in value["content"]:
                if "image" in item:
                    _block(asked, "tool", item, numbers)
                else:
                    found = item["json"] if "json" in item else item["text"]
                    asked.said.append(("tool", "result", number, outcome(found)))
        case _:
            raise AssertionError(kind)


def _usage(answer: Answer) -> Body:
    counts = answer.counts
    return {
        "inputTokens": counts.input - counts.cached - counts.written,
        "outputTokens": counts.output,
        "totalTokens": counts.input + counts.output,
        "cacheReadInputTokens": counts.cached,
        "cacheWriteInputTokens": counts.written,
    }


def whole(answer: Answer) -> bytes:
    blocks: list[Body] = []
    if answer.thought:
        text = {"text": answer.thought, "signature": STATE}
        blocks.append({"reasoningContent": {"reasoningText": text}})
    if answer.text:
        blocks.append({"text": answer.text})
    for number, call in enumerate(answer.calls):
        use = {"toolUseId": call_id(number), "name": call.name, "input": call.arguments}
        blocks.append({"toolUse": use})
    body = compact(
        {
            "output": {"message": {"role": "assistant", "content": blocks}},
            "stopReason": _FINISHES[answer.finish],
            "usage": _usage(answer),
            "metrics": {"latencyMs": 551},
        }
    )
    parse_answer(body)
    return body


def stream(answer: Answer) -> tuple[str, list[bytes]]:
    events: list[tuple[str, Body]] = [("messageStart", {"role": "assistant"})]
    index = 0
    if answer.thought:
        pieces: list[Body] = [{"text": piece} for piece in cut(answer.thought)]
        deltas = [{"reasoningContent": piece} for piece in [*pieces, {"signature": STATE}]]
        events += _block_events(index, None, deltas)
        index += 1
    if answer.text:
        events += _block_events(index, None, [{"text": piece} for piece in cut(answer.text)])
        index += 1
    if answer.breaks:
        frames = [_frame(name, body) for name, body in events[:-1]]
        failure = compact({"message": MESSAGES[500]})
        frames.append(_frame("internalServerException", failure, kind="exception"))
        return "application/vnd.amazon.eventstream", frames
    for number, call in enumerate(answer.calls):
        text = json.dumps(call.arguments, ensure_ascii=False)
        head = {"toolUse": {"toolUseId": call_id(number), "name": call.name}}
        deltas = [{"toolUse": {"input": piece}} for piece in cut(text, 4)]
        events += _block_events(index, head, deltas)
        index += 1
    events.append(("messageStop", {"stopReason": _FINISHES[answer.finish]}))
    events.append(("metadata", {"usage": _usage(answer), "metrics": {"latencyMs": 551}}))
    kind = "application/vnd.amazon.eventstream"
    return kind, [_frame(name, body) for name, body in events]


def _block_events(index: int, head: Body | None, deltas: list[Body]) -> list[tuple[str, Body]]:
    place = {"contentBlockIndex": index}
    opening = [] if head is None else [("contentBlockStart", {**place, "start": head})]
    # The vendor pads events with a member that its model does not list.
    told = [("contentBlockDelta", {**place, "delta": delta, "p": "abcdef"}) for delta in deltas]
    return [*opening, *told, ("contentBlockStop", place)]


def _frame(name: str, body: Any, kind: str = "event") -> bytes:
    payload = body if isinstance(body, bytes) else compact(body)
    headers = b""
    for key, value in (
        (f":{kind}-type", name),
        (":content-type", "application/json"),
        (":message-type", kind),
    ):
        headers += bytes((len(key),)) + key.encode() + b"\x07"
        headers += len(value).to_bytes(2, "big") + value.encode()
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big")
    prelude += len(headers).to_bytes(4, "big")
    message = prelude + zlib.crc32(prelude).to_bytes(4, "big") + headers + payload
    return message + zlib.crc32(message).to_bytes(4, "big")


def fault(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    headers = {"x-amzn-errortype": f"{_FAULTS[fault.status]}:http://internal.amazon.com/"}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    return fault.status, headers, compact({"message": MESSAGES[fault.status]})
