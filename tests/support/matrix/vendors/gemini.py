"""A host that speaks Gemini's generateContent.

It gives calls no ids and signs the first call of a turn, as the developer API does.
Reference: https://ai.google.dev/api/generate-content,
https://ai.google.dev/gemini-api/docs/thought-signatures, the official client's types.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Final

from gemini_vendor import check_answer, check_body
from matrix.facts import CLIENT, STATE, Asked, Traits, outcome
from matrix.scenes import Answer, Fault
from matrix.vendors.typed import MESSAGES, Body, compact, cut

from federation.catalogue import reader
from federation.domain.catalogue import Model, Provider

NAME: Final = "gemini"
TRAITS: Final = Traits(states=True, thoughts=False, signs_calls=True)
SECRET: Final = "AIza-of-gemini"
MODEL: Final = "gemini-4-argon"
_FREE: Final = frozenset(("args", "response", "parametersJsonSchema", "responseJsonSchema"))
STAND_IN: Final = ("context_engineering_is_the_way_to_go", "skip_thought_signature_validator")
_FINISHES: Final = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "filter": "SAFETY",
}
_FAULTS: Final = {429: "RESOURCE_EXHAUSTED", 400: "INVALID_ARGUMENT", 500: "INTERNAL"}


def row(origin: str) -> tuple[Provider, Model, str]:
    found = reader.load()["google"]
    offered = next(one for one in found.models if one.id == MODEL)
    return replace(found, base_url=f"{origin}/v1beta", private=True, models=()), offered, SECRET


def read(target: str, headers: dict[str, str], data: bytes) -> Asked:
    path, _, query = target.partition("?")
    verb = path.removeprefix(f"/v1beta/models/{MODEL}:")
    assert verb in ("generateContent", "streamGenerateContent"), target
    assert headers["x-goog-api-key"] == SECRET
    assert query == ("alt=sse" if verb.startswith("stream") else "")
    body: Body = json.loads(data)
    if headers[CLIENT] == NAME:
        # Its own client writes some members in the other spelling, and is handed through.
        body = _camel(body)
    check_body(body)
    asked = Asked(stream=verb.startswith("stream"))
    asked.system = "".join(
        part["text"] for part in body.get("systemInstruction", {}).get("parts", [])
    )
    _turns(asked, body["contents"])
    for tool in body.get("tools", []):
        for one in tool["functionDeclarations"]:
            schema = one.get("parametersJsonSchema") or one.get("parameters")
            asked.tools[one["name"]] = (one["description"], schema)
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    asked.forced = calling.get("mode") == "ANY"
    config = body.get("generationConfig", {})
    if "responseJsonSchema" in config:
        assert config["responseMimeType"] == "application/json"
        asked.schema = config["responseJsonSchema"]
    asked.limit = config.get("maxOutputTokens")
    asked.stop = tuple(config.get("stopSequences", ()))
    asked.temperature = config.get("temperature")
    asked.reasons = bool(config.get("thinkingConfig", {}).get("includeThoughts"))
    return asked


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    told = {re.sub("_([a-z])", lambda at: at[1].upper(), name): one for name, one in value.items()}
    return {name: one if name in _FREE else _camel(one) for name, one in told.items()}


def _turns(asked: Asked, contents: list[Body]) -> None:
    open_calls: list[tuple[int, str]] = []
    count = 0
    for content in contents:
        role = {"user": "user", "model": "assistant"}[content["role"]]
        signed = False
        for part in content["parts"]:
            if part.get("thought"):
                # Taken, and not needed.
                assert part["text"]
            elif "functionCall" in part:
                call = part["functionCall"]
                if not signed:
                    # The first call of a turn without a signature is a 400 of the vendor's.
                    signed = True
                    state = part["thoughtSignature"]
                    if state not in STAND_IN:
                        asked.states.append(state)
                open_calls.append((count, call["name"]))
                asked.said.append((role, "call", count, call["name"], call["args"]))
                count += 1
            elif "functionResponse" in part:
                answer = part["functionResponse"]
                # Without ids, results stand in the order of their calls.
                number, name = open_calls.pop(0) if open_calls else (-1, "")
                asked.linked = asked.linked and name == answer["name"]
                asked.said.append(("tool", "result", number, outcome(answer["response"])))
                for piece in answer.get("parts", []):
                    inline = piece["inlineData"]
                    data = inline["data"].replace("-", "+").replace("_", "/")
                    asked.said.append(("tool", "image", inline["mimeType"], data))
            elif "inlineData" in part:
                inline = part["inlineData"]
                # Either alphabet is taken here.
                data = inline["data"].replace("-", "+").replace("_", "/")
                kind = "image" if inline["mimeType"].startswith("image/") else "document"
                asked.said.append((role, kind, inline["mimeType"], data))
            elif part["text"]:
                asked.said.append((role, "text", part["text"]))


def _parts(answer: Answer) -> list[Body]:
    parts: list[Body] = []
    if answer.thought:
        parts.append({"text": answer.thought, "thought": True})
    if answer.text:
        parts.append({"text": answer.text})
    for number, call in enumerate(answer.calls):
        part: Body = {"functionCall": {"name": call.name, "args": call.arguments}}
        if number == 0:
            part["thoughtSignature"] = STATE
        parts.append(part)
    if answer.thought and not answer.calls:
        parts[-1]["thoughtSignature"] = STATE
    return parts


def _usage(answer: Answer) -> Body:
    counts = answer.counts
    usage = {
        "promptTokenCount": counts.input,
        "candidatesTokenCount": counts.output - counts.reasoning,
        "totalTokenCount": counts.input + counts.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": counts.input}],
    }
    if counts.cached:
        usage["cachedContentTokenCount"] = counts.cached
    if counts.reasoning:
        usage["thoughtsTokenCount"] = counts.reasoning
    return usage


def _body(parts: list[Body], finish: str | None, answer: Answer) -> Body:
    candidate: Body = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    if finish == "SAFETY":
        candidate["safetyRatings"] = [
            {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
        ]
    body: Body = {
        "candidates": [candidate],
        "usageMetadata": _usage(answer),
        "modelVersion": f"{MODEL}-001",
        "responseId": "resp-1",
    }
    check_answer(json.loads(compact(body)))
    return body


def whole(answer: Answer) -> bytes:
    body = _body(_parts(answer), _FINISHES[answer.finish], answer)
    return json.dumps(body, indent=2, ensure_ascii=False).encode()


def stream(answer: Answer) -> tuple[str, list[bytes]]:
    events: list[Body] = []
    for part in _parts(answer):
        if "text" not in part:
            events.append(_body([part], None, answer))
            continue
        pieces = cut(part["text"])
        for at, piece in enumerate(pieces):
            one = {**part, "text": piece}
            if at < len(pieces) - 1:
                one.pop("thoughtSignature", None)
            events.append(_body([one], None, answer))
    if answer.breaks:
        failure = {"code": 500, "message": MESSAGES[500], "status": "INTERNAL"}
        return "text/event-stream", [*map(_event, events), _event({"error": failure})]
    events.append(_body([{"text": ""}], _FINISHES[answer.finish], answer))
    return "text/event-stream", [_event(event) for event in events]


def _event(body: Body) -> bytes:
    return b"data: " + compact(body) + b"\r\n\r\n"


def fault(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    error: dict[str, Any] = {
        "code": fault.status,
        "message": MESSAGES[fault.status],
        "status": _FAULTS[fault.status],
    }
    if fault.retry_after is not None:
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        error["details"] = [{"@type": kind, "retryDelay": f"{fault.retry_after}s"}]
    return fault.status, {}, compact({"error": error})
